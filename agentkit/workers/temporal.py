"""The engine Temporal, for shops that run it: one workflow per session that has something to do, an activity per drive.

Temporal and the journal share no transaction: a program enqueues after it has left something in the journal, and where
it dies between the two, a worker's sweep finds the session. Closed workflows are kept as long as the namespace says.
Its client demands asyncio's event loop.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
from temporalio import activity
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from agentkit.errors import ConfigurationError, JournalError
from agentkit.journal.base import Journal
from agentkit.workers.engine import Drive
from agentkit.workers.outage import Outage, jittered
from agentkit.workers.places import Left, Lost, Pace, Places, queue_of
from agentkit.workers.temporal_flow import DRIVE, WAKE, DriveSession

_GRACE = timedelta(days=30)  # how long a stopped worker waits for its activities: whoever stops it decides, by a cancel
_SOON = timedelta(seconds=0.1)
_FEW = 4
_NO_SERVER = "Failed client connect"  # how the RuntimeError of the client's core begins

Activity = Callable[[str], Awaitable[str]]


class TemporalEngine:
    """Dispatches sessions through Temporal. It is an `Engine`.

    Args:
        journal: open, and open until `serve` has ended.
        server: "host:port", or a client of your own: with TLS, a key, a codec.
        namespace: of a server given as "host:port".
        agents: only sessions of agents with these names, and those that name none; empty: all.
        pace: how often, how long.

    Raises:
        ConfigurationError: by `serve`, where the server has no such namespace.
    """

    def __init__(
        self,
        journal: Journal,
        server: str | Client,
        *,
        namespace: str = "default",
        agents: Sequence[str] = (),
        pace: Pace | None = None,
    ) -> None:
        self._journal, self._agents, self._pace = journal, tuple(agents), pace or Pace()
        self._server, self._namespace = server, namespace
        self._lost = Lost(journal, agents, self._pace.sweep)
        self._stopping = anyio.Event()
        self._places: Places | None = None
        self._workers: dict[str, Worker] = {}
        self._out = Outage(f"the Temporal server {server if isinstance(server, str) else ''} failed")

    # --- in any process ----------------------------------------------------------------------------------------------

    async def enqueue(
        self, session_id: str, wake: str, *, not_before: datetime | None = None, tx: Any | None = None
    ) -> None:
        """Start the session's workflow, or wake the one that runs. Call it when what is new is committed."""
        del tx
        client = await self._client()
        if not_before is None:
            await self._start(client, session_id, wake=True)
            return
        await client.start_workflow(
            DRIVE,
            args=[session_id, self._pace.ttl],
            id=f"{_later(session_id)}{wake}",
            task_queue=await self._queue(session_id),
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            start_delay=max(timedelta(0), not_before - datetime.now(UTC)),
        )

    async def cancel(self, session_id: str) -> None:
        """Forget what is enqueued for a session, and hand it back wherever it is driven."""
        client = await self._client()
        later = _later(session_id).replace("\\", "\\\\").replace("'", "\\'")
        waiting = client.list_workflows(f"WorkflowId STARTS_WITH '{later}' AND ExecutionStatus = 'Running'")
        for name in [_name(session_id), *[each.id async for each in waiting]]:
            try:
                await client.get_workflow_handle(name).cancel()
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
        if self._places is not None:
            self._places.hand_back(session_id)

    async def _start(self, client: Client, session_id: str, *, wake: bool) -> None:
        """Start a session's workflow. Where one runs, it is told by a wake only: what is merely late costs nothing."""
        await client.start_workflow(
            DRIVE,
            args=[session_id, self._pace.ttl],
            id=_name(session_id),
            task_queue=await self._queue(session_id),
            start_signal=WAKE if wake else None,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )

    async def _queue(self, session_id: str) -> str:
        head = await self._journal.head(session_id)
        return queue_of(head.agent if head else "")

    async def _client(self) -> Client:
        if isinstance(self._server, str):
            self._server = await Client.connect(self._server, namespace=self._namespace)
        return self._server

    # --- serving -----------------------------------------------------------------------------------------------------

    async def serve(self, drive: Drive, concurrency: int) -> None:
        """Drive what is enqueued until `stop`: see `Engine.serve`."""
        self._places = places = Places(drive, concurrency)
        client = await self._connected()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_hand_back_at_last, places)
            async with anyio.create_task_group() as serving:

                def open_queue(name: str) -> None:
                    if name not in self._workers and not self._stopping.is_set():
                        self._workers[name] = self._worker(client, name, places, concurrency)
                        serving.start_soon(self._work, name)

                for agent in ("", *self._agents):
                    open_queue(queue_of(agent))
                tasks.start_soon(self._sweeps, client, open_queue)
                try:
                    await self._stopping.wait()
                finally:
                    self._stopping.set()
                    with anyio.CancelScope(shield=True):
                        for worker in self._workers.values():
                            await worker.shutdown()
            tasks.cancel_scope.cancel()

    def stop(self) -> None:
        """Take no new session."""
        self._stopping.set()

    async def _connected(self) -> Client:
        """Connect as soon as the server answers. Raises: ConfigurationError: it has no such namespace."""
        while True:
            try:
                client = await self._client()
                await self._check(client)
            except (RPCError, RuntimeError) as error:
                if isinstance(error, RuntimeError) and not str(error).startswith(_NO_SERVER):
                    raise
                await anyio.sleep(self._out.again(error))
            else:
                self._out.over()
                return client

    async def _check(self, client: Client) -> None:
        try:
            await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            raise ConfigurationError(
                f"the Temporal server has no namespace {client.namespace!r}: name another one, or make it with "
                f"`temporal operator namespace create --namespace {client.namespace}`"
            ) from error

    def _worker(self, client: Client, queue: str, places: Places, concurrency: int) -> Worker:
        return Worker(
            client,
            task_queue=queue,
            workflows=[DriveSession],
            activities=[_activity(places, self._pace.ttl / 3)],
            max_concurrent_activities=concurrency,
            max_concurrent_activity_task_polls=1,  # each open poll of a frozen worker swallows an attempt
            max_concurrent_workflow_tasks=_FEW,  # more would be late where the drives leave them no time, and be lost
            max_concurrent_workflow_task_polls=1,
            max_cached_workflows=0,  # it has two tasks; the second one would wait for a dead worker that has it cached
            max_heartbeat_throttle_interval=timedelta(seconds=self._pace.ttl / 2),  # else 0.8 of it: late is dead
            graceful_shutdown_timeout=_GRACE,
            workflow_runner=UnsandboxedWorkflowRunner(),  # a dozen lines of ours, replayed in the tests
        )

    async def _work(self, queue: str) -> None:
        with anyio.CancelScope(shield=True):  # `shutdown` ends it: a cancel would cut off its own tidying up
            await self._workers[queue].run()

    async def _sweeps(self, client: Client, open_queue: Callable[[str], None]) -> None:
        while True:
            pause = jittered(self._pace.sweep)
            try:
                for each in await self._lost.found():
                    open_queue(queue_of(each.agent))
                    await self._start(client, each.session_id, wake=False)
                    self._lost.enqueued(each)
                self._out.over()
            except (RPCError, JournalError) as error:
                pause = self._out.again(error)
            await anyio.sleep(pause)


async def _hand_back_at_last(places: Places) -> None:
    try:
        await anyio.sleep_forever()
    finally:
        places.hand_back()


def _activity(places: Places, beat: float) -> Activity:
    @activity.defn(name=DRIVE)
    async def drive(session_id: str) -> str:
        left: Left | JournalError = "handed back"
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_beats, beat)
            try:
                left = await places.drive(session_id)
            except JournalError as error:
                left = error
            tasks.cancel_scope.cancel()
        if isinstance(left, JournalError):
            raise ApplicationError(str(left), type="JournalError")  # tried again, later each time
        if left == "handed back":
            raise ApplicationError("the worker leaves in mid-turn", type="HandedBack", next_retry_delay=_SOON)
        if left == "busy":  # whoever drives it may be dead, or come to be: asked again until it rests
            raise ApplicationError("another process drives it", type="Busy", next_retry_delay=timedelta(seconds=beat))
        return left

    return drive


async def _beats(seconds: float) -> None:
    while True:
        activity.heartbeat()
        await anyio.sleep(seconds)


def _name(session_id: str) -> str:
    return f"agentkit:{session_id}"


def _later(session_id: str) -> str:
    """Return how the ids of a session's workflows of another time begin; the length keeps `a` apart from `a:b`."""
    return f"agentkit-later:{len(session_id)}:{session_id}:"
