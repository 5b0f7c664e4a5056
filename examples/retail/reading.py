"""Looking things up: rows as records, and for what is not there a `ToolError` that says where to look."""

import json
import sqlite3
from typing import Literal, cast

from agentkit import ToolError
from examples.retail.records import (
    Address,
    Item,
    Order,
    Payment,
    PaymentMethod,
    Product,
    SoldItem,
    User,
    Variant,
    dollars,
)

_TEXTS = ("cancel_reason", "return_payment_method_id", "exchange_payment_method_id")
_LISTS = ("return_items", "exchange_items", "exchange_new_items")


def user_by_name(db: sqlite3.Connection, first_name: str, last_name: str, zip_code: str) -> str:
    """The id of the one customer of this name in this zip code; case does not matter.

    Raises:
        ToolError: Nobody answers to it, or more than one.
    """
    found = db.execute(
        "SELECT user_id FROM users WHERE first_name = ? AND last_name = ? AND zip = ?",
        (first_name, last_name, zip_code),
    ).fetchall()
    if not found:
        raise ToolError(
            f"No customer is called {first_name} {last_name} in zip code {zip_code}. Ask the customer to check the "
            "spelling and the zip code, or ask for the email address and call find_user_id_by_email."
        )
    if len(found) > 1:
        raise ToolError(
            f"{len(found)} customers are called {first_name} {last_name} in zip code {zip_code}. Ask for the email "
            "address and call find_user_id_by_email."
        )
    return str(found[0]["user_id"])


def user_by_email(db: sqlite3.Connection, email: str) -> str:
    """The id of the customer with this email address; case does not matter.

    Raises:
        ToolError: Nobody has it.
    """
    row = db.execute("SELECT user_id FROM users WHERE email = ?", (email,)).fetchone()
    if row is None:
        raise ToolError(
            f"No customer has the email address {email}. Ask the customer to check it, or ask for first name, last "
            "name and zip code and call find_user_id_by_name_zip."
        )
    return str(row["user_id"])


def user(db: sqlite3.Connection, user_id: str) -> User:
    """A customer's profile.

    Raises:
        ToolError: There is no such customer.
    """
    row = db.execute("SELECT * FROM users WHERE user_id = ?", (user_id,)).fetchone()
    if row is None:
        raise ToolError(
            f"There is no customer {user_id!r}. Get the id from find_user_id_by_email or find_user_id_by_name_zip."
        )
    orders = db.execute("SELECT order_id FROM orders WHERE user_id = ? ORDER BY placed", (user_id,))
    return {
        "user_id": user_id,
        "name": {"first_name": row["first_name"], "last_name": row["last_name"]},
        "address": _address(row),
        "email": row["email"],
        "payment_methods": payment_methods(db, user_id),
        "orders": [order["order_id"] for order in orders],
    }


def payment_methods(db: sqlite3.Connection, user_id: str) -> dict[str, PaymentMethod]:
    """How a customer can pay, by payment method id."""
    rows = db.execute("SELECT * FROM payment_methods WHERE user_id = ? ORDER BY rowid", (user_id,))
    return {row["payment_method_id"]: _payment_method(row) for row in rows}


def product_types(db: sqlite3.Connection) -> dict[str, str]:
    """Every product's id by its name, in alphabetical order."""
    return {row["name"]: row["product_id"] for row in db.execute("SELECT * FROM products ORDER BY name")}


def product(db: sqlite3.Connection, product_id: str) -> Product:
    """A product with all its variants.

    Raises:
        ToolError: There is no such product.
    """
    row = db.execute("SELECT name FROM products WHERE product_id = ?", (product_id,)).fetchone()
    if row is None:
        raise ToolError(f"There is no product {product_id!r}. {_if_swapped(db, product_id)}")
    variants = db.execute("SELECT * FROM variants WHERE product_id = ? ORDER BY rowid", (product_id,))
    return {
        "name": row["name"],
        "product_id": product_id,
        "variants": {variant["item_id"]: _variant(variant) for variant in variants},
    }


def item(db: sqlite3.Connection, item_id: str) -> Item:
    """One variant, with the product it belongs to.

    Raises:
        ToolError: There is no such item.
    """
    row = db.execute(
        "SELECT variants.*, products.name FROM variants JOIN products USING (product_id) WHERE item_id = ?", (item_id,)
    ).fetchone()
    if row is None:
        raise ToolError(
            f"There is no item {item_id!r}. Item ids differ from product ids: get_product_details lists the item id of "
            "each variant, get_order_details those of an order."
        )
    return {**_variant(row), "name": row["name"], "product_id": row["product_id"]}


def order_row(db: sqlite3.Connection, order_id: str) -> sqlite3.Row:
    """An order's own row, without its items and payments.

    Raises:
        ToolError: There is no such order.
    """
    row = db.execute("SELECT * FROM orders WHERE order_id = ?", (order_id,)).fetchone()
    if row is None:
        raise ToolError(
            f"There is no order {order_id!r}. Order ids begin with '#W'. Ask the customer to check it, or find the "
            "customer's orders with get_user_details."
        )
    return cast("sqlite3.Row", row)


def order(db: sqlite3.Connection, order_id: str) -> Order:
    """An order, whole.

    Raises:
        ToolError: There is no such order.
    """
    row = order_row(db, order_id)
    record: dict[str, object] = {
        "order_id": order_id,
        "user_id": row["user_id"],
        "address": _address(row),
        "items": _sold_items(db, order_id),
        "status": row["status"],
        "fulfillments": json.loads(row["fulfillments"]),
        "payment_history": _payments(db, order_id),
    }
    record |= {field: row[field] for field in _TEXTS if row[field] is not None}
    record |= {field: json.loads(row[field]) for field in _LISTS if row[field] is not None}
    if row["exchange_price_difference_cents"] is not None:
        record["exchange_price_difference"] = dollars(row["exchange_price_difference_cents"])
    return cast("Order", record)


def _sold_items(db: sqlite3.Connection, order_id: str) -> list[SoldItem]:
    rows = db.execute(
        "SELECT order_items.*, product_id, name FROM order_items JOIN variants USING (item_id)"
        " JOIN products USING (product_id) WHERE order_id = ? ORDER BY position",
        (order_id,),
    )
    return [
        {
            "name": row["name"],
            "product_id": row["product_id"],
            "item_id": row["item_id"],
            "price": dollars(row["price_cents"]),
            "options": json.loads(row["options"]),
        }
        for row in rows
    ]


def _payments(db: sqlite3.Connection, order_id: str) -> list[Payment]:
    rows = db.execute("SELECT * FROM payment_history WHERE order_id = ? ORDER BY entry", (order_id,))
    return [
        {
            "transaction_type": cast("Literal['payment', 'refund']", row["transaction_type"]),
            "amount": dollars(row["amount_cents"]),
            "payment_method_id": row["payment_method_id"],
        }
        for row in rows
    ]


def _payment_method(row: sqlite3.Row) -> PaymentMethod:
    method: PaymentMethod = {"source": row["source"], "id": row["payment_method_id"]}
    if row["brand"] is not None:
        method["brand"] = row["brand"]
    if row["last_four"] is not None:
        method["last_four"] = row["last_four"]
    if row["balance_cents"] is not None:
        method["balance"] = dollars(row["balance_cents"])
    return method


def _variant(row: sqlite3.Row) -> Variant:
    return {
        "item_id": row["item_id"],
        "options": json.loads(row["options"]),
        "available": bool(row["available"]),
        "price": dollars(row["price_cents"]),
    }


def _address(row: sqlite3.Row) -> Address:
    return {
        "address1": row["address1"],
        "address2": row["address2"],
        "city": row["city"],
        "country": row["country"],
        "state": row["state"],
        "zip": row["zip"],
    }


def _if_swapped(db: sqlite3.Connection, product_id: str) -> str:
    row = db.execute("SELECT product_id FROM variants WHERE item_id = ?", (product_id,)).fetchone()
    if row is None:
        return "list_all_product_types gives the product ids."
    return f"It is the id of an item of product {row['product_id']!r}: ask for that one, or call get_item_details."
