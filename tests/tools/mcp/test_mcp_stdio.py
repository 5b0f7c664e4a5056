"""Servers that are programs: they die in mid-call, are started again, and get no key of ours."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentkit import ToolContext
from agentkit.core.events import ToolFinished, ToolUnknown
from agentkit.core.messages import text_of
from agentkit.errors import ConfigurationError
from agentkit.tools.dispatch import Dispatch, Job
from agentkit.tools.mcp import MCPTools, Stdio
from agentkit.tools.names import legal
from tests.tools.mcp.shop import until

pytestmark = pytest.mark.anyio
MakeJob = Callable[..., Job]
PROGRAM = Path(__file__).parent / "crashing.py"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "calls"


def crashing(log: Path, *more: str) -> Stdio:
    return Stdio(sys.executable, "-S", "-E", str(PROGRAM), str(log), *more, log=log.with_suffix(".err"))


def sent(log: Path) -> list[str]:
    return log.read_text().split()


async def test_a_once_call_whose_server_died_is_unknown_and_the_next_call_finds_the_server_again(
    log: Path, make_job: MakeJob
) -> None:
    async with MCPTools(crashing(log)) as server:
        dispatch = Dispatch(server.tools)
        lost = await dispatch.run(make_job("die"))
        assert isinstance(lost, ToolUnknown)
        found = await dispatch.run(make_job("note"))
        assert isinstance(found, ToolFinished)
        assert "\nnote done\n" in text_of(found.parts)
    assert sent(log) == ["die", "note"]  # nothing was sent twice


async def test_a_server_that_dies_again_before_it_was_sent_a_call_leaves_none_in_doubt(
    log: Path, make_job: MakeJob
) -> None:
    async with MCPTools(crashing(log, "frail")) as server:
        dispatch = Dispatch(server.tools)
        assert isinstance(await dispatch.run(make_job("die")), ToolUnknown)
        missed = await dispatch.run(make_job("note"))
        assert isinstance(missed, ToolFinished)
        assert "cannot be reached" in text_of(missed.parts)
    assert sent(log) == ["die"]


async def test_a_call_that_may_be_repeated_is_made_again_once(log: Path, make_job: MakeJob) -> None:
    async with MCPTools(crashing(log), effect="idempotent") as server:
        dispatch = Dispatch(server.tools)
        done = await dispatch.run(make_job("die"))
        assert isinstance(done, ToolFinished)
        assert (done.failed, "\ndie done\n" in text_of(done.parts)) == (False, True)
    assert sent(log) == ["die", "die"]


async def test_tools_that_come_later_are_there_for_the_next_agent(log: Path) -> None:
    async with MCPTools(crashing(log)) as server:
        before = server.tools
        await before[1]({}, ToolContext(None))
        await until(lambda: len(server.tools) > len(before))
        assert [each.name for each in server] == ["die", "grow", "grown", "note"]
        assert [each.name for each in before] == ["die", "grow", "note"]


@pytest.mark.parametrize("words", [("no-such-program",), (sys.executable, "-c", "pass")])
async def test_a_program_that_is_not_there_or_is_no_server_is_said_to_be_so(words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot be used.*(No such file|Start it in a terminal)"):
        async with MCPTools(Stdio(*words)):
            pass
    with pytest.raises(ConfigurationError, match="name a program"):
        Stdio()


@pytest.mark.parametrize(
    ("given", "prefix", "made"),
    [
        (["read"], "", ["read"]),
        (["read"], "files", ["files_read"]),
        (["a.b", "ä"], "", ["a_b", "_"]),
        (["a.b", "a_b"], "", ["a_b_31d1e1bc", "a_b"]),
        (["x" * 64], "", ["x" * 64]),
        (["x" * 65], "", ["x" * 55 + "_dc05afb2"]),
        ([""], "", ["_1271cf25"]),
        (["a.b", "a_b", "a_b_31d1e1bc"], "", ["a_b_31d1e1bc_35128f24", "a_b", "a_b_31d1e1bc_70cbd868"]),
    ],
)
def test_names_are_made_legal_and_stay_apart(given: list[str], prefix: str, made: list[str]) -> None:
    named: dict[str, Any] = legal(given, prefix)
    assert list(named.values()) == made
    assert named == {name: legal(list(reversed(given)), prefix)[name] for name in given}
