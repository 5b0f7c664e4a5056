"""JSON-Schema-Test-Suite through dispatch: the suite's verdict, and by name what is known to differ."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator
from jsonschema.validators import validator_for

from agentkit import tool
from agentkit.core.commands import Go, Refuse
from agentkit.errors import ConfigurationError
from agentkit.tools.arguments import BadArguments
from agentkit.tools.dispatch import Dispatch
from agentkit.tools.judged import Judged
from agentkit.tools.plain import _KEYWORDS, well_formed
from tests.fetched import suite

DRAFTS = {"draft7": "http://json-schema.org/draft-07/schema#", "draft2020-12": None}
REMOTE = "http://localhost:1234"  # where the suite's own documents would have to be served: nothing is fetched
COUNTS = {"draft7": (274, 986), "draft2020-12": (380, 1313)}  # groups and cases that ran

# Python's dialect of regular expressions is not ECMA 262's: `\d` and `\w` know all scripts, `\s` has no zero-width
# no-break space, and `\c` is no escape (a schema that uses it is refused when the agent is made).
DIALECT = {
    r"ECMA 262 regex escapes control codes with \c and upper letter",
    r"ECMA 262 regex escapes control codes with \c and lower letter",
    r"ECMA 262 \d matches ascii digits only",
    r"ECMA 262 \D matches everything but ascii digits",
    r"ECMA 262 \w matches ascii letters only",
    r"ECMA 262 \W matches everything but ascii letters",
    r"ECMA 262 \s matches whitespace",
    r"ECMA 262 \S matches everything but whitespace",
    r"\w in patterns matches [A-Za-z0-9_], not unicode letters",
    r"\d in pattern matches [0-9], not unicode digits",
    r"\w in patternProperties matches [A-Za-z0-9_], not unicode letters",
    r"\d in patternProperties matches [0-9], not unicode digits",
}
# What the drafts leave to the reader, and we leave out: `format`, `content…` and the older `dependencies` tell.
OPTIONAL = ("optional/format", "optional/content.json", "optional/dependencies-compatibility.json")


def groups(draft: str) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Yield the groups of a draft: where each stands, its schema with the draft named, and itself."""
    for file, found in suite(draft):
        for group in found:
            if not file.startswith(OPTIONAL) and REMOTE not in json.dumps(group):
                named = DRAFTS[draft] is not None and isinstance(group["schema"], dict)
                schema = {"$schema": DRAFTS[draft], **group["schema"]} if named else group["schema"]
                yield f"{file}: {group['description']}", schema, group


def verdicts(group: dict[str, Any], schema: Any) -> list[bool]:
    found = []
    judged = Judged("suite", schema, typed=False)
    for case in group["tests"]:
        try:
            judged.check(case["data"])
        except BadArguments:
            found.append(False)
        else:
            found.append(True)
    return found


@pytest.mark.parametrize("draft", DRAFTS)
def test_every_group_gives_the_suites_verdict(draft: str) -> None:
    different, ran, cases = set(), 0, 0
    for where, schema, group in groups(draft):
        try:
            found = verdicts(group, schema)
        except ConfigurationError:
            found = []
        ran, cases = ran + 1, cases + len(found)
        if found != [case["valid"] for case in group["tests"]]:
            different.add(where)
    assert {where.partition(": ")[2] for where in different} == DIALECT
    assert {where.partition(": ")[0] for where in different} == {"optional/ecmascript-regex.json"}
    assert (ran, cases) == COUNTS[draft]


def wrapped(draft: str, schema: Any) -> dict[str, Any] | None:
    """Return the schema of an object with the suite's schema as its `value`: a document of its own, by an `$id`.

    None where that would be another schema: draft 7 reads nothing beside a `$ref`, and a dynamic reference (as in a
    meta-schema) looks for the outermost document.
    """
    if isinstance(schema, dict):
        text = json.dumps({key: value for key, value in schema.items() if key != "$schema"})
        if (draft == "draft7" and "$ref" in schema) or "$dynamic" in text or "json-schema.org" in text:
            return None
        schema = {"$id": "http://suite.example/schema", **schema}
    more = {} if DRAFTS[draft] is None else {"$schema": DRAFTS[draft]}
    return {**more, "type": "object", "properties": {"value": schema}, "required": ["value"]}


@pytest.mark.parametrize(("draft", "least"), [("draft7", 210), ("draft2020-12", 300)])
def test_through_a_real_dispatch(draft: str, least: int) -> None:
    ran = 0
    for where, schema, group in groups(draft):
        parameters = None if group["description"] in DIALECT else wrapped(draft, schema)
        if parameters is None:
            continue

        @tool(effect="read", parameters=parameters, name="suite")
        def take(arguments: dict[str, Any]) -> str:
            """Take it."""
            raise AssertionError(arguments)

        dispatch = Dispatch([take])
        for case in group["tests"]:
            verdict = dispatch.check("1.1.0", "suite", json.dumps({"value": case["data"]}), None)
            assert isinstance(verdict, Go if case["valid"] else Refuse), (where, case["description"], verdict)
        ran += 1
    assert ran >= least


@pytest.mark.parametrize("draft", DRAFTS)
def test_what_is_taken_for_well_formed_at_a_glance_is_so_by_its_meta_schema(draft: str) -> None:
    plain = [schema for _, schema, _ in groups(draft) if well_formed(schema)]
    assert len(plain) > 150
    for schema in plain:
        kind: Any = validator_for(schema, default=Draft202012Validator)
        kind.check_schema(schema, None)


SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    st.booleans() | st.none() | st.integers(-2, 2) | st.sampled_from(["string", "object", "[", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*sorted(_KEYWORDS), "type", "type", "strange"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(SCHEMAS)
def test_no_odd_schema_is_taken_for_well_formed(schema: Any) -> None:
    if well_formed(schema):
        Draft202012Validator.check_schema(schema)
        Draft7Validator.check_schema(schema)
