"""The five tools that move money or promise to: each is made with a person's approval required, or not.

A change of items and an exchange count, because their price difference may be in the customer's favour, and that is
known only when the change is made.
"""
# ruff: noqa: D417 - these docstrings are read by the model, which neither sees nor fills in `ctx`

from typing import Any

from agentkit import Outcome, Tool, ToolContext, tool
from examples.retail.change import make, was_made
from examples.retail.delivered import ExchangeItems, ReturnItems
from examples.retail.pending import CancelOrder, ChangeOrderItems, ChangeOrderPayment
from examples.retail.records import Order
from examples.retail.shop import Shop


def cancelling(*, approval: bool) -> Tool[Shop, ..., Any]:
    """The tool that cancels a pending order."""

    @tool(effect="once", needs_approval=approval)
    def cancel_pending_order(ctx: ToolContext[Shop], order_id: str, reason: str) -> Order:
        """Cancel a pending order and refund what was paid for it. Only after the customer confirmed order and reason.

        The refund goes to what the order was paid with: a gift card has it at once, others in 5 to 7 business days.

        Args:
            order_id: The order id with its leading "#".
            reason: Either "no longer needed" or "ordered by mistake"; the shop accepts no other.
        """
        return make(ctx, CancelOrder(order_id, reason))

    @cancel_pending_order.reconcile
    async def was_cancelled(ctx: ToolContext[Shop], order_id: str, reason: str) -> Outcome[Order]:
        return await was_made(ctx, CancelOrder(order_id, reason))

    return cancel_pending_order


def exchanging(*, approval: bool) -> Tool[Shop, ..., Any]:
    """The tool that exchanges items of a delivered order."""

    @tool(effect="once", needs_approval=approval)
    def exchange_delivered_order_items(
        ctx: ToolContext[Shop], order_id: str, item_ids: list[str], new_item_ids: list[str], payment_method_id: str
    ) -> Order:
        """Exchange items of a delivered order for other variants of the same products.

        It can be done once per order: first ask the customer whether the list is complete, and for a yes to it.

        Args:
            order_id: The order id with its leading "#".
            item_ids: The items to send back, each as often as there are pieces.
            new_item_ids: What each is exchanged for, in the same order: available, and of the same product.
            payment_method_id: One of the customer's, to pay the price difference or to receive it.
        """
        return make(ctx, ExchangeItems(order_id, item_ids, new_item_ids, payment_method_id))

    @exchange_delivered_order_items.reconcile
    async def exchange_was_asked(
        ctx: ToolContext[Shop], order_id: str, item_ids: list[str], new_item_ids: list[str], payment_method_id: str
    ) -> Outcome[Order]:
        return await was_made(ctx, ExchangeItems(order_id, item_ids, new_item_ids, payment_method_id))

    return exchange_delivered_order_items


def changing_items(*, approval: bool) -> Tool[Shop, ..., Any]:
    """The tool that replaces items of a pending order."""

    @tool(effect="once", needs_approval=approval)
    def modify_pending_order_items(
        ctx: ToolContext[Shop], order_id: str, item_ids: list[str], new_item_ids: list[str], payment_method_id: str
    ) -> Order:
        """Replace items of a pending order by other variants of the same products, and settle the price difference.

        It can be done once per order, which can then be neither changed nor cancelled: first ask the customer whether
        the list is complete, and for a yes to it.

        Args:
            order_id: The order id with its leading "#".
            item_ids: The items to replace, each as often as there are pieces.
            new_item_ids: What replaces each, in the same order: available, and of the same product.
            payment_method_id: One of the customer's, to pay the price difference or to receive it.
        """
        return make(ctx, ChangeOrderItems(order_id, item_ids, new_item_ids, payment_method_id))

    @modify_pending_order_items.reconcile
    async def items_were_changed(
        ctx: ToolContext[Shop], order_id: str, item_ids: list[str], new_item_ids: list[str], payment_method_id: str
    ) -> Outcome[Order]:
        return await was_made(ctx, ChangeOrderItems(order_id, item_ids, new_item_ids, payment_method_id))

    return modify_pending_order_items


def changing_payment(*, approval: bool) -> Tool[Shop, ..., Any]:
    """The tool that has a pending order paid in another way."""

    @tool(effect="once", needs_approval=approval)
    def modify_pending_order_payment(ctx: ToolContext[Shop], order_id: str, payment_method_id: str) -> Order:
        """Have a pending order paid by another of the customer's payment methods. Only after the customer said yes.

        The first method is refunded: a gift card at once, others in 5 to 7 business days.

        Args:
            order_id: The order id with its leading "#".
            payment_method_id: The one to pay with; a gift card must hold the whole total.
        """
        return make(ctx, ChangeOrderPayment(order_id, payment_method_id))

    @modify_pending_order_payment.reconcile
    async def payment_was_changed(ctx: ToolContext[Shop], order_id: str, payment_method_id: str) -> Outcome[Order]:
        return await was_made(ctx, ChangeOrderPayment(order_id, payment_method_id))

    return modify_pending_order_payment


def returning(*, approval: bool) -> Tool[Shop, ..., Any]:
    """The tool that takes back items of a delivered order."""

    @tool(effect="once", needs_approval=approval)
    def return_delivered_order_items(
        ctx: ToolContext[Shop], order_id: str, item_ids: list[str], payment_method_id: str
    ) -> Order:
        """Take back items of a delivered order. Only after the customer confirmed the order, the items and the refund.

        It can be done once per order. The customer gets an email that tells how to send the items.

        Args:
            order_id: The order id with its leading "#".
            item_ids: The items to return, each as often as there are pieces.
            payment_method_id: Where the refund goes: what the order was paid with, or one of the customer's gift cards.
        """
        return make(ctx, ReturnItems(order_id, item_ids, payment_method_id))

    @return_delivered_order_items.reconcile
    async def return_was_asked(
        ctx: ToolContext[Shop], order_id: str, item_ids: list[str], payment_method_id: str
    ) -> Outcome[Order]:
        return await was_made(ctx, ReturnItems(order_id, item_ids, payment_method_id))

    return return_delivered_order_items
