"""What an agent does when nobody decides in time, and when it is another one than the one that began."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, fields, replace
from typing import Any, Final, Literal, TypeAlias, get_args

from agentkit.core.changes import ChangeKind
from agentkit.core.spec import ANSWER, Patience, ToolSpec
from agentkit.core.values import dataclass
from agentkit.errors import ConfigurationError

_ALWAYS: Final = ("read_more", ANSWER)  # they read on in a result, and give the answer: allowed wherever they are

Policy: TypeAlias = Literal["continue", "ask", "refuse"]


@dataclass(frozen=True, kw_only=True)
class Approvals:
    """Which tools an agent may use by itself, and how long people are waited for.

    That is: for a yes to a call, and for an answer to a tool's question.

    The clock starts when the question is recorded and is the journal's. What counts is what was declared then: an agent
    that is changed later moves no clock that runs. An outcome that is not known never expires, because nobody may guess
    it; it is escalated like everything else.

    Args:
        expire_after: seconds until the call is refused, and the model told that nobody decided. None: never.
        escalate_after: seconds until `escalate_to` is recorded as told. None: never.
        escalate_to: who is told then, in words for people. agentkit records and shows it; telling them is the
            program's part (`Approval.escalated_to`, the event `CallEscalated`).
        tools: for single tools, by name; such an entry stands for itself and takes nothing over from this one.
        allowed: the tools this agent may use, by name; a call of another one is refused, and the model is told so.
            What the model need not know of is better left out of the agent's tools: this is for sets that are shared.
            None: all.
        after_untrusted: `once` tools that may act without a person once the model has seen results of an untrusted
            tool, if each leaf of their arguments occurs in a user's message or a trusted result (core/trust.py).

    Raises:
        ConfigurationError: a time that is no positive number, an escalation without a name, a name without an
            escalation, or an escalation that does not come before the expiry.
    """

    expire_after: float | None = None
    escalate_after: float | None = None
    escalate_to: str = ""
    tools: Mapping[str, "Approvals"] = field(default_factory=dict)
    allowed: Sequence[str] | None = None
    after_untrusted: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in ("expire_after", "escalate_after"):
            _check_seconds(name, getattr(self, name))
        if (self.escalate_after is None) != (not self.escalate_to):
            raise ConfigurationError("approvals: escalate_after and escalate_to are given both, or neither of them")
        if None not in (self.escalate_after, self.expire_after) and self.escalate_after >= self.expire_after:  # type: ignore[operator]  # neither is None
            raise ConfigurationError(
                f"approvals: escalate_after={self.escalate_after} is not before expire_after={self.expire_after}: "
                "nobody would be left to tell"
            )
        self._check_names()

    def _check_names(self) -> None:
        for name, own in self.tools.items():
            if getattr(own, "tools", True):  # what is no Approvals has none to be empty
                raise ConfigurationError(f"approvals: tools[{name!r}] is an Approvals without tools of its own")
            if own.allowed is not None or own.after_untrusted:
                raise ConfigurationError(
                    f"approvals: tools[{name!r}] says how long people are waited for, and nothing else: name the tool "
                    "in allowed or after_untrusted of the whole"
                )
        for word in ("allowed", "after_untrusted"):
            if isinstance(getattr(self, word), str):
                raise ConfigurationError(
                    f'approvals: {word} is a tuple of names: write {word}=("{getattr(self, word)}",)'
                )

    @property
    def named(self) -> frozenset[str]:
        """Every tool that is named here."""
        return frozenset((*self.tools, *(self.allowed or ()), *self.after_untrusted))

    def applied(self, spec: ToolSpec) -> ToolSpec:
        """Return a tool as this agent may use it."""
        name = spec.bound.name
        free = name in self.after_untrusted
        bound = replace(
            spec.bound,
            patience=self.of_tool(name),
            forbidden=self.allowed is not None and name not in {*self.allowed, *_ALWAYS},
            after_untrusted=free,
            fields=tuple(sorted(set(_fields(spec.parameters)))) if free else (),
        )
        return replace(spec, bound=bound)

    def of_tool(self, name: str) -> Patience:
        """Return what holds for one tool."""
        own = self.tools.get(name, self)
        return Patience(_seconds(own.expire_after), _seconds(own.escalate_after), own.escalate_to)


@dataclass(frozen=True, kw_only=True)
class Upgrades:
    """What happens to an open turn when the agent that goes on with it is not as it was recorded.

    "continue": it goes on with today's agent. "ask": it goes on, and what people have said yes to and has not started,
    and every open question of theirs, is asked again. "refuse": nothing is recorded, and `AgentChanged` is raised: the
    old program can still go on. Where several things changed, the strictest word rules. Between turns everything
    continues. Whatever is said here, a call whose tool has changed is asked again (an approval is for what was shown),
    and a session keeps the instructions it recorded.

    Args:
        name: the agent's name. instructions: its instructions, where they are a text.
        tools: tools added or removed, and everything the model or an approval relies on: description, schema, effect.
        model: the model's name, address and contract row. settings: how it is asked. limits: what a turn may use.
        version: agentkit's own.

    Raises:
        ConfigurationError: a word that is none of the three.
    """

    name: Policy = "continue"
    instructions: Policy = "continue"
    tools: Policy = "continue"
    model: Policy = "continue"
    settings: Policy = "continue"
    limits: Policy = "continue"
    version: Policy = "continue"

    def __post_init__(self) -> None:
        for each in fields(self):
            word = getattr(self, each.name)
            if word not in get_args(Policy):
                words = ", ".join(get_args(Policy))
                raise ConfigurationError(f"upgrades: {each.name}={word!r}: it is one of {words}")

    def on(self, kind: ChangeKind) -> Policy:
        """Return what is to happen at a change of this kind."""
        word: Policy = getattr(self, kind)
        return word


def _fields(schema: Any) -> Iterator[str]:
    """Yield every name a JSON Schema gives to a value."""
    if isinstance(schema, Mapping):
        properties = schema.get("properties")
        yield from properties if isinstance(properties, Mapping) else ()
        for inner in schema.values():
            yield from _fields(inner)
    elif isinstance(schema, list | tuple):
        for inner in schema:
            yield from _fields(inner)


def _check_seconds(name: str, value: object) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (number and 0 < value < float("inf")):  # type: ignore[operator]  # it is a number
        raise ConfigurationError(f"approvals: {name}={value!r}: seconds, more than 0, or None for never")


def _seconds(value: float | None) -> float | None:
    return None if value is None else float(value)
