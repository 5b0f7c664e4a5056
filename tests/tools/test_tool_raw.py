"""Tools whose parameters are a JSON Schema or a pydantic model: what they get, and what is refused."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import BaseModel, Field, field_validator

from agentkit.core.commands import Go, Hold, Refuse
from agentkit.core.events import CallResolved
from agentkit.errors import ConfigurationError
from agentkit.tools import Outcome, Tool, ToolContext, tool
from agentkit.tools.dispatch import Dispatch
from tests.tools.conftest import MakeJob

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "to": {"type": "string", "description": "who gets it"},
        "amount": {"type": "integer", "minimum": 1},
        "currency": {"type": "string", "default": "EUR"},
        "note-2": {"type": "string"},
    },
    "required": ["to", "amount"],
    "additionalProperties": False,
}


class Payment(BaseModel):
    """Pay somebody.

    Attributes:
        to: who gets it
    """

    to: str
    amount: int = Field(ge=1)
    currency: str = Field(default="EUR", alias="in")

    @field_validator("to")
    @classmethod
    def _known(cls, to: str) -> str:
        if to == "nobody":
            raise ValueError("there is no such person")
        return to


async def pay(arguments: dict[str, Any], ctx: ToolContext[str]) -> str:
    return f"{json.dumps(arguments)} by {ctx.deps}"


async def pay_model(payment: Payment) -> str:
    """Pay."""
    return f"{payment.amount} {payment.currency} to {payment.to}"


def raw(**declared: Any) -> Tool[Any, ..., Any]:
    fields: dict[str, Any] = {"effect": "once", "parameters": SCHEMA, "name": "pay", "description": "Pay somebody."}
    return tool(**(fields | declared))(pay)


@pytest.mark.anyio
async def test_a_schema_goes_to_the_model_as_it_is_and_arguments_to_the_function_as_they_came(
    make_job: MakeJob,
) -> None:
    paying = raw()
    assert (paying.spec.description, paying.spec.parameters) == ("Pay somebody.", SCHEMA)
    ended: Any = await Dispatch([paying]).run(make_job("pay", {"to": "é", "amount": 3}, deps="ann"))
    assert ended.parts[0].text == '{"to": "\\u00e9", "amount": 3} by ann'


@pytest.mark.anyio
async def test_a_model_is_made_of_the_arguments(make_job: MakeJob) -> None:
    paying = tool(effect="once", parameters=Payment)(pay_model)
    dispatch = Dispatch([paying])
    ended: Any = await dispatch.run(make_job("pay_model", {"to": "ann", "amount": 3, "in": "USD"}))
    assert ended.parts[0].text == "3 USD to ann"
    properties: Any = paying.spec.parameters["properties"]
    assert paying.spec.description == "Pay."
    assert (list(properties), properties["to"]["description"]) == (["to", "amount", "in"], "who gets it")


def test_a_models_docstring_describes_a_tool_without_one() -> None:
    def silent(payment: Payment) -> None: ...

    made = tool(effect="once", parameters=Payment)(silent)
    assert made.spec.description == "Pay somebody."
    assert "description" not in made.spec.parameters


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"to": "ann"}, "`amount` is missing"),
        ({"to": "ann", "amount": 0}, "`amount` must be at least 1"),
        ({"to": "ann", "amount": 1, "more": 1}, "`more` is no parameter"),
        ({"to": "nobody", "amount": 1}, "there is no such person"),
    ],
)
def test_what_does_not_fit_is_told_to_the_model(arguments: dict[str, Any], said: str) -> None:
    verdict = Dispatch([tool(effect="once", parameters=Payment)(pay_model)]).check(
        "1.1.0", "pay_model", json.dumps(arguments), None
    )
    assert isinstance(verdict, Refuse)
    assert said in verdict.event.parts[0].text  # type: ignore[union-attr]  # it is a text


def _no_argument() -> None: ...


def _two(to: str, amount: int) -> None: ...


def _as_dict(arguments: dict[str, Any]) -> None: ...


def _as_model(arguments: Payment) -> None: ...


def _as_text(arguments: str) -> None: ...


@pytest.mark.parametrize(
    ("function", "parameters", "way_out"),
    [
        (_no_argument, SCHEMA, r"takes all arguments as one.*takes nothing"),
        (_two, SCHEMA, r"takes to, amount"),
        (_as_dict, {"type": "array"}, '"type": "object"'),
        (_as_dict, {}, '"type": "object"'),
        (_as_dict, [SCHEMA], "JSON Schema as a mapping, or a pydantic model"),
        (_as_dict, Payment(to="a", amount=1), "pydantic model .the class."),
        (_as_dict, dict, "pydantic model .the class."),
        (_as_dict, Payment, "write `arguments: Payment`"),
        (_as_model, SCHEMA, r"write `arguments: dict\[str, Any\]`"),
        (_as_text, SCHEMA, r"write `arguments: dict\[str, Any\]`"),
    ],
)
def test_what_cannot_work_is_refused_with_the_way_out(function: Any, parameters: Any, way_out: str) -> None:
    with pytest.raises(ConfigurationError, match=way_out):
        tool(effect="read", parameters=parameters)(function)


def test_a_schema_that_is_none_is_refused_when_the_agents_tools_are_put_together() -> None:
    made = tool(effect="read", parameters={"type": "object", "properties": {"a": {"type": "txt"}}})(_as_dict)
    with pytest.raises(ConfigurationError, match="no valid JSON Schema"):
        Dispatch([made])


def test_a_mapping_may_be_taken_as_any_mapping() -> None:
    def read_only(arguments: Mapping[str, Any]) -> None: ...

    def anything(arguments: Any) -> None: ...

    for function in (read_only, anything):
        assert tool(effect="read", parameters=SCHEMA)(function).spec.parameters == SCHEMA


@pytest.mark.anyio
async def test_reconcile_takes_the_same_one_argument(make_job: MakeJob) -> None:
    paying = raw()

    @paying.reconcile
    async def was_paid(arguments: dict[str, Any], ctx: ToolContext[str]) -> Outcome[str]:
        return Outcome.happened(f"{arguments['amount']} by {ctx.deps}")

    found: Any = await Dispatch([paying]).reconcile(make_job("pay", {"to": "x", "amount": 3}, deps="ann"), 7)
    assert isinstance(found, CallResolved)
    assert (found.kind, found.parts[0].text) == ("happened", "3 by ann")  # type: ignore[union-attr]  # it is a text


def test_reconcile_with_other_parameters_is_refused() -> None:
    async def other(to: str, amount: int) -> Outcome[str]:
        return Outcome.happened(f"{to} {amount}")

    async def model(arguments: Payment, ctx: ToolContext[str]) -> Outcome[str]:
        return Outcome.happened(f"{arguments} {ctx.deps}")

    with pytest.raises(ConfigurationError, match=r"\(arguments, ctx\), not \(to, amount\)"):
        raw().reconcile(other)
    with pytest.raises(ConfigurationError, match="`arguments` has different annotations"):
        raw().reconcile(model)


RULES: dict[str, tuple[Any, bool]] = {
    "one property": (lambda amount: amount > 2, True),
    "two, and a default of its own": (lambda to, amount, limit=3: to == "ann" and amount > limit, False),
    "one that was left out, at its default": (lambda currency: currency == "EUR", True),
    "all at once": (lambda arguments: arguments["amount"] == 3, True),
    "all by name": (lambda **given: given["note-2"] is None and given["to"] == "ann", True),
    "the context": (lambda ctx, amount: ctx.deps == "boss" and bool(amount), True),
}


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_asked_with_the_arguments_it_names(name: str) -> None:
    rule, holds = RULES[name]
    verdict = Dispatch([raw(needs_approval=rule)]).check("1.1.0", "pay", '{"to": "ann", "amount": 3}', "boss")
    assert type(verdict) is (Hold if holds else Go)


@pytest.mark.parametrize(("amount", "kind"), [(3, Hold), (2, Go)])
def test_a_rule_about_a_model(amount: int, kind: type[Any]) -> None:
    given: dict[str, Any] = {"effect": "once", "parameters": Payment}
    rules = (lambda amount, to: amount > 2 and bool(to), lambda payment: payment.amount > 2)
    for rule in rules:
        made = tool(**given, needs_approval=rule)(pay_model)
        verdict = Dispatch([made]).check("1.1.0", "pay_model", json.dumps({"to": "x", "amount": amount}), None)
        assert type(verdict) is kind


def test_a_rule_that_names_no_property_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"`total` is none of the tool's \(arguments, ctx, to, amount"):
        raw(needs_approval=lambda total: total > 1)
