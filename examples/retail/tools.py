"""The desk's sixteen tools, in the order in which the model is told of them."""

from typing import Any

from agentkit import Tool
from examples.retail import look_up
from examples.retail.change import modify_pending_order_address, modify_user_address, transfer_to_human_agents
from examples.retail.money import cancelling, changing_items, changing_payment, exchanging, returning
from examples.retail.shop import Shop


def desk_tools(*, approval: bool) -> tuple[Tool[Shop, ..., Any], ...]:
    """All sixteen.

    Args:
        approval: Whether a person must approve what moves money.
    """
    return (
        look_up.calculate,
        cancelling(approval=approval),
        exchanging(approval=approval),
        look_up.find_user_id_by_name_zip,
        look_up.find_user_id_by_email,
        look_up.get_order_details,
        look_up.get_product_details,
        look_up.get_item_details,
        look_up.get_user_details,
        look_up.list_all_product_types,
        modify_pending_order_address,
        changing_items(approval=approval),
        changing_payment(approval=approval),
        modify_user_address,
        returning(approval=approval),
        transfer_to_human_agents,
    )
