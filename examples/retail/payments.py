"""Money: who paid what, and moving it. Amounts are in cents."""

import sqlite3

from agentkit import ToolError
from examples.retail.reading import payment_methods
from examples.retail.records import PaymentMethod, cents, dollars


def payment_method(db: sqlite3.Connection, user_id: str, payment_method_id: str) -> PaymentMethod:
    """One of this customer's payment methods.

    Raises:
        ToolError: It is not one of theirs.
    """
    methods = payment_methods(db, user_id)
    if payment_method_id not in methods:
        raise ToolError(
            f"{payment_method_id!r} is not a payment method of customer {user_id}, who has: {', '.join(methods)}. "
            "Ask the customer which of these to use."
        )
    return methods[payment_method_id]


def require_cover(method: PaymentMethod, amount: int) -> None:
    """See that a gift card holds at least this amount; other methods are not limited.

    Raises:
        ToolError: The balance is too small.
    """
    if "balance" in method and cents(method["balance"]) < amount:
        raise ToolError(
            f"Gift card {method['id']} holds ${method['balance']:.2f}, less than the ${dollars(amount):.2f} to be "
            "paid. Ask the customer for another payment method."
        )


def paid(db: sqlite3.Connection, order_id: str) -> dict[str, int]:
    """What each payment method has paid for an order and not got back."""
    rows = db.execute(
        "SELECT payment_method_id, SUM(CASE transaction_type WHEN 'payment' THEN amount_cents ELSE -amount_cents END)"
        " AS net FROM payment_history WHERE order_id = ? GROUP BY payment_method_id HAVING net > 0 ORDER BY MIN(entry)",
        (order_id,),
    )
    return {row["payment_method_id"]: row["net"] for row in rows}


def charge(db: sqlite3.Connection, order_id: str, payment_method_id: str, amount: int) -> None:
    """Take money for an order; a gift card pays from its balance."""
    _move(db, order_id, payment_method_id, "payment", amount)


def refund(db: sqlite3.Connection, order_id: str, payment_method_id: str, amount: int) -> None:
    """Give money back for an order; a gift card has it at once."""
    _move(db, order_id, payment_method_id, "refund", amount)


def _move(db: sqlite3.Connection, order_id: str, payment_method_id: str, transaction_type: str, amount: int) -> None:
    db.execute(
        "INSERT INTO payment_history (order_id, transaction_type, amount_cents, payment_method_id) VALUES (?, ?, ?, ?)",
        (order_id, transaction_type, amount, payment_method_id),
    )
    db.execute(
        "UPDATE payment_methods SET balance_cents = balance_cents + ?"
        " WHERE payment_method_id = ? AND source = 'gift_card'",
        (amount if transaction_type == "refund" else -amount, payment_method_id),
    )
