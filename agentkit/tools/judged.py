"""A schema that is judged when the agent is made, and compiled when `jsonschema` is first needed.

`jsonschema` and what it brings take 0.1 s to load. A schema of everyday keywords, as typed functions have, is known to
be a good one without it (plain.py), and most values that fit are seen to do so (glance.py); whatever else a schema
holds, the meta-schema judges it at once.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

from agentkit.core.messages import Json
from agentkit.tools.glance import glance
from agentkit.tools.plain import well_formed

if TYPE_CHECKING:
    from agentkit.tools.validate import Schema

_LAST = "https://json-schema.org/draft/2020-12/schema"  # the draft of a schema that names none
_SEVENTH = "http://json-schema.org/draft-07/schema"
_DRAFTS = frozenset({_SEVENTH, f"{_SEVENTH}#", "https://json-schema.org/draft/2019-09/schema", _LAST})


class Judged:
    """One tool's schema. Args and errors: as of `validate.Schema`."""

    def __init__(self, tool: str, schema: Mapping[str, Json] | bool, *, typed: bool = True) -> None:  # noqa: FBT001 - JSON Schema's own form
        self._tool, self._schema, self._typed = tool, schema, typed
        self._plain = _is_plain(schema)
        if not self._plain:
            _ = self.compiled

    @cached_property
    def quick(self) -> Callable[[Any], bool] | None:
        """What tells at a glance of most values that fit; None where nothing can be told."""
        return glance(self._schema) if self._plain else None

    @cached_property
    def compiled(self) -> "Schema":
        """The schema, to hold values against that are not seen to fit."""
        made: Schema = import_module("agentkit.tools.validate").Schema(self._tool, self._schema, typed=self._typed)
        return made

    def check(self, arguments: Any) -> None:
        """Check parsed arguments. Raises: as `validate.Schema.check`."""
        if self.quick is None or not self.quick(arguments):
            self.compiled.check(arguments)


def _is_plain(schema: Mapping[str, Json] | bool) -> bool:  # noqa: FBT001 - as above
    try:
        return well_formed(schema) and (isinstance(schema, bool) or schema.get("$schema", _LAST) in _DRAFTS)
    except RecursionError:  # it is told what is wrong where it is judged
        return False
