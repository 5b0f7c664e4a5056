"""Who holds a lease, and how to tell that nobody does any more.

A pid alone proves nothing: it is reused, and it means another process in another container. Boot id, pid namespace and
start time make it a proof, on Linux; elsewhere a lease simply runs out. A false "alive" costs one TTL of waiting, a
false "dead" costs nothing but work, since the epoch fences: still, only what is certain is called dead.
"""

import os
import socket
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import Self

from agentkit.core.values import dataclass
from agentkit.journal.jsonbytes import decode_json, encode_json

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Owner:
    """A process, as precisely as the machine can name it. `name` is what its program calls itself."""

    name: str
    host: str
    pid: int
    boot: str | None = None
    namespace: str | None = None
    started: str | None = None  # clock ticks since boot

    @classmethod
    def this_process(cls, name: str) -> Self:
        """Return the owner that this process is."""
        pid = os.getpid()
        boot, namespace, started = _proof(pid)
        return cls(name, socket.gethostname(), pid, boot, namespace, started)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the owner that `text()` recorded."""
        return cls(**decode_json(text.encode()))

    def text(self) -> str:
        """Return the owner as the journal records it."""
        return _text(self)

    def is_same_process(self, other: "Owner") -> bool:
        """Tell whether both are one process, whatever its program calls itself."""
        return replace(self, name="") == replace(other, name="")

    def is_dead(self) -> bool:
        """Tell whether it is proven that this process has ended."""
        here = Owner.this_process(self.name)
        if here.boot is None or (here.boot, here.namespace) != (self.boot, self.namespace):
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:  # it lives, as another user's
            pass
        try:
            state, started = _stat(self.pid)
        except OSError:  # it lives, and /proc hides it
            return False
        return started != self.started or (state in "ZX" and _threads(self.pid) <= 1)

    def __str__(self) -> str:
        return f"{self.name} (process {self.pid} on {self.host})"


@lru_cache(maxsize=16)  # each claim of a lease asks for it
def _text(owner: Owner) -> str:
    return encode_json(asdict(owner)).decode()


@lru_cache(maxsize=1)  # a fork has another pid
def _proof(pid: int) -> tuple[str, str, str] | tuple[None, None, None]:
    """Return boot id, pid namespace and start time of this process, where the machine tells them."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        namespace = str((_PROC / "self/ns/pid").readlink())
        _, started = _stat(pid)
    except OSError:
        return None, None, None
    return boot, namespace, started


def _stat(pid: int) -> tuple[str, str]:
    """Return state and start time; the name before them may hold anything, spaces and brackets included."""
    fields = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    return fields[0], fields[19]


def _threads(pid: int) -> int:
    """Count the threads: a process whose first thread has ended looks dead while the others go on."""
    return sum(1 for _ in (_PROC / str(pid) / "task").iterdir())
