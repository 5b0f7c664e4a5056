"""docs/tools.md is true: its programs run, and what it says of them holds."""

import inspect
import re
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from agentkit import ToolContext
from agentkit.core.commands import Go, Hold
from agentkit.messages import Image, Text
from agentkit.tools.dispatch import Dispatch
from tests.pages import Page
from tests.tools.conftest import MakeJob, make_job

__all__ = ["make_job"]  # a fixture

PAGE = Page("tools")
NAMES: dict[str, Any] = {}
for _program in PAGE.programs:
    NAMES = PAGE.here(_program, **NAMES)
TOOLS = ("order", "find", "ship_to_ann", "paying", "book", "chart", "find_order")
GIVEN: dict[str, tuple[dict[str, Any], Any]] = {
    "order": (
        {"lines": [{"sku": "a"}], "deliver_on": "2026-01-31", "tip": "0.10", "how": "courier"},
        "1 lines by courier on 31.01.2026, tip 0.10",
    ),
    "find": ({"order_id": "7"}, "ours has 7"),
    "ship": ({"order_id": "7"}, "7 to ann"),
    "pay": ({"to": "ann", "amount": 3}, "3 to ann by deps"),
    "book": ({"room": "12"}, "12 for 1"),
    "find_order": ({"order_id": "7"}, '{"id":"7","total":"9.50"}'),
}


@pytest.fixture
def dispatch() -> Dispatch:
    return Dispatch([NAMES[name] for name in TOOLS])


@pytest.mark.anyio
@pytest.mark.parametrize("name", GIVEN)
async def test_each_tool_does_what_the_page_says(name: str, dispatch: Dispatch, make_job: MakeJob) -> None:
    arguments, said = GIVEN[name]
    ended: Any = await dispatch.run(make_job(name, arguments, deps="deps"))
    assert (ended.parts, ended.failed) == ((Text(said),), False)


@pytest.mark.anyio
async def test_a_picture_is_a_part(dispatch: Dispatch, make_job: MakeJob) -> None:
    ended: Any = await dispatch.run(make_job("chart", {"year": 2026}))
    assert ended.parts == (Text("Sales of 2026: "), Image("data:image/png;base64,iVBORw0KGgo="))


@pytest.mark.anyio
async def test_a_tool_is_called_like_its_function() -> None:
    said = await NAMES["order"](ToolContext("deps"), [NAMES["Line"]("a")], date(2026, 1, 31))
    assert said == f"1 lines by post on 31.01.2026, tip {Decimal(0)}"


def test_what_the_model_is_told() -> None:
    schema = NAMES["order"].inputs.schema
    told = {name: each["description"] for name, each in schema["properties"].items()}
    assert told == {
        "lines": "what is ordered",
        "deliver_on": "the day of delivery, not a Sunday",
        "tip": "for who brings it, in EUR",
        "how": "who brings it",
    }
    line = schema["$defs"]["Line"]
    assert (line["description"], line["properties"]["count"]["description"]) == (
        "One line of an order.",
        "how many of it",
    )
    assert "customer" not in NAMES["ship_to_ann"].inputs.schema["properties"]
    assert NAMES["book"].inputs.description == "Book a room."


def test_the_rule_names_properties(dispatch: Dispatch) -> None:
    asked = [type(dispatch.check("1.1.0", "pay", f'{{"to": "a", "amount": {n}}}', "deps")) for n in (100, 101)]
    assert asked == [Go, Hold]


def test_what_it_says_of_declared_is_there() -> None:
    place = re.search(r"help\((agentkit\.tools\.declared)\.(Declared)\)", PAGE.text)
    assert place is not None
    module = __import__(place[1], fromlist=[place[2]])
    assert "effect" in inspect.signature(getattr(module, place[2])).parameters
