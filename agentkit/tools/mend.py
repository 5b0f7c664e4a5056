"""Arguments made usable by what a tool declares: `repair`, `extras="drop"`, `nulls="absent"`; each is off by default.

The transcript keeps the model's bytes (law 7). What the tool gets instead is recorded where its call is held or starts,
with what was done: `Usable.mended` and `.how`.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import field
from importlib import import_module
from typing import Any

from agentkit.core import words
from agentkit.core.values import dataclass
from agentkit.tools.arguments import BadArguments, read
from agentkit.tools.declared import Declared
from agentkit.tools.judged import Judged


@dataclass(frozen=True, slots=True)
class Usable:
    """Arguments that can be read. `mended`: as JSON text, None where they are as written; `how`: what was done."""

    given: dict[str, Any]
    mended: str | None = None
    how: str = ""


def usable(declared: Declared, schema: Judged, raw: str) -> Usable:
    """Read raw arguments as a tool's policies allow.

    Raises:
        BadArguments: they cannot be read, or do not fit the schema.
    """
    given, repaired = _readable(declared, raw)
    done = _Done()
    if declared.nulls == "absent" or declared.extras == "drop":
        whole = schema.compiled
        given = whole.measured(lambda: _Mender(declared, done).object(given, Place(whole.validator)))
    schema.check(given)
    how = words.changed(repaired=repaired, dropped=done.dropped, absent=done.absent)
    return Usable(given, json.dumps(given, ensure_ascii=False), how) if how else Usable(given)


def _readable(declared: Declared, raw: str) -> tuple[dict[str, Any], bool]:
    try:
        return read(raw), False
    except BadArguments:
        # Imported where it is asked for: who repairs nothing need not install it.
        text = import_module("agentkit.tools.repair").repaired(raw) if declared.repair else None
        if text is None:
            raise
        return read(text), True


@dataclass(frozen=True, slots=True)
class _Done:
    """What was left out, by path."""

    dropped: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Mender:
    """Walks arguments along their schema, through what can be followed without doubt: references, and one branch."""

    declared: Declared
    done: _Done

    def value(self, value: Any, at: "Place", path: str) -> Any:
        if isinstance(value, dict):
            return self.object(value, at, path)
        if isinstance(value, list) and (items := at.inside("items")) is not None:
            return [self.value(each, items, f"{path}[{index}]") for index, each in enumerate(value)]
        return value

    def object(self, value: dict[str, Any], at: "Place", path: str = "") -> dict[str, Any]:
        at = at.settled()
        kept = {}
        for name, each in value.items():
            where, inner = f"{path}.{name}" if path else name, at.property(name)
            if inner is None:
                if self.declared.extras == "drop" and at.closed:
                    self.done.dropped.append(where)
                    continue
                kept[name] = each
            elif each is None and self.declared.nulls == "absent" and name not in at.required and not inner.takes_null:
                self.done.absent.append(where)
            else:
                kept[name] = self.value(each, inner, where)
        return kept


@dataclass(frozen=True, slots=True)
class Place:
    """A subschema, and the validator that entered it."""

    validator: Any

    @property
    def schema(self) -> Mapping[str, Any]:
        """The subschema; a boolean one says nothing of properties."""
        return self.validator.schema if isinstance(self.validator.schema, dict) else {}

    @property
    def required(self) -> frozenset[str]:
        """The properties that have to be there."""
        return frozenset(self.schema.get("required", ()))

    @property
    def closed(self) -> bool:
        """Whether other properties are refused."""
        return self.schema.get("additionalProperties") is False and not self.schema.get("patternProperties")

    @property
    def takes_null(self) -> bool:
        """Whether null is a value here."""
        return bool(self.validator.is_valid(None))

    def inside(self, keyword: str) -> "Place | None":
        """Return the subschema under a keyword, if there is one."""
        inner = self.settled().schema.get(keyword)
        return self.entered(inner) if isinstance(inner, dict) else None

    def property(self, name: str) -> "Place | None":
        """Return the subschema of a property, if it has one."""
        inner = self.schema.get("properties", {}).get(name)
        return None if inner is None else self.entered(inner)

    def settled(self) -> "Place":
        """Return the subschema that speaks of properties: behind references, in the only branch not null."""
        place = self
        while "properties" not in place.schema and (onward := next(place.onward(), None)) is not None:
            place = onward
        return place

    def onward(self) -> Iterator["Place"]:
        """Yield the subschemas that say the same of a value that is not null."""
        if "$ref" in self.schema:
            found = self.validator._resolver.lookup(self.schema["$ref"])  # noqa: SLF001 - as in keywords.py
            yield Place(self.validator.evolve(schema=found.contents, _resolver=found.resolver))
        for keyword in ("anyOf", "oneOf", "allOf"):
            branches = [each for each in self.schema.get(keyword, ()) if each != {"type": "null"}]
            if len(branches) == 1:
                yield self.entered(branches[0])

    def entered(self, inner: Any) -> "Place":
        """Return a subschema of this one."""
        return Place(self.validator.evolve(schema=inner))
