"""The session that everybody has to get through: each step thinks and looks one page up, the last one answers."""

import json
from collections.abc import Iterator
from typing import Any

from agentkit import tool

QUESTION = "Read the whole book, page by page, and say when you are done."
THINKING = "The next page has to be looked up, and after it the one behind it. " * 4


def page_text(page: int, size: int) -> str:
    """Return a page of `size` characters."""
    return f"{page:0{size}d}"


@tool(effect="read")
async def look_up(page: int, size: int) -> str:
    """Look a page of the book up.

    Args:
        page: its number.
        size: how many characters of it.
    """
    return page_text(page, size)


def script(steps: int, size: int) -> str:
    """Return the emulator's script of a session of so many steps, with results of `size` bytes."""
    return json.dumps({"*": [*_asking(steps, size), {"reasoning": THINKING, "content": "Done."}]})


def _asking(steps: int, size: int) -> Iterator[dict[str, Any]]:
    for page in range(1, steps):
        call = {"name": "look_up", "arguments": {"page": page, "size": size}}
        yield {"reasoning": THINKING, "calls": [call]}
