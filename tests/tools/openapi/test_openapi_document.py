"""What becomes of a document: which operations, under what rules, with what schemas; and documents that mean ill."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentkit.errors import ConfigurationError
from agentkit.tools.dispatch import Dispatch
from agentkit.tools.openapi import ApiKey, Basic, Bearer, OpenAPITools

URL = "https://api.example.org"
OK: dict[str, Any] = {"responses": {"200": {"description": "fine"}}}
Change = Callable[[dict[str, Any]], None]


def shop(version: str = "3.1.0", **more: Any) -> dict[str, Any]:
    paths = {
        "/orders": {
            "get": {"operationId": "orders/list", "tags": ["orders"], "summary": "List orders.", **OK},
            "post": {"operationId": "orders/create", "tags": ["orders"], **OK},
        },
        "/orders/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": {"operationId": "orders.get", "tags": ["orders"], **OK},
            "put": OK,
            "delete": {"operationId": "delete order", **OK},
            "trace": OK,
        },
        "/stock/{id}": {
            "parameters": [{"$ref": "#/components/parameters/id"}],
            "patch": {"operationId": "stock", "description": "x " * 900, **OK},
            "head": {"operationId": "stock", **OK},
        },
    }
    shared = {"id": {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}}
    return {"openapi": version, "info": {"title": "Shop", "version": "1"}, "paths": paths} | {
        "components": {"parameters": shared, **more}
    }


def schema_of(body: Any, version: str = "3.1.0", **schemas: Any) -> dict[str, Any]:
    """Return the schema of the one argument `body` of an operation, and the tool's `$defs`."""
    content = {"content": {"application/json": {"schema": {"type": "array", "items": body}}}}
    given = {"openapi": version, "paths": {"/": {"post": {"operationId": "f", "requestBody": content, **OK}}}}
    (made,) = OpenAPITools(given | {"components": {"schemas": schemas}}, URL).tools
    Dispatch([made])  # refuses what is no JSON Schema
    told: Any = made.inputs.schema
    return {**told["properties"]["body"]["items"], **({"$defs": told["$defs"]} if "$defs" in told else {})}


def test_operations_have_legal_names_and_the_rules_of_their_method() -> None:
    api = OpenAPITools(shop(), URL, prefix="shop")
    rules = {each.name: (each.effect, each.declared.needs_approval) for each in api}
    assert rules == {
        "shop_orders_list": ("read", False),
        "shop_orders_create": ("once", True),
        "shop_orders_get": ("read", False),
        "shop_PUT__orders__id_": ("idempotent", True),
        "shop_delete_order": ("idempotent", True),
        "shop_PATCH__stock__id_": ("once", True),  # two of one operationId: it means neither
        "shop_HEAD__stock__id_": ("read", False),
    }
    assert list(rules) == sorted(rules)
    told = {each.name: each.inputs.description for each in api}
    assert told["shop_orders_list"] == "List orders."
    assert told["shop_orders_create"] == "POST /orders"
    assert len(told["shop_PATCH__stock__id_"]) <= 1000
    assert all(each.declared.untrusted and each.declared.timeout == 30 for each in api)


@pytest.mark.parametrize(
    ("only", "without", "kept"),
    [
        (["orders.get"], (), {"orders_get"}),
        (["tag:orders"], (), {"orders_list", "orders_create", "orders_get"}),
        (["tag:orders"], ["POST"], {"orders_list", "orders_get"}),
        (["/orders/*"], ["delete order"], {"orders_get", "PUT__orders__id_"}),
        (["GET /orders*", "put"], (), {"orders_list", "orders_get", "PUT__orders__id_"}),
        (["PATCH /stock/{id}"], (), {"PATCH__stock__id_"}),
    ],
)
def test_a_choice_of_operations(only: list[str], without: list[str], kept: set[str]) -> None:
    assert {each.name for each in OpenAPITools(shop(), URL, only=only, without=without)} == kept


def test_the_user_may_say_otherwise_by_operation_and_the_last_word_counts() -> None:
    api = OpenAPITools(
        shop(),
        URL,
        only=["tag:orders", "delete order"],
        effect={"orders/create": "read", "orders.get": "once", "delete order": "once"},
        needs_approval={"POST": False, "tag:orders": True, "orders/create": False},
    )
    assert {each.name: (each.effect, each.declared.needs_approval) for each in api} == {
        "orders_list": ("read", True),
        "orders_create": ("read", False),
        "orders_get": ("once", True),
        "delete_order": ("once", True),
    }
    stricter = OpenAPITools(shop(), URL, effect={"orders.get": "once", "orders/create": "read"})
    assert all(each.declared.needs_approval for each in stricter if each.name in {"orders_get", "orders_create"})


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"only": ["order.get"]}, r"no operation 'order.get'; it has GET|no operation 'order.get'; it has HEAD"),
        ({"needs_approval": {"tag:shop": False}}, "no operation 'tag:shop'"),
        ({"only": "tag:orders"}, "lists of choices"),
        ({"effect": {"orders.get": "write"}}, "none of read, idempotent, once"),
        ({"auth": "tok"}, r"Bearer\(token\)"),
        ({"limit": 0}, "above 0"),
        ({"base_url": "ftp://x"}, "no http:// or https:// URL"),
        ({"base_url": "https://ann:pw@x"}, "no user, query or fragment"),
        ({"base_url": "http://example.org", "auth": Bearer("tok-1")}, "use https://"),
    ],
)
def test_a_mistake_is_told(more: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as error:
        OpenAPITools(**{"document": shop(), "base_url": URL, **more})
    assert "pw" not in str(error.value)


@pytest.mark.parametrize(
    "make",
    [lambda: Bearer(""), lambda: ApiKey("X\r\n", "v"), lambda: ApiKey("X", "é-secret"), lambda: ApiKey("X Y", "v")],
)
def test_a_key_that_cannot_be_sent_is_refused_and_not_shown(make: Callable[[], object]) -> None:
    with pytest.raises(ConfigurationError, match=r"a key has|no name of a header") as error:
        make()
    assert "secret" not in str(error.value)
    assert repr(Basic("ann", "pw")) == "Basic('Authorization', …, 'header')"


def test_schemas_of_3_0_are_said_in_todays_words() -> None:
    named = {"type": "string", "minLength": 1}
    assert schema_of({"type": "integer", "minimum": 0, "exclusiveMinimum": True}, "3.0.3") == {
        "type": "integer",
        "exclusiveMinimum": 0,
    }
    assert schema_of({"type": "integer", "maximum": 9, "exclusiveMaximum": False}, "3.0.3")["maximum"] == 9
    assert schema_of({"type": "string", "enum": ["a"], "nullable": True}, "3.0.3") == {
        "type": ["string", "null"],
        "enum": ["a", None],
    }
    both = {"allOf": [{"$ref": "#/components/schemas/N"}], "nullable": True, "description": "who"}
    assert schema_of(both, "3.0.3", N=named) == {
        "anyOf": [{"allOf": [named]}, {"type": "null"}],
        "description": "who",
    }
    beside = {"$ref": "#/components/schemas/N", "description": "not read in 3.0", "maxLength": 3}
    assert schema_of(beside, "3.0.3", N=named) == named
    assert schema_of(beside, "3.1.0", N=named) == {"description": "not read in 3.0", "maxLength": 3, "allOf": [named]}


def test_schemas_are_lean_and_lose_no_constraint() -> None:
    full = {
        "title": "T",
        "example": 1,
        "x-internal": 1,
        "xml": {},
        "type": "object",
        "required": ["id", "a"],
        "properties": {"id": {"readOnly": True}, "a": {"type": "string", "examples": ["x"], "writeOnly": True}},
        "patternProperties": {"^x": {"type": "integer", "title": "t"}},
        "additionalProperties": {"$ref": "#/components/schemas/N"},
        "minProperties": 1,
    }
    assert schema_of(full, N={"type": "null", "title": "n"}) == {
        "type": "object",
        "required": ["a"],
        "properties": {"a": {"type": "string"}},
        "patternProperties": {"^x": {"type": "integer"}},
        "additionalProperties": {"type": "null"},
        "minProperties": 1,
    }
    beside = {"$ref": "#/components/schemas/N", "maxLength": 3}
    assert schema_of(beside, N={"minLength": 1}) == {"maxLength": 3, "allOf": [{"minLength": 1}]}
    strange = schema_of({"type": "string", "pattern": "(?<bad", "description": "an id"})
    assert strange == {"type": "string", "description": "an id (pattern: (?<bad)"}


def test_references_in_a_circle_and_those_that_double_stay_small() -> None:
    tree = {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}}}
    made = schema_of({"$ref": "#/components/schemas/Tree"}, Tree=tree)
    assert made["$ref"] == "#/$defs/Tree"
    assert made["$defs"]["Tree"]["properties"]["kids"]["items"] == {"$ref": "#/$defs/Tree"}
    doubling: dict[str, Any] = {f"L{n}": {"anyOf": [{"$ref": f"#/components/schemas/L{n + 1}"}] * 2} for n in range(60)}
    made = schema_of({"$ref": "#/components/schemas/L0"}, "3.1.0", **doubling, L60={})
    assert len(json.dumps(made)) < 10_000


def at(path: str, **operation: Any) -> Change:
    def change(document: dict[str, Any]) -> None:
        document["paths"][path] = {"get": {**operation, **OK}}

    return change


def body(schema: Any) -> Change:
    return at("/x", requestBody={"content": {"application/json": {"schema": schema}}})


def deep(levels: int) -> Any:
    schema: Any = {}
    for _ in range(levels):
        schema = {"items": schema}
    return schema


HOSTILE: dict[str, tuple[Change, str]] = {
    "remote": (body({"items": {"$ref": "https://evil.example/s.json"}}), "GET /x refers to 'https://evil.*fetched"),
    "file": (body({"$ref": "other.json#/a"}), "nothing is fetched"),
    "remote parameter": (at("/x", parameters=[{"$ref": "http://169.254.169.254/"}]), "nothing is fetched"),
    "dangling": (body({"$ref": "#/components/schemas/None"}), "not in the document"),
    "no text": (body({"items": {"$ref": {}}}), "no part of a schema"),
    "circle": (body({"$ref": "#/paths/~1x/get/requestBody/content/application~1json/schema"}), "in a circle"),
    "deep": (body(deep(5_000)), "nested too deep"),
    "large": (body({"anyOf": [{}] * 30_000}), "more than 20000 parts"),
    "no schema": (body({"items": [{}]}), "is no schema"),
    "up": (at("/a/../b"), "`..`"),
    "up, encoded": (at("/a/%2e%2E/b"), "`..`"),
    "up, all encoded": (at("/a%2f..%5Cb"), "`..`"),
    "header": (at("/a", parameters=[{"name": "X-A: b\r\nX-B", "in": "header"}]), "no name of a header"),
    "query": (at("/a?x=1"), "no path"),
    "host": (at("@evil.example/"), "has to begin with /"),
    "no parameter": (at("/a/{id}"), "its path names id, and its parameters nothing"),
    "no such part": (
        at("/a", parameters=[{"name": "b", "in": "path", "required": True}]),
        "names nothing, and its parameters b",
    ),
    "no parameters": (at("/a", parameters={}), "has to be a list"),
    "no place": (at("/a", parameters=[{"name": "b", "in": "mind"}]), "not as OpenAPI has it: in"),
    "no version": (lambda document: document.update(openapi="2.0"), "no document of OpenAPI 3.0 or 3.1"),
    "no paths": (lambda document: document.update(paths=[]), "is no object"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_document_that_means_ill_is_refused_at_once(name: str) -> None:
    change, told = HOSTILE[name]
    given = shop()
    change(given)
    with pytest.raises(ConfigurationError, match=told):
        OpenAPITools(given, URL)


def test_an_operation_that_cannot_be_used_can_be_left_out() -> None:
    given = shop()
    body({"$ref": "https://evil.example/s.json"})(given)
    assert len(OpenAPITools(given, URL, without=["/x"]).tools) == 7


def test_a_file_is_read_and_what_is_wrong_with_it_is_said(tmp_path: Path) -> None:
    file = tmp_path / "shop.json"
    with pytest.raises(ConfigurationError, match="cannot be read"):
        OpenAPITools(file, URL)
    file.write_text("openapi: 3.1.0")
    with pytest.raises(ConfigurationError, match=r"is no JSON .* YAML"):
        OpenAPITools(str(file), URL)
    file.write_text("[" * 100_000)
    with pytest.raises(ConfigurationError, match="is no JSON"):
        OpenAPITools(file, URL)
    file.write_text("[]")
    with pytest.raises(ConfigurationError, match="holds no object"):
        OpenAPITools(file, URL)
    file.write_text(json.dumps(shop()))
    assert len(OpenAPITools(file, URL).tools) == 7


WRONG: tuple[Any, ...] = (None, 5, "x", True, [], {}, [[]], [None], {"$ref": {}}, {"a": None}, 1e400, "\ud800")


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return every place inside a value, as (what holds it, key)."""
    keys: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
    inside = [each for key in keys if isinstance(value[key], dict | list) for each in places(value[key])]
    return [(value, key) for key in keys] + inside


@pytest.mark.parametrize("version", ["3.0.3", "3.1.0"])
def test_whatever_stands_in_the_wrong_place_is_told_and_breaks_nothing(version: str) -> None:
    rich = {
        "type": "object",
        "required": ["a"],
        "properties": {
            "a": {"type": "string", "enum": ["x"], "nullable": True, "pattern": "x", "description": "d"},
            "b": {"minimum": 1, "exclusiveMinimum": True, "allOf": [{"$ref": "#/components/parameters/id/schema"}]},
        },
    }
    given = shop(version, securitySchemes={"k": {"type": "apiKey", "in": "query", "name": "k"}})
    content = {"multipart/form-data": {"schema": rich, "encoding": {"a": {"style": "form", "explode": True}}}}
    given["paths"]["/orders"]["post"]["requestBody"] = {"required": True, "content": content, "description": "d"}
    given["paths"]["/stock/{id}"]["head"]["parameters"] = [
        {
            "name": "q",
            "in": "query",
            "style": "form",
            "explode": False,
            "content": {"application/json": {"schema": rich}},
        }
    ]
    text = json.dumps(given)
    told = 0
    for number in range(len(places(given))):
        changed = json.loads(text)
        holder, key = places(changed)[number]
        for turn in (0, 5):  # of all twelve: none hurt, and they take ten seconds
            holder[key] = WRONG[(number + turn) % len(WRONG)]
            try:
                OpenAPITools(changed, URL)
            except ConfigurationError:
                told += 1
    assert told > len(places(given)) // 2
