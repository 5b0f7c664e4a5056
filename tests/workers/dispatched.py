"""The shop, with a dispatcher: DBOS on a real Postgres, or Temporal's development server beside a SQLite journal."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from temporalio.client import Client

from agentkit import Journal
from agentkit.journal import PostgresJournal
from agentkit.workers import DBOSEngine, DBOSWakes, Engine, TemporalEngine
from tests import postgres, temporal_server
from tests.workers.staff import Shop, Worker


class Dispatched(Shop, ABC):
    """A shop whose workers serve an engine."""

    words: tuple[str, ...] = ()

    @abstractmethod
    def engine(self, journal: Journal) -> Engine:
        """Return the engine as a process that drives nothing has it."""

    def staffed(self, *words: str, who: str = "support", ttl: float = 15) -> AbstractContextManager[Worker]:
        """Start a worker that serves the engine."""
        return self.worker(*self.words, *words, who=who, ttl=ttl)

    async def wake(self, session_id: str, wake: str = "w1") -> None:
        """Tell the engine, as an API process does that has left something for a session."""
        async with self.journal() as journal:
            await self.engine(journal).enqueue(session_id, wake)

    @abstractmethod
    async def forgets(self) -> None:
        """Let the engine lose all it knew."""

    @abstractmethod
    async def counts(self, waiting: int, ended: int) -> bool:
        """Tell whether so many drives wait for their time, and so many have ended by themselves."""


class OnDBOS(Dispatched):
    """Journal and queue in one Postgres: what is put there wakes a worker by itself."""

    words = ("--engine", "dbos")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, postgres.server().fresh())

    def journal(self) -> Journal:
        return PostgresJournal(self.place, wakes=DBOSWakes())

    def engine(self, journal: Journal) -> DBOSEngine:
        return DBOSEngine(journal, self.place)

    async def forgets(self) -> None:
        postgres.execute(self.place, "delete from agentkit_dbos.workflow_status")

    async def counts(self, waiting: int, ended: int) -> bool:
        statuses = [status for (status,) in self.rows("status")]
        return (statuses.count("DELAYED"), statuses.count("SUCCESS")) == (waiting, ended)

    def rows(self, what: str) -> list[tuple[object, ...]]:
        """Return columns of the engine's rows, oldest first."""
        return postgres.execute(self.place, f"select {what} from agentkit_dbos.workflow_status order by created_at")  # noqa: S608 - a test's own words


class OnTemporal(Dispatched):
    """A journal in SQLite, and a namespace of a Temporal server."""

    def __init__(self, folder: Path, server: temporal_server.Server, namespace: str) -> None:
        super().__init__(folder)
        self.server, self.namespace = server, namespace
        self.words = ("--engine", "temporal", "--temporal", server.address, "--namespace", namespace)

    def engine(self, journal: Journal) -> TemporalEngine:
        return TemporalEngine(journal, self.server.address, namespace=self.namespace)

    async def forgets(self) -> None:
        self.server.end()
        self.server.start()
        self.server.make(self.namespace)

    async def counts(self, waiting: int, ended: int) -> bool:
        client = await Client.connect(self.server.address, namespace=self.namespace)
        later = await client.count_workflows("WorkflowId STARTS_WITH 'agentkit-later' AND ExecutionStatus = 'Running'")
        done = await client.count_workflows("ExecutionStatus = 'Completed'")
        return (later.count, done.count) == (waiting, ended)


def shop_on(engine: str, folder: Path) -> Iterator[Dispatched]:
    """Open a shop on the engine of this name."""
    if engine == "dbos":
        yield OnDBOS(folder)
        return
    yield OnTemporal(folder, temporal_server.server(), temporal_server.server().fresh())
