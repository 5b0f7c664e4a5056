"""What a person found out of a call (`Session.resolve`): held to what the tool itself would be held to."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from agentkit.core.events import CallResolved
from agentkit.core.messages import Text
from agentkit.tools.declared import Declared
from agentkit.tools.results import parts_of_deed
from agentkit.tools.returned import misfit


def noted(event: CallResolved, declared: Declared, note: str) -> CallResolved:
    """Return the fact with a note for the model, where the result has not the form that the tool declares.

    Whoever left it without an agent at hand could not be told; and it happened, so it is not refused now. Text and
    JSON look alike in the inbox: it is enough that one of them has the form.

    Args:
        event: something that happened, its result whole.
        declared: by the tool.
        note: what the result begins with.
    """
    if len(event.parts) != 1 or not isinstance(event.parts[0], Text):
        return event
    said = event.parts[0].text.removeprefix(note)
    if all(misfit(declared, value) for value in _readings(said)):
        return replace(event, parts=parts_of_deed(declared, said, note))
    return event


def _readings(said: str) -> Iterator[Any]:
    yield said
    try:
        yield json.loads(said)
    except ValueError:
        return
