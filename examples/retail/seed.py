"""A small shop to begin with: six products, five customers, twelve orders, all of them invented."""

from pathlib import Path

from examples.retail.load import open_once
from examples.retail.records import (
    Address,
    Books,
    Order,
    Payment,
    PaymentMethod,
    Product,
    SoldItem,
    Status,
    User,
    Variant,
    cents,
    dollars,
)
from examples.retail.shop import Shop

_VARIANTS: dict[str, tuple[tuple[str, dict[str, str], float, bool], ...]] = {
    "Raincoat": (
        ("2100000011", {"colour": "yellow", "size": "S"}, 89.90, True),
        ("2100000012", {"colour": "yellow", "size": "M"}, 89.90, True),
        ("2100000013", {"colour": "navy", "size": "M"}, 94.50, True),
        ("2100000014", {"colour": "navy", "size": "L"}, 94.50, False),
    ),
    "Fountain Pen": (
        ("2100000021", {"nib": "fine", "filling": "cartridge"}, 34.25, True),
        ("2100000022", {"nib": "medium", "filling": "cartridge"}, 34.25, True),
        ("2100000023", {"nib": "fine", "filling": "piston"}, 118.00, True),
    ),
    "Chess Set": (
        ("2100000031", {"wood": "beech", "board": "folding"}, 61.75, True),
        ("2100000032", {"wood": "walnut", "board": "folding"}, 83.10, True),
        ("2100000033", {"wood": "walnut", "board": "solid"}, 142.60, True),
    ),
    "Wool Blanket": (
        ("2100000041", {"colour": "grey", "width": "140 cm"}, 72.40, True),
        ("2100000042", {"colour": "rust", "width": "140 cm"}, 72.40, False),
        ("2100000043", {"colour": "grey", "width": "200 cm"}, 104.95, True),
    ),
    "Binoculars": (
        ("2100000051", {"magnification": "8x", "lens": "32 mm"}, 219.00, True),
        ("2100000052", {"magnification": "10x", "lens": "42 mm"}, 312.80, True),
        ("2100000053", {"magnification": "12x", "lens": "50 mm"}, 398.15, False),
    ),
    "Camping Stove": (
        ("2100000061", {"fuel": "gas", "burners": "1"}, 47.30, True),
        ("2100000062", {"fuel": "gas", "burners": "2"}, 79.99, True),
        ("2100000063", {"fuel": "alcohol", "burners": "1"}, 38.65, True),
    ),
}

_PORTLAND: Address = {
    "address1": "14 Harbor Lane",
    "address2": "Flat 3",
    "city": "Portland",
    "country": "USA",
    "state": "ME",
    "zip": "04101",
}
_BOISE: Address = {
    "address1": "902 Juniper Road",
    "address2": "",
    "city": "Boise",
    "country": "USA",
    "state": "ID",
    "zip": "83702",
}
_TUCSON: Address = {
    "address1": "77 Saguaro Court",
    "address2": "Suite 12",
    "city": "Tucson",
    "country": "USA",
    "state": "AZ",
    "zip": "85701",
}

_CUSTOMERS: tuple[tuple[str, str, str, Address, tuple[PaymentMethod, ...]], ...] = (
    (
        "maren_holt_1001",
        "Maren",
        "Holt",
        _PORTLAND,
        (
            {"source": "credit_card", "id": "credit_card_1001", "brand": "visa", "last_four": "0001"},
            {"source": "gift_card", "id": "gift_card_1001", "balance": 50.00},
        ),
    ),
    ("tobias_renn_1002", "Tobias", "Renn", _BOISE, ({"source": "paypal", "id": "paypal_1002"},)),
    (
        "ines_varga_1003",
        "Ines",
        "Varga",
        _TUCSON,
        (
            {"source": "gift_card", "id": "gift_card_1003", "balance": 12.35},
            {"source": "paypal", "id": "paypal_1003"},
        ),
    ),
    (
        "samuel_okoro_1004",
        "Samuel",
        "Okoro",
        _BOISE,
        (
            {"source": "credit_card", "id": "credit_card_1004", "brand": "mastercard", "last_four": "0004"},
            {"source": "credit_card", "id": "credit_card_1005", "brand": "visa", "last_four": "0005"},
        ),
    ),
    ("lena_aubert_1005", "Lena", "Aubert", _TUCSON, ({"source": "paypal", "id": "paypal_1005"},)),
)

_ORDERS: tuple[tuple[str, str, Status, str, tuple[str, ...]], ...] = (
    ("#W1000001", "maren_holt_1001", "pending", "credit_card_1001", ("2100000012", "2100000021")),
    ("#W1000002", "maren_holt_1001", "delivered", "credit_card_1001", ("2100000031", "2100000041")),
    ("#W1000003", "maren_holt_1001", "pending", "gift_card_1001", ("2100000063",)),
    ("#W1000004", "tobias_renn_1002", "pending", "paypal_1002", ("2100000052",)),
    ("#W1000005", "tobias_renn_1002", "processed", "paypal_1002", ("2100000061", "2100000061")),
    ("#W1000006", "ines_varga_1003", "delivered", "paypal_1003", ("2100000022", "2100000022", "2100000032")),
    ("#W1000007", "ines_varga_1003", "pending", "paypal_1003", ("2100000011",)),
    ("#W1000008", "ines_varga_1003", "cancelled", "gift_card_1003", ("2100000021",)),
    ("#W1000009", "samuel_okoro_1004", "pending", "credit_card_1004", ("2100000033", "2100000043")),
    ("#W1000010", "samuel_okoro_1004", "delivered", "credit_card_1005", ("2100000051",)),
    ("#W1000011", "samuel_okoro_1004", "processed", "credit_card_1004", ("2100000062",)),
    ("#W1000012", "lena_aubert_1005", "delivered", "paypal_1005", ("2100000013", "2100000023")),
)


def seeded(path: Path) -> Shop:
    """The shop at this path, made and stocked if there is none yet; one that exists is left as it is.

    Args:
        path: The database file.
    """
    open_once(path, seed_books)
    return Shop(path)


def seed_books() -> Books:
    """What the small shop holds on its first day."""
    products = {product["product_id"]: product for product in map(_product, range(len(_VARIANTS)), _VARIANTS)}
    sold = {
        variant["item_id"]: SoldItem(
            name=product["name"],
            product_id=product["product_id"],
            item_id=variant["item_id"],
            price=variant["price"],
            options=variant["options"],
        )
        for product in products.values()
        for variant in product["variants"].values()
    }
    users = {customer[0]: _user(*customer) for customer in _CUSTOMERS}
    orders = {row[0]: _order(row, users[row[1]]["address"], [sold[item_id] for item_id in row[4]]) for row in _ORDERS}
    return {"products": products, "users": users, "orders": orders}


def _product(number: int, name: str) -> Product:
    variants = {
        item_id: Variant(item_id=item_id, options=options, available=available, price=price)
        for item_id, options, price, available in _VARIANTS[name]
    }
    return {"name": name, "product_id": f"31000000{number + 1:02}", "variants": variants}


def _user(
    user_id: str, first_name: str, last_name: str, address: Address, payment_methods: tuple[PaymentMethod, ...]
) -> User:
    return {
        "user_id": user_id,
        "name": {"first_name": first_name, "last_name": last_name},
        "address": address,
        "email": f"{first_name}.{last_name}@example.com".lower(),
        "payment_methods": {method["id"]: method for method in payment_methods},
        "orders": [order_id for order_id, customer, *_ in _ORDERS if customer == user_id],
    }


def _order(row: tuple[str, str, Status, str, tuple[str, ...]], address: Address, items: list[SoldItem]) -> Order:
    order_id, user_id, status, payment_method_id, item_ids = row
    total = dollars(sum(cents(item["price"]) for item in items))
    sent = status in {"processed", "delivered"}
    order: Order = {
        "order_id": order_id,
        "user_id": user_id,
        "address": address,
        "items": items,
        "status": status,
        "fulfillments": [{"tracking_id": [f"54{order_id[2:]}"], "item_ids": list(item_ids)}] if sent else [],
        "payment_history": [Payment(transaction_type="payment", amount=total, payment_method_id=payment_method_id)],
    }
    if status == "cancelled":
        order["cancel_reason"] = "no longer needed"
        order["payment_history"].append(
            Payment(transaction_type="refund", amount=total, payment_method_id=payment_method_id)
        )
    return order
