"""`replace` does what `dataclasses.replace` does, for values with slots and without; a draft changes in place."""

import dataclasses

import pytest

from agentkit.core.replacing import done, draft, replace


@dataclasses.dataclass(frozen=True)
class Open:
    one: int = 1
    two: int = 2


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    one: int = 1
    two: int = 2


@pytest.mark.parametrize("kind", [Open, Slotted])
def test_some_fields_change_and_the_first_value_does_not(kind: type[Open] | type[Slotted]) -> None:
    value = kind()
    assert replace(value, two=3) == dataclasses.replace(value, two=3) == kind(1, 3)
    assert value == kind(1, 2)


@pytest.mark.parametrize("kind", [Open, Slotted])
def test_a_field_that_does_not_exist_is_refused(kind: type[Open] | type[Slotted]) -> None:
    with pytest.raises(TypeError, match="three"):
        replace(kind(), three=3)  # type: ignore[call-arg]


def test_a_draft_is_changed_in_place_and_the_value_it_was_made_of_is_not() -> None:
    value = Open()
    new = draft(value, one=5)
    assert replace(new, two=6) is new
    assert done(new) == Open(5, 6)
    assert value == Open()
    assert replace(new, two=7) == Open(5, 7)
    assert new == Open(5, 6)


def test_a_draft_that_was_given_a_field_that_does_not_exist_is_refused() -> None:
    new = draft(Open())
    replace(new, three=3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="three"):
        done(new)
