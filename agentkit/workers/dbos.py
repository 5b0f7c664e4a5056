"""The engine DBOS Transact: workers that share a Postgres, the journal's own, and need no server beside it.

DBOS has one queue per agent, partitioned by session with one place each: that keeps a session's drives apart. What it
lacks is done here, by whichever worker's turn it is: without its commercial Conductor nobody notices a dead worker, a
row that got lost stays lost, and rows of ended workflows stay for ever. One `serve` per process: DBOS is a singleton.
It works in threads of its own, from where each drive is brought back to the event loop that called `serve`.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import anyio
import sqlalchemy
from anyio.from_thread import BlockingPortal
from anyio.to_thread import run_sync
from dbos import DBOS, DBOSClient, DBOSConfig, WorkflowStatus, error
from sqlalchemy.exc import SQLAlchemyError

from agentkit.errors import ConfigurationError, JournalError
from agentkit.ids import process_name, uuid7
from agentkit.journal.address import SCHEMES, redacted
from agentkit.journal.base import Journal, Ready
from agentkit.workers.dbos_wakes import APPLICATION, ENQUEUE, SCHEMA, WORKFLOW, is_there, values
from agentkit.workers.engine import Drive
from agentkit.workers.outage import Outage, jittered
from agentkit.workers.places import Left, Lost, Pace, Places, queue_of

_VERSION = "agentkit-drive-1"  # of the workflow, which is one call: no deploy strands what an older one enqueued
_ENDED = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
_MANY = 500  # rows at once
_PURGE = 60.0  # seconds between two purges
_FOREVER = 10**9  # seconds

# The table holds signs of life, and when a duty was last done.
_TABLE = "create table if not exists agentkit_dbos.agentkit_seen (name text primary key, seen timestamptz not null)"
_BEAT = """
insert into agentkit_dbos.agentkit_seen values (%(name)s, now()) on conflict (name) do update set seen = now()
"""
_TURN = """
insert into agentkit_dbos.agentkit_seen as s values (%(name)s, now()) on conflict (name) do update set seen = now()
where s.seen < now() - make_interval(secs => %(seconds)s) returning name
"""
_DEAD = """
select name from agentkit_dbos.agentkit_seen
where name ^@ 'worker ' and seen < now() - make_interval(secs => %(seconds)s)
"""
_ALONE = "select pg_advisory_xact_lock(hashtext('agentkit_dbos.sweep'))"  # two at once would enqueue the same twice
_FORGET = "delete from agentkit_dbos.agentkit_seen where name = any(%(names)s)"


class DBOSEngine:
    """Dispatches sessions through DBOS. It is an `Engine`.

    `enqueue` and `cancel` need no worker in their process. The tables of DBOS, and one for signs of life, are made by
    whoever comes first, in a schema of their own: no truth is in it, so it may be dropped while no worker runs.

    Args:
        journal: open, and open until `serve` has ended. url: where it is, `postgresql://…`.
        agents: only sessions of agents with these names, and those that name none; empty: all.
        pace: how often, how long.

    Raises:
        ConfigurationError: the journal is not in Postgres.
    """

    def __init__(self, journal: Journal, url: str, *, agents: Sequence[str] = (), pace: Pace | None = None) -> None:
        if not url.startswith(SCHEMES):
            raise ConfigurationError(
                f"the engine dbos dispatches through the journal's own Postgres, and {redacted(url)} is none: give a "
                "journal postgresql://…, or use the engine embedded"
            )
        self._agents, self._pace = tuple(agents), pace or Pace()
        self._url = sqlalchemy.make_url(url).set(drivername="postgresql+psycopg")
        self._base = sqlalchemy.create_engine(self._url, poolclass=sqlalchemy.NullPool)
        self._client = DBOSClient(
            system_database_engine=self._base,
            dbos_system_schema=SCHEMA,
            application_name=APPLICATION,
            lazy=True,
            retry_connection_errors=False,
        )
        self._name = f"worker {process_name()} {uuid7()}"
        self._queues = {queue_of(agent) for agent in ("", *agents)}
        self._lost = Lost(journal, agents, self._pace.sweep)
        self._stopping = anyio.Event()
        self._places: Places | None = None
        self._base_out, self._journal_out = Outage("DBOS's database failed"), Outage("the journal failed a session")

    # --- in any process ----------------------------------------------------------------------------------------------

    async def enqueue(
        self, session_id: str, wake: str, *, not_before: datetime | None = None, tx: Any | None = None
    ) -> None:
        """Enqueue a drive, in the transaction of the psycopg connection `tx` or in one of its own."""
        at = None if not_before is None else int(not_before.timestamp() * 1000)
        if tx is not None:
            await run_sync(tx.execute, ENQUEUE, values(session_id, wake, at))
        else:
            await run_sync(self._enqueue, session_id, wake, at)

    async def cancel(self, session_id: str) -> None:
        """Forget what is enqueued for a session, and hand it back where this process drives it."""
        await run_sync(self._cancel_waiting, session_id)
        if self._places is not None:
            self._places.hand_back(session_id)

    def _enqueue(self, session_id: str, wake: str, at: int | None = None) -> None:
        with self._base.begin() as connection:
            if there := is_there(connection.connection.driver_connection):
                connection.exec_driver_sql(ENQUEUE, dict(values(session_id, wake, at)))
        if not there:
            DBOS.migrate(self._url.render_as_string(hide_password=False), schema=SCHEMA)
            self._enqueue(session_id, wake, at)

    def _cancel_waiting(self, session_id: str) -> None:
        self._client.cancel_workflows([row.workflow_id for row in self._rows([session_id], ["ENQUEUED", "DELAYED"])])

    def _rows(self, sessions: Sequence[str], status: list[str]) -> list[WorkflowStatus]:
        """Return what DBOS has for these sessions."""
        prefixes = [f"{session}:" for session in sessions]
        found = self._listed(workflow_id_prefix=prefixes, status=status) if prefixes else []
        return [row for row in found if row.queue_partition_key in sessions]

    def _listed(self, **asked: Any) -> list[WorkflowStatus]:
        return self._client.list_workflows(
            name=WORKFLOW, application_name=APPLICATION, load_input=False, load_output=False, **asked
        )

    def _do(self, statement: str, **given: Any) -> Sequence[Any]:
        with self._base.begin() as connection:
            done = connection.exec_driver_sql(statement, given)
            return done.fetchall() if done.returns_rows else ()

    # --- serving -----------------------------------------------------------------------------------------------------

    async def serve(self, drive: Drive, concurrency: int) -> None:
        """Drive what is enqueued until `stop`: see `Engine.serve`."""
        self._places = places = Places(drive, concurrency)
        async with anyio.create_task_group() as duties:
            async with BlockingPortal() as portal:
                await self._launched(partial(self._work, portal, places), concurrency)
                duties.start_soon(self._duties, places, concurrency)
                try:
                    await self._stopping.wait()
                finally:  # where it is cancelled, the portal cuts off its drives, and so the wait ends
                    leave = partial(DBOS.destroy, destroy_registry=True, workflow_completion_timeout_sec=_FOREVER)
                    with anyio.CancelScope(shield=True):
                        await run_sync(leave)
            duties.cancel_scope.cancel()

    def stop(self) -> None:
        """Take no new session."""
        self._stopping.set()

    async def _launched(self, work: Callable[[str], Left], concurrency: int) -> None:
        while True:
            try:
                return await run_sync(self._launch, work, concurrency)
            except (error.DBOSException, SQLAlchemyError) as why:
                await anyio.sleep(self._base_out.again(why))

    def _launch(self, work: Callable[[str], Left], concurrency: int) -> None:
        config = DBOSConfig(
            name=APPLICATION,
            system_database_url=self._url.render_as_string(hide_password=False),
            dbos_system_schema=SCHEMA,
            executor_id=self._name,
            application_version=_VERSION,
            use_listen_notify=False,
            enable_otlp=False,
            log_level="ERROR",
        )
        DBOS(config=config)
        try:
            if self._agents:
                DBOS.listen_queues(sorted(self._queues))

            def driven(session_id: str) -> str:
                return work(session_id)

            DBOS.workflow(name=WORKFLOW)(driven)
            DBOS.launch()
            self._do(_TABLE)
            self._do(_BEAT, name=self._name)
            self._register(self._queues, concurrency)
        except BaseException:
            DBOS.destroy(destroy_registry=True)
            raise
        self._base_out.over()

    def _register(self, queues: set[str], concurrency: int) -> None:
        for name in queues:
            DBOS.register_queue(
                name,
                partition_concurrency=1,
                worker_concurrency=concurrency,
                polling_interval_sec=self._pace.poll,
                on_conflict="always_update",
            )

    def _work(self, portal: BlockingPortal, places: Places, session_id: str) -> Left:
        """Drive a session from a thread of DBOS."""
        try:
            return portal.call(self._one, places, session_id)
        except CancelledError:  # this worker leaves in mid-turn: another one's sweep finds the session
            return "handed back"

    async def _one(self, places: Places, session_id: str) -> Left:
        try:
            left = await places.drive(session_id)
        except JournalError as why:
            await anyio.sleep(self._journal_out.again(why))
            return "outage"
        self._journal_out.over()
        return left

    # --- what DBOS lacks ---------------------------------------------------------------------------------------------

    async def _duties(self, places: Places, concurrency: int) -> None:
        while True:
            pause = jittered(self._pace.sweep / 2)  # looked for more often than done, so that it is seldom late
            try:
                await run_sync(self._do_beat)
                if await run_sync(self._turn, f"sweep {' '.join(self._agents)}", self._pace.sweep):
                    await run_sync(self._revive)
                    await self._sweep(places, concurrency)
                if await run_sync(self._turn, "purge", _PURGE):
                    await run_sync(self._purge)
                self._base_out.over()
            except (error.DBOSException, SQLAlchemyError, JournalError) as why:
                pause = self._base_out.again(why)
            await anyio.sleep(pause)

    def _do_beat(self) -> None:
        self._do(_BEAT, name=self._name)

    def _turn(self, duty: str, seconds: float) -> bool:
        """Tell whether it is this worker's turn: nobody did this duty for so long."""
        return bool(self._do(_TURN, name=duty, seconds=seconds))

    def _revive(self) -> None:
        """Enqueue again what workers were given that give no sign of life."""
        dead = [name for (name,) in self._do(_DEAD, seconds=self._pace.ttl)]
        held = self._listed(status="PENDING", executor_id=dead, limit=_MANY) if dead else []
        self._enqueue_again(held)
        if dead and len(held) < _MANY:
            self._do(_FORGET, names=dead)

    async def _sweep(self, places: Places, concurrency: int) -> None:
        """Enqueue what the journal says is ready, and DBOS does not have or gave to somebody who does not drive it."""
        found = await self._lost.found()
        await run_sync(self._put_back, found, places, concurrency)

    def _put_back(self, found: Sequence[Ready], places: Places, concurrency: int) -> None:
        if not self._agents and (new := {queue_of(each.agent) for each in found} - self._queues):
            self._register(new, concurrency)
            self._queues |= new
        with self._base.begin() as connection:
            connection.exec_driver_sql(_ALONE)
            rows = self._rows([each.session_id for each in found], ["ENQUEUED", "PENDING"])
            known = {row.queue_partition_key for row in rows}
            missing = [each for each in found if each.session_id not in known]
            for each in missing:
                connection.exec_driver_sql(ENQUEUE, dict(values(each.session_id, f"{each.wake}~{uuid7()}")))
        for each in missing:
            self._lost.enqueued(each)
        # Who drives a session holds its lease, and then it is not ready. So whoever was given these some time ago is
        # dead, which the journal may know before that worker's sign of life is old; or it never came to begin.
        before = (datetime.now(UTC).timestamp() - self._pace.ttl) * 1000
        idle = [row for row in rows if row.status == "PENDING" and (row.dequeued_at or 0) < before]
        self._enqueue_again([row for row in idle if row.queue_partition_key not in places])

    def _enqueue_again(self, rows: Sequence[WorkflowStatus]) -> None:
        for queue in {row.queue_name for row in rows}:
            self._client.resume_workflows([r.workflow_id for r in rows if r.queue_name == queue], queue_name=queue)

    def _purge(self) -> None:
        """Delete what ended long ago: nobody asks for it, the journal has all of it."""
        before = (datetime.now(UTC) - timedelta(seconds=self._pace.keep)).isoformat()
        while rows := self._listed(status=_ENDED, completed_before=before, limit=_MANY):
            self._client.delete_workflows([row.workflow_id for row in rows])
