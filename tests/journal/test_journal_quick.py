"""The quick way back takes nothing that the careful one refuses, and makes the very same of what both take."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentkit.journal.quick import quick
from agentkit.journal.shape import Misfit, shape_of
from tests.journal.test_journal_codec import EVENTS, JSON, values

each_kind = pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)


@each_kind
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_it_takes_what_was_stored(kind: Any, data: st.DataObject) -> None:
    event = data.draw(values(kind))
    stored = shape_of(kind).pack(event)
    assert quick(kind)(stored) == shape_of(kind).unpack(stored) == event


@each_kind
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_what_it_takes_the_careful_way_takes_and_makes_the_same_of(kind: Any, data: st.DataObject) -> None:
    stored = shape_of(kind).pack(data.draw(values(kind)))
    names = [field.name for field in dataclasses.fields(kind)]
    if not names:
        stored = data.draw(st.dictionaries(st.text(max_size=3), JSON, max_size=1))
    else:
        stored |= data.draw(st.dictionaries(st.sampled_from([*names, "strange"]), JSON, min_size=1, max_size=2))
    try:
        made = quick(kind)(stored)
    except (ValueError, Misfit):
        return
    careful = shape_of(kind).unpack(stored)
    assert made == careful
    assert repr(made) == repr(careful)  # True is equal to 1, and 1 to 1.0
