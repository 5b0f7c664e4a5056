"""A tool whose call is a session of its own: what it gets to know of the session that calls it, and how it ends."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from typing_extensions import TypeVar

from agentkit.core.spec import Child, Inherited, Limits, ToolSpec
from agentkit.core.values import dataclass
from agentkit.tools.context import ToolContext
from agentkit.tools.tool import Tool

D = TypeVar("D", contravariant=True, default=object)


class Above(Protocol):
    """The session that a sub-agent is called in."""

    @property
    def journal(self) -> Any:
        """Its journal, which is open."""
        ...

    @property
    def inherited(self) -> Inherited | None:
        """What a sub-agent has to know of it."""
        ...

    def shared(self, own: Limits) -> Limits:
        """Return what the sub-agent may use, of what it may use by itself."""
        ...

    def ending(self) -> str:
        """Return why the turn is to end, as far as the call has to end with it; empty where it is not."""
        ...


@dataclass(frozen=True)
class Calling(ToolContext[Any]):
    """The context of a sub-agent's call: with the session it is called in."""

    above: Above | None = None


@dataclass(frozen=True, slots=True)
class Rested:
    """The child session's turn is over: what the model is told, and what it used."""

    text: str
    child: Child
    failed: bool = False
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Waits:
    """The child session waits for people."""

    session_id: str


class ChildTool(Tool[D, ..., Any]):
    """A tool whose call is a session of its own.

    Attributes:
        agent: who answers in that session. deps: makes its deps of the caller's.
    """

    agent: Any
    deps: Callable[[Any], Any]

    @property
    def spec(self) -> ToolSpec:
        """The tool as the model is told of it and as it is recorded."""
        told = super().spec
        return replace(told, bound=replace(told.bound, child=True))


def calling(context: ToolContext[Any], above: Above | None) -> Calling:
    """Return the context of a sub-agent's call."""
    return Calling(
        context.deps,
        idempotency_key=context.idempotency_key,
        session_id=context.session_id,
        on_progress=context.on_progress,
        above=above,
    )
