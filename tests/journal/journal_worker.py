"""Another process that uses a journal: `python journal_worker.py PLACE TTL ACTION`. It says what happened, in lines."""

import json
import os
import resource
import sys
import time
from pathlib import Path

import anyio

from agentkit.core.events import UserSaid
from agentkit.core.messages import Text
from agentkit.errors import AgentkitError, JournalError
from agentkit.journal import Journal, PostgresJournal, SQLiteJournal
from agentkit.journal.base import Batch, Lease, Placed


def say(*words: object) -> None:
    print(*words, flush=True)  # noqa: T201 - the tests read it


def batch(text: str) -> Batch:
    return Batch([Placed(UserSaid((Text(text),)), 1, 1)])


async def claim(journal: Journal, session_id: str = "s") -> Lease:
    return await journal.claim(session_id, uid="u", agent="a", owner="worker")


async def hold(journal: Journal) -> None:
    """Claim, append, wait for a line, append again."""
    lease = await claim(journal)
    await journal.append(lease, lease.last_seq, batch("before"))
    say("holding")
    await anyio.to_thread.run_sync(sys.stdin.readline)
    await journal.append(lease, lease.last_seq + 1, batch("after"))
    say("appended")


async def block(journal: Journal) -> None:
    """Claim, block the event loop as a bad tool does, append."""
    lease = await claim(journal)
    say("blocking")
    time.sleep(2.0)  # noqa: ASYNC251 - that is the point
    await journal.append(lease, lease.last_seq, batch("after"))
    say("appended")


async def write(journal: Journal) -> None:
    """Append to a session of its own, and leave a message for everybody's, many times."""
    name = f"s{os.getpid()}"
    lease = await claim(journal, name)
    for n in range(50):
        await journal.append(lease, n, batch(str(n)))
        await journal.put("all", "message", f"{name}/{n}", b"{}", None)
    say("wrote")


async def storm(journal: Journal) -> None:
    """Do what `write` does for two seconds; say how long the longest wait was."""
    name, written, longest, errors = f"s{os.getpid()}", 0, 0.0, []
    lease = await claim(journal, name)
    began = time.monotonic()
    while time.monotonic() < began + 2:
        at = time.monotonic()
        try:
            await journal.append(lease, written, batch(str(written)))
            await journal.put("all", "message", f"{name}/{written}", b"{}", None)
        except JournalError as error:
            errors.append(str(error))
        written += 1
        longest = max(longest, time.monotonic() - at)
    say(json.dumps({"session": name, "written": written, "longest": longest, "errors": errors}))


async def outgrow(journal: Journal) -> None:
    """Append more than the system lets this process write to a file."""
    lease = await claim(journal)
    await journal.append(lease, 0, batch("before"))
    limit = os.stat(sys.argv[1] + "-wal").st_size + 8192  # noqa: PTH116 - a test's script
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        await journal.append(lease, 1, batch("x" * 100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        head = await journal.head("s")
        say("last_seq", head and head.last_seq)
        await journal.append(lease, 1, batch("after"))


async def fill(journal: Journal) -> None:
    """Append until the disk is full, make room, go on."""
    ballast = Path(sys.argv[1]).with_name("ballast")
    ballast.write_bytes(b"x" * 200_000)
    lease = await claim(journal)
    written = 0
    try:
        while True:
            await journal.append(lease, written, batch("x" * 40_000))
            written += 1
    except JournalError as error:
        say(type(error).__name__, error)
    ballast.unlink()
    say(written, len([record async for record in journal.read("s")]))
    await journal.append(lease, written, batch("after"))
    say("appended")


async def fork(journal: Journal) -> None:
    """Use the journal in a child that was forked from this process."""
    await journal.head("s")
    if os.fork() == 0:
        try:
            journal.head("s").send(None)
        except AgentkitError as error:
            say(error)
        os._exit(0)
    os.wait()  # noqa: ASYNC222 - a test's script


async def main() -> None:
    place, ttl, action = sys.argv[1:]
    kind = PostgresJournal if "://" in place else SQLiteJournal
    try:
        async with kind(place, ttl=float(ttl)) as journal:
            await globals()[action](journal)
    except AgentkitError as error:
        say(type(error).__name__, error)


if __name__ == "__main__":
    anyio.run(main)
