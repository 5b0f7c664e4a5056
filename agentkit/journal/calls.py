"""Sessions that are a call of another one, a sub-agent's: which they are, in any journal.

Such a session's id is the key of its call: `uid/turn.step.index`, with the uid that its caller had. An import gives a
session a new uid, and its calls keep their ids; so the caller's id, in `SessionStarted.parent`, decides.
"""

import re
from collections.abc import Iterable
from typing import Final

from agentkit.core.events import Forked, SessionStarted
from agentkit.errors import KeyMissing, SessionErased
from agentkit.journal.base import Journal

KEY: Final = re.compile(r"(.+)/(\d+\.\d+\.\d+)")


async def caller_of(journal: Journal, session_id: str) -> str:
    """Return the id of the session whose call this one is; empty where it is nobody's."""
    if KEY.fullmatch(session_id) is None:
        return ""
    async for record in journal.read(session_id):
        return record.event.parent if isinstance(record.event, SessionStarted) else ""
    return ""


async def topmost(journal: Journal, session_id: str) -> str:
    """Return the session that a session is driven within: the caller of all callers, or itself."""
    while caller := await caller_of(journal, session_id):
        session_id = caller
    return session_id


async def calls(journal: Journal, *session_ids: str) -> list[str]:
    """Return the sessions that are calls of these, and of those below, and are not among them."""
    keyed = await _keyed(journal)
    found, look = dict.fromkeys(session_ids), list(session_ids) if keyed else []
    while look:
        fresh = [each for each in await _called(journal, look.pop(), keyed) if each not in found]
        found |= dict.fromkeys(fresh)
        look += fresh
    return list(found)[len(dict.fromkeys(session_ids)) :]


async def calls_by_caller(journal: Journal) -> dict[str, list[str]]:
    """Return the direct calls of every session that has any and is there. It reads the first event of each call."""
    found: dict[str, list[str]] = {}
    for names in (await _keyed(journal)).values():
        for name in names:
            if caller := await _caller(journal, name):
                found.setdefault(caller, []).append(name)
    for caller in list(found):
        head = await journal.head(caller)
        if head is None or head.erased:
            del found[caller]
    return found


async def _keyed(journal: Journal) -> dict[str, list[str]]:
    """Return the sessions whose ids are keys of calls, by the uid in them."""
    found: dict[str, list[str]] = {}
    async for name in journal.sessions():
        if match := KEY.fullmatch(name):
            found.setdefault(match[1], []).append(name)
    return found


async def _called(journal: Journal, session_id: str, keyed: dict[str, list[str]]) -> Iterable[str]:
    head = await journal.head(session_id)
    if head is None or head.erased:
        return ()
    found = list(keyed.get(head.uid, ()))
    for uid in await _earlier(journal, session_id, head.uid):
        found += [each for each in keyed.get(uid, ()) if await _caller(journal, each) == session_id]
    return found


async def _caller(journal: Journal, session_id: str) -> str:
    try:
        return await caller_of(journal, session_id)
    except (KeyMissing, SessionErased):  # an erasing is under way, or was cut off
        return ""


async def _earlier(journal: Journal, session_id: str, uid: str) -> set[str]:
    """Return the uids that a session had before it was imported; of a fork, also those it never had itself."""
    found: set[str] = set()
    try:
        async for record in journal.read(session_id):
            match record.event:
                case SessionStarted(uid=first):
                    if first == uid:
                        return set()
                    found.add(first)
                case Forked(parent=before, uid=then):
                    found |= {before, then}
    except KeyMissing:  # an erasing was cut off, and what it left of the session cannot be read
        return found - {uid}
    return found - {uid}
