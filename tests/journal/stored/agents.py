"""The agents of the stored journals. They stay as they are: what was recorded with them has to replay the same bytes.

The contract rows are stored beside the journals (`rows.json`), as they were in the table of that day.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agentkit import Agent, Approvals, Limits, Model, Outcome, Result, Session, ToolContext, ToolError, Usage, tool
from agentkit.core.contract import Contract
from agentkit.errors import NeedsAnswer, Overloaded
from agentkit.messages import AssistantMessage, ToolCall
from agentkit.models.base import Answered, Body, Broken, Reply, Show, Unusable

NASTY = "a\0b \ud83d “quoted” é 😀 \u2028 \\n"
PRIMARY, SPARE = "qwen-keep", "generic"


class PowerCut(BaseException):
    """The process ends here, and nothing is cleaned up."""


@dataclass
class World:
    """What the tools do it to. `paid` counts effects by idempotency key; `trouble` befalls an order, once each."""

    paid: Counter[str] = field(default_factory=Counter)
    trouble: dict[str, list[str]] = field(default_factory=dict)

    def pay(self, key: str, order: str) -> str:
        troubles = self.trouble.get(order, [])
        kind = troubles.pop(0) if troubles else ""
        if kind == "before":
            raise ConnectionError("the line broke")
        self.paid[key] += 1
        if kind == "after":
            raise ConnectionError("the line broke")
        if kind == "cut":
            raise PowerCut
        return f"paid {order}"


@tool(effect="read")
async def look(ctx: ToolContext[World], order: str) -> str:
    """Look at an order."""
    if order == "none":
        raise ToolError("there is no such order")
    if "cut" in ctx.deps.trouble.get(order, []):
        ctx.deps.trouble[order].remove("cut")
        raise PowerCut
    return "ö" * 33_000 if order == "long" else f"order {order} is blue"


@tool(effect="idempotent")
async def put(ctx: ToolContext[World], order: str, note: str) -> str:
    """Put a note on an order."""
    ctx.deps.pay(ctx.idempotency_key, order)
    return f"noted {note}"


@tool(effect="idempotent")
async def ask() -> str:
    """Ask the customer which colour it is."""
    raise NeedsAnswer("which colour?")


@tool(effect="once", needs_approval=True)
async def refund(ctx: ToolContext[World], order: str, amount: float) -> str:
    """Refund an order."""
    return f"{ctx.deps.pay(ctx.idempotency_key, order)}: {amount}"


@tool(effect="once")
async def send(ctx: ToolContext[World], order: str) -> str:
    """Send an order."""
    return ctx.deps.pay(ctx.idempotency_key, order)


@tool(effect="once")
async def charge(ctx: ToolContext[World], order: str) -> str:
    """Charge an order."""
    return ctx.deps.pay(ctx.idempotency_key, order)


@charge.reconcile
async def was_charged(ctx: ToolContext[World], order: str) -> Outcome[str]:
    return Outcome.happened(f"paid {order}") if ctx.deps.paid[ctx.idempotency_key] else Outcome.not_happened()


@tool(effect="once", needs_approval="defer", name="refund")
async def refund_later(ctx: ToolContext[World], order: str, amount: float) -> str:
    """Refund an order."""
    return f"{ctx.deps.pay(ctx.idempotency_key, order)}: {amount}"


TOOLS = (look, put, ask, refund, send, charge)


def says(
    *calls: tuple[str, Mapping[str, Any] | str], text: str | None = None, reasoning: str | None = None
) -> AssistantMessage:
    """Return an answer that asks for calls, given as (tool, arguments)."""
    made = [
        ToolCall(f"c{n}", name, given if isinstance(given, str) else json.dumps(given))
        for n, (name, given) in enumerate(calls)
    ]
    return AssistantMessage(text, reasoning, tuple(made))


USAGE = Usage(10, 2, 5, 1)
EMPTY = Unusable("empty", "neither text nor calls", AssistantMessage(reasoning="hm"), "stop", USAGE)
BROKEN = Broken("the connection was lost", "half an ans", "half a thou\ud83d")
BUSY = Overloaded("the service is overloaded", status=503, provider_text="busy")
SEND_4, SEND_5 = ("send", {"order": "4"}), ("send", {"order": "5"})
ODD_ARGUMENTS = '{"order" : "7\\u0000\\ud83d", "note":"' + "é\u2028😀" + '" }'

# What the model says, one answer after another, by the first message of the conversation; behind the last: "answer N".
# A list holds the attempts at one place; the last one repeats. A dict tells models apart.
SCRIPTS: dict[str, list[Any]] = {
    f"talk {NASTY}": [
        says(("look", {"order": "7"}), ("look", {"order": "none"}), reasoning=NASTY),
        says(("put", ODD_ARGUMENTS), ("nobody", "{}"), ("put", "{"), ("look", {"colour": 1}), text=NASTY, reasoning=""),
        says(("ask", {}), reasoning=None),
        says(text=f"done {NASTY}", reasoning="so"),
        says(("look", {"order": "8"}), reasoning="more"),
        says(text="second", reasoning=""),
    ],
    "large": [says(("look", {"order": "long"}))],
    "money": [
        says(("refund", {"order": "1", "amount": 5}), ("refund", {"order": "2", "amount": 6}), reasoning="pay"),
        says(("charge", {"order": "3"}), reasoning="charge"),
        says(("charge", {"order": "6"})),
        says(SEND_4),
        says(SEND_5),
        says(SEND_5),
        says(text="all is paid"),
    ],
    "trouble": [[EMPTY, BROKEN, says(("look", {"order": "1"}), reasoning="at last")], [BUSY, "so it is"]],
    "switch": [says(("look", {"order": "1"}), reasoning="mine"), {"first": BUSY, "second": "in its place"}],
    "cut": [says(("refund", {"order": "1", "amount": 5}), ("look", {"order": "1"}))],
    "limit": [says(("look", {"order": "1"})), "never said"],
    "odd": [[PowerCut(), "no JSON"], "now it is"],
    "kept": [says(SEND_4)],
    "open in a model call": [[PowerCut(), "it went on"]],
    "open in a read": [says(("look", {"order": "1"})), "read"],
    "open in a put": [says(("put", {"order": "1", "note": "n"})), "put"],
    "open in a charge": [says(("charge", {"order": "1"})), "charged"],
    "open in a send": [says(SEND_4), "sent"],
    "waits for an approval": [says(("refund", {"order": "1", "amount": 5})), "refunded"],
    "waits for an answer": [says(("ask", {}), ("look", {"order": "1"})), "answered"],
    "waits, and was approved": [says(("refund", {"order": "1", "amount": 5})), "refunded"],
    "escalated": [says(("refund", {"order": "1", "amount": 5})), "refunded"],
    "expired": [says(("refund", {"order": "1", "amount": 5}), ("ask", {})), "nobody came"],
    "failed": [[BUSY, "it came back"]],
    "sent for approval": [says(("refund", {"order": "1", "amount": 5}), reasoning="it can wait"), "I sent it."],
    "sent, not decided": [says(("refund", {"order": "1", "amount": 5})), "I sent it."],
    "handed on": [says(("helper", {"task": "refund order 1"})), "it is refunded"],
    "handed on, waits": [says(("helper", {"task": "refund order 1"})), "it is refunded"],
    "refund order 1": [says(("refund", {"order": "1", "amount": 5}), reasoning="pay"), "refunded"],
}


class Player(Model):
    """Plays the script of the conversation. Where it is follows from the request, so a resumed session just goes on."""

    def __init__(self, name: str, contract: Contract, *, later: bool) -> None:
        super().__init__(name, base_url="http://127.0.0.1", contract=contract)
        self.later = later
        self.asked: Counter[tuple[str, int]] = Counter()

    async def call(self, body: Body, contract: Contract, show: Show | None) -> Reply:  # noqa: ARG002 - a model's face
        told = [json.loads(message) for message in body.messages]
        first = next(message["content"] for message in told if message["role"] == "user")
        at = sum(message["role"] == "assistant" for message in told)
        script = SCRIPTS.get(first, [])
        turn = script[at] if at < len(script) else f"answer {at}"
        if isinstance(turn, dict):
            turn = turn[self.name]
        if isinstance(turn, list):
            turn = turn[-1 if self.later else min(self.asked[first, at], len(turn) - 1)]
        self.asked[first, at] += 1
        if isinstance(turn, BaseException):
            raise turn
        if isinstance(turn, Unusable | Broken):
            return turn
        said = AssistantMessage(turn) if isinstance(turn, str) else turn
        return Answered(said, "tool_calls" if said.calls else "stop", USAGE)


PATIENCE = {
    "patient": Approvals(escalate_after=0.01, escalate_to="the boss"),
    "hasty": Approvals(escalate_after=0.01, escalate_to="the boss", expire_after=0.02),
}
DESKS = ("desk", "pair", "short", "deferring", "caller", *PATIENCE)


def desk(rows: Mapping[str, Contract], which: str, *, later: bool = False) -> Agent[World, str]:
    """Return an agent with all tools: "desk", "pair" (of two models), "short" (one step a turn), or one that waits.

    "patient" tells the boss after a while, "hasty" waits no longer; "deferring" sends refunds for approval, "caller"
    has a sub-agent. `later`: what befell its models is over.
    """
    first, second = Player("first", rows[PRIMARY], later=later), Player("second", rows[SPARE], later=later)
    models = [first, second] if which == "pair" else [first]
    limits = Limits(steps=1) if which == "short" else Limits()
    told = Agent(models, name=which, instructions=f"Help. {NASTY}", tools=TOOLS, deps_type=World, limits=limits)
    if which in PATIENCE:
        return replace(told, approvals=PATIENCE[which])
    own = {"deferring": (look, refund_later), "caller": (look, helper(rows, later=later).as_tool())}
    return replace(told, tools=own[which]) if which in own else told


def helper(rows: Mapping[str, Contract], *, later: bool = False) -> Agent[World, str]:
    """Return the sub-agent of "caller"."""
    model = Player("first", rows[PRIMARY], later=later)
    return Agent(model, name="helper", instructions="Help below.", tools=[look, refund], deps_type=World)


def thinker(row: Contract, base_url: str = "http://127.0.0.1") -> Agent[World, str]:
    """Return an agent that asks a service by one row of the table."""
    model = Model("m", base_url=f"{base_url}", contract=row, api_key="k")
    return Agent(model, name="thinker", instructions="Help.", tools=[look, put], deps_type=World)


def agent_named(name: str, rows: Mapping[str, Contract], *, later: bool = False) -> Agent[World, str]:
    """Return the agent that a session was recorded with; one that is named by a row is a thinker."""
    if name == "helper":
        return helper(rows, later=later)
    return desk(rows, name, later=later) if name in DESKS else thinker(rows[name])


def rows_of(folder: Path) -> dict[str, Contract]:
    """Return the contract rows as they were."""
    told = json.loads((folder / "rows.json").read_text("utf-8"))
    return {name: Contract.model_validate(row) for name, row in told.items()}


async def settled(session: Session[World, str], result: Result[str]) -> Result[str]:
    """Let people decide until the turn is over: yes, "blue", and "nobody knows"."""
    while result.status == "waiting":
        for approval in result.approvals:
            await session.approve(approval, by="ann")
        for question in result.questions:
            await session.answer(question, "blue", by="ann")
        for unknown in result.unknowns:
            await session.resolve(unknown, Outcome.unknown(), by="bob")
        result = await session.resume()
    return result
