"""The README is true: its programs run, its commands work, its files are there."""

import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from agentkit.emulator import Call, Emulator, Reply

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
MAKE, HELLO, REFUND, LOOK = BLOCKS

SCRIPT = {
    "Where is order 7?": [
        Reply(reasoning="I have to look.", calls=[Call("find_order", {"order_id": "7"})]),
        Reply("It left our warehouse this morning.", reasoning="Found."),
    ],
    "Please refund order 7.": [
        Reply(reasoning="A refund.", calls=[Call("refund", {"order_id": "7"})]),
        Reply("Order 7 is refunded: receipt r-7.", reasoning="Done."),
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


async def run(folder: Path, *command: str) -> str:
    """Run a command in a folder and return what it prints. Raises: AssertionError: it failed."""
    here = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200"}
    done = await anyio.run_process([sys.executable, *command], cwd=folder, check=False, env=here)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return done.stdout.decode()


def program(block: tuple[str, str], emulator: Emulator) -> str:
    """Return a program of the README with the one change it names itself: another server in the place of the name."""
    language, code = block
    assert language == "python"
    assert code.count('"deepseek-flash"') == 1
    model = f'__import__("agentkit").Model("deepseek-v4-flash", base_url="{emulator.base_url}", contract="deepseek-v4")'
    return code.replace('"deepseek-flash"', model)


async def test_hello(tmp_path: Path, emulator: Emulator) -> None:
    (tmp_path / "hello.py").write_text(program(HELLO, emulator))
    assert await run(tmp_path, "hello.py") == "It left our warehouse this morning.\n"
    assert [seen.error for seen in emulator.requests] == [None, None]


def test_hello_is_short() -> None:
    assert len([line for line in HELLO[1].splitlines() if line.strip()]) <= 12


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


def test_make_knows_the_commands() -> None:
    targets = [line.split()[1] for line in MAKE[1].splitlines()]
    assert targets == ["demo", "test"]
    for target in targets:
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)  # noqa: S607 - the user's make


def test_every_file_it_names_is_there() -> None:
    named = set(re.findall(r"`((?:tests|examples)/[\w/.]+)`", README)) | set(re.findall(r"\]\((\w[\w/.]*)\)", README))
    assert len(named) > 5
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_it_is_of_a_length_one_reads() -> None:
    assert 400 <= len(README.split()) <= 700
