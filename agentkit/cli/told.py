"""What a model is told of tools: how long it is, and what is wrong with it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import combinations
from typing import Any

from agentkit.core.contract import Contract
from agentkit.errors import ConfigurationError
from agentkit.models.refs import inlined
from agentkit.tools import Tool

_LIKE = 0.9  # of two names or descriptions, from which on they are easily confused
_BYTES = 4  # of a token, roughly
_MOST = 128  # functions in one request: what every service takes


def length(tool: Tool[Any, ..., Any]) -> int:
    """Estimate the tokens of a tool: a fourth of the bytes of its JSON."""
    function = {"name": tool.name, "description": tool.inputs.description, "parameters": tool.inputs.schema}
    sent = json.dumps({"type": "function", "function": function}, separators=(",", ":"), ensure_ascii=False)
    return -(-len(sent.encode("utf-8", "replace")) // _BYTES)


def problems(tools: Sequence[Tool[Any, ..., Any]], contract: Contract | None) -> Iterator[str]:
    """Yield what is wrong, a sentence each; without a contract row, no service is asked about."""
    for each in tools:
        yield from _undescribed(each)
        yield from _refused(each, contract)
    for one, other in combinations(tools, 2):
        yield from _confused(one, other)
    if len(tools) > _MOST:
        yield f"{len(tools)} tools are too many for some services: give at most {_MOST}"
    if tools and contract is not None and contract.tools == "refused":
        yield f"{contract.id}: this service refuses tools"


def _undescribed(tool: Tool[Any, ..., Any]) -> Iterator[str]:
    if not tool.inputs.description.strip():
        yield f"{tool.name}: no description; write a docstring"
    properties = tool.inputs.schema.get("properties")
    for name, schema in properties.items() if isinstance(properties, Mapping) else ():
        if not (isinstance(schema, Mapping) and schema.get("description")):
            yield f"{tool.name}: the parameter {name} has no description; name it under Args: in the docstring"


def _refused(tool: Tool[Any, ..., Any], contract: Contract | None) -> Iterator[str]:
    schema = tool.inputs.schema
    if schema.get("type") != "object":
        yield f'{tool.name}: its parameters are no "type": "object", which services want'
    if not isinstance(schema.get("required", []), list | tuple):
        yield f"{tool.name}: `required` is no list"
    if any(not ref.startswith("#") for ref in _refs(schema)):
        yield f"{tool.name}: a $ref leads out of the schema, and nobody follows it"
    if contract is not None and contract.schema_refs == "inline":
        try:
            inlined(tool.name, schema)
        except ConfigurationError as error:
            yield f"{contract.id}: {error}"


def _refs(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        if isinstance(ref := node.get("$ref"), str):
            yield ref
        for each in node.values():
            yield from _refs(each)
    elif isinstance(node, list | tuple):
        for each in node:
            yield from _refs(each)


def _confused(one: Tool[Any, ..., Any], other: Tool[Any, ..., Any]) -> Iterator[str]:
    if one.name == other.name:
        yield f"{one.name}: two tools have this name"
    elif _like(_bare(one.name), _bare(other.name)):
        yield f"{one.name} and {other.name}: names that are easily confused"
    first, second = one.inputs.description, other.inputs.description
    if first.strip() and _like(first, second):
        yield f"{one.name} and {other.name}: almost the same description; say how they differ"


def _bare(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _like(one: str, other: str) -> bool:
    matcher = SequenceMatcher(None, one[:500], other[:500], autojunk=False)
    return matcher.real_quick_ratio() >= _LIKE and matcher.quick_ratio() >= _LIKE and matcher.ratio() >= _LIKE
