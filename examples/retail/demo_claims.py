"""What the demo says is so, and where it looked: the shop's database, the journal, the model service's own counts."""

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Self

from rich.console import Console

from agentkit import Record, Usage
from agentkit.events import CallResolved, ModelResponded, RunStarted, ToolFinished, ToolStarted
from examples.retail import reading
from examples.retail.records import cents
from examples.retail.shop import Shop

ORDER, CUSTOMER, CARD = "#W1000003", "maren_holt_1001", "gift_card_1001"
_AT_ONCE = 10.0  # seconds: a lease that nobody gives back lasts longer


@dataclass(frozen=True)
class Books:
    """What the shop's own database says of the refund, in dollars.

    Attributes:
        refunds: Each that was paid for the order.
        card: What the gift card holds.
        keys: The idempotency keys of all changes.
    """

    refunds: list[float]
    card: float
    keys: list[str]

    @classmethod
    def of(cls, shop: Shop) -> Self:
        """Look."""
        with shop.reading() as db:
            payments = reading.order(db, ORDER)["payment_history"]
            card = reading.payment_methods(db, CUSTOMER)[CARD]
            keys = [row["idempotency_key"] for row in db.execute("SELECT idempotency_key FROM change_log")]
        return cls([each["amount"] for each in payments if each["transaction_type"] == "refund"], card["balance"], keys)


class Claims:
    """Prints each claim with what was found, and remembers whether all of them hold."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.hold = True

    def claim(self, text: str, *, holds: bool) -> None:
        """Say that something is so, or that it is not."""
        self.hold &= holds
        mark, style = ("✓", "green") if holds else ("✗ NOT SO:", "bold red")
        self._console.print(f"{mark} {text}", style=style, markup=False, highlight=False, soft_wrap=True)

    def killed(self, exit_code: int | None, books: Books, records: Sequence[Record]) -> None:
        """Of the moment of the kill."""
        paid, started, ended = books.refunds, _starts(records), _ends(records)
        self.claim(
            f"killed (exit code {exit_code}) in the middle: the shop has refunded ${sum(paid):.2f}, and the journal "
            f"holds the call without an outcome",
            holds=exit_code == -signal.SIGKILL and len(paid) == 1 and len(started) == 1 and not ended,
        )

    def once(self, before: Books, books: Books, records: Sequence[Record], killed: datetime) -> None:
        """Of the refund in the end."""
        resumed = [record.at for record in records if isinstance(record.event, RunStarted)]
        waited = (resumed[-1] - killed).total_seconds() if resumed else -1.0
        self.claim(
            f"resumed {waited:.1f} s after the kill: the dead owner was proven dead, no lease had to run out",
            holds=len(resumed) == 1 and 0 <= waited < _AT_ONCE,
        )
        found = [(end.kind, end.source) if isinstance(end, CallResolved) else None for end in _ends(records)]
        self.claim(
            f"not run again: the tool's reconcile found the change in the books, by its key {', '.join(books.keys)}",
            holds=len(_starts(records)) == 1 and found == [("happened", "reconcile")] and len(books.keys) == 1,
        )
        self.claim(
            f"refunded once: {len(books.refunds)} refund in the shop's database; the gift card went from "
            f"${before.card:.2f} to ${books.card:.2f}",
            holds=len(books.refunds) == 1 and cents(books.card) == cents(before.card) + cents(books.refunds[0]),
        )

    def reasoning(self, counts: Mapping[str, Any], records: Sequence[Record]) -> None:
        """Of what the service saw of its own words."""
        answers = [record.event for record in records if isinstance(record.event, ModelResponded)]
        lost = {name: counts[name] for name in counts if name.endswith(("_missing", "_altered"))}
        self.claim(
            f"reasoning exact: {len(answers)} answers, each sent back with every later request; the service counted "
            f"{lost['reasoning_missing']} missing, {lost['reasoning_altered']} altered",
            holds=not any(lost.values()) and counts["by_status"] == {"200": len(answers)},
        )

    def cost(self, counts: Mapping[str, Any], records: Sequence[Record]) -> None:
        """Of what was recorded as used."""
        used = [record.event.usage for record in records if isinstance(record.event, ModelResponded)]
        known = [usage for usage in used if usage is not None]
        total = sum(known, start=Usage(0, 0, 0, 0, Decimal(0)))
        self.claim(
            f"paid: {total.input_tokens} tokens in, {total.cached_tokens} of them from the cache "
            f"({total.cached_tokens / max(1, total.input_tokens):.0%}), {total.output_tokens} out: "
            f"${total.cost or 0:.6f} by the price list; the service counted the same tokens",
            holds=len(known) == len(used)
            and (total.cached_tokens, total.input_tokens - total.cached_tokens, total.output_tokens)
            == (counts["cache_hit_tokens"], counts["cache_miss_tokens"], counts["output_tokens"]),
        )


def _starts(records: Sequence[Record]) -> list[ToolStarted]:
    events = (record.event for record in records)
    return [event for event in events if isinstance(event, ToolStarted) and event.effect == "once"]


def _ends(records: Sequence[Record]) -> list[CallResolved | ToolFinished]:
    """How the refund's call ended: by itself, or as somebody found out."""
    keys = {start.call for start in _starts(records)}
    events = (record.event for record in records)
    return [event for event in events if isinstance(event, CallResolved | ToolFinished) and event.call in keys]
