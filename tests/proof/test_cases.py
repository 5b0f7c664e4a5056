"""A recorded session as a test fixture: it passes, it fails with the first difference and why, and it is refused."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent, Outcome, Session
from agentkit.cli import main
from agentkit.errors import ConfigurationError, ForeignJournal, JournalError
from agentkit.testing import replay_case
from tests.session.desk import Played, Till, asks, file, look, lose_the_line, refund

pytestmark = pytest.mark.anyio

TURNS = (asks(("look", {"order": "1"}), ("refund", {"order": "1"})), "first", asks(("look", {"order": "2"})), "second")
REFUND, ASKING = refund(), refund(needs_approval=True)


def agent_of(*tools: Any, **told: Any) -> Agent[Till, str]:
    return Agent(Played(*TURNS), tools=tools or (look, REFUND), deps_type=Till, **told)


@pytest.fixture
async def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a journal: a session with an unknown outcome that a person resolved, and a fork of it."""
    monkeypatch.chdir(tmp_path)
    till = Till(trouble=lose_the_line)
    async with Session(agent_of(), "a/b c", journal=file(tmp_path), deps=till) as session:
        result = await session.run("one", id="m1")
        await session.resolve(result.unknowns[0], Outcome.happened("paid"), by="ann")
        await session.resume()
        await session.run("two", id="m2")
        fork = await session.fork("fork", before="2.1", say="the other", asks=False)
        async with fork:
            await fork.resume()
    return tmp_path


def typed(*words: str) -> int:
    return main([*words, "--journal", "desk.db"])


def made(desk: Path, session: str = "a/b c", name: str = "a-b-c") -> Path:
    """Type the command in a thread of its own: it runs an event loop."""
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(typed, "case", session).result() == 0
    return desk / "tests" / "cases" / f"{name}.jsonl"


async def test_one_command_makes_a_case_and_it_passes(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = made(desk)
    told = capsys.readouterr().out
    assert 'replay_case("tests/cases/a-b-c.jsonl", agent, loop=True)' in told
    found = await replay_case("tests/cases/a-b-c.jsonl", agent_of(), deps=Till(), loop=True)
    assert (found.same, found.requests) == (True, 4)
    before = path.read_bytes()
    with pytest.raises(AssertionError):
        made(desk)  # it is there already
    assert path.read_bytes() == before
    assert "is there already" in capsys.readouterr().err


async def test_a_fork_is_a_case_with_the_past_it_shares(desk: Path) -> None:
    path = made(desk, "fork", "fork")
    texts = [json.loads(line) for line in path.read_text().splitlines()]
    said = [line["body"]["parts"] for line in texts if line.get("type") == "UserSaid"]
    assert said == [["one"], ["two"], ["the other"]]
    found = await replay_case(path, agent_of(), deps=Till(), loop=True)
    assert (found.same, found.requests) == (True, 2)


async def test_a_difference_of_bytes_fails_with_the_reason(desk: Path) -> None:
    path = made(desk)
    with pytest.raises(AssertionError) as failed:
        await replay_case(path, agent_of(look))
    first, *because = str(failed.value).splitlines()
    assert first.startswith(f"{path}, session a/b c: request 1.1, the settings and tools: byte ")
    assert because == ['  because tools refund removed; it was "Refund an order."']


async def test_only_the_loop_sees_what_no_request_holds(desk: Path) -> None:
    path = made(desk)
    assert (await replay_case(path, agent_of(look, ASKING))).same
    with pytest.raises(AssertionError, match=r"today's loop records CallHeld.*\n  because tools refund.needs_approval"):
        await replay_case(path, agent_of(look, ASKING), deps=Till(), loop=True)


def cut(lines: list[bytes]) -> list[bytes]:
    return lines[:-2]


def changed(lines: list[bytes]) -> list[bytes]:
    at = next(index for index, line in enumerate(lines) if b"UserSaid" in line)
    return [*lines[:at], lines[at].replace(b'"one"', b'"two"'), *lines[at + 1 :]]


def later(lines: list[bytes]) -> list[bytes]:
    return [lines[0].replace(b'"agentkit":1', b'"agentkit":9'), *lines[1:]]


def newer_event(lines: list[bytes]) -> list[bytes]:
    return [line.replace(b'"UserSaid"', b'"UserThought"') for line in lines]


def no_case(_: list[bytes]) -> list[bytes]:
    return [b"hello\n"]


@pytest.mark.parametrize(
    ("spoil", "error", "says"),
    [
        (cut, JournalError, "the last line is missing"),
        (changed, JournalError, "a line before this one was changed"),
        (later, ForeignJournal, "an export of format 9; this version reads up to 2"),
        (newer_event, ForeignJournal, "A later version wrote it"),
        (no_case, JournalError, "line 1"),
    ],
)
async def test_what_cannot_be_read_is_told(desk: Path, spoil: Any, error: type[Exception], says: str) -> None:
    path = made(desk)
    path.write_bytes(b"".join(spoil(path.read_bytes().splitlines(keepends=True))))
    with pytest.raises(error, match=says) as raised:
        await replay_case(path, agent_of())
    assert str(raised.value).startswith(f"{path}: line ")
    assert type(raised.value) is error


async def test_a_case_that_is_not_there_says_how_to_make_it(desk: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"No such file.*agentkit case ID --output"):
        await replay_case(desk / "none.jsonl", agent_of())
