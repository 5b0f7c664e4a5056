"""What the tests of workers share: a shop on each kind of journal that workers can share."""

from pathlib import Path

import pytest

from tests.postgres import server
from tests.workers.staff import Shop


@pytest.fixture(params=["sqlite", "postgres"])
async def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Shop:
    shop = Shop(tmp_path, server().fresh() if request.param == "postgres" else None)
    async with shop.journal():  # made before any worker looks for it
        return shop
