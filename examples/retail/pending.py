"""What can be changed about an order while it is pending, that is, before it is prepared for dispatch."""

import json
import sqlite3
from dataclasses import dataclass
from typing import ClassVar

from agentkit import ToolError
from examples.retail.payments import charge, paid, payment_method, refund, require_cover
from examples.retail.reading import order, order_row
from examples.retail.records import Order, cents
from examples.retail.swaps import swaps

REASONS = ("no longer needed", "ordered by mistake")
_NOT_PENDING = {
    "pending (item modified)": "Its items were changed already, after which nothing about it can be changed any more",
    "delivered": "It was delivered: its items can be returned or exchanged",
}


def pending(db: sqlite3.Connection, order_id: str) -> sqlite3.Row:
    """The row of an order that is still pending.

    Raises:
        ToolError: There is no such order, or it is past changing.
    """
    row = order_row(db, order_id)
    if row["status"] != "pending":
        why = _NOT_PENDING.get(row["status"], "Only a pending order can be changed or cancelled")
        raise ToolError(f"Order {order_id} is {row['status']!r}, so it was left as it is. {why}. Tell the customer.")
    return row


@dataclass(frozen=True)
class CancelOrder:
    """Cancel a pending order and give back what was paid for it."""

    tool: ClassVar[str] = "cancel_pending_order"
    order_id: str
    reason: str

    def apply(self, db: sqlite3.Connection) -> Order:
        """See `Change.apply`."""
        pending(db, self.order_id)
        if self.reason not in REASONS:
            raise ToolError(
                f"{self.reason!r} is no reason the shop accepts. Ask the customer which it is: "
                f"{' or '.join(map(repr, REASONS))}. For any other reason the order cannot be cancelled."
            )
        for payment_method_id, amount in paid(db, self.order_id).items():
            refund(db, self.order_id, payment_method_id, amount)
        db.execute(
            "UPDATE orders SET status = 'cancelled', cancel_reason = ? WHERE order_id = ?", (self.reason, self.order_id)
        )
        return order(db, self.order_id)


@dataclass(frozen=True)
class ChangeOrderAddress:
    """Send a pending order somewhere else."""

    tool: ClassVar[str] = "modify_pending_order_address"
    order_id: str
    address1: str
    address2: str
    city: str
    state: str
    country: str
    zip: str

    def apply(self, db: sqlite3.Connection) -> Order:
        """See `Change.apply`."""
        pending(db, self.order_id)
        db.execute(
            "UPDATE orders SET address1 = ?, address2 = ?, city = ?, state = ?, country = ?, zip = ?"
            " WHERE order_id = ?",
            (self.address1, self.address2, self.city, self.state, self.country, self.zip, self.order_id),
        )
        return order(db, self.order_id)


@dataclass(frozen=True)
class ChangeOrderItems:
    """Replace items of a pending order, once, and settle the difference in price."""

    tool: ClassVar[str] = "modify_pending_order_items"
    order_id: str
    item_ids: list[str]
    new_item_ids: list[str]
    payment_method_id: str

    def apply(self, db: sqlite3.Connection) -> Order:
        """See `Change.apply`."""
        row = pending(db, self.order_id)
        planned = swaps(db, self.order_id, self.item_ids, self.new_item_ids)
        difference = sum(swap.difference for swap in planned)
        require_cover(payment_method(db, row["user_id"], self.payment_method_id), difference)
        if difference > 0:
            charge(db, self.order_id, self.payment_method_id, difference)
        elif difference < 0:
            refund(db, self.order_id, self.payment_method_id, -difference)
        # An oddity of the recorded shop that this one keeps, to leave the same books: every line replaced is booked at
        # the price and with the options of the last new item, although the difference is settled item by item.
        booked = planned[-1].new
        db.executemany(
            "UPDATE order_items SET item_id = ?, price_cents = ?, options = ? WHERE order_id = ? AND position = ?",
            [
                (
                    swap.new["item_id"],
                    cents(booked["price"]),
                    json.dumps(booked["options"]),
                    self.order_id,
                    swap.position,
                )
                for swap in planned
            ],
        )
        db.execute("UPDATE orders SET status = 'pending (item modified)' WHERE order_id = ?", (self.order_id,))
        return order(db, self.order_id)


@dataclass(frozen=True)
class ChangeOrderPayment:
    """Have a pending order paid by another method, and give back what the first one paid."""

    tool: ClassVar[str] = "modify_pending_order_payment"
    order_id: str
    payment_method_id: str

    def apply(self, db: sqlite3.Connection) -> Order:
        """See `Change.apply`."""
        row = pending(db, self.order_id)
        method = payment_method(db, row["user_id"], self.payment_method_id)
        before = paid(db, self.order_id)
        if self.payment_method_id in before:
            raise ToolError(
                f"Order {self.order_id} is already paid by {self.payment_method_id}. Ask the customer for a different "
                "payment method, or leave it as it is."
            )
        total = sum(before.values())
        require_cover(method, total)
        charge(db, self.order_id, self.payment_method_id, total)
        for payment_method_id, amount in before.items():
            refund(db, self.order_id, payment_method_id, amount)
        return order(db, self.order_id)
