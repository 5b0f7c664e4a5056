"""What the session tests share: a till that counts what was done, tools that act on it, a model that plays turns.

The model finds its place by the number of answers a request holds, so a program that was killed and started again
just goes on; and it judges every request it sees.
"""

import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import anyio.lowlevel

from agentkit import Agent, Journal, Limits, Outcome, Session, SQLiteJournal, Tool, ToolContext, Usage, tool
from agentkit.core.contract import Contract
from agentkit.events import AnyEvent
from agentkit.messages import AssistantMessage, ToolCall
from agentkit.models import Model
from agentkit.models.base import Answered, Body, Broken, Reply, Show, Unusable
from agentkit.testing import ill_formed

E = TypeVar("E")

Answer: TypeAlias = str | AssistantMessage | Exception | Reply
Live: TypeAlias = Callable[[Show | None], Awaitable[Answer]]
Turn: TypeAlias = Answer | Live | list[Any]  # a list: attempts at one position, the last one repeats

USAGE = Usage(10, 0, 5, 1)


def asks(*calls: tuple[str, str | Mapping[str, Any]], text: str | None = None) -> AssistantMessage:
    """Return an answer that asks for calls, given as (tool, arguments)."""
    made = tuple(
        ToolCall(f"c{n}", name, given if isinstance(given, str) else json.dumps(given))
        for n, (name, given) in enumerate(calls)
    )
    return AssistantMessage(text, calls=made)


class Played(Model):
    """Plays one turn per position; behind the last one it says "answer N"."""

    def __init__(self, *turns: Turn, usage: Usage | None = USAGE) -> None:
        super().__init__("played", base_url="http://127.0.0.1", contract="generic")
        self.turns, self.usage = turns, usage
        self.requests: list[dict[str, Any]] = []
        self.asked: Counter[int] = Counter()

    async def call(self, body: Body, contract: Contract, show: Show | None) -> Reply:  # noqa: ARG002 - a model's face
        request = {**json.loads(body.head), "messages": [json.loads(message) for message in body.messages]}
        assert ill_formed(request) is None, ill_formed(request)
        self.requests.append(request)
        position = sum(message["role"] == "assistant" for message in request["messages"])
        attempt = self.asked[position]
        self.asked[position] += 1
        await anyio.lowlevel.checkpoint()
        turn = self.turns[position] if position < len(self.turns) else f"answer {position}"
        if isinstance(turn, list):
            turn = turn[min(attempt, len(turn) - 1)]
        answer = await turn(show) if callable(turn) else turn
        return self._reply(answer)

    def _reply(self, answer: Answer) -> Reply:
        match answer:
            case Exception():
                raise answer
            case Answered() | Unusable() | Broken():
                return answer
            case str():
                return Answered(AssistantMessage(answer), "stop", self.usage)
            case _:
                return Answered(answer, "tool_calls" if answer.calls else "stop", self.usage)


@dataclass
class Till:
    """The world. `paid` counts effects by idempotency key; `done` is what happened, in order."""

    paid: Counter[str] = field(default_factory=Counter)
    done: list[str] = field(default_factory=list)
    trouble: Callable[["Till", str], Awaitable[None]] | None = None  # what befalls a payment after its effect
    before: Callable[["Till", str], Awaitable[None]] | None = None  # what befalls it before
    found: Outcome[str] | Exception | None = None  # what reconcile says; None: the truth
    asked: int = 0  # how often reconcile was asked

    async def pay(self, key: str, what: str) -> str:
        if self.before is not None:
            await self.before(self, what)
        self.paid[key] += 1
        self.done.append(what)
        if self.trouble is not None:
            await self.trouble(self, what)
        return f"paid {what}"

    def find_out(self, key: str, what: str) -> Outcome[str]:
        self.asked += 1
        if isinstance(self.found, Exception):
            raise self.found
        if self.found is not None:
            return self.found
        return Outcome.happened(f"paid {what}") if self.paid[key] else Outcome.not_happened()


async def lose_the_line(_: Till, what: str) -> None:
    raise ConnectionError(f"the line broke after {what}")


async def hang(_: Till, __: str) -> None:
    await anyio.sleep(60)


def refund(*, reconciles: bool = False, **declared: Any) -> Tool[Till, ..., Any]:
    """Return a `once` tool that pays; `declared` goes to the decorator."""

    @tool(**{"effect": "once", "name": "refund", **declared})
    async def pay(ctx: ToolContext[Till], order: str) -> str:
        """Refund an order."""
        return await ctx.deps.pay(ctx.idempotency_key, order)

    if reconciles:

        @pay.reconcile
        async def was_paid(ctx: ToolContext[Till], order: str) -> Outcome[str]:
            return ctx.deps.find_out(ctx.idempotency_key, order)

    return pay


@tool(effect="read")
async def look(ctx: ToolContext[Till], order: str) -> str:
    """Look at an order."""
    ctx.deps.done.append(f"look {order}")
    return f"order {order} is blue"


def session_of(
    model: Model | str, journal: Journal, till: Till | None = None, *tools: Any, limits: Limits | None = None
) -> Session[Till, str]:
    """Return a session "s" of an agent with these tools."""
    agent = Agent(model, tools=tools, deps_type=Till, limits=limits or Limits())
    return Session(agent, "s", journal=journal, deps=till or Till())


def file(path: Path) -> SQLiteJournal:
    """Return a journal in a file of the test's own folder."""
    return SQLiteJournal(path / "desk.db")


async def facts(session: Session[Any, Any]) -> list[AnyEvent]:
    """Return the session's events."""
    return [record.event async for record in session.events()]


async def facts_of(session: Session[Any, Any], kind: type[E]) -> list[E]:
    """Return the session's events of one type."""
    return [event for event in await facts(session) if isinstance(event, kind)]


def told(request: Mapping[str, Any], role: str = "tool") -> list[str]:
    """Return what the messages of a role hold in a request, in order."""
    return [str(message["content"]) for message in request["messages"] if message["role"] == role]


async def until(condition: Callable[[], object | Awaitable[object]], seconds: float = 10) -> None:
    """Wait until something holds."""
    with anyio.fail_after(seconds):
        while True:
            holds = condition()
            if await holds if isinstance(holds, Awaitable) else holds:
                return
            await anyio.sleep(0.01)


async def collected(items: AsyncIterator[E]) -> list[E]:
    """Return everything an iterator yields."""
    return [item async for item in items]
