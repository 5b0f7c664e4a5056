"""Events that came behind format 1: a call sent for approval, a person in the agent's place, news of a sub-agent."""

from agentkit.core.messages import Part
from agentkit.core.values import dataclass


@dataclass(frozen=True, slots=True)
class CallDeferred:
    """A call was sent for approval, and the talk goes on: `parts` settle it, its outcome opens a turn of its own.

    `digest` and `arguments` (a hash) are what is to be approved, as in `CallHeld`; so are `mended` and `how`.
    """

    call: str
    digest: str
    arguments: str
    parts: tuple[Part, ...]
    why: str = ""
    mended: str | None = None
    how: str = ""


@dataclass(frozen=True, slots=True)
class CallWoken:
    """There is news in the child session of a suspended call: it goes on."""

    call: str


@dataclass(frozen=True, slots=True)
class PersonAnswered:
    """A person answered in the agent's place; from here on the agent is silent until `HandedBack`.

    What the agent is doing then is cut off, as by a cancel. `notice` tells the model, where no message was open that
    the answer could be the answer to, who speaks.
    """

    text: str
    by: str
    notice: str
    id: str | None = None


@dataclass(frozen=True, slots=True)
class HandedBack:
    """The agent answers again."""

    by: str
