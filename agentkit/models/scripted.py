"""`ScriptedModel`: a model that says what a test tells it to, without any network."""

import json
from dataclasses import replace
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

from agentkit.core.contract import Contract
from agentkit.core.events import Prices
from agentkit.core.messages import AssistantMessage, Message, Producer
from agentkit.core.request import Sending
from agentkit.core.spec import Usage
from agentkit.errors import AgentkitError
from agentkit.models import wire
from agentkit.models.assemble import Assembly, judge
from agentkit.models.base import Answered, Body, Broken, Reply, Show, Unusable
from agentkit.models.model import Model

_BYTES_PER_TOKEN = 4


class ScriptedModel(Model):
    """Plays replies in the order of the calls and complains about what does not come up.

    Args:
        replies: what the model says, one per call: a text, an `AssistantMessage` (with tool calls, reasoning), an
            exception to raise, or a reply of `agentkit.models.base` (`Unusable`, `Broken`) to play a bad answer.

    `requests` holds the decoded bodies of the calls so far. As a context manager (`with ScriptedModel(…) as model:`)
    it raises at the end if replies are left over; `assert_consumed()` does so anywhere. Usage is counted from bytes,
    four to a token, and costs nothing.
    """

    def __init__(self, *replies: str | Message | Exception | Reply) -> None:
        for reply in replies:
            if not isinstance(reply, str | AssistantMessage | Exception | Answered | Unusable | Broken):
                raise TypeError(f"a scripted model says str or AssistantMessage, not {type(reply).__name__}")
        super().__init__("scripted", base_url="http://127.0.0.1", contract="generic")
        self.requests: list[dict[str, Any]] = []
        self._replies = replies

    def __enter__(self) -> Self:
        return self

    def __exit__(self, t: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        if e is None:
            self.assert_consumed()

    def assert_consumed(self) -> None:
        """Raise AgentkitError if replies are left that nobody asked for."""
        left = self._replies[len(self.requests) :]
        if left:
            raise AgentkitError(
                f"{len(left)} of {len(self._replies)} scripted replies were never asked for; the next is {left[0]!r}"
            )

    def prices(self) -> Prices | None:
        """Return prices of nothing."""
        return Prices(Decimal(0), Decimal(0), "scripted")

    async def call(self, body: Body, contract: Contract, show: Show | None) -> Reply:
        """Play the next reply. Raises: AgentkitError: the script is at its end; or the exception the script holds."""
        data = wire.whole(body, contract, stream=show is not None)
        self.requests.append(json.loads(data))
        if len(self.requests) > len(self._replies):
            raise AgentkitError(
                f"the script has {len(self._replies)} replies, and this is call {len(self.requests)}; it was asked: "
                f"{self.requests[-1]['messages'][-1]}"
            )
        reply = self._replies[len(self.requests) - 1]
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, Answered | Unusable | Broken):
            return reply
        said = AssistantMessage(text=reply) if isinstance(reply, str) else reply
        assert isinstance(said, AssistantMessage)  # noqa: S101 - checked when it was made
        return self._answer(said, contract, len(data), show)

    def _answer(self, said: AssistantMessage, contract: Contract, asked: int, show: Show | None) -> Reply:
        """Let the reply go the way of an answer that came over the wire."""
        carrier = said.carrier or next(iter(contract.carrier.read), None)
        beside = tuple(call.extras for call in said.calls)
        message = json.loads(wire.encode(Sending(said, said.reasoning, carrier=carrier, beside=beside), contract))
        answer = Assembly(
            contract, said.producer or Producer(self.name, contract.id, self.host), extras=dict(said.extras)
        )
        usage = Usage(
            asked // _BYTES_PER_TOKEN,
            0,
            len(json.dumps(message)) // _BYTES_PER_TOKEN,
            len(said.reasoning or "") // _BYTES_PER_TOKEN,
        )
        finish = "tool_calls" if said.calls else "stop"
        pieces = answer.add({"choices": [{"message": message, "finish_reason": finish}]})
        if show is not None and pieces:
            show(pieces)
        return replace(judge(answer), usage=usage)
