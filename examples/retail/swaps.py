"""Replacing items of an order by other variants of the same products: the rules shared by changing and exchanging."""

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from agentkit import ToolError
from examples.retail.reading import item
from examples.retail.records import Item, cents


@dataclass(frozen=True)
class Swap:
    """One item of an order and what replaces it.

    Attributes:
        position: Which line of the order.
        new: The variant that replaces it.
        difference: What the new one costs more, in cents.
    """

    position: int
    new: Item
    difference: int


def order_lines(db: sqlite3.Connection, order_id: str, item_ids: Sequence[str]) -> list[sqlite3.Row]:
    """The order's lines with these items, a line for each time an item is named.

    Raises:
        ToolError: No item is named, or one more often than the order has it.
    """
    if not item_ids:
        raise ToolError("No item is named: give the item id of every item concerned, in one call.")
    lines = defaultdict[str, list[sqlite3.Row]](list)
    rows = db.execute("SELECT * FROM order_items WHERE order_id = ? ORDER BY position DESC", (order_id,))
    for row in rows:
        lines[row["item_id"]].append(row)
    for item_id in item_ids:
        if len(lines[item_id]) < item_ids.count(item_id):
            raise ToolError(
                f"Order {order_id} has {len(lines[item_id])} of item {item_id!r}, not {item_ids.count(item_id)}. "
                "get_order_details lists its items; name an item once for each piece."
            )
    return [lines[item_id].pop() for item_id in item_ids]


def swaps(db: sqlite3.Connection, order_id: str, item_ids: Sequence[str], new_item_ids: Sequence[str]) -> list[Swap]:
    """Pair each item of the order with the one that replaces it.

    Raises:
        ToolError: The lists do not match, or a new item is not an available other variant of the same product.
    """
    if len(item_ids) != len(new_item_ids):
        raise ToolError(
            f"{len(item_ids)} items and {len(new_item_ids)} new items do not match: give one new item for each item, "
            "in the same order."
        )
    lines = order_lines(db, order_id, item_ids)
    return [_swap(db, line, new_item_id) for line, new_item_id in zip(lines, new_item_ids, strict=True)]


def _swap(db: sqlite3.Connection, line: sqlite3.Row, new_item_id: str) -> Swap:
    old, new = item(db, line["item_id"]), item(db, new_item_id)
    where = f"get_product_details({old['product_id']!r}) lists the choices."
    if new["product_id"] != old["product_id"]:
        raise ToolError(
            f"Item {new_item_id!r} is a {new['name']}, item {old['item_id']!r} a {old['name']}: an item can only be "
            f"replaced by another variant of the same product. {where}"
        )
    if new_item_id == old["item_id"]:
        raise ToolError(f"Item {new_item_id!r} would be replaced by itself. {where}")
    if not new["available"]:
        raise ToolError(f"Item {new_item_id!r} is not available. {where}")
    return Swap(line["position"], new, cents(new["price"]) - line["price_cents"])
