"""Paused work and an agent that is not as it was: what changed, and what the agent says about that (`Upgrades`).

Only an open turn counts; between turns everything continues. A cancel always goes through: it is one of the ways out.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace

from agentkit.answering import Candidate
from agentkit.core.changes import Change, changes_recorded, named
from agentkit.core.events import AgentBound, CallHeld, CallSuspended
from agentkit.core.policy import Policy, Upgrades
from agentkit.core.spec import BoundTool
from agentkit.core.state import Call, Phase, State
from agentkit.errors import AgentChanged
from agentkit.recorder import Recorder


async def judge(recorder: Recorder, today: Candidate, upgrades: Upgrades) -> str:
    """Say what changed since a loaded session was driven last; return why people are asked again, empty if not.

    Args:
        recorder: the session, loaded.
        today: who answers today in the place of the model that was bound last.
        upgrades: what the agent says about changes.

    Raises:
        AgentChanged: the turn is open, and the agent refuses to go on with it. Nothing was recorded.
        JournalError: the contents of the recorded binding cannot be read.
    """
    found = await changed(recorder, today)
    if not found:
        return ""
    log, told = logging.getLogger("agentkit"), "; ".join(str(change) for change in found)
    if not await _paused(recorder):
        log.info("session %r goes on with a changed agent: %s", recorder.session_id, told)
        return ""
    if refused := _under("refuse", found, upgrades):
        raise AgentChanged(_refusal(recorder, today, found, refused), changes=tuple(str(change) for change in found))
    asks = "; ".join(str(change) for change in _under("ask", found, upgrades))
    again = ", and people are asked again" if asks else ""
    log.warning("session %r goes on with a changed agent in an open turn%s: %s", recorder.session_id, again, told)
    return f"the agent has changed since: {asks}" if asks else ""


async def changed(recorder: Recorder, today: Candidate) -> tuple[Change, ...]:
    """Return what differs between the binding that was recorded last and today's."""
    bound, now = recorder.state.bound, today.bound
    if bound is None or recorder.state.rebind or replace(bound, prices=None) == replace(now, prices=None):
        return ()
    kept = {name: await recorder.journal.blob(recorder.session_id, name) for name in named(bound)}
    return changes_recorded(bound, now, kept | {blob.hash: blob.data for blob in today.blobs})


def asked_again(state: State, bound: AgentBound, why: str) -> Iterator[CallHeld | CallSuspended]:
    """Yield the facts by which everything that people have said, and that has not started, is asked again."""
    tools = {tool.name: tool for tool in bound.tools}
    for call in state.every_call:
        tool = tools.get(call.tool)
        if call.status == "suspended" and call.kind == "question":
            yield CallSuspended(call.key, "question", call.why)
        elif tool is not None and _was_asked(call):
            yield _held(call, tool, why)


def _was_asked(call: Call) -> bool:
    """Tell whether a call that has not started, or provably did nothing, is one that people were asked about."""
    return call.status in {"held", "approved"} or (call.status == "unknown" and call.cleared and bool(call.kind))


def _held(call: Call, tool: BoundTool, why: str) -> CallHeld:
    return CallHeld(call.key, "twin" if call.kind == "twin" else "approval", tool.digest, call.arguments, why)


async def _paused(recorder: Recorder) -> bool:
    """Tell whether a turn is open that somebody wants to go on with."""
    state = recorder.state
    if state.phase is Phase.IDLE or state.ending is not None:
        return False
    rows = await recorder.journal.inbox(recorder.session_id)
    return not any((row.kind, row.dedup) == ("cancel", str(state.turn)) for row in rows)


def _under(policy: Policy, found: Sequence[Change], upgrades: Upgrades) -> list[Change]:
    return [change for change in found if upgrades.on(change.kind) == policy]


def _refusal(recorder: Recorder, today: Candidate, found: Sequence[Change], refused: Sequence[Change]) -> str:
    kinds = ", ".join(f'{kind}="continue"' for kind in dict.fromkeys(change.kind for change in refused))
    told = "\n".join(f"  {change}{'  (refused)' if change in refused else ''}" for change in found)
    return (
        f"session {recorder.session_id!r}: turn {recorder.state.turn} is open, and agent {today.binding.agent!r} is "
        f"not as it was when the turn was driven last:\n{told}\n"
        "Nothing was recorded. Let the program as it was then finish the turn, or end it (Session.cancel), or let this "
        f'agent go on with it: upgrades=Upgrades({kinds}), or "ask".'
    )
