"""Paused work and an agent that is not as it was: each kind of change, under each policy, over a restart."""

import logging
import sqlite3
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent, Journal, Limits, MemoryJournal, Session, ToolContext, Upgrades, tool
from agentkit.core.changes import KINDS
from agentkit.errors import (
    AgentChanged,
    ApprovalVoid,
    BalanceExhausted,
    ConfigurationError,
    NeedsAnswer,
)
from agentkit.events import AgentBound, CallApproved, CallHeld, InboxRefused, ToolStarted
from agentkit.testing import Died, FaultyJournal
from tests.session.desk import Played, Till, asks, facts, facts_of, file, look, refund, told

pytestmark = pytest.mark.anyio

PAY = asks(("refund", {"order": "7"}))
ASKING = refund(needs_approval=True)
REFUSING = Upgrades(**dict.fromkeys(KINDS, "refuse"))  # type: ignore[arg-type]  # every field is a policy


@tool(effect="read", name="look")
async def look_closer(ctx: ToolContext[Till], order: str, lens: str = "none") -> str:
    """Look at an order."""
    return f"{ctx.session_id} {order} {lens}"


@tool(effect="idempotent", name="look")
async def look_and_note(ctx: ToolContext[Till], order: str) -> str:
    """Look at an order."""
    return f"{ctx.session_id} {order}"


class Renamed(Played):
    """The same turns by a model of another name."""

    def __init__(self, *turns: Any) -> None:
        super().__init__(*turns)
        self.name = "played-2"


class Moved(Played):
    """The same turns by a model at another address."""

    host = "127.0.0.2"


def desk(journal: Journal, till: Till, model: Played | None = None, **more: Any) -> Session[Till, str]:
    model = model or Played(PAY, "done")
    given = {"tools": [ASKING, look], "instructions": "Be kind.", **more}
    return Session(Agent(model, deps_type=Till, **given), "s", journal=journal, deps=till)


def as_old_version(path: Path) -> None:
    """Make the file one that an older agentkit wrote."""
    older = "update event set body = cast(replace(cast(body as text), ?, ?) as blob) where type = 'AgentBound'"
    with sqlite3.connect(path / "desk.db") as db:
        changed = db.execute(older, ('"version":"', '"version":"0.0.9-before-')).rowcount
    db.close()
    assert changed == 1


Changed = tuple[str, str, dict[str, Any]]  # kind, what is said of it, and what is other in the agent
CHANGES: list[Changed] = [
    ("name", 'name was "agent", is "till" now', {"name": "till"}),
    ("instructions", 'instructions line 1 was "Be kind.", is "Be rude." now', {"instructions": "Be rude."}),
    ("tools", 'tools look removed; it was "Look at an order."', {"tools": [ASKING]}),
    ("tools", 'tools weigh added: "Refund an order."', {"tools": [ASKING, look, refund(name="weigh")]}),
    ("tools", "tools look.parameters.properties.lens added: ", {"tools": [ASKING, look_closer]}),
    ("tools", 'tools look.effect was "read", is "idempotent" now', {"tools": [ASKING, look_and_note]}),
    ("model", 'model was "played", is "played-2" now', {"model": Renamed(PAY, "done")}),
    ("model", 'model host was "127.0.0.1", is "127.0.0.2" now', {"model": Moved(PAY, "done")}),
    ("settings", "settings temperature was null, is 0.5 now", {"settings": {"temperature": 0.5}}),
    ("limits", "limits steps was 50, is 9 now", {"limits": Limits(steps=9)}),
    ("version", 'version was "0.0.9-before-', {}),
]
EACH = pytest.mark.parametrize(("kind", "words", "other"), CHANGES, ids=[f"{c[0]}-{n}" for n, c in enumerate(CHANGES)])


def test_every_kind_of_change_has_a_policy_and_a_case() -> None:
    assert {field.name for field in fields(Upgrades)} == set(KINDS) == {kind for kind, _, _ in CHANGES}
    assert {getattr(Upgrades(), kind) for kind in KINDS} == {"continue"}


async def approved(path: Path, till: Till, kind: str) -> Any:
    """Run to the approval, give it, and end the process before anybody has taken it up."""
    async with desk(file(path), till) as session:
        (approval,) = (await session.run("refund 7", id="m1")).approvals
        await session.approve(approval, by="ann")
    if kind == "version":
        as_old_version(path)
    return approval


@EACH
async def test_continue(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str, words: str, other: dict[str, Any]
) -> None:
    till = Till()
    await approved(tmp_path, till, kind)
    with caplog.at_level(logging.WARNING, "agentkit"):
        async with desk(file(tmp_path), till, **other, upgrades=Upgrades()) as session:
            assert (await session.resume()).output == "done"
            assert len(await facts_of(session, AgentBound)) == 2
    assert till.done == ["7"]
    assert words in caplog.text
    assert "goes on with a changed agent in an open turn: " in caplog.text


@EACH
async def test_ask(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str, words: str, other: dict[str, Any]
) -> None:
    till = Till()
    old = await approved(tmp_path, till, kind)
    upgrades = Upgrades(**{kind: "ask"})  # type: ignore[arg-type]  # a field is a policy
    with caplog.at_level(logging.WARNING, "agentkit"):
        async with desk(file(tmp_path), till, **other, upgrades=upgrades) as session:
            (new,) = (await session.resume()).approvals
            assert new.id != old.id
            assert new.why.startswith(f"the agent has changed since: {words}")
            assert "no longer open" in (await facts_of(session, InboxRefused))[0].why
            with pytest.raises(ApprovalVoid, match="the agent has changed since") as void:
                await session.approve(old, by="ann")
            assert new.id in void.value.why
    assert "and people are asked again" in caplog.text
    async with desk(file(tmp_path), till, **other, upgrades=upgrades) as session:
        assert (await session.resume()).approvals == (new,), "asked again once, not at every start"
        assert till.done == []
        await session.approve(new, by="ann")
        assert (await session.resume()).output == "done"
    assert till.done == ["7"]


@EACH
async def test_refuse(tmp_path: Path, kind: str, words: str, other: dict[str, Any]) -> None:
    till = Till()
    await approved(tmp_path, till, kind)
    async with desk(file(tmp_path), till, **other, upgrades=REFUSING) as session:
        before = await facts(session)
        with pytest.raises(ConfigurationError, match="Nothing was recorded") as refused:
            await session.resume()
        assert isinstance(refused.value, AgentChanged)
        assert await facts(session) == before
        assert any(each.startswith(words) for each in refused.value.changes)
        assert f"{kind}=" in str(refused.value)
        assert words in str(refused.value)
    async with file(tmp_path) as journal:
        head = await journal.head("s")
        assert head is not None
        assert "AgentChanged" in (head.trouble or ""), "whoever looks after the workers can read it"
        assert [row.kind for row in await journal.inbox("s")] == ["approval"]
    if kind != "version":
        async with desk(file(tmp_path), till, upgrades=REFUSING) as session:
            assert (await session.resume()).output == "done", "the program as it was goes on"
        assert till.done == ["7"]


async def test_the_strictest_word_rules_and_everything_that_changed_is_told(tmp_path: Path) -> None:
    till = Till()
    await approved(tmp_path, till, "")
    other: dict[str, Any] = {"name": "till", "settings": {"temperature": 0.5}, "tools": [ASKING]}
    async with desk(file(tmp_path), till, **other, upgrades=Upgrades(name="ask", tools="refuse")) as session:
        with pytest.raises(AgentChanged) as refused:
            await session.resume()
    assert [each.split()[0] for each in refused.value.changes] == ["name", "tools", "settings"]
    text = str(refused.value)
    assert text.count("(refused)") == 1
    assert 'upgrades=Upgrades(tools="continue")' in text


async def test_a_cancel_goes_through_where_going_on_is_refused(tmp_path: Path) -> None:
    till = Till()
    await approved(tmp_path, till, "")
    async with desk(file(tmp_path), till, name="till", upgrades=REFUSING) as session:
        await session.cancel(by="ann")
        result = await session.status()
        assert result is not None
        assert result.status == "cancelled"
        assert (await session.run("and now?")).status == "completed", "the next turn is today's"
    assert till.done == [], "what was approved before did not run"


async def test_between_turns_everything_continues(tmp_path: Path) -> None:
    till = Till()
    async with desk(file(tmp_path), till, Played("one")) as session:
        await session.run("hello")
    other: dict[str, Any] = {"name": "till", "settings": {"temperature": 0.5}, "tools": []}
    async with desk(file(tmp_path), till, Played("one", "two"), **other, upgrades=REFUSING) as session:
        assert (await session.run("again")).output == "two"


async def test_nothing_changed_and_nothing_is_refused(tmp_path: Path) -> None:
    till = Till()
    await approved(tmp_path, till, "")
    async with desk(file(tmp_path), till, upgrades=REFUSING) as session:
        assert (await session.resume()).output == "done"
        assert len(await facts_of(session, AgentBound)) == 1


async def test_going_on_with_the_second_model_is_no_change(tmp_path: Path) -> None:
    till, models = Till(), [Played(BalanceExhausted("no balance", status=402)), Renamed(PAY, "done")]
    statuses = []
    for _ in range(2):
        agent = Agent(models, tools=[ASKING], deps_type=Till, upgrades=REFUSING)
        async with Session(agent, "s", journal=file(tmp_path), deps=till) as session:
            result = await session.run("go", id="m1")
            assert result.model == "played-2"
            for approval in result.approvals:
                await session.approve(approval, by="ann")
        statuses.append(result.status)
    assert statuses == ["waiting", "completed"]


async def test_instructions_that_are_a_function_are_not_asked_again(tmp_path: Path) -> None:
    """They are evaluated once per session: what they would say today is not known, and so is no change."""
    till, said = Till(), iter(["Be kind.", "Be rude."])

    def instructions(_: Till) -> str:
        return next(said)

    async with desk(file(tmp_path), till, instructions=instructions) as session:
        (approval,) = (await session.run("go")).approvals
        await session.approve(approval, by="ann")
    async with desk(file(tmp_path), till, instructions=instructions, upgrades=REFUSING) as session:
        assert (await session.resume()).output == "done"
    assert next(said) == "Be rude."


async def test_a_question_is_asked_again_under_ask(tmp_path: Path) -> None:
    @tool(effect="once")
    async def ask(ctx: ToolContext[Till], text: str) -> str:
        """Ask a person."""
        ctx.deps.done.append(text)
        raise NeedsAnswer(text)

    till, model = Till(), Played(asks(("ask", {"text": "Which colour?"})), "done")
    async with desk(file(tmp_path), till, model, tools=[ask]) as session:
        (old,) = (await session.run("paint it")).questions
    again: dict[str, Any] = {"tools": [ask], "name": "till", "upgrades": Upgrades(name="ask")}
    async with desk(file(tmp_path), till, model, **again) as session:
        (new,) = (await session.resume()).questions
        assert (new.text, new.id == old.id) == (old.text, False)
        with pytest.raises(ApprovalVoid):
            await session.answer(old, "red", by="ann")
        await session.answer(new, "blue", by="ann")
        assert (await session.resume()).output == "done"
    assert told(model.requests[-1]) == ["blue"]
    assert till.done == ["Which colour?"], "the tool did not run again"


async def test_what_was_approved_and_had_not_started_is_asked_again_wherever_the_process_died() -> None:
    """The new binding and the questions are one batch: no approval outlives the change."""
    tried = 0
    for first in range(1, 12):
        for second in range(1, 6):
            journal, till = MemoryJournal(), Till()
            if not await _approved_and_killed(journal, till, first):
                continue
            faulty = FaultyJournal(journal, at=second, fault="die after")
            other: dict[str, Any] = {"name": "till", "upgrades": Upgrades(name="ask")}
            try:
                async with desk(faulty, till, **other) as session:
                    await session.resume()
            except (Died, BaseExceptionGroup):
                await faulty.bury()
            async with desk(journal, till, **other) as session:
                (new,) = (await session.resume()).approvals
                assert till.done == []
                assert len(await facts_of(session, CallHeld)) == 2
                await session.approve(new, by="bob")
                assert (await session.resume()).output == "done"
            assert till.done == ["7"]
            tried += 1
    assert tried > 3


async def _approved_and_killed(journal: MemoryJournal, till: Till, at: int) -> bool:
    faulty = FaultyJournal(journal, at=at, fault="die after")
    try:
        async with desk(faulty, till) as session:
            (old,) = (await session.run("refund 7", id="m1")).approvals
            await session.approve(old, by="ann")
            await session.resume()
    except (Died, BaseExceptionGroup):
        await faulty.bury()
    async with desk(journal, till) as session:
        return bool(await facts_of(session, CallApproved)) and not await facts_of(session, ToolStarted)


@pytest.mark.parametrize("word", ["", "never", None])
def test_a_policy_that_is_none_is_refused(word: Any) -> None:
    with pytest.raises(ConfigurationError, match="upgrades: tools="):
        Upgrades(tools=word)
