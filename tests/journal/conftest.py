from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from agentkit.journal import Journal, MemoryJournal, SQLiteJournal


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["memory", "sqlite"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
    kinds: dict[str, Callable[[], Journal]] = {
        "memory": MemoryJournal,
        "sqlite": lambda: SQLiteJournal(tmp_path / "contract.db"),
    }
    async with kinds[request.param]() as opened:
        yield opened
