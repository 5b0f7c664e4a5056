"""What a trial of a tool found, in words for the tool's author."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from agentkit.core.spec import Effect

Person: TypeAlias = Literal["tells the truth", "gives up"]
Recorded: TypeAlias = Literal["happened", "failed", "did not happen", "given up", "nothing"]


@dataclass(frozen=True, slots=True)
class Accident:
    """What befell one run: `what` at append number `at` of its journal, or at await number `at` of the tool's code."""

    place: Literal["nowhere", "append", "await"]
    at: int
    what: str
    events: tuple[str, ...] = ()  # what the append held

    def __str__(self) -> str:
        if self.place == "nowhere":
            return "undisturbed"
        if self.place == "append":
            return f"{_APPENDS[self.what]} append {self.at} ({', '.join(self.events)})"
        where = f"at await {self.at} of the tool's code" if self.at else "before the first line of the tool's code"
        return f"{_STRIKES[self.what]} {where}"


_APPENDS = {
    "die before": "killed before",
    "die after": "killed after",
    "full": "disk full at",
    "uncertain before": "commit lost, and not known to be, at",
    "uncertain after": "commit done, and not known to be, at",
    "call": "cancelled by its caller at",
}
_STRIKES = {
    "killed": "killed",
    "frozen": "frozen, replaced by another process, thawed",
    "connection lost": "its connection was lost (ConnectionError)",
    "timed out": "hung until its time-out",
    "cancelled": "cancelled by its caller",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a tool in one run.

    Attributes:
        effects: how often it took effect. expected: how often an undisturbed call does.
        recorded: what the journal holds of the call in the end.
        keys: the idempotency key of each start, in order; empty texts where the tool cannot know it.
        answered: what its `reconcile` said, and how many effects there were then.
        raised: the classes of what its code raised.
        remembers: in which variables of its process its code keeps its key.
        broke: what kept the program from its end, None where it came there.
    """

    effect: Effect
    effects: int
    expected: int
    recorded: Recorded
    keys: tuple[str, ...] = ()
    answered: tuple[tuple[str, int], ...] = ()
    raised: tuple[str, ...] = ()
    remembers: tuple[str, ...] = ()
    broke: str | None = None

    def wrongs(self) -> Iterator[str]:
        """Yield what is wrong, each with its cause as far as it can be told."""
        if self.broke:
            yield self.broke
        if self.effect == "read":
            if self.effects:
                yield "it is declared `read` and changes the world: declare it `idempotent` or `once`"
            return
        yield from self._lies()
        for name in self.remembers:
            yield (
                f"it remembers its key in `{name}`, in the memory of its process, which a kill empties: leave that to "
                "whoever it calls. If it stands for the service, let `deps` return it"
            )
        if self.effects > self.expected:
            yield f"it took effect {_times(self.effects)}: {self._why_again()}"
        if self.recorded == "happened" and self.effects < self.expected:
            yield "the journal says that it happened, and it did not"
        if self.recorded == "did not happen" and self.effects and self.effect == "once":
            yield f"the model was told that nothing was done, and it had taken effect: {self._why_denied()}"

    def _lies(self) -> Iterator[str]:
        for said, effects in self.answered:
            if said == "happened" and not effects:
                yield "reconcile said happened, and it had not happened"
            if said == "not_happened" and effects:
                yield "reconcile said not_happened, and it had happened"

    def _why_again(self) -> str:
        if len(self.keys) < 2:  # noqa: PLR2004 - of two starts
            return "one start did all of it; it tries again by itself, without handing its idempotency key on"
        letters = {key: chr(ord("A") + n) for n, key in enumerate(dict.fromkeys(self.keys))}
        if not any(self.keys):
            return f"it was started {_times(len(self.keys))}; it takes no ToolContext, so it has no idempotency key"
        named = " and ".join(letters[key] for key in self.keys)
        if len(letters) == 1:
            return (
                f"it was started {_times(len(self.keys))}, always with the key A: it does not hand its idempotency "
                "key on, or whoever it calls ignores it"
            )
        return f"it was started {_times(len(self.keys))}, with the keys {named}"

    def _why_denied(self) -> str:
        if self.raised:
            return f"its code raised {self.raised[-1]}, which is a ToolError or declared in `no_effect`"
        return "it was refused or closed after its start"


@dataclass(frozen=True, slots=True)
class Run:
    """One run with one accident.

    Attributes:
        effects: how often the tool took effect. asked: what a person had to decide.
        wrong: what is wrong with it; empty where all is well.
    """

    accident: Accident
    person: Person
    effects: int
    asked: tuple[str, ...]
    wrong: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.accident} (a person who {self.person})"


@dataclass(frozen=True)
class CrashReport:
    """What `crash_everywhere` found. Printed, it is for people to read.

    Attributes:
        tool: its name. effect: what it declares. runs: all runs, the undisturbed one first.
    """

    tool: str
    effect: Effect
    runs: Sequence[Run] = field(default=())

    @property
    def safe(self) -> bool:
        """Whether nothing went wrong in any run."""
        return not self.broken

    @property
    def broken(self) -> tuple[Run, ...]:
        """The runs in which something went wrong."""
        return tuple(run for run in self.runs if run.wrong)

    @property
    def asked(self) -> int:
        """In how many runs a person had to decide whether it had happened."""
        return sum(bool(run.asked) for run in self.runs)

    @property
    def most(self) -> int:
        """The most often that it took effect in one run."""
        return max(run.effects for run in self.runs)

    @property
    def causes(self) -> tuple[str, ...]:
        """What is wrong with the tool, the most frequent first."""
        found = [cause for run in self.broken for cause in run.wrong]
        return tuple(sorted(dict.fromkeys(found), key=lambda cause: -found.count(cause)))

    def __str__(self) -> str:
        head = (
            f"{self.tool} ({self.effect}): {'safe' if self.safe else 'NOT SAFE'}. {len(self.runs)} runs, at most "
            f"{_times(self.most)} in effect; a person was asked in {self.asked}, and something went wrong in "
            f"{len(self.broken)}."
        )
        return "\n".join([head, *self._told()])

    def _told(self) -> Iterator[str]:
        for cause in self.causes:
            yield f"- {cause}"
            at = [str(run) for run in self.broken if cause in run.wrong]
            yield from (f"    {each}" for each in at[:3])
            if len(at) > 3:  # noqa: PLR2004 - of which three are shown
                yield f"    and in {len(at) - 3} more runs"

    __repr__ = __str__


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")
