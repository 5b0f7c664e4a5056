"""What a model is told of tools: how long it is, and what is wrong with it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from agentkit.agent import Agent
from agentkit.core.contract import Contract
from agentkit.errors import ConfigurationError
from agentkit.models.refs import inlined
from agentkit.tools import Tool
from agentkit.tools.forms import Asked, asked_for
from agentkit.tools.strict import strict_specs

_LIKE = 0.9  # of two names or descriptions, from which on they are easily confused
_BYTES = 4  # of a token, roughly
_MOST = 128  # functions in one request: what every service takes


def length(tool: Tool[Any, ..., Any]) -> int:
    """Estimate the tokens of a tool: a fourth of the bytes of its JSON."""
    function = {"name": tool.name, "description": tool.inputs.description, "parameters": tool.inputs.schema}
    sent = json.dumps({"type": "function", "function": function}, separators=(",", ":"), ensure_ascii=False)
    return -(-len(sent.encode("utf-8", "replace")) // _BYTES)


def problems(tools: Sequence[Tool[Any, ..., Any]], contracts: Sequence[Contract]) -> Iterator[str]:
    """Yield what is wrong, a sentence each; without contract rows, no service is asked about."""
    for each in tools:
        yield from _undescribed(each)
        yield from _refused(each)
        for contract in contracts:
            yield from _not_inlined(each, contract)
    for number, one in enumerate(tools, 1):
        yield from _confused(one, tools[number:])
    if len(tools) > _MOST:
        yield f"{len(tools)} tools are too many for some services: give at most {_MOST}"
    for contract in contracts:
        if tools and contract.tools == "refused":
            yield f"{contract.id}: this service refuses tools"


def loosely(
    tools: Sequence[Tool[Any, ..., Any]], agent: Agent[Any, Any] | None, contract: Contract
) -> Iterator[tuple[str, bool]]:
    """Yield which schemas the service would not be asked to keep to, and why; and whether the agent asks for that."""
    if agent is None:
        specs, loose = strict_specs([each.spec for each in tools], contract.strict_tools)
        asked = Asked(specs, None, loose)
    else:
        asked = asked_for(agent.dispatch, contract, strict_tools=True)
    wanted = agent is not None and agent.settings.get("strict_tools", False)
    for why in () if contract.tools == "refused" else asked.loose:
        yield f"{contract.id}: {'' if wanted else 'with strict_tools, '}sent non-strict: {why}", wanted
    if asked.answer:
        yield f"{contract.id}: the schema of the answer is sent non-strict: {asked.answer}", False


def _undescribed(tool: Tool[Any, ..., Any]) -> Iterator[str]:
    if not tool.inputs.description.strip():
        yield f"{tool.name}: no description; write a docstring"
    properties = tool.inputs.schema.get("properties")
    for name, schema in properties.items() if isinstance(properties, Mapping) else ():
        if not (isinstance(schema, Mapping) and schema.get("description")):
            yield f"{tool.name}: the parameter {name} has no description; name it under Args: in the docstring"


def _refused(tool: Tool[Any, ..., Any]) -> Iterator[str]:
    schema = tool.inputs.schema
    if schema.get("type") != "object":
        yield f'{tool.name}: its parameters are no "type": "object", which services want'
    if not isinstance(schema.get("required", []), list | tuple):
        yield f"{tool.name}: `required` is no list"
    if any(not ref.startswith("#") for ref in _refs(schema)):
        yield f"{tool.name}: a $ref leads out of the schema, and nobody follows it"


def _not_inlined(tool: Tool[Any, ..., Any], contract: Contract) -> Iterator[str]:
    if contract.schema_refs == "inline":
        try:
            inlined(tool.name, tool.inputs.schema)
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


def _confused(one: Tool[Any, ..., Any], others: Sequence[Tool[Any, ..., Any]]) -> Iterator[str]:
    name, told = _matcher(_bare(one.name)), _matcher(one.inputs.description)
    for other in others:
        if one.name == other.name:
            yield f"{one.name}: two tools have this name"
        elif _like(name, _bare(other.name)):
            yield f"{one.name} and {other.name}: names that are easily confused"
        if one.inputs.description.strip() and _like(told, other.inputs.description):
            yield f"{one.name} and {other.name}: almost the same description; say how they differ"


def _bare(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _matcher(text: str) -> SequenceMatcher[str]:
    """Return what compares others with a text, which it takes apart once: an API has a thousand operations."""
    return SequenceMatcher(None, "", text[:500], autojunk=False)


def _like(matcher: SequenceMatcher[str], other: str) -> bool:
    matcher.set_seq1(other[:500])
    return matcher.real_quick_ratio() >= _LIKE and matcher.quick_ratio() >= _LIKE and matcher.ratio() >= _LIKE
