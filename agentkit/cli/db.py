"""`db`: the tables of the journal, which a new version of agentkit may want to be otherwise."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from anyio import to_thread

from agentkit.cli.exits import Exit
from agentkit.cli.project import journal_of, place_of
from agentkit.cli.screen import GOOD, Screen
from agentkit.journal.address import is_address, redacted
from agentkit.journal.places import on_server
from agentkit.journal.sqlite_check import check
from agentkit.journal.sqlite_upgrades import VERSION


async def db(options: argparse.Namespace, screen: Screen) -> int:
    """Show the format of the tables, or bring them to this version's."""
    place = place_of(options)
    return await (_server if is_address(place) else _file)(options, screen, place)


async def _server(options: argparse.Namespace, screen: Screen, place: str) -> int:
    if options.what == "upgrade":
        done = await to_thread.run_sync(on_server(place, "upgrade"), place)
        for name in done:
            screen.line((f"done: {name}", GOOD))
    found = await to_thread.run_sync(on_server(place, "look"), place)
    return _told(screen, redacted(place), found.at, found.missing)


async def _file(options: argparse.Namespace, screen: Screen, place: str) -> int:
    if options.what == "upgrade":
        async with journal_of(options, create=True):  # a file is brought to this version's format by being opened
            pass
    at = await to_thread.run_sync(_format, Path(place))
    return _told(screen, place, at, [f"format {each}" for each in range(at + 1, VERSION + 1)])


def _format(path: Path) -> int:
    return check(path).format if path.exists() else 0


def _told(screen: Screen, place: str, at: int, missing: Sequence[str]) -> int:
    if screen.json:
        screen.result({"journal": place, "format": at, "missing": list(missing)})
    elif not at:
        screen.line(f"{place}: no journal yet. The first session makes it, or `agentkit db upgrade`")
    elif missing:
        screen.line(f"{place}: format {at}. Missing: {', '.join(missing)}. `agentkit db upgrade` brings them")
    else:
        screen.line(f"{place}: format {at}, the newest that this version knows")
    return Exit.ERROR if at and missing else Exit.OK
