"""The shop without any agent: its rules, its money, its log, and 114 real customers."""

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from agentkit import ToolError
from examples.retail import reading
from examples.retail.arithmetic import evaluate
from examples.retail.customers import ChangeUserAddress, Transfer
from examples.retail.delivered import ExchangeItems, ReturnItems
from examples.retail.load import dump, load
from examples.retail.payments import paid, refund
from examples.retail.pending import CancelOrder, ChangeOrderAddress, ChangeOrderItems, ChangeOrderPayment
from examples.retail.records import Books
from examples.retail.seed import seed_books, seeded
from examples.retail.shop import Change, Shop
from tests.examples.retail_tasks import REAL, TASKS, expected, left_behind, needs_real

ROOT = Path(__file__).parents[2]
CHANGES: tuple[type[Change[object]], ...] = (
    CancelOrder,
    ChangeOrderAddress,
    ChangeOrderItems,
    ChangeOrderPayment,
    ChangeUserAddress,
    ExchangeItems,
    ReturnItems,
    Transfer,
)
CHANGE_OF = {change.tool: change for change in CHANGES}
LOOK_UP: dict[str, Callable[..., object]] = {
    "find_user_id_by_name_zip": reading.user_by_name,
    "find_user_id_by_email": reading.user_by_email,
    "get_order_details": reading.order,
    "get_product_details": reading.product,
    "get_item_details": reading.item,
    "get_user_details": reading.user,
    "list_all_product_types": reading.product_types,
}


def play(shop: Shop, tool: str, arguments: dict[str, Any], key: str) -> object:
    if tool == "calculate":
        return evaluate(**arguments)
    if tool in CHANGE_OF:
        return shop.perform(CHANGE_OF[tool](**arguments), key=key)
    with shop.reading() as db:
        return LOOK_UP[tool](db, *arguments.values())


@pytest.fixture(scope="module")
def real_books() -> Books:
    books: Books = json.loads((REAL / "db.json").read_text())
    return books


@pytest.fixture(scope="module")
def real_file(real_books: Books, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return load(tmp_path_factory.mktemp("real") / "shop.db", real_books).path


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return seeded(tmp_path / "shop.db")


def logged(shop: Shop) -> list[tuple[str, str]]:
    with shop.reading() as db:
        return [tuple(row) for row in db.execute("SELECT idempotency_key, tool FROM change_log ORDER BY rowid")]


def refunds(shop: Shop, order_id: str) -> list[float]:
    with shop.reading() as db:
        history = reading.order(db, order_id)["payment_history"]
    return [payment["amount"] for payment in history if payment["transaction_type"] == "refund"]


def balance(shop: Shop, user_id: str, payment_method_id: str) -> float:
    with shop.reading() as db:
        return reading.payment_methods(db, user_id)[payment_method_id]["balance"]


# the real shop


@needs_real
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task["id"])
def test_a_real_customer_leaves_exactly_the_recorded_changes(
    task: dict[str, Any], real_file: Path, tmp_path: Path
) -> None:
    shop = Shop(Path(shutil.copy(real_file, tmp_path)))
    for number, call in enumerate(task["calls"]):
        if call["error"]:
            with pytest.raises(ToolError, match=r"\. \w"):  # what is wrong. And what to do
                play(shop, call["tool"], call["arguments"], f"key-{number}")
        else:
            play(shop, call["tool"], call["arguments"], f"key-{number}")

    assert left_behind(shop) == expected(task)


@needs_real
def test_the_real_tasks_are_all_there() -> None:
    assert len(TASKS) == 114
    assert sum(call["error"] for task in TASKS for call in task["calls"]) == 18


@needs_real
def test_the_real_books_come_back_as_they_went_in(real_books: Books, real_file: Path) -> None:
    assert dump(Shop(real_file)) == real_books


# loading


def test_the_seeded_books_come_back_as_they_went_in(shop: Shop) -> None:
    assert dump(shop) == seed_books()


def test_books_with_changes_come_back_as_they_went_in(shop: Shop, tmp_path: Path) -> None:
    shop.perform(ReturnItems("#W1000002", ["2100000041", "2100000031"], "credit_card_1001"), key="1")
    shop.perform(ExchangeItems("#W1000006", ["2100000032"], ["2100000033"], "paypal_1003"), key="2")
    changed = dump(shop)
    assert dump(load(tmp_path / "copy.db", changed)) == changed


def test_a_shop_that_exists_is_neither_seeded_nor_loaded_again(shop: Shop) -> None:
    shop.perform(CancelOrder("#W1000001", "no longer needed"), key="1")
    changed = dump(shop)
    assert dump(seeded(shop.path)) == changed
    with pytest.raises(FileExistsError, match="choose another path"):
        load(shop.path, seed_books())
    assert dump(shop) == changed


def test_loading_that_fails_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    path, broken = tmp_path / "shop.db", deepcopy(seed_books())
    broken["orders"]["#W1000012"]["items"][0]["item_id"] = "no such item"
    with pytest.raises(sqlite3.IntegrityError):
        load(path, broken)
    assert dump(load(path, seed_books())) == seed_books()


def test_several_processes_may_seed_at_once(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    with ThreadPoolExecutor(8) as pool:
        shops = list(pool.map(seeded, [path] * 8))
    assert [dump(each) for each in shops] == [seed_books()] * 8


def test_a_shop_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"seed\.seeded"):
        Shop(tmp_path / "none.db").perform(Transfer("help"), key="1")
    assert not (tmp_path / "none.db").exists()


# once


def test_a_repeated_key_returns_the_first_result_and_does_nothing(shop: Shop) -> None:
    cancel = CancelOrder("#W1000003", "no longer needed")
    first = shop.perform(cancel, key="1")
    books = dump(shop)
    assert shop.perform(cancel, key="1") == first
    assert dump(shop) == books
    assert refunds(shop, "#W1000003") == [38.65]
    assert balance(shop, "maren_holt_1001", "gift_card_1001") == 88.65
    assert logged(shop) == [("1", "cancel_pending_order")]


def test_the_log_tells_what_happened_from_what_did_not(shop: Shop) -> None:
    cancel = CancelOrder("#W1000001", "ordered by mistake")
    assert shop.recorded(cancel, key="1") is None
    result = shop.perform(cancel, key="1")
    assert shop.recorded(cancel, key="1") == result
    assert shop.recorded(cancel, key="2") is None
    assert result["status"] == "cancelled"


def test_a_key_belongs_to_one_change(shop: Shop) -> None:
    shop.perform(CancelOrder("#W1000001", "no longer needed"), key="1")
    other = CancelOrder("#W1000004", "no longer needed")
    with pytest.raises(ValueError, match="belongs to another change"):
        shop.perform(other, key="1")
    with pytest.raises(ValueError, match="belongs to another change"):
        shop.recorded(other, key="1")
    assert refunds(shop, "#W1000004") == []


def test_a_change_without_a_key_is_refused(shop: Shop) -> None:
    with pytest.raises(ValueError, match="idempotency key"):
        shop.perform(Transfer("help"), key="")
    assert logged(shop) == []


@pytest.mark.parametrize("keys", [["1"] * 8, list("12345678")], ids=["one key", "a key each"])
def test_many_at_once_cancel_once(shop: Shop, keys: list[str]) -> None:
    def cancel(key: str) -> bool:
        try:
            shop.perform(CancelOrder("#W1000003", "no longer needed"), key=key)
        except ToolError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(cancel, keys))

    assert sum(done) == keys.count("1")
    assert len(logged(shop)) == 1
    assert refunds(shop, "#W1000003") == [38.65]


@dataclass(frozen=True)
class HalfDone:
    """Refunds, and then fails."""

    tool: ClassVar[str] = "half_done"
    order_id: str

    def apply(self, db: sqlite3.Connection) -> str:
        refund(db, self.order_id, *paid(db, self.order_id).popitem())
        raise RuntimeError("in the middle")


def test_what_fails_in_the_middle_leaves_nothing(shop: Shop) -> None:
    half = HalfDone("#W1000003")
    with pytest.raises(RuntimeError, match="in the middle"):
        shop.perform(half, key="1")
    assert dump(shop) == seed_books()
    assert shop.recorded(half, key="1") is None


KILLED = """
import os, signal, sys
from pathlib import Path
from examples.retail.pending import CancelOrder
from examples.retail.shop import Shop

class DyingEarly(CancelOrder):
    def apply(self, db):
        super().apply(db)
        os.kill(os.getpid(), signal.SIGKILL)

path, when = sys.argv[1:]
change = (DyingEarly if when == "before the commit" else CancelOrder)("#W1000003", "no longer needed")
Shop(Path(path)).perform(change, key="1")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("when", "happened"), [("before the commit", False), ("after the commit", True)])
def test_a_killed_process_has_done_all_or_nothing_and_the_log_knows(shop: Shop, when: str, *, happened: bool) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(shop.path), when], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    cancel = CancelOrder("#W1000003", "no longer needed")
    assert (shop.recorded(cancel, key="1") is not None) is happened
    assert refunds(shop, "#W1000003") == [38.65] * happened

    shop.perform(cancel, key="1")
    assert refunds(shop, "#W1000003") == [38.65]


def test_the_books_themselves_refuse_a_second_refund(shop: Shop) -> None:
    shop.perform(CancelOrder("#W1000001", "no longer needed"), key="1")
    with pytest.raises(sqlite3.IntegrityError, match="exceed what the order was paid"), shop.changing() as db:
        refund(db, "#W1000001", "credit_card_1001", 1)
    assert refunds(shop, "#W1000001") == [124.15]
