"""One answer as its bytes come in, pure: what there is to show of each read, and at the end the reply."""

from collections.abc import Mapping
from typing import Any, Final

from agentkit.core.contract import Contract, Wire
from agentkit.core.messages import Producer
from agentkit.models.assemble import Assembly, judge
from agentkit.models.base import Piece, Reply
from agentkit.models.outputs import Outputs
from agentkit.models.sse import Events, Mark, decode

_WIRES: Final[Mapping[Wire, type[Assembly]]] = {"chat": Assembly, "responses": Outputs}
_DONE: Final = Mark.DONE  # an enum's member takes a call to get
_HELD: Final[Mapping[Wire, str]] = {"chat": "choices", "responses": "output"}  # the field that makes it an answer


class Reading:
    """Reads an answer, streamed or whole. What was asked for does not count, only what the service says it sends."""

    def __init__(self, contract: Contract, producer: Producer, media_type: str) -> None:
        self._answer: Assembly = _WIRES[contract.wire](contract, producer)
        self._events = Events() if media_type.startswith("text/event-stream") else None
        self._whole: list[bytes] = []

    @property
    def streams(self) -> bool:
        """Whether it comes in pieces that mean something by themselves."""
        return self._events is not None

    @property
    def begun(self) -> bool:
        """Whether anything of an answer has come: from here on asking again is not free."""
        odd = self._events is not None and (self._events.bad or self._events.stray)
        return self._answer.begun or self.finished or bool(self._whole or odd)

    @property
    def finished(self) -> bool:
        """Whether the answer is complete; usage may still follow."""
        return bool(self._answer.done or self._answer.finish)

    @property
    def error(self) -> Any:
        """An error object that came in place of an answer, None where there is none or something had been said.

        An empty first delta says nothing: some services send one before they try.
        """
        if self._answer.error is None:
            return None
        said = self._answer.message()
        return None if said.text or said.reasoning or said.calls else self._answer.error

    def feed(self, chunk: bytes) -> list[Piece]:
        """Take what one read brought. Returns what there is to show of it."""
        if self._events is None:
            if chunk.strip() or self._whole:  # blank lines may come first, to keep the connection open
                self._whole.append(chunk)
            return []
        return self._take(self._events.feed(chunk))

    def end(self, broke: str = "") -> Reply:
        """Say what came of it; `broke` tells why nothing more will come, where that was not the service's will."""
        if self._events is not None:
            self._take(self._events.end())
            if self._events.bad:
                self._answer.wrong = f"a line that is not JSON: {self._events.bad[0][:200]!r}"
            elif not self._answer.begun:
                self._whole += self._events.stray
        if self._whole:
            self._end_whole(b"\n".join(self._whole) if self._events else b"".join(self._whole), broke)
        return judge(self._answer, broke)

    def _end_whole(self, data: bytes, broke: str) -> None:
        try:
            values = [decode(data)]
        except ValueError:
            if broke:
                return
            events = Events()  # an event stream under another name
            values = [value for value in (*events.feed(data), *events.end()) if value is not _DONE]
        for value in values:
            self._answer.add(value)
        if not (self._answer.begun or self._answer.error or self.finished):
            held = _HELD[self._answer.contract.wire]
            self._answer.wrong = self._answer.wrong or (f"no `{held}` in it" if values else "it is not JSON")
            self._answer.text.add(data.decode("utf-8", "replace"))

    def _take(self, values: list[Any]) -> list[Piece]:
        said = [value for value in values if value is not _DONE]
        self._answer.done = self._answer.done or len(said) < len(values)
        return self._answer.take(said)
