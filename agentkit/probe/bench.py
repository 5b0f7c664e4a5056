"""Where requests are sent from: one at a time, within the plan, with what is known of the endpoint so far."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType, ModuleType
from typing import Any, Final

from agentkit.core.contract import Contract, Wire
from agentkit.core.messages import Json
from agentkit.errors import ModelError, Overloaded, ProtocolError, RateLimited
from agentkit.models import faults, openai
from agentkit.models.asking import laid
from agentkit.models.faults import Asked
from agentkit.models.retry import NotYet, patiently
from agentkit.probe import chat, items
from agentkit.probe.answers import Answer
from agentkit.probe.budget import Plan, Step
from agentkit.probe.talk import Ask, Treatment

WIRES: Final[Mapping[Wire, ModuleType]] = {"chat": chat, "responses": items}  # each: ROUTE, CAP, FORCED, body(), read()
_FINAL: Final = frozenset({401, 402, 403})
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to probe.

    Attributes:
        model: what the service calls it.
        base_url: the address up to `/chat/completions`.
        headers: sent with each request; the key stands here.
        body: fields of every request; only what a step is about is laid over them.
        wire: the API to speak; None finds out.
        timeout: how long the service may stay silent, in seconds.
    """

    model: str
    base_url: str
    headers: Mapping[str, str] = field(default_factory=lambda: _NOTHING, repr=False)
    body: Mapping[str, Json] = field(default_factory=lambda: _NOTHING)
    wire: Wire | None = None
    timeout: float = 120.0


class Bench:
    """One probe's requests.

    Args:
        target: whom to ask.
        plan: what may be sent at most.
        show: is told each request as it goes out: its number, and what it is for.
    """

    def __init__(self, target: Target, plan: Plan, show: Callable[[int, str], None] | None) -> None:
        self.target, self._show = target, show
        self._steps = {step.what: step for step in plan.steps}
        self._sent: Counter[str] = Counter()
        self._to = openai.Recipient(target.model, target.base_url, target.headers, target.timeout)
        self.requests, self.tokens = 0, 0
        self.wire: Wire = target.wire or "chat"
        self.cap_key: str | None = None
        self.streams, self.tools = False, True
        self.usual: Treatment = "as_came"
        self.into: str | None = None  # the text field that is read, where reasoning comes in another one
        self.cold = False  # ids of calls go back changed
        self.answers: dict[int, Answer] = {}

    @property
    def dialect(self) -> Any:
        """The module that speaks the wire."""
        return WIRES[self.wire]

    async def ask(self, what: str, ask: Ask) -> Answer:
        """Send one request of a step of the plan.

        Raises:
            ModelError: the key or the account is refused, or the service is in trouble and stays so.
            ProtocolError: the plan does not hold so many requests of this step.
        """
        step = self._steps[what]
        self._sent[what] += 1
        if self._sent[what] > step.times:
            raise ProtocolError(f"the plan holds {step.times} requests of the step {what!r}, and no more")
        self.requests += 1
        if self._show is not None:
            self._show(self.requests, what)
        answer = await patiently(lambda: self._once(self.requests, step, ask))
        self.tokens += (answer.prompt or 0) + answer.output
        return answer

    async def whole(self, what: str, ask: Ask) -> Answer:
        """Send a request with what is known: tools only where they are taken, reasoning in the form that is taken."""
        tools, stream = ask.tools and self.tools, ask.stream or self.streams
        known: Any = {"usual": self.usual, "into": self.into, "cold": self.cold}
        return await self.ask(what, replace(ask, tools=tools, stream=stream, **known))

    async def _once(self, number: int, step: Step, ask: Ask) -> Answer:
        body = self.dialect.body(replace(ask, cap=step.cap), self.target.model, self.cap_key, self.answers)
        whole = laid(laid(body, self.target.body), ask.extra)
        data = json.dumps(whole, ensure_ascii=False).encode("utf-8", "backslashreplace")
        got = await openai.exchange(self._to, self.dialect.ROUTE, data)
        refused = faults.refused(self._asked(), got.status, got.content, got.headers.get("location", ""))
        if isinstance(refused, RateLimited | Overloaded) and got.status >= 400:  # noqa: PLR2004 - the class of errors
            raise NotYet(refused, faults.patience(got.headers, datetime.now(UTC)))
        if got.status in _FINAL or 300 <= got.status < 400:  # noqa: PLR2004 - the class of redirects
            raise refused
        answer: Answer = self.dialect.read(number, got.status, got.headers.get("content-type", ""), got.content)
        return replace(answer, said=self._asked().clean(answer.said))

    def refusal(self, answer: Answer) -> ModelError:
        """Return the error that a refusal stands for."""
        return faults.refused(self._asked(), answer.status, answer.raw)

    def _asked(self) -> Asked:
        secrets = tuple(value.rpartition(" ")[2] for value in self.target.headers.values())
        return Asked(self.target.model, self.target.base_url, Contract(id="unknown"), secrets=secrets)
