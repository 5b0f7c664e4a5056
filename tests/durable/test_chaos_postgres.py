"""What may befall a server: it crashes and comes back, connections are cut, its clock is set."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from agentkit.core.events import UserSaid
from agentkit.core.messages import Text
from agentkit.errors import Fenced, SessionBusy
from agentkit.journal import PostgresJournal
from agentkit.journal.base import Batch, Lease, Placed
from tests import postgres
from tests.durable.counting import check_bill, check_effects, check_nothing_lost
from tests.durable.crash import Crew, crew, decide_truthfully, histories, parked, say_everything, settled, until
from tests.durable.engines import Ground, ground
from tests.durable.plan import Plan
from tests.proxy import Proxy

pytestmark = [pytest.mark.anyio, pytest.mark.crash]


async def disturbed(plan: Plan, direct: Ground, trouble: Callable[[], None]) -> Crew:
    """Run two workers, disturb them when a third is done, and count everything. `direct`: how the test itself looks."""
    async with crew(plan, direct) as (hired, journal):
        for _ in range(2):
            hired.hire()
        await say_everything(plan, journal, hired.port)

        async def third() -> bool:
            return len(hired.did()) >= plan.sessions * plan.steps // 3

        await until(hired, third, 60)
        await anyio.to_thread.run_sync(trouble)
        await settled(hired, journal, seconds=90)
        happened, not_happened = await decide_truthfully(hired, journal, await parked(journal))
        await settled(hired, journal, seconds=60)
        assert hired.end() == [0, 0], hired.log
        records = await histories(plan, journal)
        check_nothing_lost(plan, records)
        check_effects(plan, hired.world)
        lost = check_bill(plan, records, hired.world)
        # the figures
        print(f"\na person decided {happened} that had happened, {not_happened} that had not; {lost} asked for twice")  # noqa: T201
    return hired


async def test_a_server_that_crashes_in_the_middle_loses_nothing(tmp_path: Path) -> None:
    own = postgres.Server()
    try:
        here = Ground("embedded-postgres", own.fresh())
        plan = Plan(here, tmp_path, sessions=6, steps=6, concurrency=3)
        hired = await disturbed(plan, here, lambda: own.restart(down=1.0))
        assert "Traceback" not in hired.log, hired.log
        assert "trying again" in hired.log, hired.log
        assert "server closed the connection unexpectedly" in hired.log
    finally:
        own.end()


async def test_connections_that_are_cut_again_and_again_lose_nothing(tmp_path: Path) -> None:
    direct = ground("embedded-postgres", tmp_path)
    with Proxy(postgres.server().port) as proxy:
        plan = Plan(replace(direct, place=proxy.address(direct.place)), tmp_path, sessions=6, steps=6, concurrency=3)

        def cuts() -> None:
            for _ in range(5):
                proxy.cut()
                time.sleep(0.3)
            proxy.close()
            time.sleep(1.0)
            proxy.open()

        hired = await disturbed(plan, direct, cuts)
        assert proxy.cuts > 5
        assert "Traceback" not in hired.log, hired.log


# --- a clock that is set by an hour: for the journal that is the same as leases shifted by one -----------------------

HOLDER = "update agentkit.session set owner = jsonb_set(owner::jsonb, '{boot}', '\"of another machine\"')::text"


async def claim(journal: PostgresJournal) -> Lease:
    return await journal.claim("s", uid="u", agent="a", owner="test")


def said(text: str) -> Batch:
    return Batch([Placed(UserSaid((Text(text),)), 1, 1)])


async def test_the_clock_goes_forward_and_a_live_owner_is_fenced() -> None:
    url = postgres.server().fresh()
    async with PostgresJournal(url, ttl=60) as journal:  # it is not renewed while this test looks
        mine = await claim(journal)
        await journal.append(mine, 0, said("before"))
        postgres.execute(url, HOLDER)
        with pytest.raises(SessionBusy):
            await claim(journal)
        postgres.execute(url, "update agentkit.session set lease_until = lease_until - interval '1 hour'")
        assert [each.session_id for each in await journal.ready()] == ["s"]
        theirs = await claim(journal)
        assert theirs.epoch == 2
        with pytest.raises(Fenced, match="session 's' was taken over behind event 1"):
            await journal.append(mine, 1, said("after"))
        assert [record.seq async for record in journal.read("s")] == [1]


async def test_the_clock_goes_back_and_a_dead_owner_blocks_nobody() -> None:
    url = postgres.server().fresh()
    async with PostgresJournal(url, ttl=60) as journal:
        await journal.append(await claim(journal), 0, said("before"))
        postgres.execute(url, HOLDER)
        assert await journal.ready() == []
        with pytest.raises(SessionBusy):  # it may live: nobody here can tell, and its lease may yet last
            await claim(journal)
        postgres.execute(url, "update agentkit.session set lease_until = lease_until + interval '1 hour'")
        assert [each.session_id for each in await journal.ready()] == ["s"]
        assert (await claim(journal)).epoch == 2
