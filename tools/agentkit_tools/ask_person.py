"""A question to a person: `ask_person`, with choices if there are some.

The call waits until somebody answers, in this process or another, today or next week: `Result.questions`, then
`Session.answer`. The model reaches whoever reads the session's questions, and nobody and nothing else.
"""

from dataclasses import dataclass
from typing import Any, Never

from agentkit import Tool, ToolError, tool
from agentkit.errors import NeedsAnswer


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much one question may hold.

    Attributes:
        characters: of the question. choices: how many. choice: characters of one.
    """

    characters: int = 2000
    choices: int = 10
    choice: int = 200


def tools(*, limits: Limits | None = None) -> tuple[Tool[object, Any, Any], ...]:
    """Return the tool that asks.

    Args:
        limits: how much one question may hold.
    """
    bounds = limits or Limits()

    def ask_person(question: str, choices: list[str] | None = None) -> Never:
        """Ask a person what only they can know or decide, and wait for the answer. Ask one thing at a time.

        Args:
            question: all that the person needs to answer it: they may not have read the conversation.
            choices: answers to choose from, if there are some; the person may still say something else.
        """
        offered = [each.strip() for each in choices or ()]
        _check(question, offered, bounds)
        listed = "".join(f"\n{number}. {each}" for number, each in enumerate(offered, 1))
        raise NeedsAnswer(question.strip() + listed)

    return (tool(effect="read")(ask_person),)


def _check(question: str, choices: list[str], limits: Limits) -> None:
    if not question.strip() or len(question) > limits.characters:
        raise ToolError(f"Error: ask a question of 1 to {limits.characters} characters.")
    if len(choices) > limits.choices:
        raise ToolError(f"Error: {len(choices)} choices are too many: give at most {limits.choices}.")
    if any(not each or len(each) > limits.choice or len(each.splitlines()) > 1 for each in choices):
        raise ToolError(f"Error: a choice is one line of 1 to {limits.choice} characters.")
    if len(set(choices)) < len(choices) or len(choices) == 1:
        raise ToolError("Error: give two or more choices that differ, or none.")
