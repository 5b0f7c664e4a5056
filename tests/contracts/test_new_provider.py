"""A provider nobody has described, with a new combination of known facts: a row in a file is all it takes."""

from dataclasses import replace
from pathlib import Path

import pytest

from agentkit import Agent, MemoryJournal, Model, Session
from agentkit.emulator import CONTRACTS, Emulator
from agentkit.errors import ContractViolation
from tests.contracts.rows import find, losses, note, refusals, turns

pytestmark = pytest.mark.anyio

ROW = """
[[row]]
# Thinks in `reasoning`, wants it back for as long as tools are sent, and switches like nobody else.
id = "acme"
match = { host = ["127.0.0.1"], model = ["acme-*"] }
carrier = { read = ["reasoning"], write = "reasoning" }
retention = "sticky-if-tools"
missing = "error"
placeholder = " "
on_model_switch = "keep_text"
forced_tool_choice = "required_only"
sampling = "fixed_error"
system_role = "developer"
token_limit_key = "max_completion_tokens"
error_match = { reasoning = ["ACME wants its thoughts"] }

[row.call_ids]
pattern = "[a-z0-9]{9}"

[row.thinking]
off = { mind = { idle = true } }
effort_key = "mind.effort"
effort = { low = "a-bit", high = "a-lot" }
effort_only = true
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my-contracts.toml"
    path.write_text(ROW, "utf-8")
    return path


@pytest.fixture
def forgetful(tmp_path: Path) -> Path:
    path = tmp_path / "wrong-contracts.toml"
    path.write_text(ROW.replace('"sticky-if-tools"', '"turn"'), "utf-8")
    return path


def acme() -> Emulator:
    row = replace(
        CONTRACTS["deepseek-v4"],
        name="acme",
        carrier="reasoning",
        missing="ACME wants its thoughts.",
        roles=ROLES,
        call_ids="[a-z0-9]{9}",
    )
    return Emulator({"go": turns("acme")}, contract=row)


ROLES = ("developer", "user", "assistant", "tool")


async def test_a_row_in_a_file_is_enough(file: Path) -> None:
    async with acme() as server:
        model = Model("acme-1", base_url=server.base_url, contract=file)
        asked = Agent(model, instructions="Help.", tools=(find, note), settings={"effort": "high", "max_tokens": 99})
        async with Session(asked, "s", journal=MemoryJournal()) as session:
            await session.run("go")
            assert (await session.run("more")).output == "Done."
        assert (refusals(server), losses(server.counts)) == ([], {})
        body = server.requests[-1].body
        assert body is not None
        assert (body["mind"], body["max_completion_tokens"]) == ({"effort": "a-lot"}, 99)
        assert body["messages"][0]["role"] == "developer"


async def test_a_wrong_row_is_refused_by_name(forgetful: Path) -> None:
    """The judge judges: the same conversation under a row that drops reasoning is a 400, and it is named."""
    async with acme() as server:
        model = Model("acme-1", base_url=server.base_url, contract=forgetful)
        async with Session(Agent(model, tools=(find, note)), "s", journal=MemoryJournal()) as session:
            await session.run("go")
            with pytest.raises(ContractViolation, match=r"ACME wants its thoughts.*contract row 'acme'"):
                await session.run("more")
