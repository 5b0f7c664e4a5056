"""`agentkit tools`: what is listed, what is found wrong, and one call tried."""

from pathlib import Path

import pytest

from tests.cli.conftest import Type

SHOP = '''
from pydantic import BaseModel
from agentkit import Agent, Model, tool

@tool(effect="read")
def find_order(order_id: str) -> str:
    """Look an order up.

    Args:
        order_id: as on the invoice.
    """
    return f"order {order_id}"

@tool(effect="read")
def find_orders(order_id: str) -> str:
    return ""

@tool(effect="once", needs_approval=True)
def refund(amount: int) -> str:
    """Pay money back.

    Args:
        amount: in cents.
    """
    return f"paid {amount}"

outside = tool(effect="read", parameters={"type": "object", "properties": {"a": {"$ref": "http://x/y"}}})
@outside
def fetch(arguments: dict) -> str:
    """Fetch."""

def good():
    return [find_order, refund]

bad = [find_order, find_orders, fetch]

@tool(effect="read")
def greet(name: str = "you") -> str:
    """Greet.

    Args:
        name: whom.
    """
    return name

class Bill(BaseModel):
    lines: dict[str, int]

flash = Model("deepseek-flash")
loose = Agent(flash, tools=[find_order, greet])
wants = Agent([flash, Model("m", base_url="http://127.0.0.1:9/v1", contract="openai")],
              tools=[find_order, greet], settings={"strict_tools": True})
bill = Agent(Model("m", base_url="http://127.0.0.1:9/v1", contract="openai"), output_type=Bill)
plain = [print]
'''


@pytest.fixture(autouse=True)
def shop(desk: Path) -> None:
    (desk / "toolshop.py").write_text(SHOP, "utf-8")


def test_list_tells_name_effect_approval_and_description(agentkit: Type) -> None:
    done = agentkit("tools", "list", "toolshop:good")
    assert done.code == 0
    lines = [line.split() for line in done.out.splitlines()]
    assert lines[1] == ["find_order", "read", "no", "Look", "an", "order", "up."]
    assert lines[2][:3] == ["refund", "once", "yes"]
    assert "find_order" in agentkit("tools", "list", "desk:agent").out
    assert "find_order" in agentkit("tools", "list", "desk:with_deps").out
    assert agentkit("tools", "list", "agentkit_tools.calculator:tools").out.splitlines()[1].startswith("calculate")


def test_check_finds_nothing_wrong_with_good_tools(agentkit: Type) -> None:
    done = agentkit("tools", "check", "toolshop:good", "--model", "deepseek-flash")
    assert (done.code, "nothing is wrong" in done.out) == (0, True)
    assert "find_order: about " in done.out
    assert "an estimate: bytes / 4" in done.out


def test_check_says_what_is_wrong(agentkit: Type) -> None:
    done = agentkit("tools", "check", "toolshop:bad")
    assert done.code == 1
    for text in (
        "find_orders: no description",
        "find_orders: the parameter order_id has no description",
        "find_order and find_orders: names that are easily confused",
        "fetch: a $ref leads out of the schema",
        "say --model NAME",
    ):
        assert text in done.out
    assert agentkit("tools", "check", "toolshop:bad", "--model", "nonesuch").code == 2


def test_check_says_what_a_service_would_not_be_asked_to_keep_to(agentkit: Type) -> None:
    why = "greet: name is optional, and DeepSeek's subset knows no null"
    note = agentkit("tools", "check", "toolshop:loose")
    assert f"note   deepseek-v4: with strict_tools, sent non-strict: {why}" in note.out
    assert (note.code, "nothing is wrong" in note.out) == (0, True)
    wrong = agentkit("tools", "check", "toolshop:wants")
    assert f"wrong  deepseek-v4: sent non-strict: {why}" in wrong.out
    assert (wrong.code, "openai: " in wrong.out, "no service was checked" in wrong.out) == (1, False, False)
    assert agentkit("tools", "check", "toolshop:wants", "--model", "gpt-5.1").code == 0
    answer = agentkit("tools", "check", "toolshop:bill")
    assert "note   openai: the schema of the answer is sent non-strict: lines: keys that are not named" in answer.out
    unserved = agentkit("tools", "check", "toolshop:good", "--model", "kimi-k2.6")
    assert "its contract row knows no strict functions" in unserved.out
    assert unserved.code == 0


def test_try_runs_a_read_and_asks_before_anything_else(agentkit: Type) -> None:
    done = agentkit("tools", "try", "toolshop:good", "find_order", '{"order_id": "7"}')
    assert (done.code, done.out) == (0, "order 7\n")
    refused = agentkit("tools", "try", "toolshop:good", "refund", '{"amount": 5}')
    assert (refused.code, "say --yes" in refused.err, refused.out) == (2, True, "")
    assert agentkit("tools", "try", "toolshop:good", "refund", '{"amount": 5}', "--yes").out == "paid 5\n"


def test_try_tells_what_the_model_would_be_told(agentkit: Type) -> None:
    for arguments, told in (('{"order_id": 7}', "do not fit"), ("{", "are not usable JSON"), ("{}", "order_id")):
        done = agentkit("tools", "try", "toolshop:good", "find_order", arguments)
        assert (done.code, told in done.out) == (1, True)
    assert agentkit("tools", "try", "toolshop:good", "nothing").code == 1
    asked = agentkit("tools", "try", "desk:agent", "ask_colour", "--yes")
    assert (asked.code, "which colour?" in asked.out) == (3, True)
    unknown = agentkit("tools", "try", "desk:agent", "charge", '{"order_id": "7"}', "--yes")
    assert (unknown.code, "not known what it did" in unknown.err) == (1, True)


def test_what_is_no_tool_is_told(agentkit: Type) -> None:
    for words in (("list", "toolshop:plain"), ("list", "toolshop:nothing"), ("try", "toolshop:good")):
        assert agentkit("tools", *words).code == 2
