"""What changed from one recorded agent to the next, as far as its contents are still there."""

from collections.abc import Awaitable, Callable, Iterator

from agentkit import events
from agentkit.core.changes import changes_recorded, named
from agentkit.errors import JournalError


async def changed(
    before: events.AgentBound, after: events.AgentBound, fetch: Callable[[str], Awaitable[bytes]]
) -> list[str]:
    """Return what differs, one sentence each; without the contents, as of an erased session, what the events tell."""
    try:
        contents = {name: await fetch(name) for name in dict.fromkeys((*named(before), *named(after)))}
        return [str(change) for change in changes_recorded(before, after, contents)]
    except (JournalError, ValueError):
        told = "; ".join(by_name(before, after))
        return [told] if told else []


def by_name(before: events.AgentBound, after: events.AgentBound) -> Iterator[str]:
    """Yield what differs between two descriptions of who answers."""
    for name in ("agent", "model", "host", "contract_id", "version", "max_tokens"):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            yield f"{name.removesuffix('_id')} {old} → {new}"
    for name in ("instructions", "settings", "limits"):
        if getattr(before, name) != getattr(after, name):
            yield f"{name} changed"
    if before.contract_id == after.contract_id and before.contract != after.contract:
        yield f"contract {after.contract_id} changed"
    old_tools, new_tools = ({tool.name: tool for tool in each.tools} for each in (before, after))
    yield from (f"tool {name} added" for name in new_tools if name not in old_tools)
    yield from (f"tool {name} gone" for name in old_tools if name not in new_tools)
    yield from (f"tool {name} changed" for name in new_tools if old_tools.get(name, new_tools[name]) != new_tools[name])
