"""`ToolContext`: what a tool gets to know of its call beside the model's arguments."""

from collections.abc import Callable
from dataclasses import KW_ONLY, field
from typing import Generic

from typing_extensions import TypeVar

from agentkit.core.values import dataclass

D = TypeVar("D", default=object)


def _unseen(text: str) -> None:
    """Show progress to nobody: the default where no session listens."""


@dataclass(frozen=True)
class ToolContext(Generic[D]):
    """What a tool gets to know of its call. A parameter annotated with it is filled by agentkit, never by the model.

    In a test, `ToolContext(deps)` is enough to call a tool like the function it is.

    Attributes:
        deps: what the session was given.
        idempotency_key: the call's name in the whole world, the same at every attempt: hand it to the service you call.
        session_id: the conversation.
        on_progress: who sees `progress`.
    """

    deps: D
    _: KW_ONLY
    idempotency_key: str = "test/1.1.0"
    session_id: str = "test"
    on_progress: Callable[[str], None] = field(default=_unseen, repr=False, compare=False)

    async def progress(self, text: str) -> None:
        """Show `text` to whoever watches; the model never sees it, and it is not recorded."""
        self.on_progress(text)
