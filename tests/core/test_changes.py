"""What differs between two bindings, in words."""

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from agentkit import Agent, Contract, Limits, ScriptedModel, tool
from agentkit.core.binding import bind, unbind
from agentkit.core.changes import KINDS, changes, changes_recorded, named
from agentkit.core.events import AgentBound
from agentkit.core.spec import Binding, Settings

ROW = {"id": "own", "carrier": {"write": "reasoning"}}


def agent(**more: Any) -> Agent[Any, Any]:
    @tool(effect="once", needs_approval=True)
    def refund(order: int) -> str:
        """Refund an order."""
        return str(order)

    @tool(effect="read")
    def look(order: int) -> str:
        """Look at an order."""
        return str(order)

    return Agent(ScriptedModel("ok"), tools=[refund, look], **more)


def binding(of: Agent[Any, Any] | None = None) -> Binding:
    of = of or agent()
    told = of.instructions if isinstance(of.instructions, str) else ""
    return replace(of.binding(told, of.endpoints[0]), contract=Contract.model_validate(ROW))


def with_tool(name: str, change: Callable[[Any], Any]) -> Binding:
    base = binding()
    return replace(base, tools=tuple(change(spec) if spec.bound.name == name else spec for spec in base.tools))


def told(old: Binding, new: Binding) -> list[str]:
    return [str(change) for change in changes(old, new)]


def test_equal_bindings_differ_in_nothing() -> None:
    assert changes(binding(), binding()) == ()


def test_a_binding_that_comes_back_from_a_journal_differs_in_nothing() -> None:
    extra: dict[str, Any] = {"stop": ("a", "b"), "deep": {"x": 1.0}}
    base = replace(binding(), settings=Settings(0.5, extra=extra), limits=Limits(seconds=30, cost=Decimal("0.50")))
    event, blobs = bind(base, "h", None, static=True)
    back = unbind(event, {blob.hash: blob.data for blob in blobs})
    stored = replace(back, limits=replace(back.limits, seconds=30.0))
    assert changes(stored, base) == changes(base, stored) == ()


def schema(**more: Any) -> Callable[[Any], Any]:
    def change(spec: Any) -> Any:
        parameters = json.loads(json.dumps(spec.parameters))
        parameters["properties"]["order"].update(more)
        return replace(spec, parameters=parameters, bound=replace(spec.bound, digest="other"))

    return change


CASES: list[tuple[str, Binding, list[str]]] = [
    ("name", replace(binding(), agent="other"), ['name was "agent", is "other" now']),
    (
        "instructions",
        replace(binding(), instructions="Be brief.\nBe kind."),
        ['instructions line 1 was "", is "Be brief." now'],
    ),
    ("model", replace(binding(), model="m2"), ['model was "scripted", is "m2" now']),
    (
        "model",
        replace(binding(), contract=Contract.model_validate({**ROW, "retention": "turn"})),
        ['model contract.retention was "all", is "turn" now'],
    ),
    (
        "settings",
        replace(binding(), settings=Settings(temperature=0.5, extra={"top_k": 3})),
        ["settings temperature was null, is 0.5 now", "settings extra.top_k added: 3"],
    ),
    ("limits", replace(binding(), limits=Limits(cost=Decimal("0.10"))), ["limits cost was null, is 0.10 now"]),
    ("version", replace(binding(), version="0.2.0"), [f'version was "{binding().version}", is "0.2.0" now']),
    ("tools", replace(binding(), tools=binding().tools[:1]), ['tools look removed; it was "Look at an order."']),
    (
        "tools",
        with_tool("refund", schema(type="string")),
        ['tools refund.parameters.properties.order.type was "integer", is "string" now'],
    ),
    (
        "tools",
        with_tool("look", lambda spec: replace(spec, bound=replace(spec.bound, effect="once"))),
        ['tools look.effect was "read", is "once" now'],
    ),
    (
        "tools",
        with_tool("refund", lambda spec: replace(spec, bound=replace(spec.bound, digest="other"))),
        ["tools refund.needs_approval changed"],
    ),
    (
        "tools",
        replace(binding(), tools=binding().tools[::-1]),
        ["tools order was refund, look, is look, refund now"],
    ),
]


@pytest.mark.parametrize(("kind", "new", "words"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_each_change_is_named(kind: str, new: Binding, words: list[str]) -> None:
    assert {change.kind for change in changes(binding(), new)} == {kind}
    assert told(binding(), new) == words


def test_every_kind_has_a_case() -> None:
    assert {kind for kind, _, _ in CASES} == set(KINDS)


def test_a_tool_that_was_added() -> None:
    assert told(replace(binding(), tools=()), binding())[0] == 'tools refund added: "Refund an order."'


def test_the_first_line_that_differs() -> None:
    old, new = (replace(binding(), instructions=text) for text in ("a\nb\nc", "a\nB\nC\nd"))
    assert told(old, new) == ['instructions line 2 was "b", is "B" now']
    assert told(replace(old, instructions="a"), old) == ['instructions line 2 added: "b"']


def test_another_order_of_keys_sends_other_bytes() -> None:
    def turned(spec: Any) -> Any:
        return replace(spec, parameters=dict(reversed(spec.parameters.items())))

    assert [change.place for change in changes(binding(), with_tool("look", turned))] == ["look.parameters.order"]


def test_true_is_not_one() -> None:
    old, new = (replace(binding(), settings=Settings(extra={"x": value})) for value in (1, True))
    assert told(old, new) == ["settings extra.x was 1, is true now"]


def test_a_long_value_is_shortened() -> None:
    (change,) = changes(binding(), replace(binding(), instructions="x" * 500))
    assert change.now is not None
    assert len(change.now) < 100
    assert change.now.endswith("…")


def recorded(one: Binding, host: str = "h") -> tuple[AgentBound, dict[str, bytes]]:
    event, blobs = bind(one, host, None, static=True)
    return event, {blob.hash: blob.data for blob in blobs}


def test_of_what_is_recorded_the_address_is_told_too() -> None:
    (old, contents), (new, more) = recorded(binding()), recorded(replace(binding(), model="m2"), "other")
    assert [str(change) for change in changes_recorded(old, new, contents | more)] == [
        'model was "scripted", is "m2" now',
        'model host was "h", is "other" now',
    ]
    assert set(named(old)) == set(contents)


def test_of_what_is_recorded_the_agents_own_instructions_count() -> None:
    bound, contents = recorded(binding())
    kept, contents = replace(bound, declared="own"), contents | {"own": b"Be kind."}
    assert [str(change) for change in changes_recorded(bound, kept, contents)] == [
        'instructions line 1 was "", is "Be kind." now'
    ]
    assert changes_recorded(kept, kept, contents) == ()
    assert "own" in named(kept)
