"""Asking a tool's `reconcile` what became of a call whose outcome nobody recorded."""

import traceback
from functools import partial
from typing import Any

from agentkit.core.events import CallResolved
from agentkit.core.values import dataclass
from agentkit.tools.results import Raised, Returned, parts_of_deed
from agentkit.tools.running import Body
from agentkit.tools.tool import Outcome, Tool


@dataclass(frozen=True)
class Doubt:
    """An unknown call: its position, the number of its open question, and what a result of it begins with."""

    call: str
    question: int
    note: str

    def unknown(self, tool: str, why: str) -> CallResolved:
        """Say that nobody could tell; `why` is for the person who decides."""
        return CallResolved(self.call, self.question, "unknown", "reconcile", tool, why=why)


async def find_out(tool: Tool[Any, ..., Any], values: dict[str, Any], doubt: Doubt) -> CallResolved:
    """Ask. Raising, taking longer than the tool's own time-out and answering no `Outcome` all mean: unknown."""
    if tool.check is None:
        return doubt.unknown(tool.name, f"{tool.name} has no reconcile")
    body = Body(partial(tool.check, **values), tool.declared.timeout)
    await body.run()
    if isinstance(body.ended, Returned):
        return _answer(tool, doubt, body.ended.value)
    if isinstance(body.ended, Raised):
        why = f"raised {''.join(traceback.format_exception_only(body.ended.error)).strip()}"
    elif body.late:
        why = f"took longer than {tool.declared.timeout:g} s"
    else:
        why = "was cancelled from inside"
    return doubt.unknown(tool.name, f"the reconcile of {tool.name} {why}")


def _answer(asked: Tool[Any, ..., Any], doubt: Doubt, value: object) -> CallResolved:
    tool = asked.name
    match value:
        case Outcome(kind="happened", result=result):
            parts = parts_of_deed(asked.declared, result, doubt.note)
            return CallResolved(doubt.call, doubt.question, "happened", "reconcile", tool, parts)
        case Outcome(kind="not_happened"):
            return CallResolved(doubt.call, doubt.question, "not_happened", "reconcile", tool)
        case Outcome():
            return doubt.unknown(tool, f"the reconcile of {tool} could not tell")
        case _:
            return doubt.unknown(tool, f"the reconcile of {tool} returned {type(value).__name__}, no Outcome")
