"""The journal's server goes away in the middle of everything, and comes back."""

from pathlib import Path

import anyio
import pytest

from tests.postgres import server
from tests.workers.staff import Shop, until

pytestmark = [pytest.mark.anyio, pytest.mark.crash]


async def test_postgres_restarts_while_workers_drive(tmp_path: Path) -> None:
    shop = Shop(tmp_path, server().fresh())
    for number in range(12):
        await shop.say(f"s{number}", f"look:{number} wait:1 pay:{number} wait:1 look:{number} s{number}")
    shop.asks_for(pays=0.5)
    with shop.worker(ttl=3) as one, shop.worker(ttl=3) as two:
        await until(lambda: shop.did("pays"))
        await anyio.to_thread.run_sync(lambda: server().restart(down=3))

        async def rested() -> bool:
            return (await shop.statuses()).keys() <= {"completed", "waiting"}

        await until(rested)
        assert one.lives
        assert two.lives
    statuses = await shop.statuses()
    assert shop.twice_did("paid") == []
    assert statuses["completed"] + statuses["waiting"] == 12
