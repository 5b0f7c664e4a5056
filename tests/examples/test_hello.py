"""The first thing a reader sees: short, and it runs."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from agentkit.emulator import Call, Emulator, Reply

ROOT = Path(__file__).parents[2]
HELLO = ROOT / "examples" / "hello.py"
ELSEWHERE = 'Model("qwen3:8b", base_url="http://127.0.0.1:11434/v1")'
KEYLESS = {name: value for name, value in os.environ.items() if name != "DEEPSEEK_API_KEY"}


def test_hello_is_at_most_twelve_lines_of_code() -> None:
    tree = ast.parse(HELLO.read_text())
    documented = [node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.FunctionDef)]
    texts = {line for node in documented for line in range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)}
    lines = enumerate(HELLO.read_text().splitlines(), 1)
    code = [line for number, line in lines if line.strip() and line.lstrip()[0] != "#" and number not in texts]
    assert len(code) <= 12


def test_hello_runs_without_a_key() -> None:
    told = subprocess.run([sys.executable, HELLO], env=KEYLESS, capture_output=True, text=True, check=True)
    assert told.stdout == "Your order 7 is on its way: it left our warehouse this morning.\n"
    assert told.stderr == ""


@pytest.mark.anyio
async def test_hello_runs_against_any_server_by_the_line_it_names(tmp_path: Path) -> None:
    replies = [Reply(None, "I look it up.", [Call("find_order", {"order_id": "7"})]), Reply("This morning.", "")]
    source = HELLO.read_text()
    assert ELSEWHERE in source
    async with Emulator({"Where is order 7?": replies}, contract="generic") as server:
        model = ELSEWHERE.replace("http://127.0.0.1:11434/v1", server.base_url)
        mine = source.replace("Agent, ScriptedModel", "Agent, Model, ScriptedModel")
        mine = mine.replace('"deepseek-flash" if os.getenv("DEEPSEEK_API_KEY") else scripted', model)
        assert mine.count(model) == 1
        (tmp_path / "hello.py").write_text(mine)
        told = await anyio.run_process([sys.executable, tmp_path / "hello.py"], env=KEYLESS)
        assert told.stdout == b"This morning.\n"
        assert server.counts.by_status == {200: 2}
        assert server.counts.reasoning_altered == 0
