"""`erase`, `vacuum`, `sizes`: how long sessions are kept, what they take, and how they go."""

import argparse
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from agentkit.cli.agree import agreed
from agentkit.cli.exits import Exit
from agentkit.cli.figures import count, moment, size
from agentkit.cli.project import journal_of
from agentkit.cli.screen import ASK, DIM, Screen
from agentkit.core.events import UserSaid
from agentkit.errors import ConfigurationError, NoSuchSession
from agentkit.journal.base import Journal
from agentkit.journal.calls import calls, calls_by_caller
from agentkit.journal.keeping import AT_REST, Erasure, Kin, Old, Size, Sizes, ready_to_go

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_LIMIT = 20


async def matching(journal: Journal, pattern: str) -> list[str]:
    """Return the sessions of a person: by their id, or by who said something in them. It reads the whole journal.

    Raises:
        NoSuchSession: there are none.
    """
    found: list[str] = []
    async for session_id in journal.sessions():
        head = await journal.head(session_id)
        if head is None or head.erased:
            continue
        if fnmatchcase(session_id, pattern) or await _said(journal, session_id, pattern):
            found.append(session_id)
    if not found:
        raise NoSuchSession(f"no session's id, and nobody who said something, matches {pattern!r}")
    return found


async def _said(journal: Journal, session_id: str, pattern: str) -> bool:
    for row in await journal.inbox(session_id, taken=True):
        if row.kind == "message" and row.by is not None and fnmatchcase(row.by, pattern):
            return True
    async for record in journal.read(session_id):
        by = record.event.by if isinstance(record.event, UserSaid) else None
        if by is not None and fnmatchcase(by, pattern):
            return True
    return False


async def erase(options: argparse.Namespace, screen: Screen) -> int:
    """Erase sessions, after having listed what goes."""
    if bool(options.ids) == (options.matching is not None):
        raise ConfigurationError("name sessions, or --matching PATTERN: one of the two")
    async with journal_of(options) as journal:
        names = options.ids or await matching(journal, options.matching)
        below = await calls(journal, *names)
        forks = await _forks(journal, [*names, *below])
        for name in names:
            screen.line(name)
        for name in below:
            screen.line(name, (" a sub-agent's: it goes with its caller", DIM))
        for name in forks:
            screen.line(name, (" a fork: it goes only with --forks" if not options.forks else " a fork", DIM))
        if forks and not options.forks:
            raise ConfigurationError("forks share what was said: nothing was erased. Say --forks to erase them, too")
        if not agreed(options, screen, f"Erase {count(len(names) + len(below) + len(forks), 'session')} for good?"):
            screen.line("nothing was erased")
            return Exit.OK
        erased = await journal.erase(*names, forks=options.forks, structure=not options.no_structure)
    _tell(screen, erased)
    return Exit.OK


async def vacuum(options: argparse.Namespace, screen: Screen) -> int:
    """Erase what is older than it may be kept, and give back the space."""
    seconds = None if options.older_than is None else seconds_of(options.older_than)
    async with journal_of(options) as journal:
        if seconds is None:
            await _squeeze(journal, screen)
            return Exit.OK
        old = await journal.older(seconds)
        forks = {each.session_id: await journal.forks(each.session_id) for each in old}
        kin = Kin(forks, await calls_by_caller(journal) if old else {})
        going, left = ready_to_go(old, kin, options.status or AT_REST)
        for each in going:
            screen.line(each.session_id, (f"   {each.status}, last event {moment(each.at)}", DIM))
        if left:
            screen.line((f"left alone: {_why(left)}", DIM))
        erased = Erasure(())
        if going and not options.dry_run:
            keep = options.structure == "keep"
            erased = await journal.erase(*(each.session_id for each in going), structure=keep, older=seconds)
        elif not options.dry_run:  # an earlier erasing may have been cut off before it gave back its space
            await journal.vacuum()
    if options.dry_run:
        screen.line(f"{count(len(going), 'session')} would be erased")
        if screen.json:
            screen.result({"would_erase": [each.session_id for each in going], "left": _as_json(left)})
        return Exit.OK
    _tell(screen, erased, left)
    return Exit.OK


async def sizes(options: argparse.Namespace, screen: Screen) -> int:
    """Show what each session takes, largest first, and all together."""
    async with journal_of(options) as journal:
        found = await journal.sizes()
    if screen.json:
        screen.result(_sizes(found))
        return Exit.OK
    head = ("SESSION", "STATUS", "EVENTS", "BYTES", "EVENTS", "CONTENTS", "INBOX", "PER BYTE SAID")
    shown = found.sessions[: options.limit or _LIMIT]
    if shown:
        screen.table(head, [_row(each) for each in shown])
    if more := len(found.sessions) - len(shown):
        screen.line((f"and {more} more: --limit N shows them", DIM))
    for words in _totals(found):
        screen.line(words)
    return Exit.OK


def seconds_of(text: str) -> int:
    """Return an age as a person writes it, 90d or 12h, in seconds. Raises: ConfigurationError."""
    match = re.fullmatch(r"(\d{1,6})([smhdw])", text, re.ASCII)
    if match is None:
        raise ConfigurationError(f"--older-than {text}: an age is a number and one of s, m, h, d, w, like 90d")
    return int(match[1]) * _SECONDS[match[2]]


async def _forks(journal: Journal, names: Sequence[str]) -> list[str]:
    """Return the forks of sessions, and theirs, that are not among them."""
    found, look = dict.fromkeys(names), list(names)
    while look:
        fresh = [name for name in await journal.forks(look.pop()) if name not in found]
        found |= dict.fromkeys(fresh)
        look += fresh
    return list(found)[len(dict.fromkeys(names)) :]


def _tell(screen: Screen, erased: Erasure, left: Sequence[tuple[Old, str]] = ()) -> None:
    screen.line(f"{count(len(erased.session_ids), 'session')} erased")
    if erased.remains:
        screen.line((erased.remains, ASK))
    if screen.json:
        screen.result({"erased": list(erased.session_ids), "remains": erased.remains, "left": _as_json(left)})


async def _squeeze(journal: Journal, screen: Screen) -> None:
    before = (await journal.sizes()).file
    await journal.vacuum()
    after = (await journal.sizes()).file
    if before is not None and after is not None:
        screen.line(f"{size(before)} before, {size(after)} now")
    if screen.json:
        screen.result({"before": before, "after": after})


def _why(left: Sequence[tuple[Old, str]]) -> str:
    reasons: dict[str, int] = {}
    for _, why in left:
        reasons[why] = reasons.get(why, 0) + 1
    return "; ".join(f"{many}, as {why}" for why, many in reasons.items())


def _as_json(left: Sequence[tuple[Old, str]]) -> list[dict[str, Any]]:
    return [{"session": each.session_id, "status": each.status, "why": why} for each, why in left]


def _row(each: Size) -> tuple[str, ...]:
    ratio = "" if each.ratio is None else f"{each.ratio:.2f}"
    parts = (each.bytes, each.event_bytes, each.blob_bytes, each.inbox_bytes + each.question_bytes)
    return (each.session_id, each.status, f"{each.events:,}", *map(size, parts), ratio)


def _totals(found: Sizes) -> list[str]:
    rows = sum(each.bytes for each in found.sessions)
    said = sum(each.spoken_bytes + each.blob_bytes for each in found.sessions)
    told = [f"{count(len(found.sessions), 'session')}, {size(rows)}; contents they share {size(found.shared)}"]
    if found.file is not None:
        free = "" if not found.free else f", {100 * found.free / found.file:.0f} % of it free (`agentkit vacuum`)"
        per = "" if not said else f"; {found.file / said:.2f} bytes for each byte said"
        told.append(f"on disk {size(found.file)}{free}{per}")
    if found.log:
        told.append(f"write-ahead log {size(found.log)}")
    return told


def _sizes(found: Sizes) -> dict[str, Any]:
    sessions = [
        {
            "session": each.session_id,
            "status": each.status,
            "events": each.events,
            "bytes": each.bytes,
            "event_bytes": each.event_bytes,
            "content_bytes": each.blob_bytes,
            "inbox_bytes": each.inbox_bytes,
            "question_bytes": each.question_bytes,
            "ratio": each.ratio,
        }
        for each in found.sessions
    ]
    return {"sessions": sessions, "shared": found.shared, "file": found.file, "log": found.log, "free": found.free}
