"""What leaves a tool, on its way to the journal, to the model and to the screen: without secrets, and framed as data.

Secrets go first of all, before anything is cut or counted; the frame comes last, so that nothing is cut off from it.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from agentkit.core.events import CallRefused, CallResolved, CallSuspended, ToolFinished, ToolUnknown
from agentkit.core.framing import framed
from agentkit.core.messages import File, Image, Part, Text
from agentkit.core.values import dataclass
from agentkit.tools.cutting import cut_short
from agentkit.tools.secrets import Hiding

Left = TypeVar("Left", bound=ToolFinished | ToolUnknown | CallSuspended | CallResolved | CallRefused)


@dataclass(frozen=True)
class Leaving:
    """The way out of one call.

    Attributes:
        hiding: keeps secrets out.
        key: the call's idempotency key. note: what agentkit itself says before a result; it stays outside the frame.
        untrusted: the tool, where what it tells comes from outside; empty: it does not.
        limit: how much of a result is shown (cutting.py).
    """

    hiding: Hiding
    key: str = ""
    note: str = ""
    untrusted: str = ""
    limit: int | None = None

    def __call__(self, fact: Left) -> Left:
        """Return a fact as it may be recorded."""
        fact = self.hidden(fact)
        return self.framed(fact if isinstance(fact, CallRefused) else cut_short(fact, self.limit))

    def hidden(self, fact: Left) -> Left:
        """Return a fact without secrets."""
        if not self.hiding:
            return fact
        clean: dict[str, Any] = {}
        for name in ("why", "detail", "text"):
            said = getattr(fact, name, None)
            if said:
                clean[name] = self.hiding(said)
        if not isinstance(fact, ToolUnknown | CallSuspended):
            clean["parts"] = self.parts(fact.parts)
        return replace(fact, **clean)

    def parts(self, parts: tuple[Part, ...]) -> tuple[Part, ...]:
        """Return parts of a message without secrets."""
        return tuple(self._part(part) for part in parts)

    def framed(self, fact: Left) -> Left:
        """Return a fact whose result, if it has one, is framed as data from outside, if it comes from there."""
        if not self.untrusted or not isinstance(fact, ToolFinished | CallResolved) or not fact.parts:
            return fact
        first, *more = fact.parts
        noted = bool(self.note) and isinstance(first, Text) and first.text.startswith(self.note)
        if noted and isinstance(first, Text):
            first = Text(first.text.removeprefix(self.note))
        inner = framed(self.untrusted, self.key.partition("/")[0], (first, *more))
        if noted and isinstance(inner[0], Text):
            inner = (Text(self.note + inner[0].text), *inner[1:])
        return replace(fact, parts=inner)

    def shown(self, show: Callable[[str], None]) -> Callable[[str], None]:
        """Return a way to show progress that shows no secrets."""
        return (lambda text: show(self.hiding(text))) if self.hiding else show

    def _part(self, part: Part) -> Part:
        match part:
            case Text(text):
                return Text(self.hiding(text))
            case Image(url):
                return Image(self.hiding(url))
            case File(name, url):
                return File(self.hiding(name), self.hiding(url))
            case _:
                return part
