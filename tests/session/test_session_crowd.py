"""Many people at one session at once, at random: it never gets stuck, nothing runs twice, memory equals the journal."""

from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest

from agentkit import Limits, MemoryJournal, Outcome, Result, Session, Usage
from agentkit.core.loop import fold
from agentkit.errors import AlreadyDecided, ApprovalVoid, BalanceExhausted, ModelError, NothingToResume
from agentkit.messages import AssistantMessage
from agentkit.models.base import Broken, Unusable
from tests.session.desk import Played, Till, asks, facts, file, look, refund, session_of

pytestmark = [pytest.mark.anyio, pytest.mark.crash]

TOOLS = ("refund", "held", "free", "look", "no_such_tool")
TOO_LATE = (ModelError, AlreadyDecided, ApprovalVoid, NothingToResume)


class Crowd:
    """A session, seen through two objects, and what befalls it."""

    def __init__(self, seed: int, path: Path) -> None:
        self.random = Random(seed)  # noqa: S311 - chance, not secrets
        self.till = Till(trouble=self.trouble)
        journal = MemoryJournal() if seed % 2 else None
        limits = Limits(steps=6, seconds=2 if seed % 3 == 0 else None, tool_calls=5 if seed % 3 == 1 else None)
        tools = (
            refund(timeout=0.3, reconciles=seed % 2 == 0),
            refund(name="held", needs_approval=True, timeout=0.3),
            refund(name="free", exclusive=False, timeout=0.3),
            look,
        )
        model = Played(*[self.answer] * 500)
        self.sessions = [session_of(model, journal or file(path), self.till, *tools, limits=limits) for _ in range(2)]

    async def trouble(self, _: Till, __: str) -> None:
        fate = self.random.random()
        if fate < 0.15:
            raise ConnectionError
        if fate < 0.35:
            await anyio.sleep(30 if fate > 0.3 else fate)

    async def answer(self, _: object) -> Any:
        await anyio.sleep(self.random.random() * 0.05)
        fate = self.random.random()
        if fate < 0.1:
            return Unusable("empty", "it was empty", AssistantMessage(), "stop", Usage(10, 0, 5, 1))
        if fate < 0.2:
            return Broken("the line broke", "x", "y")
        if fate < 0.25:
            return BalanceExhausted("no balance", status=402)
        if fate < 0.6:
            count = self.random.randrange(1, 4)
            return asks(*((self.random.choice(TOOLS), {"order": str(self.random.randrange(6))}) for _ in range(count)))
        return "done"

    async def somebody(self, number: int) -> None:
        """Do one thing, at some time, through one of the objects."""
        await anyio.sleep(self.random.random())
        session, wish, name = self.random.choice(self.sessions), self.random.random(), f"m{number}"
        try:
            if wish < 0.4:
                with anyio.move_on_after(self.random.choice([0.1, 0.5, 20])):
                    await session.run(name, id=name)
            elif wish < 0.5:
                await session.say(name, id=name, now=self.random.random() < 0.5)
            elif wish < 0.6:
                await session.cancel(by="ann")
            elif wish < 0.7:
                with anyio.move_on_after(0.3):
                    async with session.stream(name, id=name) as stream:
                        await stream.result()
            else:
                await self.decide(session, await session.status())
        except TOO_LATE:
            return

    async def decide(self, session: Session[Any, Any], result: Result[str] | None) -> None:
        """Decide everything that waits: truthfully, or give it up."""
        for approval in result.approvals if result else ():
            if self.random.random() < 0.5:
                await session.approve(approval, by="ann")
            else:
                await session.deny(approval, by="bob", reason="no")
        for unknown in result.unknowns if result else ():
            happened = self.till.paid[unknown.idempotency_key]
            truth = Outcome.happened("paid") if happened else Outcome.not_happened()
            await session.resolve(unknown, self.random.choice([truth, Outcome.unknown()]), by="eve")

    async def to_the_end(self) -> Result[str]:
        one, other = self.sessions
        for _ in range(60):
            try:
                result = await one.run("the end", id="end")
                if result.status != "waiting":
                    return result
                await self.decide(other, result)
                await other.resume()
            except TOO_LATE:
                continue
        raise AssertionError("it never ends")


@pytest.mark.parametrize("seed", range(4))
async def test_a_session_survives_a_crowd(seed: int, tmp_path: Path) -> None:
    crowd = Crowd(seed, tmp_path)
    one, other = crowd.sessions
    async with one, other:
        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                for number in range(25):
                    tasks.start_soon(crowd.somebody, number)
        crowd.till.trouble = None
        with anyio.fail_after(60):
            await crowd.to_the_end()
        await one.messages()
        assert fold(await facts(one)) == one._recorder.state  # noqa: SLF001 - the state in memory is what this is about
    assert all(count == 1 for count in crowd.till.paid.values())
