"""A journal that fails where a kind of event is to be recorded, wherever in the session that is."""

from agentkit import Journal
from agentkit.events import AnyEvent
from agentkit.journal.base import Appended, Batch, Lease
from agentkit.testing import Fault, FaultyJournal


class FaultyAt(FaultyJournal):
    """Fails once: at the first batch that holds an event of `kind`."""

    def __init__(self, inner: Journal, kind: type[AnyEvent], fault: Fault) -> None:
        super().__init__(inner, at=-1, fault=fault)
        self._kind: type[AnyEvent] | None = kind

    async def append(self, lease: Lease, after: int, batch: Batch) -> Appended:
        if self._kind is not None and any(isinstance(placed.event, self._kind) for placed in batch.events):
            self._kind, self._at = None, self.appends + 1
        return await super().append(lease, after, batch)
