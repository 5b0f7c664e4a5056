"""A plan that the model keeps: `update_plan`, which takes the whole plan and shows it back.

There is no store. The plan is the call's argument, and so it is in the journal: it survives a restart, is forked and
erased with its session, is replayed, and two sessions cannot meet in it. The model reaches nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from agentkit import Tool, ToolError, tool


@dataclass(frozen=True)
class Item:
    """One step of a plan."""

    text: str
    status: Literal["open", "doing", "done", "dropped"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much one plan may hold.

    Attributes:
        items: how many. characters: of one.
    """

    items: int = 50
    characters: int = 300


_MARKS = {"open": "[ ]", "doing": "[>]", "done": "[x]", "dropped": "[-]"}


def tools(*, limits: Limits | None = None) -> tuple[Tool[object, Any, Any], ...]:
    """Return the tool that keeps a plan.

    Args:
        limits: how much one plan may hold.
    """
    bounds = limits or Limits()

    def update_plan(items: list[Item]) -> str:
        """Write down your plan for work of several steps, and again whenever a step begins, ends or changes.

        Each call replaces the whole plan: give all steps, also those that are done. One step at most is "doing".

        Args:
            items: the steps in order, each with its text and its status: open, doing, done or dropped.
        """
        steps = [(each.text.strip(), each.status) for each in items]
        _check(steps, bounds)
        return _shown(steps)

    return (tool(effect="read")(update_plan),)


def _check(steps: Sequence[tuple[str, str]], limits: Limits) -> None:
    if not 1 <= len(steps) <= limits.items:
        raise ToolError(f"Error: a plan has 1 to {limits.items} steps, not {len(steps)}.")
    for number, (text, _) in enumerate(steps, 1):
        if not text or len(text) > limits.characters or len(text.splitlines()) > 1:
            raise ToolError(f"Error: step {number} has to be one line of 1 to {limits.characters} characters.")
    texts = [text.casefold() for text, _ in steps]
    if twice := next((text for (text, _), key in zip(steps, texts, strict=True) if texts.count(key) > 1), None):
        raise ToolError(f"Error: the step {twice!r} is there twice: give each its own words.")
    if (doing := sum(status == "doing" for _, status in steps)) > 1:
        raise ToolError(f'Error: {doing} steps are "doing": one at most is.')


def _shown(steps: Sequence[tuple[str, str]]) -> str:
    lines = [f"{number}. {_MARKS[status]} {text}" for number, (text, status) in enumerate(steps, 1)]
    left = [text for text, status in steps if status in {"doing", "open"}]
    counted = f"{sum(status == 'done' for _, status in steps)} of {len(steps)} steps are done"
    doing = next((text for text, status in steps if status == "doing"), None)
    following = f"now: {doing}" if doing else f"next: {left[0]}" if left else "nothing is left to do"
    return "\n".join([*lines, f"({counted}; {following})"])
