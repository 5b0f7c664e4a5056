"""GitHub's own document, over 1,200 operations: as tools, and a sample of them at a real server.

It is a package of npm, which `make node` puts into `.node`; without it these tests are skipped. What a request has to
be is worked out here from the raw document, not from what the tools are made with.
"""

import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, quote

import pytest

from agentkit import ToolContext
from agentkit.core.commands import Go, Hold
from agentkit.tools.dispatch import Dispatch
from agentkit.tools.openapi import Bearer, OpenAPITools
from tests.tools.openapi.echo import Echo, Reached, serving

NODE = Path(os.environ.get("AGENTKIT_NODE", Path(__file__).parents[3] / ".node"))
GITHUB = NODE / "node_modules/@octokit/openapi/generated/api.github.com.json"

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not GITHUB.exists(), reason="GitHub's OpenAPI document is not there: make node"),
]

SAMPLE = 50
EFFECTS = {"get": "read", "put": "idempotent", "delete": "idempotent", "post": "once", "patch": "once"}
Raw: TypeAlias = Mapping[str, Any]
Call: TypeAlias = tuple[dict[str, Any], dict[str, Any], list[tuple[str, Any]], Any]


class Judge:
    """What the document says, read plainly."""

    def __init__(self) -> None:
        self.raw: Raw = json.loads(GITHUB.read_bytes())

    def all(self) -> Iterator[tuple[str, str, Raw]]:
        for path, item in self.raw["paths"].items():
            for method, operation in item.items():
                if method in EFFECTS:
                    yield method, path, operation

    def real(self, value: Raw) -> Raw:
        while "$ref" in value:
            found: Any = self.raw
            for each in value["$ref"][2:].split("/"):
                found = found[each.replace("~1", "/").replace("~0", "~")]
            value = found
        return value

    def value(self, schema: Raw) -> Any:
        """Return a value that fits a schema."""
        schema = self.real(schema)
        one = next((schema[many][0] for many in ("oneOf", "anyOf", "allOf") if many in schema), None)
        if one is not None and schema.get("type") != "object":
            return self.value(one)
        if "enum" in schema:
            return schema["enum"][0]
        return self._plain(schema)

    def _plain(self, schema: Raw) -> Any:
        match schema.get("type"):
            case "object":
                return {name: self.value(schema["properties"][name]) for name in schema.get("required", ())}
            case "array":
                return [self.value(schema["items"])] * max(1, schema.get("minItems", 0))
            case "integer" | "number":
                return schema.get("minimum", 7)
            case "boolean":
                return True
        if "pattern" in schema:
            return "0" * schema.get("minLength", 40)
        return "a/b ?#é&=+%"[: schema.get("maxLength", 20)] + "x" * (schema.get("minLength", 0))

    def call(self, operation: Raw) -> Call:
        """Return arguments, and what they are to become: of the path, of the query, and the body."""
        arguments: dict[str, Any] = {}
        path, query, body = {}, [], None
        for parameter in map(self.real, operation.get("parameters", ())):
            value = self.value(parameter["schema"])
            arguments[parameter["name"]] = value
            if parameter["in"] == "path":
                path[parameter["name"]] = value
            else:
                query.append((parameter["name"], value))
        if "requestBody" in operation:
            told = self.real(operation["requestBody"])
            schema = self.real(told["content"]["application/json"]["schema"])
            body = self.value(schema)
            if _flat(schema, told):
                arguments |= {f"body_{name}" if name in arguments else name: each for name, each in body.items()}
            else:
                arguments["body"] = body
        return arguments, path, query, body


def _flat(schema: Raw, told: Raw) -> bool:
    together = {"oneOf", "anyOf", "allOf", "not", "additionalProperties", "minProperties"}
    closed = schema.get("additionalProperties") is False
    if together & schema.keys() - ({"additionalProperties"} if closed else set()) or not schema.get("properties"):
        return False
    return told.get("required") is True or not schema.get("required")


def text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


async def test_every_operation_is_a_tool_and_a_sample_reaches_the_server_rightly() -> None:
    judge, echo = Judge(), Echo()
    operations = {each["operationId"]: (method, path, each) for method, path, each in judge.all()}
    begun = time.process_time()
    async with serving(echo) as url, OpenAPITools(GITHUB, url, auth=Bearer("tok-github-1")) as api:
        dispatch = Dispatch(api.tools)  # compiles each schema
        assert time.process_time() - begun < 15
        tools = {each.name: each for each in api}
        assert len(tools) == len(operations) > 1_000
        assert [name for name in tools if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name)] == []
        plain = {key: re.sub(r"[^A-Za-z0-9_-]", "_", key) for key in sorted(operations)}
        names = {key: name for key, name in plain.items() if name in tools}
        assert len(names) > len(operations) - 30  # the others are too long, and end in a mark
        assert [key for key, name in names.items() if tools[name].effect != EFFECTS[operations[key][0]]] == []
        usual = [key for key in names if _is_json(operations[key][2])]
        for key in usual[:: len(usual) // SAMPLE][:SAMPLE]:
            method, template, raw = operations[key]
            call = judge.call(raw)
            verdict = dispatch.check("1.1.0", names[key], json.dumps(call[0]), None)
            assert isinstance(verdict, Go if method == "get" else Hold), (key, verdict)
            await tools[names[key]](call[0], ToolContext(None, idempotency_key=f"u/{key}"))
            _judge(echo.requests[-1], method, template, call, f"u/{key}")
    assert len(echo.requests) == SAMPLE
    assert {each.method for each in echo.requests} == {"GET", "PUT", "DELETE", "POST", "PATCH"}


def _judge(seen: Reached, method: str, template: str, call: Call, key: str) -> None:
    _, path, query, body = call
    for name, value in path.items():
        template = template.replace(f"{{{name}}}", quote(text(value), safe=""))
    assert (seen.method, seen.path) == (method.upper(), template)
    flat = [(name, text(one)) for name, each in query for one in (each if isinstance(each, list) else [each])]
    assert parse_qsl(seen.query, keep_blank_values=True) == flat
    assert json.loads(seen.body or b"{}") == (body or {})
    assert seen.headers["authorization"] == "Bearer tok-github-1"
    assert seen.headers.get("idempotency-key") == (key if EFFECTS[method] == "once" else None)


def _is_json(raw: Raw) -> bool:
    return "requestBody" not in raw or "application/json" in raw["requestBody"].get("content", ())
