"""An agent as a tool of another: its own session, its parent's limits, and people who are asked through the parent."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from agentkit import Agent, Limits, MemoryJournal, Outcome, Session, Tool
from agentkit.core.deltas import Delta
from agentkit.errors import AlreadyDecided, ApprovalVoid, BadRequest, ConfigurationError, JournalError
from agentkit.events import AgentBound, CallSuspended, CallWoken, ToolFinished, ToolStarted, TurnEnded
from agentkit.journal import Journal
from agentkit.journal.base import Lease
from agentkit.ledger import ledger_of
from agentkit.proof import replay
from agentkit.testing import Died, FaultyJournal
from tests.session.desk import Played, Till, asks, facts_of, file, hang, look, refund, told, until

pytestmark = pytest.mark.anyio

ASK = asks(("helper", {"task": "Refund order 7."}))
PAY = asks(("refund", {"order": "7"}))


def helper(model: Any, *tools: Tool[Any, ..., Any], **about: Any) -> Agent[Till, str]:
    return Agent(model, name="helper", tools=tools, deps_type=Till, **about)


def desk(model: Any, journal: Journal, till: Till, *below: Agent[Any, Any], **about: Any) -> Session[Till, str]:
    """Return a session "s" of an agent whose tools are agents."""
    return Session(_agent(model, *below, **about), "s", journal=journal, deps=till)


def _agent(model: Any, *below: Agent[Any, Any], **about: Any) -> Agent[Till, str]:
    return Agent(model, name="desk", tools=[each.as_tool() for each in below], deps_type=Till, **about)


def below(journal: Journal, child: str, agent: Agent[Any, Any], till: Till) -> Session[Any, Any]:
    return Session(agent, child, journal=journal, deps=till)


async def ends(session: Session[Any, Any]) -> list[ToolFinished]:
    return await facts_of(session, ToolFinished)


async def test_the_childs_answer_is_the_calls_result_and_its_use_the_parents() -> None:
    till, model, inner = Till(), Played(ASK, "done"), Played(asks(("look", {"order": "7"})), "It is blue.")
    seen: list[str] = []
    child = helper(inner, look)
    async with desk(model, journal := MemoryJournal(), till, child) as session:
        async with session.stream("go", id="m1") as stream:
            async for each in stream:
                seen += [each.text] if isinstance(each, Delta) and each.kind == "progress" else []
        result = await stream.result()
        assert result.output == "done"
        assert told(model.requests[-1]) == ["It is blue."]
        assert (result.usage.input_tokens, result.steps) == (40, 2)
        (end,) = await ends(session)
        assert end.child is not None
        assert (end.child.usage.input_tokens, end.child.steps, end.child.tool_calls) == (20, 2, 1)
        assert end.child.session_id.endswith("/1.1.0")
        async with below(journal, end.child.session_id, child, till) as inside:
            assert (await inside.resume()).output == "It is blue."
            assert len(await facts_of(inside, TurnEnded)) == 1
        assert [
            (await replay(journal, "s", _agent(model, child))).same,
            (await replay(journal, inside.id, child)).same,
        ] == [
            True,
            True,
        ]
    assert seen == ["helper calls look"]


async def test_an_approval_of_the_child_is_the_parents_and_is_listed_once(tmp_path: Path) -> None:
    till, model, inner = Till(), Played(ASK, "done"), Played(PAY, "refunded")
    child = helper(inner, refund(needs_approval=True))
    async with desk(model, journal := file(tmp_path), till, child) as session:
        result = await session.run("go", id="m1")
        assert result.status == "waiting"
        (approval,) = result.approvals
        assert (approval.tool, approval.arguments) == ("refund", {"order": "7"})
        assert "refund needs approval" in result.reason
        (suspended,) = await facts_of(session, CallSuspended)
        assert approval.session_id == suspended.text != "s"
        assert [each async for each in journal.pending()] == [approval]
        assert (await session.resume()).approvals == (approval,)
        assert not till.done
    async with desk(model, journal := file(tmp_path), till, child) as session:
        status = await session.status()
        assert status is not None
        assert status.approvals == (approval,)
        await session.approve(approval, by="ann")
        await session.approve(approval.id, by="ann")
        with pytest.raises(AlreadyDecided):
            await session.deny(approval, by="bob", reason="no")
        assert (await session.resume()).output == "done"
        assert (len(await facts_of(session, ToolStarted)), len(await facts_of(session, CallWoken))) == (2, 1)
        assert (await replay(journal, "s", _agent(model, child))).same
        assert (await replay(journal, suspended.text, child)).same
        await session.approve(approval, by="ann")
        with pytest.raises(ApprovalVoid):
            await session.approve("1.1.0-99-abc", by="ann")
    assert till.done == ["7"]
    assert told(model.requests[-1]) == ["refunded"]
    assert [sum(model.asked.values()), sum(inner.asked.values())] == [2, 2]


async def test_changed_arguments_are_checked_with_the_childs_tool() -> None:
    till, child = Till(), helper(Played(PAY, "refunded"), refund(needs_approval=True))
    async with desk(Played(ASK, "done"), MemoryJournal(), till, child) as session:
        (approval,) = (await session.run("go")).approvals
        with pytest.raises(ConfigurationError, match="do not fit refund"):
            await session.approve(approval, by="ann", arguments={"order": 8})
        await session.approve(approval, by="ann", arguments={"order": "8"})
        assert (await session.resume()).output == "done"
    assert till.done == ["8"]


async def test_what_is_unknown_below_is_resolved_above() -> None:
    till, child = Till(trouble=lose), helper(Played(PAY, "refunded"), refund())
    async with desk(Played(ASK, "done"), MemoryJournal(), till, child) as session:
        (unknown,) = (await session.run("go")).unknowns
        await session.resolve(unknown, Outcome.happened("paid"), by="ann")
        assert (await session.resume()).output == "done"
    assert till.done == ["7"]


async def _hang(till: Till, what: str) -> None:
    till.asked += 1
    await hang(till, what)


async def lose(_: Till, what: str) -> None:
    raise ConnectionError(what)


class Dies(BaseException):
    """The process ends here."""


async def test_after_a_crash_the_child_goes_on_with_what_it_recorded(tmp_path: Path) -> None:
    till = Till()

    async def die(_: Any) -> Any:
        raise Dies

    inner = Played(PAY, [die, "refunded"])
    model = Played(ASK, "done")
    child = helper(inner, refund())
    async with desk(model, file(tmp_path), till, child) as session:
        with pytest.raises(Dies):
            await session.run("go", id="m1")
    async with desk(model, file(tmp_path), till, child) as session:
        assert (await session.run("go", id="m1")).output == "done"
        starts = await facts_of(session, ToolStarted)
        assert len(starts) == 2
    assert till.done == ["7"]
    assert (model.asked[0], inner.asked[0], inner.asked[1]) == (1, 1, 2)


async def test_a_once_call_of_the_child_that_a_crash_cut_off_is_not_made_again(tmp_path: Path) -> None:
    async def die(_: Till, __: str) -> None:
        raise Dies

    till, child = Till(trouble=die), helper(Played(PAY, "refunded"), refund())
    async with desk(Played(ASK, "done"), file(tmp_path), till, child) as session:
        with pytest.raises(Dies):
            await session.run("go", id="m1")
    async with desk(Played(ASK, "done"), journal := file(tmp_path), till, child) as session:
        (unknown,) = (await session.run("go", id="m1")).unknowns
        await session.resolve(unknown, Outcome.happened("paid"), by="ann")
        assert (await session.resume()).output == "done"
        kept = {(each.session_id == "s", each.tool, each.verdict) async for each in ledger_of(journal)}
        assert kept == {(True, "helper", "repeated"), (False, "refund", "once")}
    assert till.done == ["7"]


async def _story(journal: Journal, till: Till, agent: Agent[Till, str]) -> str:
    """Say it, decide whatever people are asked, and go on until the end."""
    async with Session(agent, "s", journal=journal, deps=till) as session:
        result = await session.run("go", id="m1")
        for _ in range(5):
            for approval in result.approvals:
                await session.approve(approval, by="ann")
            for unknown in result.unknowns:
                happened = till.paid[unknown.idempotency_key]
                await session.resolve(
                    unknown, Outcome.happened("paid") if happened else Outcome.not_happened(), by="ann"
                )
            if result.status != "waiting":
                break
            result = await session.resume()
        return result.output


class Burying(FaultyJournal):
    """Frees what a dead process held of both sessions."""

    def __init__(self, inner: Journal, **how: Any) -> None:
        super().__init__(inner, **how)
        self.leases: list[Lease] = []

    async def claim(self, session_id: str, *, uid: str, agent: str, owner: str) -> Lease:
        self.leases.append(await super().claim(session_id, uid=uid, agent=agent, owner=owner))
        return self.leases[-1]


@pytest.mark.parametrize(
    "fault",
    ["die after", "full"]
    + [pytest.param(name, marks=pytest.mark.full) for name in ("die before", "uncertain before", "uncertain after")],
)
async def test_whatever_becomes_of_any_append_nothing_is_paid_twice(fault: Any) -> None:
    at, hit = 1, True
    while hit:
        till, child = Till(), helper(Played(PAY, "refunded"), refund(needs_approval=True))
        model, kept = Played(ASK, "done"), MemoryJournal()
        journal = Burying(kept, at=at, fault=fault)
        async with kept:
            with suppress(Died, JournalError, BaseExceptionGroup):
                await _story(journal, till, _agent(model, child))
            for lease in journal.leases:
                await kept.release(lease)
            assert await _story(kept, till, _agent(model, child)) == "done", (fault, at, journal.written)
        assert till.done == ["7"], (fault, at, journal.written)
        hit, at = journal.appends >= at, at + 1
    assert at > 12


async def test_the_parents_time_is_the_childs() -> None:
    till, child = Till(before=_hang), helper(Played(PAY, "refunded"), refund(effect="idempotent"))
    about = Limits(seconds=0.2)
    async with desk(Played(ASK, "done"), journal := MemoryJournal(), till, child, limits=about) as session:
        assert (await session.run("go")).status == "limit"
        (end,) = await ends(session)
        assert end.child is not None
        async with below(journal, end.child.session_id, child, till) as inside:
            assert (await inside.resume()).status == "cancelled"


async def test_two_children_at_once_share_what_is_left() -> None:
    till, inner = Till(), Played("one")
    model = Played(asks(("helper", {"task": "a"}), ("helper", {"task": "b"})), "done")
    async with desk(
        model, journal := MemoryJournal(), till, helper(inner), limits=Limits(steps=12, tokens=4000)
    ) as session:
        assert (await session.run("go")).output == "done"
        one, other = [end.child for end in await ends(session)]
        assert one is not None
        assert other is not None
        assert one.session_id != other.session_id
        for child in (one.session_id, other.session_id):
            bound = [r.event async for r in journal.read(child) if isinstance(r.event, AgentBound)]
            assert [each.limits for each in bound] == [Limits(steps=5, tokens=(4000 - 15) // 2)]
    assert told(model.requests[-1]) == ["one", "one"]


async def test_a_child_that_meets_the_parents_limit_has_failed_and_its_steps_count() -> None:
    looks = [asks(("look", {"order": str(n)})) for n in range(9)]
    till, inner, model = Till(), Played(*looks), Played(ASK, ASK, "done")
    async with desk(model, MemoryJournal(), till, helper(inner, look), limits=Limits(steps=5)) as session:
        result = await session.run("go")
        assert (result.status, result.steps) == ("limit", 2)
        (end,) = await ends(session)
        assert end.failed
        assert end.child is not None
        assert end.child.steps == 4
    assert sum(inner.asked.values()) == 3


async def test_a_fault_of_the_child_is_a_failed_result_and_what_it_used_counts() -> None:
    inner = Played(asks(("look", {"order": "7"})), BadRequest("no such thing", status=400))
    model = Played(ASK, "done")
    async with desk(model, MemoryJournal(), Till(), helper(inner, look)) as session:
        result = await session.run("go")
        assert (result.output, result.usage.input_tokens) == ("done", 30)
        (end,) = await ends(session)
        assert end.failed
    assert told(model.requests[-1]) == ["Error: helper failed, and could not finish its task: no such thing"]


async def test_a_cancel_ends_the_childs_turn_while_it_runs() -> None:
    till, child = Till(before=_hang), helper(Played(PAY, "refunded"), refund(effect="idempotent"))
    async with desk(Played(ASK, "done"), journal := MemoryJournal(), till, child) as session:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.run, "go")
            await until(lambda: till.asked)
            await session.cancel(by="ann")
        (end,) = await ends(session)
        assert end.failed
        assert end.child is not None
        async with below(journal, end.child.session_id, child, till) as inside:
            (turn,) = await facts_of(inside, TurnEnded)
            assert turn.status == "cancelled"
        (turn,) = await facts_of(session, TurnEnded)
        assert turn.status == "cancelled"


async def test_a_cancel_ends_the_turn_of_a_child_that_waits() -> None:
    till, child = Till(), helper(Played(PAY, "refunded"), refund(needs_approval=True))
    async with desk(Played(ASK, "done"), journal := MemoryJournal(), till, child) as session:
        (approval,) = (await session.run("go")).approvals
        await session.cancel(by="ann")
        assert (await session.resume()).status == "cancelled"
        assert [each async for each in journal.pending()] == []
        with pytest.raises(ApprovalVoid):
            await session.approve(approval, by="ann")
        assert (await replay(journal, "s", _agent(Played(ASK), child))).same
    assert not till.done


async def test_a_grandchild_asks_through_both() -> None:
    till = Till()
    inmost = helper(Played(PAY, "refunded"), refund(needs_approval=True))
    middle: Agent[Till, str] = Agent(Played(ASK, "passed on"), name="middle", tools=[inmost.as_tool()], deps_type=Till)
    model = Played(asks(("middle", {"task": "x"})), "done")
    async with desk(model, journal := MemoryJournal(), till, middle) as session:
        (approval,) = (await session.run("go")).approvals
        async with Session(inmost, approval.session_id, journal=journal, deps=till) as alone:
            await alone.approve(approval, by="ann")
        ready = {each.session_id for each in await journal.ready(agents=["desk"])}
        assert "s" in ready
        result = await session.resume()
        assert (result.output, result.usage.input_tokens) == ("done", 60)
    assert till.done == ["7"]


async def test_another_agent_does_not_drive_a_childs_session() -> None:
    till, journal = Till(), MemoryJournal()
    child = helper(Played(PAY, "paid"), refund(needs_approval=True))
    async with desk(Played(ASK, "done"), journal, till, child) as session:
        (approval,) = (await session.run("go")).approvals
        await session.approve(approval, by="ann")
        stranger = below(journal, approval.session_id, _agent(Played("x")), till)
        async with stranger:
            with pytest.raises(ConfigurationError, match="a call of agent 'helper', made in session 's'"):
                await stranger.resume()
        assert (await session.resume()).output == "done"
    assert till.done == ["7"]


async def test_a_child_whose_agent_has_another_name_now_is_still_its_callers() -> None:
    till, journal = Till(), MemoryJournal()
    for name in ("helper", "refunds"):
        child = Agent(Played(PAY, "paid"), name=name, tools=[refund(needs_approval=True)], deps_type=Till)
        tools = [child.as_tool(name="helper")]
        agent: Agent[Till, str] = Agent(Played(ASK, "done"), name="desk", tools=tools, deps_type=Till)
        async with Session(agent, "s", journal=journal, deps=till) as session:
            if name == "helper":
                (approval,) = (await session.run("go")).approvals
                await session.approve(approval, by="ann")
            else:
                assert (await session.resume()).output == "done"
    assert till.done == ["7"]


async def test_a_child_that_was_driven_by_itself_wakes_its_parent() -> None:
    till, child = Till(), helper(Played(PAY, "refunded"), refund(needs_approval=True))
    async with desk(Played(ASK, "done"), journal := MemoryJournal(), till, child) as session:
        (approval,) = (await session.run("go")).approvals
        async with below(journal, approval.session_id, child, till) as inside:
            await inside.approve(approval, by="ann")
            assert (await inside.resume()).output == "refunded"
        assert (await session.resume()).output == "done"
    assert till.done == ["7"]


async def test_deps_are_made_of_the_parents() -> None:
    till, mine = Till(), Till()
    child = helper(Played(asks(("look", {"order": "7"})), "blue"), look)
    agent = Agent(Played(ASK, "done"), tools=[child.as_tool(deps=lambda _: mine)], deps_type=Till)
    async with Session(agent, "s", journal=MemoryJournal(), deps=till) as session:
        assert (await session.run("go")).output == "done"
    assert (till.done, mine.done) == ([], ["look 7"])


def test_what_cannot_be_a_tool_says_so() -> None:
    agent: Agent[Any, Any] = Agent(Played(), name="a")
    for _ in range(4):
        agent = Agent(Played(), name="a", tools=[agent.as_tool()])
    Agent(Played(), name="top", tools=[agent.as_tool()])
    deeper: Agent[Any, Any] = Agent(Played(), name="a", tools=[agent.as_tool()])
    with pytest.raises(ConfigurationError, match="more than 5 deep"):
        deeper.as_tool()
    with pytest.raises(ConfigurationError, match="cannot be a tool's name"):
        Agent(Played(), name="two words").as_tool()


async def test_agent_run_refuses_sub_agents_that_may_ask() -> None:
    child = helper(Played(PAY), refund(needs_approval=True))
    with pytest.raises(ConfigurationError, match="refund may need approval"):
        await Agent(Played(ASK), tools=[child.as_tool()], deps_type=Till).run("go", deps=Till())
