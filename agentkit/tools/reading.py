"""`read_more`: the rest of a result that was too long to be shown at once.

It is offered from the start wherever a tool has a `result_limit`, and nowhere else: a tool that came with the first
long result would change what every request begins with, and the service would have to read all of it anew.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from typing import Annotated, Any, Final, TypeAlias

from pydantic import Field

from agentkit.core.cutting import Cut, piece
from agentkit.core.values import dataclass
from agentkit.errors import ToolError
from agentkit.tools.bounds import MOST
from agentkit.tools.context import ToolContext
from agentkit.tools.declared import Declared
from agentkit.tools.schema import inputs_of
from agentkit.tools.tool import Tool

NAME: Final = "read_more"
Kept: TypeAlias = Callable[[str], Awaitable[tuple[str, Cut] | None]]


@dataclass(frozen=True)
class Reading(ToolContext[object]):
    """The context of `read_more`: with the way to what its session keeps. `kept` takes a call's position."""

    kept: Kept | None = None


async def _read_more(
    call: Annotated[str, Field(description='The call, as the note behind its result names it: "2.1.0".')],
    start: Annotated[int, Field(ge=0, description="How many characters to skip: the note says where to go on.")],
    ctx: ToolContext[object],
) -> str:
    """Read on in a result that was too long to be shown at once."""
    kept = await ctx.kept(call) if isinstance(ctx, Reading) and ctx.kept is not None else None
    if kept is None or not kept[1].more:  # a tool without a limit may be untrusted where this one is not
        raise ToolError(f"Error: no result of a call {call!r} can be read on in. A note behind one names its call.")
    text, cut = kept
    if start >= len(text):
        end = len(text) + cut.lost
        raise ToolError(
            f"Error: start={start} is behind the end: of this result {len(text)} of {end} characters are kept."
        )
    return piece(call, text, start, cut)


@cache
def _made(untrusted: bool) -> Tool[Any, ..., Any]:  # noqa: FBT001 - a key of the cache
    # A piece is as long as its tool allowed, plus the note; it must not be cut itself.
    declared = Declared(NAME, "read", untrusted=untrusted, result_limit=2 * MOST)
    return Tool(_read_more, declared, inputs_of(_read_more))


def with_reading(tools: Sequence[Tool[Any, ..., Any]]) -> list[Tool[Any, ..., Any]]:
    """Return tools with `read_more` behind them, where one of them has a limit; untrusted where one of these is."""
    limited = [each for each in tools if each.declared.result_limit is not None]
    if not limited:
        return list(tools)
    return [*tools, _made(any(each.declared.untrusted for each in limited))]


def context_of(tool: Tool[Any, ..., Any], context: ToolContext[Any], kept: Kept | None) -> ToolContext[Any]:
    """Return what a tool gets to know of its call: for `read_more`, what its session keeps, too."""
    if tool.function is not _read_more:
        return context
    return Reading(None, idempotency_key=context.idempotency_key, session_id=context.session_id, kept=kept)
