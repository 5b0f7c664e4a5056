"""What a replay finds, as plain values."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from agentkit.core.spec import Usage

Live: TypeAlias = Literal["none", "read", "model"]


@dataclass(frozen=True, slots=True)
class Compared:
    """One answer that was recorded, and what came of the same question today.

    Attributes:
        where: the call ("1.2.0") or the request ("1.2").
        what: the tool and its arguments, or the model.
        recorded, today: in words. today is None where nothing was asked: `why` says why.
        same: whether they say the same; True where nothing was asked on purpose.
        why: what kept it from being asked.
    """

    where: str
    what: str
    recorded: str
    today: str | None
    same: bool
    why: str = ""


@dataclass(frozen=True)
class Replay:
    """What a replay found.

    Attributes:
        same: nothing differs: no byte of a request and, with `live`, no answer.
        difference: the first difference: of bytes, else of answers; which request and message, and the byte.
        requests: how many requests were compared.
        why: what has changed since, in sentences: what explains a difference of bytes.
        compared: with `live`, every answer that was asked for again, in order.
        usage: what asking the live model consumed; `cost` is in USD, None where it is not known.
    """

    same: bool
    difference: str | None
    requests: int = 0
    why: tuple[str, ...] = ()
    compared: tuple[Compared, ...] = ()
    usage: Usage = field(default_factory=Usage)
