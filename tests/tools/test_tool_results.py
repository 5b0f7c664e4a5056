"""What the model sees of a result."""

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from agentkit.core.messages import Text
from agentkit.tools.results import NOTHING, parts_for


class Order(BaseModel):
    id: str
    lines: list[int]


@dataclasses.dataclass
class Line:
    sku: str


class Opaque:
    def __repr__(self) -> str:
        return "Opaque()"


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError("no")


CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)
NOT_JSON = "(it is done; its result is not JSON and is shown as text) "


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is\n", "as it is\n"),
        ("", NOTHING),
        (None, "null"),
        (True, "true"),
        (7, "7"),
        ({"a": [1, None]}, '{"a":[1,null]}'),
        ([], "[]"),
        (Order(id="é", lines=[1]), '{"id":"é","lines":[1]}'),
        ([Line("x")], '[{"sku":"x"}]'),
        (datetime(2026, 1, 31, tzinfo=UTC), '"2026-01-31T00:00:00Z"'),
        ("half \ud800", "half \ud800"),
        ({"half": "\ud800é"}, '{"half":"\ud800é"}'),
        (Opaque(), NOT_JSON + "Opaque()"),
        (b"\xff", '"_w=="'),
        (CIRCLE, NOT_JSON + "[[...]]"),
        (Broken(), NOT_JSON + "a Broken"),
    ],
)
def test_result(value: object, text: str) -> None:
    assert parts_for(value) == (Text(text),)


def test_a_note_comes_first() -> None:
    assert parts_for("", "Note.\n") == (Text("Note.\n" + NOTHING),)
