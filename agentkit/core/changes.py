"""What differs between two bindings, in words: which tool, which key of its schema, which line of the instructions."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias, get_args

from agentkit.core.binding import unbind
from agentkit.core.events import AgentBound
from agentkit.core.messages import Json
from agentkit.core.spec import Binding, ToolSpec
from agentkit.core.values import dataclass

ChangeKind: TypeAlias = Literal["name", "instructions", "tools", "model", "settings", "limits", "version"]
KINDS: Final[tuple[ChangeKind, ...]] = get_args(ChangeKind)

_SHOWN = 80  # characters of a value
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not as it was.

    Attributes:
        kind: of what: the agent's name, its instructions, tools, model (with its contract row), settings, limits, or
            the version of agentkit.
        place: where in it, like "refund.parameters.properties.order.type", "line 3", "contract.retention"; empty where
            the kind has one value only.
        was, now: the values as JSON text, shortened; None where there was, or is, nothing.
    """

    kind: ChangeKind
    place: str
    was: str | None
    now: str | None

    def __str__(self) -> str:
        """Return it as one sentence without a full stop."""
        where = f"{self.kind} {self.place}".rstrip()
        if self.was is None and self.now is None:
            return f"{where} changed"
        if self.was is None:
            return f"{where} added: {self.now}"
        if self.now is None:
            return f"{where} removed; it was {self.was}"
        return f"{where} was {self.was}, is {self.now} now"


def changes(old: Binding, new: Binding) -> tuple[Change, ...]:
    """Return everything that differs between two bindings, in the order of `KINDS`; nothing for equal ones."""
    return (
        *_values("name", "", old.agent, new.agent),
        *_lines(old.instructions, new.instructions),
        *_tools(old.tools, new.tools),
        *_values("model", "", old.model, new.model),
        *_values("model", "contract", old.contract.model_dump(mode="json"), new.contract.model_dump(mode="json")),
        *_values("settings", "", _plain(asdict(old.settings)), _plain(asdict(new.settings))),
        *_values("limits", "", _limits(old), _limits(new)),
        *_values("version", "", old.version, new.version),
    )


def moved(old_host: str, new_host: str) -> tuple[Change, ...]:
    """Return the change of the model's address, which is no part of a `Binding`: `AgentBound` names it."""
    return tuple(_values("model", "host", old_host, new_host))


def named(bound: AgentBound) -> tuple[str, ...]:
    """Return the names of the contents that tell what a recorded binding is."""
    declared = () if bound.declared is None else (bound.declared,)
    return bound.instructions, bound.schemas, bound.settings, bound.contract, *declared


def changes_recorded(old: AgentBound, new: AgentBound, contents: Mapping[str, bytes]) -> tuple[Change, ...]:
    """Return everything that differs between two bindings as they are recorded, the model's address included.

    Instructions are compared as the agent had them, whatever the session keeps.

    Raises:
        KeyError: contents that one of them names are not given.
    """
    return (*changes(_declared(old, contents), _declared(new, contents)), *moved(old.host, new.host))


def _declared(bound: AgentBound, contents: Mapping[str, bytes]) -> Binding:
    own = contents[bound.declared or bound.instructions].decode("utf-8", "surrogatepass")
    return replace(unbind(bound, contents), instructions=own)


def _lines(old: str, new: str) -> Iterator[Change]:
    """Yield the first line that differs: what comes behind it is rarely news."""
    was, now = old.split("\n"), new.split("\n")
    for index in range(max(len(was), len(now))):
        before, after = _at(was, index), _at(now, index)
        if before != after:
            yield Change("instructions", f"line {index + 1}", _shown(before), _shown(after))
            return


def _at(lines: Sequence[str], index: int) -> object:
    return lines[index] if index < len(lines) else _ABSENT


def _tools(old: tuple[ToolSpec, ...], new: tuple[ToolSpec, ...]) -> Iterator[Change]:
    was, now = ({spec.bound.name: spec for spec in specs} for specs in (old, new))
    for name in _names(was, now):
        if name not in now:
            yield Change("tools", name, _shown(was[name].description), None)
        elif name not in was:
            yield Change("tools", name, None, _shown(now[name].description))
        else:
            yield from _tool(name, was[name], now[name])
    yield from _order("tools", "order", was, now)


def _tool(name: str, old: ToolSpec, new: ToolSpec) -> Iterator[Change]:
    was, now = _told(old), _told(new)
    yield from _values("tools", name, was, now)
    same = all(was[key] == now[key] for key in ("description", "parameters", "effect", "exclusive"))
    if same and old.bound.digest != new.bound.digest:  # the digest covers one thing more (tools/tool)
        yield Change("tools", f"{name}.needs_approval", None, None)


def _told(spec: ToolSpec) -> dict[str, Json]:
    bound = spec.bound
    return {
        "description": spec.description,
        "parameters": _plain(spec.parameters),
        "effect": bound.effect,
        "exclusive": bound.exclusive,
        "reconcile": bound.has_reconcile,
        "untrusted": bound.untrusted,
    }


def _values(kind: ChangeKind, place: str, was: Any, now: Any) -> Iterator[Change]:
    """Yield what differs between two JSON values, down to single values."""
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for name in _names(was, now):
            yield from _values(kind, _inside(place, name), was.get(name, _ABSENT), now.get(name, _ABSENT))
        yield from _order(kind, _inside(place, "order"), was, now)
    elif was is _ABSENT or now is _ABSENT or type(was) is not type(now) or was != now:
        yield Change(kind, place, _shown(was), _shown(now))


def _names(*mappings: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name for mapping in mappings for name in mapping))


def _inside(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _order(kind: ChangeKind, place: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:
    """Yield that what both have comes in another order: other bytes are sent then."""
    before, after = [name for name in was if name in now], [name for name in now if name in was]
    if before != after:
        yield Change(kind, place, ", ".join(before), ", ".join(after))


def _limits(binding: Binding) -> dict[str, Any]:
    limits = asdict(binding.limits)
    return {**limits, "seconds": None if binding.limits.seconds is None else float(binding.limits.seconds)}


def _plain(value: object) -> Any:
    """Return a value as it comes back from a journal: a tuple as a list."""
    return json.loads(json.dumps(value))


def _shown(value: object) -> str | None:
    if value is _ABSENT:
        return None
    text = str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
