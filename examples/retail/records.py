"""The shapes in which the shop shows its books: to the model, and to whoever loads or dumps them.

Amounts here are in dollars, as people read them; in the database they are whole cents.
"""

from decimal import ROUND_HALF_UP, Decimal
from typing import Literal, NotRequired, TypedDict

Status = Literal[
    "pending",
    "pending (item modified)",
    "processed",
    "delivered",
    "cancelled",
    "return requested",
    "exchange requested",
]


class Address(TypedDict):
    """Where something is sent."""

    address1: str
    address2: str
    city: str
    country: str
    state: str
    zip: str


class Name(TypedDict):
    """A customer's name."""

    first_name: str
    last_name: str


class PaymentMethod(TypedDict):
    """One way a customer pays; only a gift card has a balance, only a credit card a brand."""

    source: Literal["credit_card", "gift_card", "paypal"]
    id: str
    brand: NotRequired[str]
    last_four: NotRequired[str]
    balance: NotRequired[float]


class User(TypedDict):
    """A customer's profile."""

    user_id: str
    name: Name
    address: Address
    email: str
    payment_methods: dict[str, PaymentMethod]
    orders: list[str]


class Variant(TypedDict):
    """One item on sale: a product with its options chosen."""

    item_id: str
    options: dict[str, str]
    available: bool
    price: float


class Item(Variant):
    """A variant together with the product it belongs to."""

    name: str
    product_id: str


class Product(TypedDict):
    """A type of product and everything it comes in."""

    name: str
    product_id: str
    variants: dict[str, Variant]


class SoldItem(TypedDict):
    """An item of an order, at the price it was sold for."""

    name: str
    product_id: str
    item_id: str
    price: float
    options: dict[str, str]


class Fulfillment(TypedDict):
    """A parcel."""

    tracking_id: list[str]
    item_ids: list[str]


class Payment(TypedDict):
    """Money that moved, always a positive amount."""

    transaction_type: Literal["payment", "refund"]
    amount: float
    payment_method_id: str


class Order(TypedDict):
    """An order; what is not required appears once it was cancelled, returned or exchanged."""

    order_id: str
    user_id: str
    address: Address
    items: list[SoldItem]
    status: Status
    fulfillments: list[Fulfillment]
    payment_history: list[Payment]
    cancel_reason: NotRequired[str]
    return_items: NotRequired[list[str]]
    return_payment_method_id: NotRequired[str]
    exchange_items: NotRequired[list[str]]
    exchange_new_items: NotRequired[list[str]]
    exchange_payment_method_id: NotRequired[str]
    exchange_price_difference: NotRequired[float]


class Books(TypedDict):
    """A whole shop as one JSON document, each part by id."""

    products: dict[str, Product]
    users: dict[str, User]
    orders: dict[str, Order]


def cents(dollars: float) -> int:
    """The nearest whole number of cents.

    Args:
        dollars: An amount as it stands in a JSON document.
    """
    return int((Decimal(str(dollars)) * 100).to_integral_value(ROUND_HALF_UP))


def dollars(amount: int) -> float:
    """The amount as people read it.

    Args:
        amount: In cents.
    """
    return amount / 100
