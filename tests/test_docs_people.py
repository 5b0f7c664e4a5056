"""docs/people.md is true: its programs run, and say what it says."""

import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

from agentkit import Agent, Approvals, Upgrades, tool
from agentkit.core.changes import KINDS
from agentkit.core.policy import Policy
from tests.pages import Page

PAGE = Page("people")


def test_the_first_program_goes_on_without_waiting(tmp_path: Path) -> None:
    said = PAGE.apart(PAGE.programs[0], tmp_path).splitlines()
    assert said == ["I have asked for it.", "It is blue.", "Good news: your refund is on its way."]


def test_the_second_program_escalates_and_expires(tmp_path: Path) -> None:
    first, second, third = PAGE.apart(PAGE.programs[1], tmp_path).splitlines()
    assert re.fullmatch(r"refund waits until \d\d:\d\d:\d\d", first)
    assert second == "nobody decided, so the shift lead is to know of it"
    assert third == "I could not refund it: nobody approved in time."


def test_the_third_program_is_an_agent() -> None:
    @tool(effect="once", needs_approval=True)
    async def refund(order_id: str) -> str:
        """Refund an order."""
        return order_id

    names = PAGE.here(PAGE.programs[2], Agent=Agent, refund=refund)
    assert names["careful"].upgrades == Upgrades(instructions="ask", tools="ask", model="refuse")


def test_its_words_are_the_words() -> None:
    told = re.findall(r'^\| `"(\w+)"` \|', PAGE.text, re.MULTILINE)
    assert tuple(told) == get_args(Policy)
    (kinds,) = re.findall(r"^Kinds: (.*?)\.\s", PAGE.text, re.MULTILINE | re.DOTALL)
    assert tuple(re.findall(r"`(\w+)`", kinds)) == KINDS
    for field in fields(Approvals):
        assert f"{field.name}=" in PAGE.text
