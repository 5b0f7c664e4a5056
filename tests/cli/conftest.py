"""A desk with an agent in a file, a stand-in model over HTTP, and a way to type commands."""

import importlib
import io
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from agentkit.cli import main
from agentkit.emulator import Emulator
from agentkit.emulator.script import Turn

DESK = '''
"""An agent as a user writes it: tools that wait, fail, hang or lose their connection."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from agentkit import Agent, Limits, Model, ToolContext, tool
from agentkit.errors import NeedsAnswer

MODEL = Model("deepseek-flash", base_url=Path("url.txt").read_text())


@tool(effect="read")
async def find_order(order_id: str) -> dict[str, str]:
    """Look an order up."""
    return {"id": order_id, "note": "delivered"}


@tool(effect="read")
def long_story() -> str:
    """Tell a very long story."""
    return "once upon a time\\n" * 10_000


@tool(effect="once", needs_approval=True)
async def refund(ctx: ToolContext[object], order_id: str, amount: float) -> str:
    """Pay money back."""
    await ctx.progress("talking to the bank")
    with Path("refunds.txt").open("a") as file:
        file.write(f"{order_id} {amount}\\n")
    return f"refunded {amount}"


@tool(effect="once")
async def charge(order_id: str) -> str:
    """Charge a card; the line breaks."""
    raise ConnectionError("the line broke")


@tool(effect="idempotent")
async def ask_colour() -> str:
    """Ask the customer."""
    raise NeedsAnswer("which colour?")


@tool(effect="read")
async def slow() -> str:
    """Take very long."""
    await anyio.sleep(60)
    return "done"


@tool(effect="once")
async def slow_once() -> str:
    """Take very long, and change something."""
    await anyio.sleep(60)
    return "done"


TOOLS = [find_order, long_story, refund, charge, ask_colour, slow, slow_once]
agent = Agent(MODEL, name="desk", instructions="You help.", tools=TOOLS)
other = Agent(MODEL, name="desk", instructions="You help very much.", tools=TOOLS[:-1])
short = Agent(MODEL, name="desk", instructions="You help.", tools=TOOLS, limits=Limits(steps=1))


@asynccontextmanager
async def with_deps(session_id: str) -> AsyncIterator[tuple[Agent[str], str]]:
    Path("opened.txt").write_text(session_id)
    yield agent, "deps"
    Path("opened.txt").write_text("closed")
'''


@dataclass(frozen=True)
class Done:
    """What a command left: its exit code and what it wrote."""

    code: int
    out: str
    err: str


Type = Callable[..., Done]
Serve = Callable[..., Emulator]


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory a person works in."""
    (tmp_path / "desk.py").write_text(DESK, "utf-8")
    (tmp_path / "url.txt").write_text("http://127.0.0.1:9/v1", "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "desk", raising=False)
    importlib.invalidate_caches()
    return tmp_path


@pytest.fixture
def serve(desk: Path) -> Iterator[Serve]:
    """Start the stand-in model with what it says, one reply after another; the desk's agent finds it."""
    with ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal())

        def start(*replies: Turn) -> Emulator:
            emulator = Emulator({"*": list(replies)})
            stack.enter_context(portal.wrap_async_context_manager(emulator))
            (desk / "url.txt").write_text(emulator.base_url, "utf-8")
            return emulator

        yield start


@pytest.fixture
def agentkit(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Type:
    """Type a command, in this process, with its output going to no terminal."""

    def run(*words: str, stdin: str = "") -> Done:
        capsys.readouterr()
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        try:
            code = main(words)
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return run
