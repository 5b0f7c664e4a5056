"""114 real customers as scripts for the emulator: what the model thinks and asks for, and what the shop must then hold.

The thinking is as nasty as text gets, and travels in pieces; whoever passes it on must not change a byte of it.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from agentkit.emulator import Call, Reply
from examples.retail import reading
from examples.retail.load import load
from examples.retail.records import Books, cents
from examples.retail.shop import Shop

REAL = Path(__file__).parents[3] / "shared" / "data" / "retail"
needs_real = pytest.mark.skipif(
    not REAL.exists(), reason="the real shop is not beside the project: ../shared is absent"
)
TASKS: list[dict[str, Any]] = json.loads((REAL / "tasks.json").read_text()) if REAL.exists() else []

NASTY = (
    " \n\t white space at both ends \n ",
    "a line\u2028separator, a paragraph\u2029separator, a next\x85line, a no-break\xa0space, a mark\ufeff",
    "an emoji split over two deltas: \N{SMILING FACE WITH OPEN MOUTH}\N{RECEIPT}",
    "quotes \" ' `, a backslash \\, a literal \\n, a literal \\u0041, a real \r\n",
    "halves: high \ud83d, low \ude00, and \ude00\ud83d in the wrong order",
    "controls: \x00 \x1b[31m \x7f \u202e",
    '</think>{"tool_calls": []}',
)
"""What thinking is made of. Half a surrogate pair is no character, but services do send it."""


def thought(luck: Random) -> str | None:
    """Some thinking: mostly several nasty pieces, sometimes an empty field, rarely none."""
    state = luck.random()
    if state < 0.1:
        return None
    return "" if state < 0.25 else "".join(luck.sample(NASTY, luck.randint(1, 3)))


def answer(luck: Random, content: str | None, calls: Sequence[Call] = ()) -> Reply:
    """A reply that thinks, in pieces of any size, halves of a pair apart."""
    quirks = ["split_surrogates", *luck.sample(["crlf", "id_empty_later", "arguments_null", "content_null"], 2)]
    return Reply(content, thought(luck), calls, chunk=luck.choice((0, 2, 7, 30)), quirks=quirks)


def call(luck: Random, asked: dict[str, Any]) -> Call:
    """A call with its arguments written as some models write them."""
    indent, ascii_only = luck.choice((None, 1)), luck.random() < 0.5
    return Call(asked["tool"], json.dumps(asked["arguments"], indent=indent, ensure_ascii=ascii_only))


def broken_off(luck: Random, reply: Reply, *, streamed: bool) -> tuple[Reply, Reply]:
    """A reply of which the first attempt is cut off, in deltas or in bytes, and the second is whole."""
    return replace(reply, chunk=1, cut_after=luck.randint(2, 4) if streamed else luck.randint(80, 200)), reply


def turns(task: dict[str, Any], per_step: int, luck: Random) -> list[Reply]:
    """The model's side of a task: its calls in steps of so many, an answer, and answers to two more messages."""
    calls = [call(luck, asked) for asked in task["calls"]]
    steps = [calls[at : at + per_step] for at in range(0, len(calls), per_step)]
    acting = [answer(luck, luck.choice((None, "One moment. ")), step) for step in steps]
    return [*acting, *(answer(luck, f"{text} {luck.choice(NASTY)}") for text in ("Done.", "Yes.", "Goodbye."))]


KINDS: dict[str, tuple[str, Callable[[sqlite3.Connection, str], Any], tuple[str, ...]]] = {
    "orders": ("order_id", reading.order, ("orders", "order_items", "payment_history")),
    "users": ("user_id", reading.user, ("users", "payment_methods")),
    "products": ("product_id", reading.product, ("products", "variants")),
}
"""Of each part of the books: its key, how one is read, and the tables it is in."""


@cache
def morning() -> tuple[Books, dict[str, set[sqlite3.Row]]]:
    """The books of the real shop, and its tables."""
    books: Books = json.loads((REAL / "db.json").read_text())
    with TemporaryDirectory() as here:
        return books, _tables(load(Path(here) / "shop.db", books))


def left_behind(shop: Shop) -> list[Any]:
    """What differs from the morning, as `changes` of a task says it, amounts in cents.

    Whole tables are compared, and only the records whose rows differ are read: that is several times faster.
    """
    books, before = morning()
    after = _tables(shop)
    found: list[Any] = []
    with shop.reading() as db:
        for kind, (key, read, tables) in KINDS.items():
            for name in {row[key] for table in tables for row in before[table] ^ after[table]}:
                before_it = books[kind].get(name)  # type: ignore[literal-required]  # a TypedDict, read as data
                found += _differences(before_it, read(db, name), (kind, name))
    return sorted(in_cents(found))


def _tables(shop: Shop) -> dict[str, set[sqlite3.Row]]:
    with shop.reading() as db:
        names = [table for _, _, tables in KINDS.values() for table in tables]
        return {table: set(db.execute(f"SELECT * FROM {table}")) for table in names}  # noqa: S608 - our own names


def expected(task: dict[str, Any]) -> list[Any]:
    """What must differ in the end."""
    return sorted(in_cents([change["path"], change["before"], change["after"]]) for change in task["changes"])


def in_cents(value: Any) -> Any:
    """The value with every amount as whole cents, so that amounts are equal within half a cent."""
    match value:
        case float():
            return cents(value)
        case dict():
            return {key: in_cents(each) for key, each in value.items()}
        case list() | tuple():
            return [in_cents(each) for each in value]
        case _:
            return value


def _differences(before: Any, after: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in before.keys() | after.keys():
            yield from _differences(before.get(key), after.get(key), (*path, key))
    else:
        yield path, before, after
