"""A tool's own policy: does a person have to agree to this call."""

import inspect
from collections.abc import Mapping
from typing import Any

from agentkit.tools.context import ToolContext
from agentkit.tools.tool import Tool


def asks_for_approval(tool: Tool[Any, ..., Any], values: Mapping[str, Any], context: ToolContext[Any]) -> bool | str:
    """Ask `needs_approval`, with the parameters it names (all, where it takes `**kwargs`); a text is the reason.

    Raises:
        TypeError: it returned neither True, False nor a reason: taking a slip for an answer would be worse.
        Exception: whatever it raises itself.
    """
    rule = tool.declared.needs_approval
    if not callable(rule):
        return rule is not False
    given = dict(tool.inputs.named(values))
    if tool.inputs.context is not None:
        given[tool.inputs.context] = context
    wanted = inspect.signature(rule).parameters
    if not any(each.kind is each.VAR_KEYWORD for each in wanted.values()):
        given = {name: value for name, value in given.items() if name in wanted}
    answer: object = rule(**given)
    if not isinstance(answer, bool | str) or answer == "":
        raise TypeError(
            f"needs_approval of {tool.name} returned {answer!r}; it must return True, False, or the reason as a text."
        )
    return answer
