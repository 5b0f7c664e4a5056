"""`replay`, in three modes: everything recorded; the recorded model with live reads; a live model."""

from typing import Any

from agentkit.agent import Agent
from agentkit.core.events import ModelResponded
from agentkit.core.spec import Usage
from agentkit.errors import ConfigurationError
from agentkit.journal.base import Journal
from agentkit.proof.found import Compared, Live, Replay
from agentkit.proof.live import LiveModel, LiveReads
from agentkit.proof.recorded import Walk, own_from


async def replay(
    journal: Journal, session_id: str, agent: Agent[Any, Any], *, live: Live = "none", deps: Any = None
) -> Replay:
    """Replay a session against the recording and against `agent` as it is today. The journal is only read.

    Of a fork, what was sent before it counts for the session it was made from: its own requests are compared.

    Args:
        journal: where the session is.
        session_id: which.
        agent: who would answer today.
        live: "none": neither model nor tool is asked. "read": the tools that are `read`, then and now, run again with
            the recorded arguments. "model": the model is asked again, step by step, about the conversation as
            recorded, and no tool runs; it costs what asking costs.
        deps: what the tools get, with live="read".

    Raises:
        NoSuchSession: the journal holds no session of this id.
        ConfigurationError: no such mode.
    """
    reads = LiveReads(agent.dispatch, session_id, deps)
    model = LiveModel()
    modes = {"none": None, "read": reads, "model": model}
    if live not in modes:
        raise ConfigurationError(f"live={live!r}: there are {', '.join(modes)}")
    async with journal:
        walk = Walk(journal, session_id, agent)
        await walk.go(modes[live])
    compared: tuple[Compared, ...] = (*reads.compared, *model.compared)
    difference = walk.difference or next((_told(each) for each in compared if not each.same), None)
    usage = sum(model.usages, Usage())
    return Replay(difference is None, difference, walk.requests, walk.why, compared, usage)


async def would_ask(journal: Journal, session_id: str) -> tuple[int, Usage]:
    """Return how often live="model" asks the model, and what those requests consumed when they were recorded."""
    async with journal:
        own = await own_from(journal, session_id)
        events = [record.event async for record in journal.read(session_id, after=own)]
    answers = [event for event in events if isinstance(event, ModelResponded)]
    return len(answers), sum((event.usage for event in answers if event.usage is not None), Usage())


def _told(each: Compared) -> str:
    if each.today is None:
        return f"{each.where}, {each.what}: {each.why}"
    return f"{each.where}, {each.what}: {_short(each.recorded)} was recorded, today it is {_short(each.today)}"


def _short(text: str, most: int = 60) -> str:
    return repr(text if len(text) <= most else f"{text[:most]}…")
