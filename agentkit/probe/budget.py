"""What a probe may send, as data: the steps, how often each asks at most, and how many tokens that can be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from agentkit.core.contract import Contract
from agentkit.core.messages import Json

LONG: Final = 1500  # tokens of an answer that is needed
MIDDLE: Final = 300  # tokens of an answer of which the beginning tells
SHORT: Final = 16  # tokens of an answer that is only to be accepted or refused
_ASKED: Final = 700  # tokens of questions, the tool and results, at most
_FILLER: Final = 1100  # tokens of `talk.FILLER`, at most


@dataclass(frozen=True, slots=True)
class Step:
    """A kind of request: how often it is sent at most, the answer's cap, how many earlier answers go along."""

    what: str
    times: int
    cap: int = SHORT
    answers: int = 4
    filler: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a probe may send; `switches` and `efforts` are tried one by one."""

    steps: Sequence[Step]
    switches: Sequence[Mapping[str, Json]]
    efforts: Sequence[str]

    @property
    def requests(self) -> int:
        """How many requests at most."""
        return sum(step.times for step in self.steps)

    @property
    def sent(self) -> int:
        """How many tokens are sent at most, earlier answers included."""
        return sum(step.times * _sent(step) for step in self.steps)

    @property
    def answered(self) -> int:
        """How many tokens are answered at most, if the endpoint keeps the limit it is given."""
        return sum(step.times * step.cap for step in self.steps)


def _sent(step: Step) -> int:
    return _ASKED + step.answers * LONG + (_FILLER if step.filler else 0)


# Switches seen in the wild that no row of the table may have; the table's own come first.
_SWITCHES: Final[Sequence[Mapping[str, Json]]] = (
    {"thinking": {"type": "disabled"}},
    {"reasoning_effort": "none"},
    {"enable_thinking": False},
    {"reasoning": {"effort": "none"}},
    {"reasoning": {"enabled": False}},
    {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}},
)
_EFFORTS: Final = ("reasoning_effort", "reasoning.effort")


def plan(table: Sequence[Contract]) -> Plan:
    """Return what a probe may send, knowing the rows of `table`."""
    known = [row.thinking.off for row in table if row.thinking.off]
    switches = [switch for at, switch in enumerate((*known, *_SWITCHES)) if switch not in (*known, *_SWITCHES)[:at]]
    keys = [row.thinking.effort_key for row in table if row.thinking.effort_key]
    efforts = list(dict.fromkeys([*keys, *_EFFORTS]))
    steps = (
        Step("finding the route and a first answer", 12, LONG, 0),
        Step("a conversation with tools", 5, LONG, 2),
        Step("which form of reasoning goes back", 6, LONG, 2),
        Step("old reasoning left out, place by place", 13),
        Step("old reasoning made long, place by place", 6, filler=True),
        Step("streams", 4, LONG, 1),
        Step("thinking switched off", len(switches), MIDDLE, 0),
        Step("efforts", len(efforts) + 1, SHORT, 0),
        Step("forced and parallel calls", 4, MIDDLE, 0),
        Step("roles, sampling, JSON, ids, errors", 12),
    )
    return Plan(steps, switches, efforts)
