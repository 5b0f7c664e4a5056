"""A shop's books in and out: from one JSON document into a new database, and back in the same shape."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from examples.retail.reading import order, product, user
from examples.retail.records import Address, Books, Order, Product, User, cents
from examples.retail.shop import Shop, connect

_SCHEMA = Path(__file__).with_name("schema.sql")


def load(path: Path, books: Books) -> Shop:
    """Make a new shop, all of it or nothing.

    Args:
        path: A file that does not exist yet, or an empty database.
        books: What the shop holds.

    Raises:
        FileExistsError: There is a shop already.
    """
    if not open_once(path, lambda: books):
        raise FileExistsError(f"{path} holds a shop already: choose another path, or delete it first")
    return Shop(path)


def open_once(path: Path, books: Callable[[], Books]) -> bool:
    """Make a shop unless there is one; also when several processes try it at once, one of them does.

    Args:
        path: The database file.
        books: Gives what a new shop holds.

    Returns:
        Whether it was made now.
    """
    with closing(connect(path)) as db:
        # the script opens the transaction: executescript would commit one that is open already
        db.executescript(f"BEGIN IMMEDIATE;\n{_SCHEMA.read_text(encoding='utf-8')}")
        if db.execute("SELECT EXISTS (SELECT 1 FROM products)").fetchone()[0]:
            db.rollback()
            return False
        _write(db, books())
        db.commit()
        return True


def dump(shop: Shop) -> Books:
    """The whole shop in the shape `load` takes.

    Args:
        shop: Which one.
    """
    with shop.reading() as db:
        return {
            "products": {key: product(db, key) for (key,) in db.execute("SELECT product_id FROM products")},
            "users": {key: user(db, key) for (key,) in db.execute("SELECT user_id FROM users")},
            "orders": {key: order(db, key) for (key,) in db.execute("SELECT order_id FROM orders")},
        }


def _write(db: sqlite3.Connection, books: Books) -> None:
    for each_product in books["products"].values():
        _write_product(db, each_product)
    for each_user in books["users"].values():
        _write_user(db, each_user)
        for order_id in each_user["orders"]:
            _write_order(db, books["orders"][order_id])


def _write_product(db: sqlite3.Connection, record: Product) -> None:
    _insert(db, "INSERT INTO products VALUES (?, ?)", record["product_id"], record["name"])
    for variant in record["variants"].values():
        _insert(
            db,
            "INSERT INTO variants VALUES (?, ?, ?, ?, ?)",
            variant["item_id"],
            record["product_id"],
            json.dumps(variant["options"]),
            variant["available"],
            cents(variant["price"]),
        )


def _write_user(db: sqlite3.Connection, record: User) -> None:
    _insert(
        db,
        "INSERT INTO users VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        record["user_id"],
        record["name"]["first_name"],
        record["name"]["last_name"],
        record["email"],
        *_address(record["address"]),
    )
    for method in record["payment_methods"].values():
        _insert(
            db,
            "INSERT INTO payment_methods VALUES (?, ?, ?, ?, ?, ?)",
            method["id"],
            record["user_id"],
            method["source"],
            method.get("brand"),
            method.get("last_four"),
            _cents_or_none(method.get("balance")),
        )


def _write_order(db: sqlite3.Connection, record: Order) -> None:
    order_id = record["order_id"]
    _insert(
        db,
        "INSERT INTO orders VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        order_id,
        record["user_id"],
        *_address(record["address"]),
        record["status"],
        json.dumps(record["fulfillments"]),
        record.get("cancel_reason"),
        _json_or_none(record.get("return_items")),
        record.get("return_payment_method_id"),
        _json_or_none(record.get("exchange_items")),
        _json_or_none(record.get("exchange_new_items")),
        record.get("exchange_payment_method_id"),
        _cents_or_none(record.get("exchange_price_difference")),
    )
    for position, sold in enumerate(record["items"]):
        options, price = json.dumps(sold["options"]), cents(sold["price"])
        _insert(
            db, "INSERT INTO order_items VALUES (?, ?, ?, ?, ?)", order_id, position, sold["item_id"], price, options
        )
    for payment in record["payment_history"]:
        kind, amount, method = payment["transaction_type"], cents(payment["amount"]), payment["payment_method_id"]
        _insert(db, "INSERT INTO payment_history VALUES (NULL, ?, ?, ?, ?)", order_id, kind, amount, method)


def _address(address: Address) -> tuple[str, ...]:
    return tuple(address[field] for field in ("address1", "address2", "city", "country", "state", "zip"))


def _insert(db: sqlite3.Connection, statement: str, *values: Any) -> None:
    db.execute(statement, values)


def _cents_or_none(amount: float | None) -> int | None:
    return None if amount is None else cents(amount)


def _json_or_none(value: list[str] | None) -> str | None:
    return None if value is None else json.dumps(value)
