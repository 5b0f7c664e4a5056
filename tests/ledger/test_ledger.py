"""The ledger after real crashes, reconcile, people's decisions, forks and imports: each verdict and its grounds."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import anyio
import pytest

from agentkit import Agent, Approvals, Journal, MemoryJournal, Outcome, Record, Session, SQLiteJournal
from agentkit.core import events as ev
from agentkit.core.messages import AssistantMessage, Text, ToolCall
from agentkit.core.spec import Effect
from agentkit.core.words import NOBODY
from agentkit.inbox import body_of
from agentkit.journal.base import Imported
from agentkit.journal.export import export, import_
from agentkit.ledger import RULES, Entry, Verdict, ledger, ledger_of
from tests.forked import Forked, ran
from tests.session.desk import Played, Till, asks, file, look, lose_the_line, refund, until

pytestmark = pytest.mark.anyio

crash = pytest.mark.crash

ROOT = Path(__file__).parents[2]
MODULE = "tests.ledger.ledger_worker"


def program(*words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    line = [sys.executable, "-m", *words]
    done: subprocess.CompletedProcess[str] = ran(line, env=env, cwd=ROOT)
    assert done.returncode in {0, 3, 8, -signal.SIGKILL}, done.stderr
    return done


def killed(folder: Path, name: str, when: str) -> None:
    assert program(MODULE, str(folder), name, when).returncode == -signal.SIGKILL


def again(folder: Path, name: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(program(MODULE, str(folder), name, "never").stdout)
    return told


def typed(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return program("agentkit.cli", *words, "--journal", str(folder / "desk.db"))


async def entries(journal: Journal, **period: Any) -> list[Entry]:
    async with journal:
        return [entry async for entry in ledger_of(journal, **period)]


async def only(folder: Path) -> Entry:
    (entry,) = await entries(SQLiteJournal(folder / "desk.db"))
    return entry


def bank(folder: Path) -> list[str]:
    return (folder / "bank").read_text().split() if (folder / "bank").exists() else []


def said(entry: Entry) -> list[tuple[str, str, str]]:
    return [(each.what, each.by, each.source) for each in entry.decisions]


def test_every_verdict_has_its_rule() -> None:
    assert list(RULES) == list(get_args(Verdict))


@crash
async def test_killed_after_the_effect_and_reconciled_it_is_once(tmp_path: Path) -> None:
    killed(tmp_path, "charge", "after")
    entry = await only(tmp_path)
    assert (entry.verdict, entry.outcome, len(entry.starts)) == ("running", "started", 1)
    assert again(tmp_path, "charge")["status"] == "completed"
    entry = await only(tmp_path)
    assert (entry.verdict, entry.outcome, entry.tool, entry.effect) == ("once", "finished", "charge", "once")
    assert said(entry) == [("happened", "charge", "reconcile")]
    assert bank(tmp_path) == [entry.key]
    assert entry.ended_at is not None
    assert entry.ended_at > entry.starts[0].at


@crash
async def test_killed_before_the_effect_it_ran_again_with_proof(tmp_path: Path) -> None:
    killed(tmp_path, "charge", "before")
    told = again(tmp_path, "charge")
    entry = await only(tmp_path)
    assert (entry.verdict, said(entry)) == ("ran again", [("not_happened", "charge", "reconcile")])
    assert [start.epoch for start in entry.starts] == [1, 2]
    first, second = (start.process.rpartition(":")[2] for start in entry.starts)
    assert first.isdecimal()
    assert first != second == str(told["pid"])
    assert bank(tmp_path) == [entry.key]
    assert typed(tmp_path, "ledger").returncode == 0


@crash
@pytest.mark.parametrize(
    ("when", "word", "verdict"),
    [
        ("after", "--happened=paid", "once"),
        ("before", "--not-happened", "ran again"),
        ("after", "--unknown", "given up"),
    ],
)
async def test_a_person_decides_and_the_ledger_names_them(tmp_path: Path, when: str, word: str, verdict: str) -> None:
    killed(tmp_path, "pay", when)
    assert again(tmp_path, "pay")["status"] == "waiting"
    assert (await only(tmp_path)).verdict == "unknown"
    (waiting,) = json.loads(typed(tmp_path, "pending", "--json").stdout)
    assert waiting["user_said"] == ["please pay order 7"]
    assert (len(waiting["starts"]), waiting["starts"][0]["run"], waiting["reconcile"]) == (1, 1, [])
    typed(tmp_path, "resolve", waiting["id"], "--by", "ann", word)
    assert again(tmp_path, "pay")["status"] == "completed"
    entry = await only(tmp_path)
    assert entry.verdict == verdict
    assert said(entry)[0][1:] == ("ann", "person")
    assert bank(tmp_path) == [entry.key]
    assert waiting["idempotency_key"] == entry.key


@crash
async def test_an_idempotent_call_is_repeated_with_the_same_key(tmp_path: Path) -> None:
    killed(tmp_path, "put", "after")
    assert again(tmp_path, "put")["status"] == "completed"
    entry = await only(tmp_path)
    assert (entry.verdict, entry.effect, len(entry.starts)) == ("repeated", "idempotent", 2)
    assert bank(tmp_path) == [entry.key, entry.key]
    done = typed(tmp_path, "ledger")
    assert done.returncode == 0, "the tool promised that a repetition is harmless"
    assert RULES["repeated"] in done.stdout


async def test_news_of_a_run_that_was_proven_not_to_have_happened_is_an_alarm(tmp_path: Path) -> None:
    """A person was wrong, or a frozen process thawed: what it did comes in when the call is over."""
    till, agent = Till(trouble=lose_the_line), agent_of(asks(("refund", {"order": "1"})), "done")
    async with Session(agent, "s", journal=file(tmp_path), deps=till) as session:
        result = await session.run("go", id="m1")
        till.trouble = None
        await session.resolve(result.unknowns[0], Outcome.not_happened(), by="ann")
        await session.resume()
    (entry,) = await entries(file(tmp_path))
    assert (entry.verdict, entry.note) == ("ran again", "")
    async with file(tmp_path) as journal:
        late = ev.CallResolved("1.1.0", 0, "happened", "tool", "the process that ran it", (Text("paid 1"),))
        await journal.put("s", "resolution", "1.1.0/tool/x", body_of(late), None)
    async with Session(agent, "s", journal=file(tmp_path), deps=till) as session:
        await session.run("and now?", id="m2")
    (entry,) = await entries(file(tmp_path))
    assert entry.verdict == "might have run twice"
    assert "an earlier run of it ended after all" in entry.note
    assert till.paid == {entry.key: 2}, "and so it was"
    done = typed(tmp_path, "ledger")
    assert done.returncode == 8
    assert "1 effect might have run twice" in done.stdout


@crash
async def test_a_frozen_process_that_thaws_and_acts_is_an_alarm(tmp_path: Path) -> None:
    """Reconcile was right when it was asked, and the proof was overtaken: only the key can stop the second effect."""
    frozen = started(str(tmp_path), "charge", "frozen")
    try:
        await until(lambda: state_of(frozen.pid) == "T", 30)
        assert again(tmp_path, "charge")["status"] == "completed"
        assert (await only(tmp_path)).verdict == "ran again"
    finally:
        frozen.send_signal(signal.SIGCONT)
        frozen.wait(30)
    entry = await only(tmp_path)
    assert bank(tmp_path) == [entry.key, entry.key]
    assert entry.verdict == "might have run twice", "before anybody has driven the session again"
    async with Session(agent_of("hm"), "customer", journal=SQLiteJournal(tmp_path / "desk.db"), deps=Till()) as session:
        await session.resume()
    assert (await only(tmp_path)).verdict == "might have run twice"
    assert typed(tmp_path, "ledger").returncode == 8


def started(*words: str) -> subprocess.Popen[bytes]:
    return Forked([sys.executable, "-m", MODULE, *words], env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=ROOT)


def state_of(pid: int) -> str:
    """Return what a process does, as Linux tells: T where it is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def agent_of(*turns: Any, reconciles: bool = False) -> Agent[Till, str]:
    return Agent(Played(*turns), tools=[look, refund(reconciles=reconciles)], deps_type=Till)


async def test_a_twin_that_a_person_lets_run_beside_an_unknown_one_is_an_alarm(tmp_path: Path) -> None:
    calls = asks(("refund", {"order": "1"}))
    agent, till = agent_of(calls, calls, "done"), Till(trouble=lose_the_line)
    async with Session(agent, "s", journal=file(tmp_path), deps=till) as session:
        result = await session.run("go", id="m1")
        await session.resolve(result.unknowns[0], Outcome.unknown(), by="bob")
        result = await session.resume()
        till.trouble = None
        await session.approve(result.approvals[0], by="ann")
        await session.resume()
    first, twin = await entries(file(tmp_path))
    assert (first.verdict, twin.verdict) == ("given up", "might have run twice")
    assert first.arguments == twin.arguments
    assert said(twin) == [("approved", "ann", "person")]


async def test_what_a_fork_shares_is_told_once(tmp_path: Path) -> None:
    agent = agent_of(asks(("refund", {"order": "1"})), asks(("refund", {"order": "2"})), "done")
    async with Session(agent, "s", journal=file(tmp_path), deps=Till()) as session:
        await session.run("go", id="m1")
        fork = await session.fork("t", before="1.2", asks=False)
        async with fork:
            await fork.resume()
    found = await entries(file(tmp_path))
    assert sorted((entry.session_id, entry.key.partition("/")[2]) for entry in found) == [
        ("s", "1.1.0"),
        ("s", "1.2.0"),
        ("t", "1.2.0"),
    ]
    assert len({entry.key for entry in found}) == 3


async def test_what_an_import_did_elsewhere_is_told_once(tmp_path: Path) -> None:
    agent, journal, other = agent_of(asks(("refund", {"order": "1"})), "done"), file(tmp_path), MemoryJournal()
    async with Session(agent, "s", journal=journal, deps=Till()) as session:
        await session.run("go", id="m1")
    async with journal:
        lines = [line async for line in export(journal, "s")]
        for there, name in ((journal, "copy"), (other, "one"), (other, "two")):
            await import_(there, lines, uid=f"u-{name}", session_id=name)
            async with Session(agent, name, journal=there, deps=Till()) as copy:
                await copy.run("more", id="m2")
    assert [entry.session_id for entry in await entries(journal)] == ["s"]
    (entry,) = await entries(other)
    assert (entry.verdict, entry.elsewhere) == ("once", True)


NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def told(*events: Any, at: datetime = NOON, effect: Effect = "once") -> list[Record]:
    """Return a session in which the model asked for `pay` (1.1.0), and these events; "started" is a start of it."""
    answer = ev.ModelResponded(AssistantMessage(calls=(ToolCall("c", "pay", "{}"),)), ev.Sent(0, ("x",)))
    begun = ev.ToolStarted("1.1.0", effect, "d", "a")
    facts = [ev.SessionStarted("u", "a"), answer, *(begun if event == "started" else event for event in events)]
    return [Record(seq, at + timedelta(seconds=seq), 1, 1, event, 1) for seq, event in enumerate(facts, 1)]


LOST, DONE = ev.RunStarted("p2"), ev.ToolFinished("1.1.0", (Text("ok"),))
ERROR = replace(DONE, failed=True)
CLEARED = ev.CallResolved("1.1.0", 4, "not_happened", "reconcile", "pay")
LATE = ev.InboxRefused("late", "1.1.0", "it is settled. It ended with: paid")


@pytest.mark.parametrize(
    ("events", "effect", "verdict"),
    [
        (["started"], "once", "running"),
        (["started", LOST], "once", "unknown"),
        (["started", DONE], "once", "once"),
        (["started", ERROR], "once", "never"),
        (["started", ERROR], "idempotent", "failed"),
        (["started", LOST, CLEARED], "once", "never"),
        (["started", LOST, CLEARED, "started"], "once", "running"),
        (["started", LOST, CLEARED, "started", DONE], "once", "ran again"),
        (["started", LOST, CLEARED, "started", ERROR], "once", "never"),
        (["started", LOST, CLEARED, LATE], "once", "unknown"),
        (["started", LOST, CLEARED, "started", DONE, LATE], "once", "might have run twice"),
        (["started", LOST, "started", DONE], "once", "might have run twice"),
        (["started", LOST, "started", LOST, CLEARED], "once", "might have run twice"),
        (["started", LOST, "started", DONE], "idempotent", "repeated"),
        (["started", ev.CallSuspended("1.1.0", "question", "?"), LOST], "once", "running"),
        (["started", DONE, LATE], "once", "once"),
    ],
)
def test_each_verdict_follows_from_the_events(events: list[Any], effect: Effect, verdict: str) -> None:
    (entry,) = ledger("s", told(*events, effect=effect))
    assert (entry.verdict, entry.key) == (verdict, "u/1.1.0")


def test_what_time_decided_is_no_persons_word() -> None:
    asks_again = (ev.CallSuspended("1.1.0", "question", "which card?"), ev.CallAnswered("1.1.0", 5, NOBODY, ()))
    (entry,) = ledger("s", told("started", *asks_again))
    assert said(entry) == [("answered", "agentkit", "time")]


def test_reads_and_what_never_started_are_not_in_it() -> None:
    assert ledger("s", told("started", DONE, effect="read")) == ()
    assert ledger("s", told(ev.CallDenied("1.1.0", 3, "ann", "no", ()))) == ()


@pytest.fixture
async def two_days() -> MemoryJournal:
    journal = MemoryJournal()
    for name, at in (("monday", NOON), ("tuesday", NOON + timedelta(days=1))):
        records = told("started", DONE, at=at)
        records[0] = replace(records[0], event=ev.SessionStarted(name, "a"))
        await journal.adopt(Imported(name, name, "a", "completed", records, ()))
    return journal


async def test_a_period_is_of_starts(two_days: MemoryJournal) -> None:
    tuesday = datetime(2026, 11, 3, tzinfo=UTC)
    assert [entry.session_id for entry in await entries(two_days, since=tuesday)] == ["tuesday"]
    assert [entry.session_id for entry in await entries(two_days, until=tuesday)] == ["monday"]
    assert await entries(two_days, since=tuesday + timedelta(days=1)) == []
    assert len(await entries(two_days)) == 2
    assert len(await entries(two_days, session_id="monday")) == 1


async def test_the_command_prints_for_people_programs_and_spreadsheets(tmp_path: Path) -> None:
    agent = agent_of(asks(("refund", {"order": "1"}), ("look", {"order": "2"})), "done")
    async with Session(agent, "=s", journal=file(tmp_path), deps=Till()) as session:
        await session.run("go", id="m1")
    people = typed(tmp_path, "ledger").stdout
    assert "nothing ran twice" in people
    assert RULES["once"] in people
    entry, totals = map(json.loads, typed(tmp_path, "ledger", "--json").stdout.splitlines())
    assert totals == {"totals": {"once": 1}, "might_have_run_twice": 0, "erased": []}
    assert (entry["session"], entry["tool"], entry["verdict"], len(entry["starts"])) == ("=s", "refund", "once", 1)
    (row,) = csv.DictReader(io.StringIO(typed(tmp_path, "ledger", "--csv").stdout))
    assert (row["session"], row["verdict"], row["starts"]) == ("'=s", "once", "1")
    assert typed(tmp_path, "ledger", "--tool", "nobody", "--csv").stdout.count("\n") == 1
    assert "nothing that has an effect" in typed(tmp_path, "ledger", "--since", "2099-01-01").stdout


async def test_pending_tells_when_a_question_expires_and_who_was_told(tmp_path: Path) -> None:
    patience = Approvals(expire_after=3600, escalate_after=0.01, escalate_to="the boss")
    tools = [refund(needs_approval=True)]
    agent = Agent(Played(asks(("refund", {"order": "1"}))), tools=tools, deps_type=Till, approvals=patience)
    async with Session(agent, "s", journal=file(tmp_path), deps=Till()) as session:
        await session.run("please", id="m1")
        await anyio.sleep(0.05)
        assert (await session.resume()).status == "waiting"
    (waiting,) = json.loads(typed(tmp_path, "pending", "--json").stdout)
    asked_at, expires_at = map(datetime.fromisoformat, (waiting["asked_at"], waiting["expires_at"]))
    assert expires_at - asked_at == timedelta(hours=1)
    assert (waiting["escalated_to"], waiting["user_said"], waiting["starts"]) == ("the boss", ["please"], [])
    shown = typed(tmp_path, "pending").stdout
    assert "escalated to the boss  " in shown
    assert "    expires in " in shown
    assert f"{expires_at:%Y-%m-%d %H:%M:%S} UTC" in shown
