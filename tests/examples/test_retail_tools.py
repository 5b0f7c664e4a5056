"""The desk's tools: what the model is told of them, and that they are the shop's operations and nothing more."""

import json
from pathlib import Path
from typing import Any

import pytest

from agentkit import Outcome, ToolContext, ToolError
from examples.retail.change import was_made
from examples.retail.desk import desk, open_desk
from examples.retail.load import dump
from examples.retail.look_up import calculate, get_order_details
from examples.retail.pending import CancelOrder
from examples.retail.seed import seed_books, seeded
from examples.retail.shop import Shop
from examples.retail.tools import desk_tools

SIGNATURES = Path(__file__).parents[3] / "shared" / "data" / "retail" / "signatures.json"
TOOLS = {tool.name: tool for tool in desk_tools(approval=False)}
CHANGES = {
    "cancel_pending_order",
    "exchange_delivered_order_items",
    "modify_pending_order_address",
    "modify_pending_order_items",
    "modify_pending_order_payment",
    "modify_user_address",
    "return_delivered_order_items",
    "transfer_to_human_agents",
}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return seeded(tmp_path / "shop.db")


def told(schema: Any) -> Any:
    """The schema without what is ours to word."""
    properties = {
        name: {key: value for key, value in each.items() if key != "description"}
        for name, each in schema["properties"].items()
    }
    return [list(properties.items()), schema.get("required", [])]


@pytest.mark.skipif(not SIGNATURES.exists(), reason="the signatures are not beside the project: ../shared is absent")
def test_the_sixteen_tools_have_the_given_names_and_parameters_in_the_given_order() -> None:
    given = json.loads(SIGNATURES.read_text())
    assert [(name, told(tool.spec.parameters)) for name, tool in TOOLS.items()] == [
        (each["name"], told(each["parameters"])) for each in given
    ]


def test_every_tool_and_every_parameter_is_described() -> None:
    for tool in TOOLS.values():
        assert tool.spec.description
        assert "Args:" not in tool.spec.description
        properties: Any = tool.spec.parameters["properties"]
        assert all(each["description"] for each in properties.values())


def test_looking_is_declared_read_and_changing_once_with_a_way_to_find_out() -> None:
    assert {name for name, tool in TOOLS.items() if tool.effect == "once"} == CHANGES
    assert {name for name, tool in TOOLS.items() if tool.effect == "read"} == TOOLS.keys() - CHANGES
    assert {name for name, tool in TOOLS.items() if tool.spec.bound.has_reconcile} == CHANGES


@pytest.mark.parametrize("approval", [True, False])
def test_what_moves_money_is_approved_when_switched_on(*, approval: bool) -> None:
    asked = {tool.name for tool in desk("deepseek-flash", approval=approval).tools if tool.declared.needs_approval}
    money = CHANGES - {"modify_pending_order_address", "modify_user_address", "transfer_to_human_agents"}
    assert asked == (money if approval else set())


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("cancel_pending_order", ("#W1000001", "no longer needed")),
        ("exchange_delivered_order_items", ("#W1000002", ["2100000031"], ["2100000032"], "credit_card_1001")),
        ("modify_pending_order_address", ("#W1000001", "5 Mill Rd", "", "Reno", "NV", "USA", "89501")),
        ("modify_pending_order_items", ("#W1000001", ["2100000021"], ["2100000022"], "credit_card_1001")),
        ("modify_pending_order_payment", ("#W1000003", "credit_card_1001")),
        ("modify_user_address", ("maren_holt_1001", "5 Mill Rd", "", "Reno", "NV", "USA", "89501")),
        ("return_delivered_order_items", ("#W1000002", ["2100000031"], "gift_card_1001")),
        ("transfer_to_human_agents", ("wants an invoice in Latin",)),
    ],
)
async def test_what_a_change_returned_is_what_reconcile_finds(
    shop: Shop, name: str, arguments: tuple[Any, ...]
) -> None:
    context = ToolContext(shop, idempotency_key="a/1.1.0")
    tool = TOOLS[name]
    assert tool.check is not None
    assert await tool.check(context, *arguments) == Outcome.not_happened()
    result = tool(context, *arguments)
    assert await tool.check(context, *arguments) == Outcome.happened(result)
    assert await tool.check(ToolContext(shop, idempotency_key="a/1.2.0"), *arguments) == Outcome.not_happened()
    assert tool(context, *arguments) == result


@pytest.mark.anyio
async def test_a_refused_change_did_not_happen(shop: Shop) -> None:
    context = ToolContext(shop, idempotency_key="a/1.1.0")
    with pytest.raises(ToolError, match="'processed'"):
        TOOLS["cancel_pending_order"](context, "#W1000005", "no longer needed")
    assert await was_made(context, CancelOrder("#W1000005", "no longer needed")) == Outcome.not_happened()


def test_looking_up_through_the_tools(shop: Shop) -> None:
    context = ToolContext(shop)
    user_id = TOOLS["find_user_id_by_email"](context, "maren.holt@example.com")
    assert TOOLS["find_user_id_by_name_zip"](context, "Maren", "Holt", "04101") == user_id
    profile = TOOLS["get_user_details"](context, user_id)
    assert get_order_details(context, profile["orders"][0])["user_id"] == user_id
    product_id = TOOLS["list_all_product_types"](context)["Chess Set"]
    for item_id, variant in TOOLS["get_product_details"](context, product_id)["variants"].items():
        assert TOOLS["get_item_details"](context, item_id) == {**variant, "name": "Chess Set", "product_id": product_id}
    assert calculate("89.90 + 34.25") == "124.15"


@pytest.mark.anyio
async def test_the_desk_opens_with_its_own_shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with open_desk("customer-1") as (agent, shop):
        assert [tool.name for tool in agent.tools] == list(TOOLS)
        assert dump(shop) == seed_books()
    assert (tmp_path / "shop.db").exists()
