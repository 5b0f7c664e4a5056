"""What a person says a call returned: in the form its tool declares, and no longer than the tool's own results."""

from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent, Outcome, Result, SQLiteJournal, replay, tool
from agentkit.errors import AlreadyDecided, ConfigurationError
from agentkit.events import CallResolved
from agentkit.messages import Stored
from agentkit.session import Session
from tests.session.desk import Played, Till, asks, facts_of, file, session_of, told

pytestmark = pytest.mark.anyio

RECEIPT: dict[str, Any] = {"type": "object", "properties": {"receipt": {"type": "string"}}, "required": ["receipt"]}


@tool(effect="once", returns=RECEIPT, result_limit=1000)
async def pay() -> dict[str, str]:
    """Pay."""
    raise ConnectionError("the line broke")


def paying(journal: SQLiteJournal, *more: Any) -> tuple[Played, Session[Any, str]]:
    model = Played(asks(("pay", {})), *more)
    return model, session_of(model, journal, None, pay)


async def test_a_result_of_another_form_is_refused_and_nothing_is_recorded(tmp_path: Path) -> None:
    async with file(tmp_path) as journal:
        _, session = paying(journal)
        async with session:
            (unknown,) = (await session.run("Pay.")).unknowns
            before = [record async for record in session.events()]
            for wrong in ("r-9", {"recept": "r-9"}, None):
                with pytest.raises(ConfigurationError, match="the result does not have the form that pay declares: "):
                    await session.resolve(unknown, Outcome.happened(wrong), by="ann")
            assert [record async for record in session.events()] == before
            assert [row.kind for row in await journal.inbox("s", taken=True)] == ["message"]
            await session.resolve(unknown, Outcome.happened({"receipt": "r-9"}), by="ann")
            assert (await session.resume()).output == "answer 1"


async def test_what_is_given_up_or_did_not_happen_has_no_form(tmp_path: Path) -> None:
    async with file(tmp_path) as journal:
        _, session = paying(journal)
        async with session:
            (unknown,) = (await session.run("Pay.")).unknowns
            await session.resolve(unknown, Outcome.not_happened(), by="ann")
            (unknown,) = (await session.resume()).unknowns
            await session.resolve(unknown, Outcome.unknown(), by="ann")
            assert (await session.resume()).output == "answer 1"


async def test_a_long_result_is_cut_as_the_tool_s_own_and_can_be_read_on(tmp_path: Path) -> None:
    receipt, more = "".join(f"{n:05d}," for n in range(20_000)), asks(("read_more", {"call": "1.1.0", "start": 1000}))
    async with file(tmp_path) as journal:
        model, session = paying(journal, more, "read")
        async with session:
            (unknown,) = (await session.run("Pay.")).unknowns
            await session.resolve(unknown, Outcome.happened({"receipt": receipt}), by="ann")
            assert (await session.resume()).output == "read"
            (resolved,) = await facts_of(session, CallResolved)
            again = Outcome.happened({"receipt": receipt})
            await session.resolve(unknown, again, by="bob")  # the same once more is nothing
            with pytest.raises(AlreadyDecided):
                await session.resolve(unknown, Outcome.happened({"receipt": receipt + "x"}), by="bob")
            assert (await replay(journal, "s", Agent(model, tools=[pay], deps_type=Till))).same
    assert resolved.cut is not None
    assert isinstance(resolved.cut.whole, Stored)
    shown, rest = told(model.requests[-1])
    whole = '{"receipt":"' + receipt + '"}'
    assert shown.startswith(whole[:1000] + "\n[The result is too long: characters 1 to 1000 of 120014")
    assert rest.startswith(whole[1000:2000])


async def test_what_was_left_without_an_agent_is_taken_and_the_model_is_told(tmp_path: Path) -> None:
    for said, noted in (("r-9", True), ({"receipt": "r-9"}, False)):
        async with SQLiteJournal(tmp_path / f"{noted}.db") as journal:
            model, session = paying(journal)
            async with session:
                (unknown,) = (await session.run("Pay.")).unknowns
                await session_of(Played(), journal).resolve(unknown, Outcome.happened(said), by="ann")
                result: Result[str] = await session.resume()
            assert result.output == "answer 1"
            (shown,) = told(model.requests[-1])
            assert shown.startswith("Note: it is done, but its result does not have the form") is noted
            assert "r-9" in shown
