"""A worker on a disk that fills: `python -m tests.durable.full_disk WORLD DISK`. It says what the worker said of it."""

import sys
from pathlib import Path

import anyio

from tests.durable.counting import check_bill, check_effects, check_nothing_lost
from tests.durable.crash import Crew, crew, decide_truthfully, histories, parked, say_everything, settled, until
from tests.durable.engines import Ground
from tests.durable.plan import Plan

BLOCK = b"x" * 4096


async def main() -> None:
    """Fill the disk when a third is done, make room a second later, and count everything."""
    world, disk = Path(sys.argv[1]), Path(sys.argv[2])
    plan = Plan(Ground("embedded-sqlite", str(disk / "journal.db")), world, sessions=6, steps=6)
    async with crew(plan) as (hired, journal):
        hired.hire()
        await say_everything(plan, journal, hired.port)

        async def third() -> bool:
            return len(hired.did()) >= plan.sessions * plan.steps // 3

        async def noticed() -> bool:
            return "the disk is full" in hired.log

        await until(hired, third, 40)
        fill(disk / "ballast")
        await until(hired, noticed, 40)
        await anyio.sleep(1)
        (disk / "ballast").unlink()
        await settled(hired, journal, seconds=40)
        happened, not_happened = await decide_truthfully(hired, journal, await parked(journal))
        await settled(hired, journal, seconds=40)
        hired.end()
        records = await histories(plan, journal)
        check_nothing_lost(plan, records)
        check_effects(plan, hired.world)
        said(hired, f"a person decided {happened} that had happened and {not_happened} that had not")
        check_bill(plan, records, hired.world)


def fill(path: Path) -> None:
    """Write until there is no room."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(BLOCK)
        except OSError:
            return


def said(hired: Crew, *lines: str) -> None:
    """Show it to the test."""
    print("\n".join([*lines, hired.log]))  # noqa: T201 - the test reads it


if __name__ == "__main__":
    anyio.run(main)
