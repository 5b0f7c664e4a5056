"""`tail`: watch a session that any process drives, without driving it."""

import argparse
from functools import partial

from agentkit.cli.exits import Exit
from agentkit.cli.page import Page
from agentkit.cli.project import hint, journal_of, known
from agentkit.cli.screen import DIM, Screen
from agentkit.cli.sessions import driven_by
from agentkit.cli.show import tell_event
from agentkit.journal.base import Head, Journal
from agentkit.journal.watch import LOOK_SECONDS, watched
from agentkit.workers.dead import is_dead


async def tail(options: argparse.Namespace, screen: Screen) -> int:
    """Tell each event as it comes, and at the end how to go on behind the last one."""
    last: int = options.after
    until = _at_once if options.once else _at_rest if options.until_rest else None
    async with journal_of(options) as journal:
        await _found(journal, options)
        page = await _page(screen, journal, options)
        try:
            async for record in watched(journal, options.id, after=last, until=until):
                if screen.json:
                    tell_event(screen, record, full=True)
                else:
                    await page.take(record)
                last = record.seq
        finally:
            if last > options.after:
                _how_to_go_on(screen, options, last)
    return Exit.OK


def _how_to_go_on(screen: Screen, options: argparse.Namespace, last: int) -> None:
    words = hint(options, "tail", options.id, "--after", str(last))
    screen.line((f"seen up to event {last}; to go on behind it: {words}", DIM))


async def _found(journal: Journal, options: argparse.Namespace) -> None:
    while options.wait and await journal.head(options.id) is None:
        await journal.changed(options.id, 0, LOOK_SECONDS)
    await known(journal, options.id)


async def _page(screen: Screen, journal: Journal, options: argparse.Namespace) -> Page:
    """Return a page that knows what came before the first event it will tell: the names of calls, who answers."""
    page = Page(screen, partial(journal.blob, options.id), full=options.full)
    if options.after > 0 and not screen.json:
        async for record in journal.read(options.id):
            if record.seq > options.after:
                break
            page.pass_over(record)
    return page


def _at_once(_: Head) -> bool:
    return True


def _at_rest(head: Head) -> bool:
    return is_dead(head) or (head.last_seq > 0 and head.status != "open" and driven_by(head) is None)
