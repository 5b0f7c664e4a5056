"""A database as this process has it open: once, however many journals, sessions and event loops use it.

A few threads write, one reads, one renews the leases this process holds; two more tell and hear of news when somebody
wants them. Each has a connection of its own, opened when it is first needed.
"""

import logging
import os
import threading
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TypeVar

from agentkit.errors import JournalError
from agentkit.journal.address import redacted
from agentkit.journal.base import Appended, Lease
from agentkit.journal.bells import Bell
from agentkit.journal.postgres import write
from agentkit.journal.postgres.append import Append, Appends
from agentkit.journal.postgres.link import OPENING_SECONDS, Attempt, Link
from agentkit.journal.postgres.schema import check
from agentkit.journal.postgres.watch import Listener, Notifier
from agentkit.journal.postgres.write import Claim
from agentkit.journal.renewal import Held, Renewal
from agentkit.journal.seal import Seal
from agentkit.journal.thread import JournalThread, NoChore

T = TypeVar("T")
WRITERS = 4
_LEAVE_SECONDS = 2.0

_OPEN: dict[tuple[int, str], "Database"] = {}
_LOCK = threading.Lock()
_LOG = logging.getLogger(__name__)


def _renew(link: Link, held: Collection[Held], patience: float) -> None:
    link.run("renewal of leases", lambda attempt: write.renew(attempt, held), patience=patience)


class Database:
    """The threads of one database, and who waits for its news. Got by `enter`, given back by `leave`."""

    def __init__(self, key: tuple[int, str]) -> None:
        address = key[1]
        self._key, self._users = key, 0
        self._leases, self._appends, self._notifier, self.bells = Renewal(_renew), Appends(), Notifier(), Listener()

        def connect() -> Link:
            return Link(address)

        self._writers = [JournalThread[Link](connect, NoChore(), name=f"journal writer {n}") for n in range(WRITERS)]
        self._reader = JournalThread[Link](connect, NoChore(), name="journal reader")
        self._renewer = JournalThread[Link](connect, self._leases, name="journal leases")
        self._teller = JournalThread[Link](connect, self._notifier, name="journal news out")
        self._hearer = JournalThread[Link](connect, self.bells, name="journal news in")

    async def open(self, *, create: bool) -> None:
        """See that the tables are there. Raises: ForeignJournal, JournalError: as `schema.check`."""
        place = redacted(self._key[1])
        await self._reader.run(
            lambda link: link.run(
                "opening the journal",
                lambda attempt: check(attempt, place, create=create),
                reads=not create,
                patience=OPENING_SECONDS,
            )
        )

    async def write(self, session_id: str, what: str, work: Callable[[Attempt], T], *, patience: float) -> T:
        """Return what `work` returns; what is written to one session is written in the order it was asked for.

        `patience`: seconds for which it is tried again while the server is away.

        Raises:
            JournalError: nothing was written. AppendUncertain: nobody knows.
        """
        writer = self._writers[zlib.crc32(session_id.encode(errors="replace")) % WRITERS]
        return await writer.run(lambda link: link.run(what, work, patience=patience))

    async def read(self, what: str, work: Callable[[Attempt], T], *, patience: float) -> T:
        """Return what `work` returns. Raises: JournalError: the database cannot be read."""
        return await self._reader.run(lambda link: link.run(what, work, patience=patience, reads=True))

    def told(self, session_id: str, upto: int | None = None) -> None:
        """Tell everybody who waits, here and elsewhere, that a session has news: events, where `upto` is said."""
        self.bells.ring(session_id, upto)
        if self._notifier.add(session_id, mail=upto is None):
            self._teller.nudge()

    @contextmanager
    def listening(self, session_id: str, seen: int) -> Iterator[Bell]:
        """Yield a bell that a session's news will ring, from wherever it comes. It may get lost: look now and then."""
        with self.bells.waiting(session_id, seen) as bell:
            self._hearer.nudge()
            yield bell

    async def claim(self, claim: Claim, *, patience: float) -> Lease:
        """Take a lease and renew it from now on. Raises: as `Claim`."""

        def work(attempt: Attempt) -> Lease:
            lease = claim(attempt)
            self._appends.forget(claim.session_id)
            if self._leases.hold(lease, claim.ttl):
                self._renewer.nudge()
            return lease

        return await self.write(claim.session_id, f"claim of session {claim.session_id!r}", work, patience=patience)

    async def append(self, append: Append, *, patience: float) -> Appended:
        """Append a batch. Raises: as `Journal.append`."""
        name = append.lease.session_id
        appended = await self.write(
            name, f"append to session {name!r}", lambda attempt: self._appends(attempt, append), patience=patience
        )
        self.told(name, appended.last_seq)
        return appended

    async def release(self, lease: Lease, trouble: str | None, *, seal: Seal, patience: float) -> None:
        """Give a lease back, and renew it no longer."""
        name = lease.session_id

        def work(attempt: Attempt) -> None:
            is_last = self._leases.drop(lease)
            self._appends.restore(attempt, lease)
            write.release(attempt, [lease], seal.trouble(lease.data_key, name, trouble))
            if is_last:
                self._appends.forget(name)

        await self.write(name, f"release of session {name!r}", work, patience=patience)

    async def leave(self) -> None:
        """Give the database back; the last to do so releases what is held, and closes the connections."""
        with _LOCK:
            self._users -= 1
            if self._users:
                return
            del _OPEN[self._key]
        await self._renewer.close(self._settle)
        for thread in (*self._writers, self._reader, self._teller, self._hearer):
            await thread.close(lambda _: None)

    def _settle(self, link: Link) -> None:
        held = self._leases.drop_all()
        if not held:
            return
        try:
            link.run("release of leases", lambda attempt: write.release(attempt, held), patience=_LEAVE_SECONDS)
        except JournalError as error:  # nothing recorded is at stake: leases run out
            _LOG.warning("the journal was not closed cleanly: %s", error)


def enter(address: str) -> Database:
    """Return the database as this process has it open, or will have when somebody has awaited `open`."""
    key = (os.getpid(), address)
    with _LOCK:
        database = _OPEN.get(key)
        if database is None:
            database = _OPEN[key] = Database(key)
        database._users += 1  # noqa: SLF001 - the count and the table change under one lock
    return database
