"""A session taken up by a new process sends the bytes that the process which never died would have sent."""

import json
import sys
from pathlib import Path

import anyio
import pytest

from agentkit import MemoryJournal, Session, SQLiteJournal
from agentkit.emulator import Emulator
from tests.contracts.rows import ROWS, agent, refusals, turns

pytestmark = pytest.mark.anyio

TAKEN_UP = """
import json, sys
import anyio
from agentkit import Session, SQLiteJournal
from agentkit.emulator import Emulator
from tests.contracts.rows import agent, turns

async def main(folder):
    sent = {}
    for row in json.load(sys.stdin):
        async with Emulator({"go": turns(row)}, contract=row) as server:
            async with Session(agent(row, server), "s", journal=SQLiteJournal(f"{folder}/{row}.db")) as session:
                assert (await session.run("more")).output == "Done."
            sent[row] = [seen.raw.decode("utf-8") for seen in server.requests]
    print(json.dumps(sent))

anyio.run(main, sys.argv[1])
"""


async def test_a_new_process_sends_the_same_bytes(tmp_path: Path) -> None:
    warm: dict[str, list[str]] = {}
    for row in ROWS:
        async with Emulator({"go": turns(row)}, contract=row) as server:
            async with Session(agent(row, server), "s", journal=MemoryJournal()) as session:
                await session.run("go")
                first = len(server.requests)
                await session.run("more")
            warm[row] = [seen.raw.decode("utf-8") for seen in server.requests[first:]]
            assert refusals(server) == [], row
        async with Emulator({"go": turns(row)}, contract=row) as server:
            journal = SQLiteJournal(tmp_path / f"{row}.db")
            async with Session(agent(row, server), "s", journal=journal) as session:
                await session.run("go")
    command = [sys.executable, "-c", TAKEN_UP, str(tmp_path)]
    done = await anyio.run_process(command, input=json.dumps(ROWS).encode(), check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout) == warm
