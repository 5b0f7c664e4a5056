"""A TCP proxy that can fail: it cuts connections, lets nobody in, or loses one message and then the connection.

It stands between a client and a server on loopback, in threads of its own, so it works for clients in this process as
for those in others. `with Proxy(port) as proxy:` and connect to `proxy.port`.
"""

import socket
import struct
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Literal, Self
from urllib.parse import urlsplit, urlunsplit

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no time: closing sends a reset, as a firewall does
_ANSWER_SECONDS = 0.3  # so long has the server to do what it was asked, before the connection is cut

Loss = Literal["request", "answer"]


class _Pair:
    """One connection: the client's side, the server's side."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self.is_mute = False  # nothing of what the server says gets through any more

    def cut(self) -> None:
        for side in (self.client, self.server):
            with suppress(OSError):
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                side.shutdown(socket.SHUT_RDWR)
            side.close()


class Proxy:
    """A proxy before one port of this machine.

    Attributes:
        port: where it listens. cuts: how many connections it has cut.
    """

    def __init__(self, to: int) -> None:
        self.cuts = 0
        self._to = to
        self._lock = threading.Lock()
        self._pairs: set[_Pair] = set()
        self._is_closed = False
        self._loss: tuple[bytes, Loss, bool] | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, t: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None) -> None:
        self._listener.close()
        self.cut()

    def address(self, url: str) -> str:
        """Return an URL of what is behind the proxy as one that leads through it."""
        parts = urlsplit(url)
        user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        return urlunsplit(parts._replace(netloc=f"{user}127.0.0.1:{self.port}"))

    def cut(self) -> None:
        """Cut all connections there are."""
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            pair.cut()
        self.cuts += len(pairs)

    def close(self) -> None:
        """Cut all connections, and every new one at once, until `open`."""
        self._is_closed = True
        self.cut()

    def open(self) -> None:
        """Let clients in again."""
        self._is_closed = False

    def lose(self, what: Loss, marker: bytes, *, then_close: bool = False) -> None:
        """Cut the connection on which `marker` is sent next, once; and let nobody in from then on, with `then_close`.

        what: "request": before it reaches the server. "answer": when the server has done it, but before its answer
            reaches the client.
        """
        self._loss = (marker, what, then_close)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._is_closed:
                _Pair(client, client).cut()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self._to), timeout=5)
            except OSError:
                _Pair(client, client).cut()
                continue
            server.settimeout(None)
            pair = _Pair(client, server)
            with self._lock:
                self._pairs.add(pair)
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(pair, source, target), daemon=True).start()

    def _pump(self, pair: _Pair, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if source is pair.client and self._is_lost(pair, data):
                    break
                if source is pair.client or not pair.is_mute:
                    target.sendall(data)
        with self._lock:
            is_ours = pair in self._pairs
            self._pairs.discard(pair)
        if is_ours:
            pair.cut()

    def _is_lost(self, pair: _Pair, data: bytes) -> bool:
        with self._lock:
            if self._loss is None or self._loss[0] not in data:
                return False
            (_, what, self._is_closed), self._loss = self._loss, None
            self._pairs.discard(pair)
            self.cuts += 1
        if what == "answer":
            pair.is_mute = True
            pair.server.sendall(data)
            pair.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            pair.client.close()
            time.sleep(_ANSWER_SECONDS)
        pair.cut()
        return True
