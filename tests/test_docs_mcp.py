"""docs/mcp.md is true: its programs run, against each other."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from agentkit.emulator import Emulator, Reply
from agentkit.emulator.script import Call, Turn
from agentkit.tools.mcp import MCPTools
from agentkit.workers.who import check

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "mcp.md").read_text("utf-8")
CLIENT, FILES, WORKER, SERVER = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


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
        names: dict[str, Any] = {"__name__": "docs"}
        exec(compile(code, "docs/mcp.md", "exec"), names)  # noqa: S102 - the document's own program
        await names["main"]()
    assert capsys.readouterr().out == "It left on Monday.\n"
    assert "Order 7 left on Monday." in str(model.requests[1].body)


def test_the_other_programs_are_what_they_say() -> None:
    names: dict[str, Any] = {}
    exec(compile(FILES, "docs/mcp.md", "exec"), names)  # noqa: S102 - the document's own program
    assert isinstance(names["files"], MCPTools)
    exec(compile(WORKER, "docs/mcp.md", "exec"), names)  # noqa: S102 - the document's own program
    check(names["support"])
    for field in fields(MCPTools):
        assert not field.init or field.name == "server" or f"`{field.name}" in PAGE or f"{field.name}=" in PAGE
