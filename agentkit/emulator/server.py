"""`Emulator`: the service on a loopback socket, for as long as an `async with` lasts."""

import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field, replace
from types import TracebackType
from typing import Self

import anyio
import uvicorn
from anyio.abc import TaskGroup

from agentkit.emulator.app import application
from agentkit.emulator.cache import PrefixCache
from agentkit.emulator.log import Counts, Log, Seen
from agentkit.emulator.memory import Memory
from agentkit.emulator.script import Script, canned
from agentkit.emulator.service import Service
from agentkit.emulator.table import CONTRACTS, Contract

_KEEP_ALIVE = 600
"""Seconds an idle connection stays open: longer than any client in a test keeps it."""


class _Server(uvicorn.Server):
    """Runs inside somebody else's program: takes no signals, and stops when told to instead of looking every 0.1 s."""

    def __init__(self, config: uvicorn.Config, closing: anyio.Event) -> None:
        super().__init__(config)
        self._closing = closing
        self.force_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        await self._closing.wait()


def _listener(port: int) -> socket.socket:
    """Listen on loopback. The protocol is named because asyncio switches Nagle's delay off only where it is."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


async def _shielded(server: _Server, listener: socket.socket) -> None:
    """Serve until told to close: a cancelled program, too, closes its sockets."""
    with anyio.CancelScope(shield=True):
        await server.serve([listener])


@dataclass
class Emulator:
    """A stand-in for a model service, over real HTTP on loopback, for as long as an `async with` lasts.

    `async with Emulator(script, contract="kimi-k2.6") as server:` listens on a free port of 127.0.0.1; give
    `server.base_url` to any client. Then `server.counts` has the sums and `server.requests` every request.

    Attributes:
        script: what it plays: turns by the text of the first user message (`"*"`: any), or a function that is given the
            decoded request and returns a `Reply` or a `Fault`; by default one sentence that says who speaks.
        contract: what it enforces, one of `CONTRACTS` or a row of your own.
        cache_unit: tokens per unit of the prompt cache.
        api_key: the only key it takes; None takes all, and none.
        models: the only models it knows; None knows all.
        context: the context window in tokens, where it is to differ from the contract's.
        warm: missing reasoning is tolerated for tool calls this process has minted, as the real service does for a
            while; the header `x-emulator-cold` or `go_cold()` ends that.
        keep: how many requests the log keeps with body and verdicts; None keeps all.
        port: 0 takes a free one.

    Raises:
        ValueError: there is no such contract.
        OSError: on entering, the port cannot be taken.
    """

    script: Script = canned
    _: KW_ONLY
    contract: str | Contract = "deepseek-v4"
    cache_unit: int = 64
    api_key: str | None = None
    models: Collection[str] | None = None
    context: int | None = None
    warm: bool = False
    keep: int | None = None
    port: int = 0
    _service: Service = field(init=False, repr=False)
    _closing: anyio.Event = field(init=False, repr=False)
    _group: TaskGroup = field(init=False, repr=False)

    def __post_init__(self) -> None:
        row = self.contract
        if isinstance(row, str):
            if row not in CONTRACTS:
                raise ValueError(f"there is no contract {row!r}; known are {', '.join(CONTRACTS)}")
            row = CONTRACTS[row]
        row = replace(row, context=self.context or row.context)
        log, memory, cache = Log(row.price, self.keep), Memory(self.script), PrefixCache(self.cache_unit)
        self._service = Service(row, memory, cache, log, self.api_key, self.models, self.warm)

    async def __aenter__(self) -> Self:
        listener = _listener(self.port)
        self.port = listener.getsockname()[1]
        self._closing = anyio.Event()
        config = uvicorn.Config(
            application(self._service, self._closing),
            http="h11",
            lifespan="off",
            ws="none",
            log_config=None,
            log_level="critical",
            access_log=False,
            timeout_keep_alive=_KEEP_ALIVE,
        )
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        self._group.start_soon(_shielded, _Server(config, self._closing), listener)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        await self._group.__aexit__(None, None, None)

    @property
    def base_url(self) -> str:
        """Where a client connects; `/beta` in the place of `/v1` has the beta features."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def beta_url(self) -> str:
        """Where a client finds the beta features: strict functions."""
        return f"http://127.0.0.1:{self.port}/beta"

    @property
    def requests(self) -> list[Seen]:
        """Every request so far, in the order of arrival."""
        return self._service.log.requests

    @property
    def counts(self) -> Counts:
        """The sums over all requests so far."""
        return self._service.log.counts

    def go_cold(self) -> None:
        """Forget whose calls were minted here, as the real service does after a while."""
        self._service.memory.minted.clear()
