"""What a tool returns: parts of a message, and results against the form that was declared for them."""

import dataclasses
from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel

from agentkit.core.events import ToolFinished
from agentkit.core.messages import File, Image, Part, Text
from agentkit.errors import ConfigurationError
from agentkit.tools import Outcome, Tool, tool
from agentkit.tools.dispatch import Dispatch
from agentkit.tools.results import NOTHING, parts_for
from tests.tools.conftest import MakeJob

PICTURE, FILE = Image("data:image/png;base64,AA=="), File("a.pdf", "data:application/pdf;base64,AA==")


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        (PICTURE, (PICTURE,)),
        (FILE, (FILE,)),
        (Text("as it is"), (Text("as it is"),)),
        (Text(""), (Text(NOTHING),)),
        ([PICTURE], (PICTURE,)),
        ((Text("look: "), PICTURE, FILE), (Text("look: "), PICTURE, FILE)),
        (["look: ", PICTURE, {"a": 1}, None], (Text("look: "), PICTURE, Text('{"a":1}'), Text("null"))),
        ([["no", 1], PICTURE], (Text('["no",1]'), PICTURE)),
        (b"\xfb\xff", (Text('"-_8="'),)),
        ({"raw": b"\xfb"}, (Text('{"raw":"-w=="}'),)),
    ],
)
def test_parts_of_a_result(value: object, parts: tuple[Part, ...]) -> None:
    assert parts_for(value) == parts


def test_a_note_comes_before_parts() -> None:
    assert parts_for(PICTURE, "Note.\n") == (Text("Note.\n"), PICTURE)
    assert parts_for([Text("a"), PICTURE], "Note.\n") == (Text("Note.\na"), PICTURE)


class Order(BaseModel):
    id: str
    on: date


@dataclasses.dataclass
class Line:
    sku: str
    raw: bytes = b""


TABLE = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}


def returning(value: object, returns: Any = TABLE, effect: Any = "read") -> Tool[Any, ..., Any]:
    @tool(effect=effect, returns=returns)
    def give() -> object:
        """Give it."""
        return value

    return give


async def run(made: Tool[Any, ..., Any], make_job: MakeJob) -> ToolFinished:
    ended = await Dispatch([made]).run(make_job("give"))
    assert isinstance(ended, ToolFinished)
    return ended


@pytest.mark.anyio
@pytest.mark.parametrize("value", [{"id": "7"}, {"id": "7", "more": [1]}, Order(id="7", on=date(2026, 1, 31))])
async def test_a_result_that_fits(value: object, make_job: MakeJob) -> None:
    assert await run(returning(value), make_job) == ToolFinished("2.1.0", parts_for(value))


MISFITS: list[tuple[object, str]] = [
    ({"id": 7}, "`id` must be a string, not 7"),
    ({}, "`id` is missing"),
    ("7", 'it must be an object, not "7"'),
    (None, "it must be an object, not null"),
    (PICTURE, "it holds parts of a message"),
    (object(), "it is not JSON"),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("value", "why"), MISFITS)
@pytest.mark.parametrize("effect", ["read", "idempotent"])
async def test_one_that_does_not_fit_has_failed(value: object, why: str, effect: str, make_job: MakeJob) -> None:
    ended = await run(returning(value, effect=effect), make_job)
    assert isinstance(ended.parts[0], Text)
    assert ended.failed
    assert ended.parts[0].text.startswith("Error: give is of no use now: its result does not have the form")
    assert why in ended.parts[0].text
    assert repr(value)[:20] in (ended.detail or "")  # for people


@pytest.mark.anyio
@pytest.mark.parametrize(("value", "why"), MISFITS)
async def test_a_deed_has_happened_whatever_its_report_looks_like(value: object, why: str, make_job: MakeJob) -> None:
    ended = await run(returning(value, effect="once"), make_job)
    first, shown = ended.parts[0], parts_for(value)
    assert isinstance(first, Text)
    assert not ended.failed
    assert first.text.startswith("Note: it is done, but its result does not have the form")
    assert why in first.text
    assert shown[-1] in ended.parts or shown[0].text in first.text  # type: ignore[union-attr]  # a text, or the picture
    assert repr(value)[:20] in (ended.detail or "")


@pytest.mark.anyio
async def test_what_a_reconcile_found_out_is_judged_as_a_deed(make_job: MakeJob) -> None:
    made = returning({}, effect="once")

    @made.reconcile
    async def was_given() -> Outcome[object]:
        return Outcome.happened({"id": 7})

    found: Any = await Dispatch([made]).reconcile(make_job("give"), 3)
    assert found.kind == "happened"
    assert found.parts[0].text.startswith("Note: it is done, but")


@tool(effect="read", returns=True)
async def find(order_id: str) -> Order | None:
    """Find an order."""
    return None if order_id == "0" else Order(id=order_id, on=date(2026, 1, 31))


@tool(effect="read", returns=True)
def lines() -> list[Line]:
    """List the lines."""
    return [Line("a", b"\xff"), Line(3)]  # type: ignore[arg-type]  # the slip that is found


@pytest.mark.anyio
async def test_the_form_may_be_that_of_the_return_annotation(make_job: MakeJob) -> None:
    order: Any = find.declared.returns
    assert order["anyOf"] == [{"$ref": "#/$defs/Order"}, {"type": "null"}]
    dispatch = Dispatch([find, lines])
    for order_id in ("0", "7"):
        ended: Any = await dispatch.run(make_job("find", {"order_id": order_id}))
        assert not ended.failed
    ended = await dispatch.run(make_job("lines"))
    assert "`[1].sku` must be a string, not 3" in ended.parts[0].text


def test_a_form_that_cannot_be() -> None:
    with pytest.raises(ConfigurationError, match="write it, as in `-> Order`"):
        tool(effect="read", returns=True)(_silent)
    for wrong in (False, "object", Order):
        with pytest.raises(ConfigurationError, match="JSON Schema as a mapping, or True"):
            returning({}, wrong)
    with pytest.raises(ConfigurationError, match="no JSON Schema"):
        tool(effect="read", returns=True)(_strange)
    with pytest.raises(ConfigurationError, match=r"give \(returns=\)"):
        Dispatch([returning({}, {"type": "thing"})])


@pytest.mark.anyio
async def test_a_form_that_refers_elsewhere_is_not_fetched(make_job: MakeJob) -> None:
    ended: Any = await run(returning({}, {"$ref": "http://127.0.0.1:1/form.json"}), make_job)
    assert ended.failed
    assert "nothing is fetched" in ended.parts[0].text


def _silent(a: int): ...  # type: ignore[no-untyped-def]  # noqa: ANN202


class Own: ...


def _strange() -> Own:
    return Own()
