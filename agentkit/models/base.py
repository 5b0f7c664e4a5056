"""What the driver asks of a model, whatever the service behind it."""

from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeAlias

from agentkit.core.contract import Contract
from agentkit.core.events import Prices
from agentkit.core.messages import AssistantMessage
from agentkit.core.request import Sending
from agentkit.core.spec import Binding, Usage
from agentkit.core.values import dataclass


@dataclass(frozen=True, slots=True)
class Piece:
    """A streamed fragment: shown, never recorded."""

    kind: Literal["text", "reasoning", "arguments"]
    text: str


@dataclass(frozen=True, slots=True)
class Body:
    """One request as bytes: `head` (a JSON object: everything but the messages) and one fragment per message."""

    head: bytes
    messages: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Answered:
    """A usable answer."""

    message: AssistantMessage
    finish: str
    usage: Usage | None
    prices: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unusable:
    """A paid answer that cannot be used."""

    kind: Literal["empty", "cut_off", "filtered", "malformed"]
    why: str
    message: AssistantMessage
    finish: str
    usage: Usage | None
    prices: str | None = None


@dataclass(frozen=True, slots=True)
class Broken:
    """The answer broke off in the middle; what had come until then."""

    why: str
    text: str
    reasoning: str
    usage: Usage | None = None


Reply: TypeAlias = Answered | Unusable | Broken
Show: TypeAlias = Callable[[Sequence[Piece]], None]


class Endpoint(Protocol):
    """A model behind a service. `Model` and `ScriptedModel` are endpoints."""

    name: str

    @property
    def host(self) -> str:
        """The host behind it, as it stands in `Producer.host`."""
        ...

    def resolve(self) -> Contract:
        """Return the contract row that rules today for this model and host. Raises: ConfigurationError."""
        ...

    def prices(self) -> Prices | None:
        """Return today's prices, None where none is known."""
        ...

    def head(self, binding: Binding) -> bytes:
        """Return fragment 0: the body's JSON object without `messages`."""
        ...

    def encode(self, sending: Sending, contract: Contract) -> bytes:
        """Return one message as it goes on the wire (UTF-8 JSON, lone surrogates escaped)."""
        ...

    async def call(self, body: Body, contract: Contract, show: Show | None) -> Reply:
        """Ask. With `show`, stream: all pieces of one network read in one call. Retries are inside.

        Raises:
            ModelError: the service refused or could not be reached; which kind says whether a later try may help.
        """
        ...
