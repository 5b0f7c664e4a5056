"""What the contract tests share: every row of both tables, a small agent, and a script that is hard to send back."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from agentkit import Agent, Model, tool
from agentkit.emulator import Call, Emulator, Reply
from agentkit.emulator.log import Counts
from agentkit.models import contracts

TODAY: Final = date(2026, 11, 22)
NASTY: Final = ' \u2028\n“quoted” \\n \\" 😀 \ud83d \x85\t <b>'
ROWS: Final = tuple(dict.fromkeys(row.id for row in contracts.rows()))
TOOLLESS: Final = frozenset(row.id for row in contracts.rows() if row.tools == "refused")
WITH_TOOLS: Final = tuple(row for row in ROWS if row not in TOOLLESS)
KINDS: Final = ("deepseek-v4", "generic", "gemini-openai", "minimax-m2", "openai-responses")  # one row of each carrier


@tool(effect="read")
async def find(q: str) -> str:
    """Look something up."""
    return f"found {q}"


@tool(effect="read")
async def note(text: str) -> str:
    """Take a note."""
    return f"noted {len(text)}"


def model(row: str, server: Emulator) -> Model:
    """Return a model that keeps this row's contract with a server that judges by it."""
    return Model("m", base_url=server.base_url, contract=row, api_key="k")


def agent(row: str, server: Emulator, **settings: Any) -> Agent[object, str]:
    """Return an agent that asks this server; with tools wherever the row allows any."""
    tools = () if row in TOOLLESS else (find, note)
    return Agent(model(row, server), instructions="Help.", tools=tools, settings=settings)  # type: ignore[arg-type]


def calls(row: str, *asked: Call) -> Sequence[Call]:
    """Return the calls, or none where the row allows no tools."""
    return () if row in TOOLLESS else asked


def turns(row: str, **how: Any) -> list[Reply]:
    """Return two turns: two calls at once, one call behind an empty thought, a text, and a second turn."""
    two = calls(row, Call("find", '{"q" : "é\u2028\\n"}'), Call("note", {"text": NASTY}))
    one = calls(row, Call("find", {"q": "again"}))
    if row in TOOLLESS:
        return [Reply("I look.", NASTY, **how), Reply("Done.", "short", **how)]
    return [
        Reply("I look.", NASTY, two, **how),
        Reply(None, "", one, **how),
        Reply(f"Here: {NASTY}", "so", **how),
        Reply(None, "more", one, **how),
        Reply("Done.", None, **how),
    ]


def losses(counts: Counts) -> dict[str, int]:
    """Return what came back otherwise than it was sent, by kind; empty where nothing did."""
    kinds = ("reasoning_missing", "reasoning_altered", "reasoning_unread", "content_altered", "arguments_altered")
    found = {kind: getattr(counts, kind) for kind in (*kinds, "ids_altered") if getattr(counts, kind)}
    assert sum(found.values()) == counts.losses
    return found


def refusals(server: Emulator) -> list[str]:
    """Return what the server refused, in its own words."""
    return [f"{seen.status}: {seen.error}" for seen in server.requests if seen.status != 200]
