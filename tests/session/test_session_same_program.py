"""Kill a program at any line and start it again unchanged: it refunds once. And programs that share a session."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from agentkit import Journal, SQLiteJournal
from agentkit.errors import Fenced
from agentkit.testing import Died, FaultyJournal
from tests.forked import Forked
from tests.session.desk import Played, Till, asks, facts, file, refund, session_of

ROOT = Path(__file__).parents[2]
LINES = (
    *("start", "entered", "thinking", "ran", "approving", "approved"),
    *("before the refund", "after the refund", "resumed", "left"),
)

BELOW = ("desk 1", "helper 1", "before the refund", "after the refund", "helper 2", "desk 2", "ran")

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A function that starts the worker in a process of its own."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: str) -> subprocess.Popen[str]:
        program = [sys.executable, "-m", "tests.session.session_worker", str(tmp_path), *words]
        started.append(Forked(program, cwd=ROOT, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def said(process: "subprocess.Popen[str]") -> Any:
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, process.returncode
    return json.loads(out)


def lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def wait_for(condition: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


# --- the approval example --------------------------------------------------------------------------------------------


@pytest.mark.crash
@pytest.mark.parametrize("at", LINES)
def test_killed_at_a_line_and_started_again_unchanged_it_refunds_once(at: str, start: Start, tmp_path: Path) -> None:
    killed = start("desk", at)
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    for _ in range(2):
        assert said(start("desk", "")) == {"status": "completed", "text": "Your refund is on its way.", "turn": 1}
        assert len(lines(tmp_path / "bank")) == 1
    assert len(lines(tmp_path / "asked")) == (3 if at == "thinking" else 2), "no recorded answer is paid twice"


@pytest.mark.crash
@pytest.mark.parametrize(
    "at", ["desk 1", "helper 1", "before the refund", "after the refund", "helper 2", "desk 2", "ran"]
)
def test_killed_in_the_middle_of_a_sub_agents_work_it_goes_on_there(at: str, start: Start, tmp_path: Path) -> None:
    killed = start("below", at)
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    for _ in range(2):
        assert said(start("below", "")) == {"status": "completed", "text": "Your refund is on its way.", "turn": 1}
        assert len(lines(tmp_path / "bank")) == 1
        assert len(lines(tmp_path / "asked")) == 4, "no recorded answer is paid twice, above or below"


@pytest.mark.anyio
@pytest.mark.crash
@pytest.mark.parametrize("fault", ["die before", "die after"])
async def test_killed_around_every_append_and_started_again_it_refunds_once(fault: Any, tmp_path: Path) -> None:
    for at in range(1, 30):
        till, model = Till(), Played(asks(("refund", {"order": "7"})), "done")
        folder = tmp_path / str(at)
        folder.mkdir()
        faulty = FaultyJournal(file(folder), at=at, fault=fault)
        with suppress(Died, BaseExceptionGroup):
            await desk(faulty, model, till)
        for _ in range(2):
            assert await desk(file(folder), model, till) == "done"
        assert list(till.paid.values()) == [1]
        if faulty.appends < at:
            assert at > 6
            return
    raise AssertionError("it never got through")


async def desk(journal: Journal, model: Played, till: Till) -> str:
    async with session_of(model, journal, till, refund(needs_approval=True, reconciles=True)) as session:
        result = await session.run("refund 7", id="msg-1")
        for approval in result.approvals:
            await session.approve(approval, by="ann")
        return (await session.resume()).output


# --- two programs ----------------------------------------------------------------------------------------------------


def test_one_message_delivered_to_two_processes_at_once_is_one_turn(start: Start, tmp_path: Path) -> None:
    both = [start("say", "hello", "m1") for _ in range(2)]
    results = [said(process) for process in both]
    assert [(result["text"], result["turn"]) for result in results] == [("one", 1)] * 2
    assert len(lines(tmp_path / "asked")) == 1


def test_two_messages_from_two_processes_at_once_are_two_turns_and_each_gets_its_own(
    start: Start, tmp_path: Path
) -> None:
    first, second = start("say", "hello", "m1"), start("say", "hi", "m2")
    results = [said(first), said(second)]
    assert sorted((result["text"], result["turn"]) for result in results) == [("one", 1), ("two", 2)]
    assert len(lines(tmp_path / "asked")) == 2


def test_one_id_with_two_texts_from_two_processes_is_an_error_for_one(start: Start, tmp_path: Path) -> None:
    results = [said(process) for process in [start("say", "hello", "m1"), start("say", "hi", "m1")]]
    assert sorted(result.get("error", "") for result in results) == ["", "MessageIdReused"]
    assert len(lines(tmp_path / "asked")) == 1


def test_a_process_that_waits_takes_over_when_the_one_that_drives_is_killed(start: Start, tmp_path: Path) -> None:
    first = start("block", "hello", "m1")
    wait_for(lambda: lines(tmp_path / "asked"))
    second = start("say", "hello", "m1")
    time.sleep(1.5)
    first.kill()
    assert said(second)["text"] == "one"
    assert len(lines(tmp_path / "asked")) == 2


def test_waiting_for_a_process_that_takes_no_message_does_not_spin(start: Start, tmp_path: Path) -> None:
    first = start("block", "hello", "m1")
    wait_for(lambda: lines(tmp_path / "asked"))
    second = start("say", "hi", "m2")
    assert said(first)["text"]
    result = said(second)
    assert (result["text"], result["turn"]) == ("two", 2)
    assert result["claims"] < 80


def test_a_process_that_was_frozen_and_replaced_writes_nothing_and_gets_the_result(
    start: Start, tmp_path: Path
) -> None:
    first = start("block", "hello", "m1", "1")
    wait_for(lambda: lines(tmp_path / "asked"))
    os.kill(first.pid, signal.SIGSTOP)
    try:
        second = said(start("say", "hello", "m1", "1"))
    finally:
        os.kill(first.pid, signal.SIGCONT)
    assert second["text"] == "one"
    thawed = said(first)
    assert thawed.get("error") == Fenced.__name__ or thawed["text"] == "one"
    assert said(start("say", "hello", "m1"))["text"] == "one"


@pytest.mark.anyio
async def test_what_processes_wrote_is_one_legal_journal(start: Start, tmp_path: Path) -> None:
    for process in [start("say", f"text {n}", f"m{n}") for n in range(3)]:
        said(process)
    async with session_of(Played(), SQLiteJournal(tmp_path / "db")) as session:
        assert [type(event).__name__ for event in await facts(session)].count("TurnEnded") == 3
        status = await session.status()
        assert status
        assert (status.status, status.turn) == ("completed", 3)
