"""The event loop that a command runs on is uvloop's, where it is installed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from agentkit.emulator import Reply

LOOPED = """
import asyncio
from contextlib import asynccontextmanager
from pathlib import Path

from agentkit import Agent, Model


@asynccontextmanager
async def looped(session_id):
    with Path("loops.txt").open("a") as file:
        file.write(type(asyncio.get_running_loop()).__module__ + "\\n")
    yield Agent(Model("deepseek-flash", base_url=Path("url.txt").read_text())), None
"""


def test_commands_run_on_uvloop(desk: Path, serve: Callable[..., Any], agentkit: Callable[..., Any]) -> None:
    (desk / "looped.py").write_text(LOOPED, "utf-8")
    serve(Reply("Done."))
    assert agentkit("chat", "--agent", "looped:looped", stdin="Well?\n").code == 0
    assert agentkit("resume", "chat", "--agent", "looped:looped").code == 0
    assert (desk / "loops.txt").read_text().split() == ["uvloop", "uvloop"]
