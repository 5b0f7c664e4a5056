"""A worker process: an engine that serves until it is told to stop, and how it stops.

The first SIGTERM or SIGINT: no new session is taken, those that are driven may finish for `grace` seconds. Then, or at
the second signal, they are handed back: what is in flight is cut off (a `once` call is first given a moment to end by
itself), recorded as far as it came, the lease is released, and another worker takes the session over at once.
"""

import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import anyio

from agentkit.apart import alone
from agentkit.errors import JournalError
from agentkit.workers.engine import Drive, Engine, Rest

SIGNALS = (signal.SIGTERM, signal.SIGINT)

Tell = Callable[[str], None]


@dataclass(slots=True)
class Tally:
    """What a worker has done so far.

    Attributes:
        rests: how often a drive came to rest in each way; where the journal failed it, as "failed".
        driven: the sessions that are driven now, each with the moment (`time.monotonic`) it was begun.
        handed_back: sessions whose drive was cut off.
    """

    rests: Counter[Rest] = field(default_factory=Counter)
    driven: dict[str, float] = field(default_factory=dict)
    handed_back: list[str] = field(default_factory=list)

    def counting(self, drive: Drive) -> Drive:
        """Return `drive`, counted here."""

        async def counted(session_id: str) -> Rest:
            self.driven[session_id] = time.monotonic()
            try:
                rest = await drive(session_id)
            except anyio.get_cancelled_exc_class():
                self.handed_back.append(session_id)
                raise
            except JournalError:
                self.rests["failed"] += 1
                raise
            finally:
                del self.driven[session_id]
            self.rests[rest] += 1
            return rest

        return counted

    def __str__(self) -> str:
        rests = ", ".join(f"{count} {rest}" for rest, count in self.rests.most_common())
        back = f"; handed back: {', '.join(self.handed_back)}" if self.handed_back else ""
        total = self.rests.total()
        return f"{total} drive{'' if total == 1 else 's'} ({rests or 'none'}){back}"


async def work(engine: Engine, drive: Drive, *, concurrency: int, grace: float, tell: Tell) -> Tally:
    """Serve until a signal, then stop as the module says. Only the main thread of a process can do that.

    Args:
        engine: says what to drive.
        drive: drives it, see `drive.driving`.
        concurrency: how many sessions at once.
        grace: seconds that driven sessions may still take after the first signal.
        tell: is given lines for people.
    """
    tally = Tally()
    try:
        with anyio.open_signal_receiver(*SIGNALS) as signals:
            async with anyio.create_task_group() as tasks:
                serving = anyio.CancelScope()
                tasks.start_soon(_stop, engine, signals, _Stopping(serving, tally, grace, tell))
                with serving:
                    await engine.serve(tally.counting(drive), concurrency)
                tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        raise alone(group) from None
    return tally


@dataclass(frozen=True, slots=True)
class _Stopping:
    serving: anyio.CancelScope
    tally: Tally
    grace: float
    tell: Tell


async def _stop(engine: Engine, signals: AsyncIterator[signal.Signals], stopping: _Stopping) -> None:
    first = await anext(signals)
    count = len(stopping.tally.driven)
    stopping.tell(
        f"{first.name}: no new session is taken. {_sessions(count)} may finish for {stopping.grace:g} s; a second "
        "signal hands back at once"
    )
    engine.stop()
    with anyio.move_on_after(stopping.grace):
        await anext(signals)
    count = len(stopping.tally.driven)
    stopping.tell(f"handing back {_sessions(count)}: {', '.join(stopping.tally.driven) or 'none'}")
    stopping.serving.cancel()


def _sessions(count: int) -> str:
    return f"{count} session" if count == 1 else f"{count} sessions"
