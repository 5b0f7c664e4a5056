"""docs/mcp.md is true: its programs run, against each other."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, types

from agentkit.emulator import Emulator, Reply
from agentkit.emulator.script import Call, Turn
from agentkit.tools.mcp import MCPTools
from agentkit.tools.mcp.serve import Offer
from agentkit.workers.who import check
from tests.forked import ROOT
from tests.pages import Page

PAGE = Page("mcp")
CLIENT, FILES, WORKER, SERVER, ASKING = PAGE.programs


@pytest.mark.anyio
async def test_the_agent_uses_the_tools_that_the_server_offers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop.py").write_text(SERVER)
    replies: list[Turn] = [Reply(calls=[Call("shop_find_order", {"order_id": "7"})]), Reply("It left on Monday.")]
    async with Emulator({"*": replies}, contract="generic") as model:
        code = CLIENT.replace("http://127.0.0.1:11434/v1", model.base_url)
        code = code.replace('"shop:tools")', f'"shop:tools", env={{"PYTHONPATH": {str(ROOT)!r}}})')
        await PAGE.here(code)["main"]()
    assert capsys.readouterr().out == "It left on Monday.\n"
    assert "Order 7 left on Monday." in str(model.requests[1].body)


def test_the_other_programs_are_what_they_say() -> None:
    names = PAGE.here(FILES)
    assert isinstance(names["files"], MCPTools)
    check(PAGE.here(WORKER, **names)["support"])
    for field in fields(MCPTools):
        told = f"`{field.name}" in PAGE.text or f"{field.name}=" in PAGE.text
        assert told or not field.init or field.name == "server"


@pytest.mark.anyio
async def test_the_tool_that_asks_its_client_gets_answers() -> None:
    async def fills(context: Any, params: Any) -> types.ElicitResult:  # noqa: ARG001 - the SDK's
        return types.ElicitResult(action="accept", content={"days": 7})

    async def thinks(context: Any, params: types.CreateMessageRequestParams) -> types.CreateMessageResult:  # noqa: ARG001 - the SDK's
        assert "7 days of orders" in str(params.messages[0].content)
        return types.CreateMessageResult(role="assistant", content=types.TextContent(text="All left."), model="m")

    offered = PAGE.here(ASKING)["tools"]
    async with Client(Offer(offered).server, elicitation_callback=fills, sampling_callback=thinks) as client:
        assert "All left." in str((await client.call_tool("report", {})).content)
