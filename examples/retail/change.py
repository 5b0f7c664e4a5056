"""The three tools that change something, but no money: two addresses, and handing over to a person.

Their effect is `once`. When agentkit does not know whether one happened, it asks its `reconcile`, which looks it up.
"""
# ruff: noqa: D417, PLR0913, PLR0917 - the model reads these docstrings and never sees `ctx`; the parameters are given

from functools import partial

from anyio import to_thread

from agentkit import Outcome, ToolContext, tool
from examples.retail.customers import ChangeUserAddress, Transfer
from examples.retail.pending import ChangeOrderAddress
from examples.retail.records import Order, User
from examples.retail.shop import Change, ResultT, Shop


def make(ctx: ToolContext[Shop], change: Change[ResultT]) -> ResultT:
    """Make the change under the key of this call.

    Raises:
        ToolError: The shop's rules forbid it; nothing was written.
    """
    return ctx.deps.perform(change, key=ctx.idempotency_key)


async def was_made(ctx: ToolContext[Shop], change: Change[ResultT]) -> Outcome[ResultT]:
    """Whether the change of this call is in the books; its log row stands exactly if it is."""
    result = await to_thread.run_sync(partial(ctx.deps.recorded, change, key=ctx.idempotency_key))
    return Outcome.not_happened() if result is None else Outcome.happened(result)


@tool(effect="once")
def modify_pending_order_address(
    ctx: ToolContext[Shop],
    order_id: str,
    address1: str,
    address2: str,
    city: str,
    state: str,
    country: str,
    zip: str,
) -> Order:
    """Change where a pending order is sent. Only after the customer has seen the new address and said yes.

    Args:
        order_id: The order id with its leading "#".
        address1: Street and number.
        address2: Flat or suite; empty if there is none.
        city: The city.
        state: The state's two letters, for example "ME".
        country: The country, for example "USA".
        zip: The zip code.
    """
    return make(ctx, ChangeOrderAddress(order_id, address1, address2, city, state, country, zip))


@modify_pending_order_address.reconcile
async def order_address_was_changed(
    ctx: ToolContext[Shop],
    order_id: str,
    address1: str,
    address2: str,
    city: str,
    state: str,
    country: str,
    zip: str,
) -> Outcome[Order]:
    """See `was_made`."""
    return await was_made(ctx, ChangeOrderAddress(order_id, address1, address2, city, state, country, zip))


@tool(effect="once")
def modify_user_address(
    ctx: ToolContext[Shop],
    user_id: str,
    address1: str,
    address2: str,
    city: str,
    state: str,
    country: str,
    zip: str,
) -> User:
    """Change a customer's default address; orders already placed keep theirs. Only after the customer said yes.

    Args:
        user_id: The customer's user id.
        address1: Street and number.
        address2: Flat or suite; empty if there is none.
        city: The city.
        state: The state's two letters, for example "ME".
        country: The country, for example "USA".
        zip: The zip code.
    """
    return make(ctx, ChangeUserAddress(user_id, address1, address2, city, state, country, zip))


@modify_user_address.reconcile
async def user_address_was_changed(
    ctx: ToolContext[Shop],
    user_id: str,
    address1: str,
    address2: str,
    city: str,
    state: str,
    country: str,
    zip: str,
) -> Outcome[User]:
    """See `was_made`."""
    return await was_made(ctx, ChangeUserAddress(user_id, address1, address2, city, state, country, zip))


@tool(effect="once")
def transfer_to_human_agents(ctx: ToolContext[Shop], summary: str) -> str:
    """Hand the customer over to a person at the shop. Only for what none of the other tools can do.

    Args:
        summary: What the customer wants and what was done so far, for the colleague who takes over.
    """
    return make(ctx, Transfer(summary))


@transfer_to_human_agents.reconcile
async def was_transferred(ctx: ToolContext[Shop], summary: str) -> Outcome[str]:
    """See `was_made`."""
    return await was_made(ctx, Transfer(summary))
