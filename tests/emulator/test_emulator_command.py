"""The emulator as a process of its own, and the laws of its folder."""

import ast
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import httpx2
import pytest

import agentkit.emulator
from agentkit.emulator import CONTRACTS, Emulator, run
from tests.emulator.plain import plain

FOLDER = Path(agentkit.emulator.__file__).parent
USER = {"role": "user", "content": "hi"}


@contextmanager
def process(*options: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    command = [sys.executable, "-m", "agentkit.emulator", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        try:
            yield running.stdout.readline().strip(), running
        finally:
            running.terminate()
            running.wait(10)


def test_it_prints_its_address_plays_and_reports(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"hi": [{"content": "played 😀", "reasoning": "r"}]}), "utf-8")
    options = ("--script", str(script), "--contract", "deepseek-v4-measured", "--api-key", "sk-abcdef-1234")
    with process(*options) as (base_url, running):
        headers = {"authorization": "Bearer sk-abcdef-1234"}
        body = {"model": "deepseek-flash", "messages": [USER]}
        response = httpx2.post(f"{base_url}/chat/completions", json=body, headers=headers)
        assert response.json()["choices"][0]["message"]["content"] == "played 😀"
        assert httpx2.post(f"{base_url}/chat/completions", json=body).status_code == 401
        side = base_url.removesuffix("/v1") + "/emulator"
        counts = httpx2.get(f"{side}/counts").json()
        assert (counts["requests"], counts["by_status"]) == (2, {"200": 1, "401": 1})
        assert counts["cost"].startswith("0.0000")
        seen = httpx2.get(f"{side}/requests").json()
        assert [entry["status"] for entry in seen] == [200, 401]
        assert json.loads(seen[0]["raw"]) == seen[0]["body"] == body
        assert seen[0]["headers"]["authorization"] == "Bearer ****1234"
        assert len(httpx2.get(f"{side}/requests", params={"last": 1}).json()) == 1
        assert httpx2.get(f"{base_url}/models").json()["data"][0]["id"] == "deepseek-flash"
        running.send_signal(signal.SIGINT)
        assert running.wait(10) == 0
        assert running.stderr is not None
        assert running.stderr.read() == ""


def test_help_lists_the_contracts_and_says_where_the_script_format_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(["--help"])
    assert ended.value.code == 0
    shown = "".join(capsys.readouterr().out.split())
    assert all(name in shown for name in CONTRACTS)
    assert "pydocagentkit.emulator.script" in shown


def test_bad_options_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "script.json"
    assert run(["--script", str(script)]) == 2
    assert capsys.readouterr().err == f"agentkit emulator: {script}: No such file or directory\n"
    script.write_text("[]", "utf-8")
    assert run(["--script", str(script)]) == 2
    assert f"{script}: a script is an object" in capsys.readouterr().err
    script.write_bytes(b"\xff")
    assert run(["--script", str(script)]) == 2
    assert "utf-8" in capsys.readouterr().err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run(["--port", str(port)]) == 2
    assert f"port {port}: Address already in use" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["65536", "-1", "eighty"])
def test_what_is_no_port_is_told(capsys: pytest.CaptureFixture[str], port: str) -> None:
    with pytest.raises(SystemExit) as ended:
        run([f"--port={port}"])
    assert ended.value.code == 2
    assert f"a port is a number from 0 to 65535, not '{port}'" in capsys.readouterr().err


@pytest.mark.anyio
async def test_a_port_is_free_again_at_once_and_errors_pass_through() -> None:
    emulator = Emulator()
    with pytest.raises(KeyError, match="mine"):
        async with emulator:
            raise KeyError("mine")
    port = emulator.port
    async with Emulator(port=port) as again, plain() as http:
        assert again.base_url == f"http://127.0.0.1:{port}/v1"
        assert again.beta_url == f"http://127.0.0.1:{port}/beta"
        assert (await http.get(f"{again.beta_url}/models")).status_code == 200


@pytest.mark.anyio
async def test_a_cancelled_program_closes_it() -> None:
    emulator = Emulator()
    with anyio.move_on_after(0.1) as scope:
        async with emulator:
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    with pytest.raises(OSError, match=r"refused|failed|attempts"):
        await anyio.connect_tcp("127.0.0.1", emulator.port)


def test_the_judge_shares_nothing_with_agentkit() -> None:
    foreign = []
    for file in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{file.name}: a relative import hides where it leads"
                names.append(node.module or "")
            foreign += [
                (file.name, name)
                for name in names
                if name.split(".")[0] == "asyncio"
                or (name.split(".")[0] == "agentkit" and not name.startswith("agentkit.emulator"))
            ]
    assert foreign == []


def test_importing_it_loads_no_server() -> None:
    code = "import sys, agentkit.emulator as e; e.Reply; print(sorted({'uvicorn', 'starlette'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there() -> None:
    for name in agentkit.emulator.__all__:
        assert getattr(agentkit.emulator, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        agentkit.emulator.nothing  # noqa: B018 # reading it is the test
