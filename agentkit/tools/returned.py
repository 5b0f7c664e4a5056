"""What a tool returns against the JSON Schema it declared for it (`returns=`)."""

import json
from collections.abc import Mapping
from functools import lru_cache

from pydantic_core import to_jsonable_python

from agentkit.core.messages import File, Image, Json, Text
from agentkit.errors import ConfigurationError
from agentkit.tools.arguments import BadArguments
from agentkit.tools.declared import Declared
from agentkit.tools.judged import Judged

_PARTS = (Text, Image, File)


def holds_parts(value: object) -> bool:
    """Tell whether a result is a `Text`, `Image` or `File`, or a list with one."""
    if isinstance(value, (list, tuple)):
        return any(isinstance(each, _PARTS) for each in value)
    return isinstance(value, _PARTS)


def misfit(declared: Declared, value: object) -> str:
    """Return in what a result is not as it was declared, as clauses; "" where it is, or nothing was declared."""
    if declared.returns is None:
        return ""
    if holds_parts(value):
        return "it holds parts of a message (Text, Image or File), which no schema describes"
    try:
        plain = to_jsonable_python(value, bytes_mode="base64")
    except Exception as error:  # noqa: BLE001 - whatever the value's own code raises: it happened
        return f"it is not JSON ({type(error).__name__})"
    try:
        _schema(declared.name, declared.returns).check(plain)
    except BadArguments as bad:
        return "; ".join(f"it {each[5:]}" if each.startswith("they ") else each for each in bad.problems)
    except ConfigurationError as error:
        return str(error)
    return ""


def check_form(declared: Declared) -> None:
    """Raise ConfigurationError where what a tool declares of its results is no JSON Schema."""
    if declared.returns is not None:
        _schema(declared.name, declared.returns)


def _schema(name: str, schema: Mapping[str, Json]) -> Judged:
    return _compiled(name, json.dumps(schema, default=dict))


@lru_cache(maxsize=1024)
def _compiled(name: str, schema: str) -> Judged:
    return Judged(f"{name} (returns=)", json.loads(schema))
