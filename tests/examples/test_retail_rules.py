"""The shop's rules, its look-ups and its sums, on the small shop it ships."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest

from agentkit import ToolError
from examples.retail import reading
from examples.retail.arithmetic import evaluate
from examples.retail.customers import ChangeUserAddress, Transfer
from examples.retail.delivered import ExchangeItems, ReturnItems
from examples.retail.load import dump, load
from examples.retail.pending import CancelOrder, ChangeOrderAddress, ChangeOrderItems, ChangeOrderPayment
from examples.retail.seed import seed_books, seeded
from examples.retail.shop import Change, Shop


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return seeded(tmp_path / "shop.db")


def balance(shop: Shop, user_id: str, payment_method_id: str) -> float:
    with shop.reading() as db:
        return reading.payment_methods(db, user_id)[payment_method_id]["balance"]


# the rules

COAT_M, PEN_FINE, PEN_MEDIUM, PEN_PISTON = "2100000012", "2100000021", "2100000022", "2100000023"
REFUSED: dict[str, tuple[Change[object], str]] = {
    "cancel: no such order": (CancelOrder("#W9", "no longer needed"), "get_user_details"),
    "cancel: other reason": (CancelOrder("#W1000001", "too dear"), "'no longer needed' or 'ordered by mistake'"),
    "cancel: processed": (CancelOrder("#W1000005", "no longer needed"), "'processed'"),
    "cancel: delivered": (CancelOrder("#W1000002", "no longer needed"), "returned or exchanged"),
    "cancel: cancelled": (CancelOrder("#W1000008", "no longer needed"), "'cancelled'"),
    "address: delivered": (ChangeOrderAddress("#W1000002", "1 A St", "", "B", "ME", "USA", "04101"), "'delivered'"),
    "address: no such user": (
        ChangeUserAddress("nobody", "1 A St", "", "B", "ME", "USA", "1"),
        "find_user_id_by_email",
    ),
    "items: delivered": (ChangeOrderItems("#W1000002", [COAT_M], [COAT_M], "credit_card_1001"), "'delivered'"),
    "items: none": (ChangeOrderItems("#W1000001", [], [], "credit_card_1001"), "every item"),
    "items: lists differ": (ChangeOrderItems("#W1000001", [COAT_M], [], "credit_card_1001"), "one new item for each"),
    "items: not in the order": (
        ChangeOrderItems("#W1000001", [PEN_MEDIUM], [PEN_FINE], "credit_card_1001"),
        "has 0 of item",
    ),
    "items: more than ordered": (
        ChangeOrderItems("#W1000001", [PEN_FINE] * 2, [PEN_MEDIUM] * 2, "credit_card_1001"),
        "has 1 of item '2100000021', not 2",
    ),
    "items: no such new item": (
        ChangeOrderItems("#W1000001", [PEN_FINE], ["5"], "credit_card_1001"),
        "There is no item '5'",
    ),
    "items: another product": (
        ChangeOrderItems("#W1000001", [PEN_FINE], [COAT_M], "credit_card_1001"),
        "is a Raincoat, item '2100000021' a Fountain Pen",
    ),
    "items: the same item": (ChangeOrderItems("#W1000001", [COAT_M], [COAT_M], "credit_card_1001"), "by itself"),
    "items: not available": (
        ChangeOrderItems("#W1000001", [COAT_M], ["2100000014"], "credit_card_1001"),
        "not available",
    ),
    "items: somebody else's card": (ChangeOrderItems("#W1000001", [PEN_FINE], [PEN_MEDIUM], "paypal_1002"), "who has"),
    "items: gift card too small": (
        ChangeOrderItems("#W1000001", [PEN_FINE], [PEN_PISTON], "gift_card_1001"),
        r"holds \$50.00, less than the \$83.75",
    ),
    "payment: the same": (ChangeOrderPayment("#W1000001", "credit_card_1001"), "already paid by"),
    "payment: gift card too small": (ChangeOrderPayment("#W1000001", "gift_card_1001"), r"less than the \$124.15"),
    "payment: somebody else's": (ChangeOrderPayment("#W1000001", "paypal_1005"), "credit_card_1001, gift_card_1001"),
    "payment: processed": (ChangeOrderPayment("#W1000011", "credit_card_1005"), "'processed'"),
    "return: pending": (ReturnItems("#W1000001", [PEN_FINE], "credit_card_1001"), "modify_pending_order"),
    "return: not in the order": (ReturnItems("#W1000002", [PEN_FINE], "credit_card_1001"), "has 0 of item"),
    "return: to another card": (ReturnItems("#W1000010", ["2100000051"], "credit_card_1004"), "cannot go to"),
    "exchange: pending": (ExchangeItems("#W1000001", [PEN_FINE], [PEN_MEDIUM], "gift_card_1001"), "'pending'"),
    "exchange: gift card too small": (
        ExchangeItems("#W1000006", ["2100000032"], ["2100000033"], "gift_card_1003"),
        r"holds \$12.35, less than the \$59.50",
    ),
}


@pytest.mark.parametrize(("change", "why"), REFUSED.values(), ids=REFUSED)
def test_what_the_rules_forbid_is_refused_before_anything_is_written(
    shop: Shop, change: Change[object], why: str
) -> None:
    with pytest.raises(ToolError, match=why):
        shop.perform(change, key="1")
    assert dump(shop) == seed_books()
    assert shop.recorded(change, key="1") is None


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (
            ChangeOrderItems("#W1000001", [PEN_FINE], [PEN_MEDIUM], "credit_card_1001"),
            CancelOrder("#W1000001", "no longer needed"),
        ),
        (
            ReturnItems("#W1000006", [PEN_MEDIUM], "gift_card_1003"),
            ExchangeItems("#W1000006", [PEN_MEDIUM], [PEN_FINE], "paypal_1003"),
        ),
        (
            ExchangeItems("#W1000006", [PEN_MEDIUM], [PEN_FINE], "paypal_1003"),
            ReturnItems("#W1000006", [PEN_MEDIUM], "paypal_1003"),
        ),
    ],
    ids=["items, then cancel", "return, then exchange", "exchange, then return"],
)
def test_what_can_be_done_once_closes_the_order(shop: Shop, first: Change[object], then: Change[object]) -> None:
    shop.perform(first, key="1")
    books = dump(shop)
    with pytest.raises(ToolError, match="already"):
        shop.perform(then, key="2")
    assert dump(shop) == books


def test_cancelling_pays_back_the_way_it_was_paid_after_the_payment_was_changed(shop: Shop) -> None:
    shop.perform(ChangeOrderPayment("#W1000009", "credit_card_1005"), key="1")
    cancelled = shop.perform(CancelOrder("#W1000009", "no longer needed"), key="2")
    assert [tuple(payment.values()) for payment in cancelled["payment_history"]] == [
        ("payment", 247.55, "credit_card_1004"),
        ("payment", 247.55, "credit_card_1005"),
        ("refund", 247.55, "credit_card_1004"),
        ("refund", 247.55, "credit_card_1005"),
    ]


def test_a_gift_card_gives_and_takes_at_once(shop: Shop) -> None:
    shop.perform(ChangeOrderPayment("#W1000003", "credit_card_1001"), key="1")
    assert balance(shop, "maren_holt_1001", "gift_card_1001") == 88.65
    shop.perform(ChangeOrderPayment("#W1000003", "gift_card_1001"), key="2")
    assert balance(shop, "maren_holt_1001", "gift_card_1001") == 50.0


def test_changed_items_are_settled_to_the_cent(shop: Shop) -> None:
    dearer = shop.perform(ChangeOrderItems("#W1000007", ["2100000011"], ["2100000013"], "gift_card_1003"), key="1")
    assert dearer["payment_history"][1:] == [
        {"transaction_type": "payment", "amount": 4.6, "payment_method_id": "gift_card_1003"}
    ]
    assert balance(shop, "ines_varga_1003", "gift_card_1003") == 7.75
    cheaper = shop.perform(ChangeOrderItems("#W1000004", ["2100000052"], ["2100000051"], "paypal_1002"), key="2")
    assert cheaper["payment_history"][1:] == [
        {"transaction_type": "refund", "amount": 93.8, "payment_method_id": "paypal_1002"}
    ]
    alike = shop.perform(ChangeOrderItems("#W1000001", [PEN_FINE], [PEN_MEDIUM], "gift_card_1001"), key="3")
    assert len(alike["payment_history"]) == 1
    assert alike["items"][1]["options"] == {"nib": "medium", "filling": "cartridge"}


def test_of_two_equal_items_one_can_be_exchanged_or_both(shop: Shop) -> None:
    both = ExchangeItems("#W1000006", [PEN_MEDIUM, PEN_MEDIUM], [PEN_PISTON, PEN_FINE], "paypal_1003")
    exchanged = shop.perform(both, key="1")
    assert exchanged["exchange_new_items"] == [PEN_FINE, PEN_PISTON]
    assert exchanged["exchange_price_difference"] == 83.75
    assert len(exchanged["payment_history"]) == 1


def test_a_new_default_address_leaves_orders_where_they_go(shop: Shop) -> None:
    user = shop.perform(ChangeUserAddress("lena_aubert_1005", "5 Mill Rd", "", "Reno", "NV", "USA", "89501"), key="1")
    assert user["address"]["city"] == "Reno"
    assert dump(shop)["orders"] == seed_books()["orders"]


def test_a_transfer_leaves_its_summary(shop: Shop) -> None:
    shop.perform(Transfer("wants an invoice in Latin"), key="1")
    with shop.reading() as db:
        assert db.execute("SELECT summary FROM transfers").fetchone()[0] == "wants an invoice in Latin"


# looking up


def test_half_a_character_is_refused_like_any_wrong_argument(shop: Shop) -> None:
    with pytest.raises(ToolError, match="surrogate"), shop.reading() as db:
        reading.order(db, "#W1000001\ud83d")
    with pytest.raises(ToolError, match="surrogate"):
        shop.perform(ChangeOrderAddress("#W1000001", "1 A St \ud83d", "", "B", "ME", "USA", "04101"), key="1")
    assert dump(shop) == seed_books()


def test_people_are_found_whatever_the_case(shop: Shop) -> None:
    with shop.reading() as db:
        assert reading.user_by_name(db, "MAREN", "holt", "04101") == "maren_holt_1001"
        assert reading.user_by_email(db, "Maren.Holt@Example.com") == "maren_holt_1001"


def test_two_people_of_one_name_and_zip_code_are_not_confused(tmp_path: Path) -> None:
    books = deepcopy(seed_books())
    books["users"]["lena_aubert_1005"]["name"] = {"first_name": "Maren", "last_name": "Holt"}
    books["users"]["lena_aubert_1005"]["address"] = books["users"]["maren_holt_1001"]["address"]
    with load(tmp_path / "shop.db", books).reading() as db, pytest.raises(ToolError, match=r"2 customers .* email"):
        reading.user_by_name(db, "Maren", "Holt", "04101")


@pytest.mark.parametrize(
    ("look_up", "arguments", "what_to_do"),
    [
        (reading.user_by_name, ("Maren", "Holt", "1"), "find_user_id_by_email"),
        (reading.user_by_email, ("a@example.com",), "find_user_id_by_name_zip"),
        (reading.user, ("maren",), "find_user_id_by_email"),
        (reading.order, ("W1000001",), "begin with '#W'"),
        (reading.product, ("5",), "list_all_product_types"),
        (reading.product, (PEN_FINE,), "an item of product '3100000002'"),
        (reading.item, ("3100000002",), "get_product_details"),
    ],
)
def test_what_is_not_there_says_where_to_look(
    shop: Shop, look_up: Callable[..., object], arguments: tuple[str, ...], what_to_do: str
) -> None:
    with shop.reading() as db, pytest.raises(ToolError, match=what_to_do):
        look_up(db, *arguments)


def test_products_and_items_show_what_is_on_sale(shop: Shop) -> None:
    with shop.reading() as db:
        product = reading.product(db, reading.product_types(db)["Wool Blanket"])
        item = reading.item(db, "2100000042")
    assert {key: item[key] for key in product["variants"]["2100000042"]} == product["variants"]["2100000042"]  # type: ignore[literal-required]  # keys of a TypedDict, read as data
    assert (item["name"], item["available"], item["price"]) == ("Wool Blanket", False, 72.4)


def test_looking_writes_nothing(shop: Shop) -> None:
    shop.perform(Transfer("help"), key="1")
    with shop.reading() as db:
        db.execute("DELETE FROM transfers")
    with shop.reading() as db:
        assert db.execute("SELECT count(*) FROM transfers").fetchone()[0] == 1


# sums


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("466.75 + 288.82 + 135.24 + 193.38 + 46.66", "1130.85"),
        (" 135.24 - 153.23 ", "-17.99"),
        ("-(2 - 3) * 4 / 3", "1.33"),
        ("0.1 + 0.2 - 0.3", "0.00"),
        ("-0.001", "0.00"),
        ("1.005 * 1000", "1005.00"),
        ("+2.675", "2.68"),
        ("-" * 499 + "1", "-1.00"),
    ],
)
def test_sums_are_exact(expression: str, value: str) -> None:
    assert str(evaluate(expression)) == value


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("1 / 0", "divides by zero"),
        ("1e999", "too large"),
        ("9" * 400, "too large"),
        ("1" * 501, "smaller ones"),
        ("", "is not a sum"),
        ("2 ** 9", "is not a sum"),
        ("1,000 + 1", "thousands separators"),
        ("$5", "currency signs"),
        ("10%", "percent signs"),
        ("True", "is not a sum"),
        ("1j", "is not a sum"),
        ("'a' * 3", "is not a sum"),
        ("1 if 1 else 2", "is not a sum"),
        ("print(1)", "is not a sum"),
        ("().__class__", "is not a sum"),
        ("\0", "is not a sum"),
        ("(" * 250 + "1" + ")" * 250, "smaller ones|is not a sum"),
    ],
)
def test_what_is_not_a_sum_is_refused(expression: str, why: str) -> None:
    with pytest.raises(ToolError, match=why):
        evaluate(expression)
