from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from agentkit.journal import Journal, MemoryJournal, PostgresJournal, SQLiteJournal
from agentkit.journal.keys import KeyFolder
from tests.postgres import server

MASTER = bytes(range(32))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["memory", "sqlite", "sealed sqlite", "postgres", "sealed postgres"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
    kinds: dict[str, Callable[[], Journal]] = {
        "memory": MemoryJournal,
        "sqlite": lambda: SQLiteJournal(tmp_path / "contract.db"),
        "postgres": lambda: PostgresJournal(server().fresh()),
        "sealed sqlite": lambda: SQLiteJournal(tmp_path / "contract.db", keys=KeyFolder(tmp_path / "keys", MASTER)),
        "sealed postgres": lambda: PostgresJournal(server().fresh(), keys=KeyFolder(tmp_path / "keys", MASTER)),
    }
    async with kinds[request.param]() as opened:
        yield opened
