"""`replace` does what `dataclasses.replace` does, for values with slots and without."""

import dataclasses

import pytest

from agentkit.core.replacing import replace


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
