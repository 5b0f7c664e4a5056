"""The engines, each with its journal, behind one face: where they are (`Ground`), and how a process opens them."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from agentkit import Journal
from agentkit.journal import PostgresJournal, SQLiteJournal
from agentkit.workers import DBOSEngine, DBOSWakes, EmbeddedEngine, Engine, Pace, TemporalEngine
from tests import postgres, temporal_server

ENGINES = ("embedded-sqlite", "embedded-postgres", "dbos", "temporal")
DATABASES = ENGINES[:2]  # where a test is about the journal, and any engine would do


@dataclass(frozen=True)
class Ground:
    """An engine and a journal of a test's own.

    `place`: a path or a URL. `ttl`: of leases, in seconds, and of workers without a sign of life. `server` and
    `namespace`: of Temporal.
    """

    engine: str
    place: str
    ttl: float = 5.0
    server: str = ""
    namespace: str = ""

    def words(self) -> str:
        """Return it as a word for another process."""
        return json.dumps(asdict(self))

    def journal(self) -> Journal:
        """Return the journal, to be opened."""
        if self.engine == "embedded-sqlite":
            return SQLiteJournal(self.place, ttl=self.ttl)
        return PostgresJournal(self.place, ttl=self.ttl, wakes=DBOSWakes() if self.engine == "dbos" else None)

    def open(self, journal: Journal) -> Engine:
        """Return the engine on an open journal."""
        pace = Pace(ttl=self.ttl)
        match self.engine:
            case "dbos":
                return DBOSEngine(journal, self.place, pace=pace)
            case "temporal":
                return TemporalEngine(journal, self.server, namespace=self.namespace, pace=pace)
            case _:
                return EmbeddedEngine(journal)

    async def wake(self, engine: Engine, session_id: str, wake: str) -> None:
        """Tell the engine what an API process tells it; all but Temporal know it from the journal."""
        if self.engine == "temporal":
            await engine.enqueue(session_id, wake)


def ground(engine: str, folder: Path, ttl: float = 5.0) -> Ground:
    """Return fresh ground for an engine."""
    if engine == "embedded-sqlite":
        return Ground(engine, str(folder / "journal.db"), ttl)
    if engine == "temporal":
        server = temporal_server.server()
        return Ground(engine, postgres.server().fresh(), ttl, server.address, server.fresh())
    return Ground(engine, postgres.server().fresh(), ttl)
