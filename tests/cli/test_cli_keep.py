"""`erase`, `vacuum`, `sizes`, and everything about one person."""

import io
import json
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from agentkit.cli.keep import seconds_of
from agentkit.errors import ConfigurationError
from agentkit.journal import SQLiteJournal
from agentkit.journal.base import Branch, Lease
from agentkit.journal.keeping import tombstone
from tests.journal.personal import WORDS, found, speak
from tests.journal.test_journal_calls import talk

Type = Callable[..., Any]
DAY = 86_400_000


def filled(*names: str, path: str = "agentkit.db", **journal: Any) -> None:
    """Make a journal in which these sessions spoke."""

    async def work() -> None:
        async with SQLiteJournal(path, **journal) as opened:
            for name in names:
                await speak(opened, name, times=1)

    anyio.run(work)


def aged(days: int, *names: str, status: str = "completed") -> None:
    """Make sessions as old as that, and take their mail away."""
    db = sqlite3.connect("agentkit.db", isolation_level=None)
    for name in names:
        (n,) = db.execute("select n from session where id = ?", (name,)).fetchone()
        db.execute("update event set at = at - ? where session = ?", (days * DAY, n))
        db.execute("delete from inbox where session = ? and taken_seq is null", (n,))
        db.execute("update session set status = ? where n = ?", (status, n))
    db.close()


def forked(parent: str, name: str) -> None:
    async def work() -> None:
        async with SQLiteJournal("agentkit.db") as journal:
            await journal.fork(Branch(name, "u", "desk", parent, 2, ()))

    anyio.run(work)


def test_sessions_are_erased_once_a_person_agrees(agentkit: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    filled("zoe", "max")
    refused = agentkit("erase", "zoe")
    assert (refused.code, "standard input is no terminal): say --yes" in refused.err) == (2, True)
    answers = io.StringIO("n\n")
    monkeypatch.setattr(answers, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stdin", answers)
    done = agentkit("erase", "zoe", "--yes")
    assert (done.code, done.out) == (0, "zoe\n1 session erased\n")
    assert len(json.loads(agentkit("sessions", "--json").out)) == 2
    again = agentkit("show", "zoe")
    assert again.code == 1
    assert "session 'zoe' was erased at" in again.err
    assert agentkit("erase", "zoe", "--yes").out == "zoe\n0 sessions erased\n"


def test_a_fork_is_listed_first_and_goes_only_where_that_is_said(agentkit: Type) -> None:
    filled("zoe")
    forked("zoe", "try-2")
    forked("try-2", "try-3")
    refused = agentkit("erase", "zoe", "--yes")
    assert refused.code == 2
    assert "try-2 a fork: it goes only with --forks\ntry-3 a fork" in refused.out
    assert "nothing was erased. Say --forks" in refused.err
    done = agentkit("erase", "zoe", "--forks", "--yes", "--json")
    assert sorted(json.loads(done.out)["erased"]) == ["try-2", "try-3", "zoe"]


def test_a_person_s_sessions_go_by_pattern_and_no_byte_stays(agentkit: Type, desk: Path) -> None:
    filled("customer-4711-a", "customer-4711-b")
    done = agentkit("erase", "--matching", "customer-4711*", "--yes", "--no-structure")
    assert "2 sessions erased" in done.out
    assert found(*desk.glob("agentkit.db*"), words=(*WORDS, "customer-4711")) == []
    assert json.loads(agentkit("sessions", "--json").out) == []
    assert agentkit("erase", "--matching", "customer-4711*", "--yes").code == 1
    assert agentkit("erase", "--yes").code == 2
    assert agentkit("erase", "x", "--matching", "x", "--yes").code == 2


def test_a_person_is_found_by_what_they_said_too(agentkit: Type, desk: Path) -> None:
    filled("first", "second")
    done = agentkit("erase", "--matching", "Zoë*", "--yes")
    assert "2 sessions erased" in done.out
    assert found(*desk.glob("agentkit.db*")) == []


def test_everything_about_a_person_is_one_file_that_can_be_taken_elsewhere(agentkit: Type, desk: Path) -> None:
    filled("customer-4711-a", "customer-4711-b", "another")
    done = agentkit("export", "--matching", "customer-4711*", "-o", "person.jsonl")
    assert done.out == "2 sessions are in person.jsonl\n"
    assert (desk / "person.jsonl").stat().st_mode & 0o777 == 0o600, "as private as the journal"
    lines = [json.loads(line) for line in (desk / "person.jsonl").read_bytes().splitlines()]
    assert sorted(line["session"] for line in lines if "session" in line) == ["customer-4711-a", "customer-4711-b"]
    mail = [line for line in lines if "inbox" in line]
    assert [line["inbox"]["taken"] for line in mail] == [2, None] * 2
    assert all(line["inbox"]["dedup"].startswith("zoe@mail.example/") for line in mail)
    assert [line["body"]["tool"] for line in lines if "question" in line] == ["pay", "pay"]
    done = agentkit("import", "person.jsonl", "--journal", "elsewhere.db")
    assert done.code == 0
    assert done.out.count("is here now") == 2
    told = json.loads(agentkit("sessions", "--journal", "elsewhere.db", "--json").out)
    assert sorted(each["session"] for each in told) == ["customer-4711-a", "customer-4711-b"]
    taken = agentkit("import", "person.jsonl", "--journal", "elsewhere.db")
    assert (taken.code, "already" in taken.err) == (1, True)
    assert agentkit("export").code == 2
    assert "No such" not in agentkit("export", "another").err


def test_a_file_of_many_sessions_that_is_cut_off_is_refused_as_a_whole(agentkit: Type, desk: Path) -> None:
    filled("a", "b")
    agentkit("export", "--matching", "?", "-o", "two.jsonl")
    lines = (desk / "two.jsonl").read_bytes().splitlines(keepends=True)
    (desk / "two.jsonl").write_bytes(b"".join(lines[:-1]))
    done = agentkit("import", "two.jsonl", "--journal", "elsewhere.db")
    assert f"line {len(lines)}: the last line is missing; nothing was written" in done.err
    assert json.loads(agentkit("sessions", "--journal", "elsewhere.db", "--json").out) == []
    (desk / "two.jsonl").write_bytes(b"".join([*lines[:-2], b'{"inbox":{},"body":1}\n', *lines[-2:]]))
    assert "was changed, lost or added" in agentkit("import", "two.jsonl", "--journal", "elsewhere.db").err


def test_retention_takes_what_is_old_and_at_rest(agentkit: Type) -> None:
    filled("old", "young", "asked", "parent", "mail")
    forked("parent", "fork")
    aged(100, "old", "parent")
    aged(100, "asked", status="waiting")
    aged(10, "young")
    dry = agentkit("vacuum", "--older-than", "90d", "--dry-run", "--json")
    told = json.loads(dry.out)
    assert told["would_erase"] == ["old"]
    assert {each["session"]: each["why"] for each in told["left"]} == {
        "asked": "its status is waiting",
        "parent": "a fork of it stays (fork)",
    }
    assert len(json.loads(agentkit("sessions", "--json").out)) == 6
    done = agentkit("vacuum", "--older-than", "90d")
    assert done.out.splitlines()[-1] == "1 session erased"
    assert "left alone: 1, as its status is waiting; 1, as a fork of it stays (fork)" in done.out
    assert agentkit("vacuum", "--older-than", "90d").out.splitlines()[-1] == "0 sessions erased"
    with sqlite3.connect("agentkit.db") as db:  # as an erasing that was cut off before it gave back its space
        db.execute("create table scratch as select zeroblob(99999) as x")
        db.execute("drop table scratch")
        assert db.execute("pragma freelist_count").fetchone()[0] > 100
    agentkit("vacuum", "--older-than", "90d")
    assert db.execute("pragma freelist_count").fetchone() == (0,)
    db.close()
    more = agentkit("vacuum", "--older-than", "90d", "--status", "waiting", "--structure", "drop")
    assert more.out.splitlines()[-1] == "1 session erased"
    names = {each["session"] for each in json.loads(agentkit("sessions", "--json").out)}
    assert names == {tombstone("old"), "young", "parent", "fork", "mail"}


def test_space_is_given_back(agentkit: Type, desk: Path) -> None:
    filled(*(f"s{n}" for n in range(20)))
    db = sqlite3.connect("agentkit.db", isolation_level=None)
    db.execute("delete from event where session > 1")
    db.execute("delete from blob where session > 1")
    db.close()
    before = (desk / "agentkit.db").stat().st_size
    assert "% of it free (`agentkit vacuum`)" in agentkit("sizes").out
    told = json.loads(agentkit("vacuum", "--json").out)
    assert told["before"] > 4 * told["after"]
    assert (desk / "agentkit.db").stat().st_size == told["after"] < before


def test_sizes_begin_with_the_largest(agentkit: Type) -> None:
    filled("small", "other")
    filled("large")
    told = json.loads(agentkit("sizes", "--json").out)
    assert {each["session"] for each in told["sessions"]} == {"small", "other", "large"}
    assert [each["bytes"] for each in told["sessions"]] == sorted((e["bytes"] for e in told["sessions"]), reverse=True)
    out = agentkit("sizes", "--limit", "1").out
    assert "and 2 more: --limit N shows them" in out
    assert "on disk" in out
    assert "bytes for each byte said" in out


@pytest.mark.parametrize(("text", "seconds"), [("90d", 7_776_000), ("12h", 43_200), ("2w", 1_209_600), ("30m", 1800)])
def test_an_age_is_read(text: str, seconds: int) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["90", "d", "-1d", "1.5d", "\uff19d", "1y", "", "1234567d"])
def test_what_is_no_age_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="like 90d"):
        seconds_of(text)


def with_calls(*names: str) -> list[str]:
    """Make sessions with a sub-agent each; return the sub-agents' sessions."""

    async def work() -> list[str]:
        async with SQLiteJournal("agentkit.db") as journal:
            return [call for name in names for call in await talk(journal, name)]

    return anyio.run(work)


def test_sub_agents_sessions_go_with_their_callers(agentkit: Type, desk: Path) -> None:
    calls = with_calls("zoe", "old", "young")
    aged(100, "old", *calls[2:])
    assert agentkit("export", "zoe", "-o", "zoe.jsonl").code == 0
    assert [name in (desk / "zoe.jsonl").read_text() for name in calls[:2]] == [True, True]
    done = agentkit("erase", "zoe", "--yes")
    told = [f"{name} a sub-agent's: it goes with its caller" for name in calls[:2]]
    assert done.out.splitlines() == ["zoe", *told, "3 sessions erased"]
    assert agentkit("import", "zoe.jsonl", "--journal", "there.db").out.count("is here now") == 3
    copied = agentkit("import", "zoe.jsonl", "--journal", "there.db", "--as", "copy")
    assert (copied.code, copied.out.count("is here now")) == (0, 1)
    done = agentkit("vacuum", "--older-than", "90d")
    assert done.out.splitlines()[-1] == "3 sessions erased"
    assert "left alone: 2, as it is a call of a session that stays" in done.out


def test_a_driven_session_is_not_erased(agentkit: Type) -> None:
    filled("zoe")
    held: list[Lease] = []

    async def hold() -> None:
        async with SQLiteJournal("agentkit.db") as journal:
            held.append(await journal.claim("zoe", uid="u", agent="a", owner="somebody"))
            done = await anyio.to_thread.run_sync(lambda: agentkit("erase", "zoe", "--yes"))
            assert (done.code, "driven by" in done.err) == (7, True)

    anyio.run(hold)
    assert agentkit("erase", "zoe", "--yes").code == 0


PROJECT = """
[tool.agentkit]
journal = "desk.db"
keys = "keys"
master_key_env = "DESK_MASTER_KEY"
redaction = "rules:RULES"
"""
RULES = """
import re
from agentkit.redaction import Redaction
RULES = Redaction([(re.compile("FR76[-0-9]*"), "[iban]")])
"""


def test_keys_and_rules_of_the_project_hold_for_every_command(
    agentkit: Type, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (desk / "pyproject.toml").write_text(PROJECT, "utf-8")
    (desk / "rules.py").write_text(RULES, "utf-8")
    for missing in ("", "zz", "ab"):
        monkeypatch.setenv("DESK_MASTER_KEY", missing)
        refused = agentkit("say", "zoe", "hello")
        assert refused.code == 2
        assert "master key" in refused.err
    monkeypatch.setenv("DESK_MASTER_KEY", "0f" * 32)
    assert agentkit("say", "zoe", f"it is {WORDS[4]}, says {WORDS[2]}", "--id", "m1").code == 0
    assert found(*desk.glob("desk.db*")) == []
    assert len(list((desk / "keys").glob("*.key"))) == 1
    out = agentkit("export", "--matching", "z*").out
    assert "it is [iban], says Quitte-Straße 7" in json.loads(out.splitlines()[1])["body"]["parts"][0]
    monkeypatch.setenv("DESK_MASTER_KEY", "0e" * 32)
    wrong = agentkit("export", "zoe")
    assert "was not wrapped with this master key" in agentkit("say", "zoe", "more", "--id", "m2").err
    assert wrong.code in {0, 1}
    monkeypatch.setenv("DESK_MASTER_KEY", "0f" * 32)
    assert agentkit("erase", "zoe", "--yes").code == 0
    assert list((desk / "keys").glob("*.key")) == []
    (desk / "pyproject.toml").write_text(PROJECT.replace("rules:RULES", "rules:re"), "utf-8")
    assert "is no agentkit.redaction.Redaction" in agentkit("sessions").err
    (desk / "pyproject.toml").write_text(PROJECT.replace('master_key_env = "DESK_MASTER_KEY"', ""), "utf-8")
    assert "master_key_env" in agentkit("sessions").err
