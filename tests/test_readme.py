"""The README is true: its programs run, its commands work, its files are there."""

import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

import agentkit
from agentkit.emulator import Call, Emulator, Reply
from agentkit.models import contracts
from tests.forked import Forked
from tests.probe.probed_model import play

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
MAKE, HELLO, SERVER, REFUND, LOOK, WORK = BLOCKS

SCRIPT = {
    "Where is order 7?": [
        Reply(reasoning="I have to look.", calls=[Call("find_order", {"order_id": "7"})]),
        Reply("It left our warehouse this morning.", reasoning="Found."),
    ],
    "Please refund order 7.": [
        Reply(reasoning="A refund.", calls=[Call("refund", {"order_id": "7"})]),
        Reply("Order 7 is refunded: receipt r-7.", reasoning="Done."),
        Reply("It left this morning.", reasoning="They ask again."),
    ],
}

SHOP = '''
"""A shop of one order: what it paid is in a file, one line for each refund."""

from pathlib import Path

PAID = Path("paid.txt")


class Shop:
    async def refund(self, order_id: str, *, idempotency_key: str) -> str:
        with PAID.open("a") as paid:
            paid.write(f"{idempotency_key} r-{order_id}\\n")
        return f"r-{order_id}"

    async def receipt(self, idempotency_key: str) -> str | None:
        lines = PAID.read_text().splitlines() if PAID.exists() else []
        return next((line.split()[1] for line in lines if line.startswith(idempotency_key)), None)
'''

pytestmark = pytest.mark.anyio


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(SCRIPT) as serving:
        yield serving


async def run(folder: Path, *command: str, start: type[subprocess.Popen[Any]] = Forked) -> str:
    """Run a command in a folder and return what it prints. Raises: AssertionError: it failed."""
    here = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200"}
    with start(
        [sys.executable, *command], cwd=folder, env=here, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        out, err = await anyio.to_thread.run_sync(running.communicate)
    assert running.returncode == 0, out + err
    return str(out)


def program(block: tuple[str, str], emulator: Emulator, contract: str = '"deepseek-v4"') -> str:
    """Return a program of the README with the one change it names itself: another server in the place of the name."""
    language, code = block
    assert language == "python"
    assert code.count('"deepseek-flash"') == 1
    model = f'__import__("agentkit").Model("deepseek-v4-flash", base_url="{emulator.base_url}", contract={contract})'
    return code.replace('"deepseek-flash"', model)


def words(line: str, emulator: Emulator) -> list[str]:
    """Return a command of the README as it is run here: with the emulator in the place of the server it speaks of."""
    name, *rest = line.split()
    assert name == "agentkit"
    here = [emulator.base_url if word.startswith("http") else word for word in rest]
    return ["-m", "agentkit.cli", *here, *([] if emulator.base_url in here else ["--base-url", emulator.base_url])]


async def test_hello(tmp_path: Path, emulator: Emulator) -> None:
    (tmp_path / "hello.py").write_text(program(HELLO, emulator))
    as_users_do = subprocess.Popen
    assert await run(tmp_path, "hello.py", start=as_users_do) == "It left our warehouse this morning.\n"
    assert [seen.error for seen in emulator.requests] == [None, None]


def test_hello_is_short() -> None:
    assert len([line for line in HELLO[1].splitlines() if line.strip()]) <= 12


async def test_a_server_is_probed_checked_and_used_by_the_row_that_was_found(tmp_path: Path) -> None:
    probe, doctor = SERVER[1].splitlines()
    async with Emulator(play, contract="kimi-k2.6") as server:
        shown = await run(tmp_path, *words(probe, server), "--yes")  # nobody is there to be asked
        checked = await run(tmp_path, *words(doctor, server), "--json")
    assert "written to our-contracts.toml" in shown
    assert "agree    with all that was found: kimi-k2.6" in shown
    checks = {each["what"]: each for each in json.loads(checked)}
    assert {checks[what]["state"] for what in ("python", "packages", "key", "disk", "journal")} == {"ok"}
    assert "/models answered 200" in checks["endpoint"]["says"]
    async with Emulator(SCRIPT, contract="kimi-k2.6", port=server.port) as server:
        contract = '__import__("pathlib").Path("our-contracts.toml")'
        code = program(HELLO, server, contract).replace('"deepseek-v4-flash"', '"our-model"')
        (tmp_path / "hello.py").write_text(code)
        assert await run(tmp_path, "hello.py") == "It left our warehouse this morning.\n"
        assert (server.counts.by_status, server.counts.losses) == ({200: 2}, 0)


async def test_the_refund_and_the_commands_that_look_at_it(tmp_path: Path, emulator: Emulator) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "support.py").write_text(program(REFUND, emulator))
    for _ in range(2):  # started again unchanged, it says the same and pays nothing
        assert await run(tmp_path, "support.py") == "Order 7 is refunded: receipt r-7.\n"
    assert len((tmp_path / "paid.txt").read_text().splitlines()) == 1
    commands = [line.split() for line in LOOK[1].splitlines()]
    show, pending, replay = [await run(tmp_path, "-m", "agentkit.cli", *words[1:]) for words in commands]
    assert "A refund." in show
    assert "r-7" in show
    assert "ann" in show
    assert "nothing" in pending.lower()
    assert "2 requests: today's code would send the same bytes" in replay
    say, worker = [line.split('"') for line in WORK[1].splitlines()]
    await run(tmp_path, "-m", "agentkit.cli", *say[0].split()[1:], say[1], *say[2].split())
    await run(tmp_path, "-m", "agentkit.cli", *worker[0].split()[1:])
    shown = await run(tmp_path, "-m", "agentkit.cli", "show", "customer-4711", "--journal", "support.db")
    assert "It left this morning." in shown


def test_make_knows_the_commands() -> None:
    targets = [line.split()[1] for line in MAKE[1].splitlines()]
    assert targets == ["demo", "test"]
    for target in targets:
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)  # noqa: S607 - the user's make


def test_every_file_it_names_is_there() -> None:
    named = set(re.findall(r"`((?:tests|examples)/[\w/.]+)`", README)) | set(re.findall(r"\]\((\w[\w/.]*)\)", README))
    assert len(named) > 5
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_the_numbers_it_names_are_those_of_the_table_and_of_the_public_names() -> None:
    assert set(re.findall(r"(\d+) public names", README)) == {str(len(agentkit.__all__))}
    rows = {row.id for row in contracts.rows()}
    assert set(re.findall(r"\[(\d+) contracts\]|speaks all (\d+)", README)) == {
        (str(len(rows)), ""),
        ("", str(len(rows))),
    }


def test_it_is_of_a_length_one_reads() -> None:
    assert 400 <= len(README.split()) <= 700
