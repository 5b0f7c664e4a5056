"""The eight tools that only look: `read`, so agentkit may run them again whenever it likes."""
# ruff: noqa: D417 - these docstrings are read by the model, which neither sees nor fills in `ctx`

from agentkit import ToolContext, tool
from examples.retail import reading
from examples.retail.arithmetic import evaluate
from examples.retail.records import Item, Order, Product, User
from examples.retail.shop import Shop


@tool(effect="read")
def calculate(expression: str) -> str:
    """Work out a sum exactly, rounded to cents. Use it for every total, difference and refund you tell the customer.

    Args:
        expression: Numbers joined by + - * / and parentheses, for example "(12.50 + 3) * 2".
    """
    return str(evaluate(expression))


@tool(effect="read")
def find_user_id_by_name_zip(ctx: ToolContext[Shop], first_name: str, last_name: str, zip: str) -> str:
    """Find a customer's user id by name and zip code, when the customer does not know the email address.

    Args:
        first_name: The customer's first name, for example "Maren".
        last_name: The customer's last name, for example "Holt".
        zip: The zip code of the customer's default address, for example "04101".
    """
    with ctx.deps.reading() as db:
        return reading.user_by_name(db, first_name, last_name, zip)


@tool(effect="read")
def find_user_id_by_email(ctx: ToolContext[Shop], email: str) -> str:
    """Find a customer's user id by email address.

    Args:
        email: The address the customer is registered with.
    """
    with ctx.deps.reading() as db:
        return reading.user_by_email(db, email)


@tool(effect="read")
def get_order_details(ctx: ToolContext[Shop], order_id: str) -> Order:
    """Look up an order: its status, items, address, parcels and payments.

    Args:
        order_id: The order id with its leading "#", for example "#W1000001".
    """
    with ctx.deps.reading() as db:
        return reading.order(db, order_id)


@tool(effect="read")
def get_product_details(ctx: ToolContext[Shop], product_id: str) -> Product:
    """Look up a product with all its variants: their item ids, options, prices and whether they are available.

    Args:
        product_id: The product id, which is not an item id; list_all_product_types gives them by name.
    """
    with ctx.deps.reading() as db:
        return reading.product(db, product_id)


@tool(effect="read")
def get_item_details(ctx: ToolContext[Shop], item_id: str) -> Item:
    """Look up one item: its options, its price, whether it is available and which product it belongs to.

    Args:
        item_id: The item id, which is not a product id.
    """
    with ctx.deps.reading() as db:
        return reading.item(db, item_id)


@tool(effect="read")
def get_user_details(ctx: ToolContext[Shop], user_id: str) -> User:
    """Look up a customer's profile: name, default address, email, payment methods and order ids.

    Args:
        user_id: The user id, for example "maren_holt_1001".
    """
    with ctx.deps.reading() as db:
        return reading.user(db, user_id)


@tool(effect="read")
def list_all_product_types(ctx: ToolContext[Shop]) -> dict[str, str]:
    """List the name and product id of every product the shop sells."""
    with ctx.deps.reading() as db:
        return reading.product_types(db)
