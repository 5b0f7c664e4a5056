"""What can be asked for once an order is delivered. The money moves when the goods are back, so none moves here."""

import json
import sqlite3
from dataclasses import dataclass
from typing import ClassVar

from agentkit import ToolError
from examples.retail.payments import paid, payment_method, require_cover
from examples.retail.reading import order, order_row
from examples.retail.records import Order
from examples.retail.swaps import order_lines, swaps

_NOT_DELIVERED = {
    "pending": "A pending order can be changed with the modify_pending_order tools, or cancelled",
    "return requested": "A return was asked for already, and that can be done only once",
    "exchange requested": "An exchange was asked for already, and that can be done only once",
}


def delivered(db: sqlite3.Connection, order_id: str) -> sqlite3.Row:
    """The row of an order that was delivered, and for which nothing was asked since.

    Raises:
        ToolError: There is no such order, or its status is another.
    """
    row = order_row(db, order_id)
    if row["status"] != "delivered":
        why = _NOT_DELIVERED.get(row["status"], "Only a delivered order can be returned or exchanged")
        raise ToolError(f"Order {order_id} is {row['status']!r}, so it was left as it is. {why}. Tell the customer.")
    return row


@dataclass(frozen=True)
class ReturnItems:
    """Take back items of a delivered order."""

    tool: ClassVar[str] = "return_delivered_order_items"
    order_id: str
    item_ids: list[str]
    payment_method_id: str

    def apply(self, db: sqlite3.Connection) -> Order:
        """See `Change.apply`."""
        row = delivered(db, self.order_id)
        order_lines(db, self.order_id, self.item_ids)
        method = payment_method(db, row["user_id"], self.payment_method_id)
        payers = paid(db, self.order_id)
        if self.payment_method_id not in payers and method["source"] != "gift_card":
            raise ToolError(
                f"The refund cannot go to {self.payment_method_id}: only to what the order was paid with "
                f"({', '.join(payers)}) or to one of the customer's gift cards. Ask the customer which."
            )
        db.execute(
            "UPDATE orders SET status = 'return requested', return_items = ?, return_payment_method_id = ?"
            " WHERE order_id = ?",
            (json.dumps(sorted(self.item_ids)), self.payment_method_id, self.order_id),
        )
        return order(db, self.order_id)


@dataclass(frozen=True)
class ExchangeItems:
    """Exchange items of a delivered order for other variants of the same products."""

    tool: ClassVar[str] = "exchange_delivered_order_items"
    order_id: str
    item_ids: list[str]
    new_item_ids: list[str]
    payment_method_id: str

    def apply(self, db: sqlite3.Connection) -> Order:
        """See `Change.apply`."""
        row = delivered(db, self.order_id)
        difference = sum(swap.difference for swap in swaps(db, self.order_id, self.item_ids, self.new_item_ids))
        require_cover(payment_method(db, row["user_id"], self.payment_method_id), difference)
        db.execute(
            "UPDATE orders SET status = 'exchange requested', exchange_items = ?, exchange_new_items = ?,"
            " exchange_payment_method_id = ?, exchange_price_difference_cents = ? WHERE order_id = ?",
            (
                json.dumps(sorted(self.item_ids)),
                json.dumps(sorted(self.new_item_ids)),
                self.payment_method_id,
                difference,
                self.order_id,
            ),
        )
        return order(db, self.order_id)
