"""Schemas of tools without references, pure: for services that refuse `$ref` and `$defs`.

What a reference names takes its place. A recursion has no end to unfold to: it is cut where it begins again, and the
description says so there. The model is told less then; the arguments are checked against the whole schema all the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from agentkit.errors import ConfigurationError

MOST: Final = 20_000  # nodes of an unfolded schema: references to references grow without measure

_NAMED = frozenset({"properties", "patternProperties", "dependentSchemas"})  # keys are names, values schemas
_DATA = frozenset({"default", "enum", "const", "examples"})  # values are data
_GONE = frozenset({"$ref", "$defs", "definitions"})
_SAYING = frozenset({"description", "title", "default", "examples", "deprecated", "readOnly", "writeOnly"})


def inlined(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool's schema without references inside itself; those to elsewhere stay.

    Raises:
        ConfigurationError: unfolded it is too large, or a reference names nothing.
    """
    unfolded: dict[str, Any] = _Unfolding(name, schema).node(schema, ())
    return unfolded


@dataclass
class _Unfolding:
    """A schema being unfolded."""

    name: str
    root: Mapping[str, Any]
    nodes: int = 0

    def node(self, node: Any, within: tuple[str, ...]) -> Any:
        """Return a schema, or a list of them, unfolded; `within` are the references it was reached by."""
        self.nodes += 1
        if self.nodes > MOST:
            raise ConfigurationError(
                f"the schema of {self.name} has more than {MOST} parts once its references are put in their place, as "
                "this model's service wants it: make it simpler, or choose another model."
            )
        if isinstance(node, list | tuple):
            return [self.node(each, within) for each in node]
        if not isinstance(node, Mapping):
            return node
        own = dict(self._own(node, within))
        ref = node.get("$ref")
        if not isinstance(ref, str):
            return own
        if not ref.startswith("#"):
            return {"$ref": ref, **own}
        return _joined(self._target(ref, within), own)

    def _own(self, node: Mapping[str, Any], within: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        for key, value in node.items():
            if key in _DATA:
                yield key, value
            elif key in _NAMED and isinstance(value, Mapping):
                yield key, {name: self.node(each, within) for name, each in value.items()}
            elif key not in _GONE:
                yield key, self.node(value, within)

    def _target(self, ref: str, within: tuple[str, ...]) -> Any:
        target: Any = self.root
        for step in filter(None, unquote(ref[1:]).split("/")):
            key = step.replace("~1", "/").replace("~0", "~")
            target = _inside(target, key)
            if target is None:
                raise ConfigurationError(f"the schema of {self.name} refers to {ref}, which is not in it.")
        if ref not in within:
            return self.node(target, (*within, ref))
        what = ref.rpartition("/")[2].lstrip("#") or "the whole"
        kind = {"type": target["type"]} if isinstance(target, Mapping) and "type" in target else {}
        return {**kind, "description": f"Again of the form of {what}, in which this stands."}


def _inside(target: Any, key: str) -> Any:
    if isinstance(target, Mapping):
        return target.get(key)
    if isinstance(target, Sequence) and not isinstance(target, str) and key.isdecimal() and int(key) < len(target):
        return target[int(key)]
    return None


def _joined(target: Any, own: dict[str, Any]) -> Any:
    """Return what a reference names with what stands beside it: words take the place of words, rules are added."""
    if not own or not isinstance(target, dict):
        return target
    if own.keys() <= _SAYING:
        return {**target, **own}
    return {"allOf": [target], **own}
