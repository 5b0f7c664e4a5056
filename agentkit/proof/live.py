"""Asking again: today's `read` tools with the recorded arguments, or today's model about the recorded conversation."""

import json
from typing import Any

from agentkit.core.commands import Hold, Refuse
from agentkit.core.events import AnyEvent, CallSuspended, ModelResponded, ToolFinished, ToolUnknown
from agentkit.core.messages import AssistantMessage, Part, text_of
from agentkit.core.record import Record
from agentkit.core.spec import Usage
from agentkit.core.state import Call
from agentkit.errors import ModelError
from agentkit.models.base import Answered, Body, Broken, Reply
from agentkit.proof.found import Compared
from agentkit.proof.recorded import Walk
from agentkit.tools.dispatch import Dispatch, Job

_COSTS_UNKNOWN = Usage(cost=None)


def _nobody(_: object) -> None:
    """Progress and late outcomes have no reader here."""


class LiveReads:
    """Runs each `read` call again, and nothing else.

    A call counts as `read` where it was recorded so and today's tool says so, too: the stricter of both rules. One
    that needs a person's yes today is not run.
    """

    def __init__(self, dispatch: Dispatch, session_id: str, deps: object) -> None:
        self.compared: list[Compared] = []
        self._dispatch, self._session_id, self._deps = dispatch, session_id, deps
        self._effects = {spec.bound.name: spec.bound.effect for spec in dispatch.specs}

    async def see(self, record: Record, walk: Walk) -> None:
        """Run the call again whose result this is."""
        event = record.event
        call = walk.then.call(event.call) if isinstance(event, ToolFinished) else None
        if isinstance(event, ToolFinished) and call is not None and call.started and call.effect == "read":
            recorded = await walk.whole(event.parts)
            job = self._job(call, f"{call.uid or walk.then.uid}/{call.key}", walk)
            self.compared.append(await self._asked(call, recorded, job))

    async def _asked(self, call: Call, recorded: tuple[Part, ...], job: Job) -> Compared:
        what, was = f"{call.tool} {call.effective}", text_of(recorded)
        today = self._effects.get(call.tool)
        if today is None:
            return Compared(call.key, what, was, None, same=False, why="the agent has no such tool today")
        if today != "read":
            return Compared(call.key, what, was, None, same=True, why=f"not run: today it is {today}")
        verdict = self._dispatch.check(
            job.call, job.tool, job.arguments, self._deps, session_id=self._session_id, key=job.idempotency_key
        )
        if isinstance(verdict, Hold):
            return Compared(call.key, what, was, None, same=True, why="not run: today it needs approval")
        refused = isinstance(verdict, Refuse)
        event: AnyEvent = verdict.event if isinstance(verdict, Refuse) else await self._dispatch.run(job)
        parts = event.parts if isinstance(event, ToolFinished) else ()
        return Compared(call.key, what, was, _told(event), same=not refused and parts == recorded)

    def _job(self, call: Call, key: str, walk: Walk) -> Job:
        return Job(
            call=call.key,
            tool=call.tool,
            arguments=call.effective,
            edited=call.edited is not None,
            how=call.how,
            idempotency_key=key,
            session_id=self._session_id,
            deps=self._deps,
            progress=_nobody,
            late=_nobody,
            kept=walk.kept,
        )


def _told(event: AnyEvent) -> str:
    match event:
        case ToolUnknown(why=why):
            return f"it did not end: {why}"
        case CallSuspended(text=text):
            return f"it asks: {text}"
        case _:
            return text_of(getattr(event, "parts", ()))


class LiveModel:
    """Asks the model again wherever it answered, about the conversation as recorded; tools never run.

    After a fault it asks no more: whatever the service says of one request, it would say of the others.
    """

    def __init__(self) -> None:
        self.compared: list[Compared] = []
        self.usages: list[Usage] = []
        self._fault = ""

    async def see(self, record: Record, walk: Walk) -> None:
        """Ask for the answer that this is."""
        today = await walk.asked() if isinstance(record.event, ModelResponded) else None
        if today is None or not isinstance(record.event, ModelResponded):
            return
        where, was = f"{record.turn}.{record.step}", record.event.message
        what = f"{today.who.name} at {today.who.host}"
        if self._fault:
            self.compared.append(Compared(where, what, _said(was), None, same=False, why=self._fault))
            return
        head, *messages = today.prefix.fragments
        try:
            reply = await today.who.call(Body(head, messages), today.binding.contract, None)
        except ModelError as error:
            self._fault = f"not asked any more: {error}"
            self.compared.append(Compared(where, what, _said(was), None, same=False, why=f"not answered: {error}"))
            return
        self.usages.append(reply.usage or _COSTS_UNKNOWN)
        same = isinstance(reply, Answered) and _meaning(reply.message) == _meaning(was)
        self.compared.append(Compared(where, what, _said(was), _answer(reply), same=same))


def _answer(reply: Reply) -> str:
    if isinstance(reply, Answered):
        return _said(reply.message)
    return f"the answer broke off: {reply.why}" if isinstance(reply, Broken) else f"unusable: {reply.why}"


def _said(message: AssistantMessage) -> str:
    lines = [f"{call.name} {call.arguments}" for call in message.calls]
    return "\n".join([message.text, *lines] if message.text else lines)


def _meaning(message: AssistantMessage) -> tuple[str, list[tuple[str, Any]]]:
    """Return the text and the calls; arguments by value, so that no space between them makes a difference."""
    return message.text or "", [(call.name, _value(call.arguments)) for call in message.calls]


def _value(arguments: str) -> Any:
    try:
        return json.loads(arguments or "{}")
    except ValueError:
        return arguments
