"""Where the journal is and who answers: the command line first, then pyproject.toml, never a journal."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentkit.cli.project import project
from agentkit.emulator import Reply

Type = Callable[..., Any]


def test_the_nearest_table_counts(desk: Path) -> None:
    (desk / "pyproject.toml").write_text('[tool.agentkit]\njournal = "talks/all.db"\nagent = "desk:agent"\n', "utf-8")
    inner = desk / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "pyproject.toml").write_text("[tool.other]\nx = 1\n", "utf-8")
    found = project(inner)
    assert (found.folder, found.journal, found.agent) == (desk, "talks/all.db", "desk:agent")
    assert project(Path("/")).journal is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[tool.agentkit]\njurnal = 'x'\n", "[tool.agentkit] holds agent, journal, keys"),
        ("[tool.agentkit]\njournal = 7\n", "all text"),
        ("[tool]\nagentkit = 'x'\n", "holds agent, journal, keys"),
        ("tool = 1\n", "cannot be read"),
        ("[tool.agentkit\n", "cannot be read"),
    ],
)
def test_a_slip_in_the_project_is_told(desk: Path, agentkit: Type, text: str, told: str) -> None:
    (desk / "pyproject.toml").write_text(text, "utf-8")
    done = agentkit("sessions")
    assert done.code == 2
    assert told in done.err


def test_journal_and_agent_come_from_the_project(
    desk: Path, agentkit: Type, serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(Reply(content="hello there"))
    (desk / "pyproject.toml").write_text('[tool.agentkit]\njournal = "talks.db"\nagent = "desk:agent"\n', "utf-8")
    inner = desk / "inner"
    inner.mkdir()
    assert agentkit("chat", stdin="hi\n").code == 0
    assert (desk / "talks.db").exists()
    monkeypatch.chdir(inner)
    assert "completed" in agentkit("sessions").out
    assert agentkit("replay", "chat").code == 0


def test_the_journal_of_the_command_line_comes_first(agentkit: Type) -> None:
    for words, told in (
        (("--journal", "none.db"), "none.db does not exist: there is no journal here"),
        (("--journal", "mysql://u:secret@x/y"), "mysql://u:***@x/y: a journal is a SQLite file"),
        (("--journal", "url.txt"), "not a journal"),
        ((), "agentkit.db does not exist"),
    ):
        done = agentkit("sessions", *words)
        assert done.code in {1, 2}
        assert told in done.err
        assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "nobody is named to answer"),
        (("--agent", "desk"), "give MODULE:NAME"),
        (("--agent", "nowhere:agent"), "No module named 'nowhere'. Modules are looked for in the current directory"),
        (("--agent", "desk:nobody"), "module 'desk' has no attribute 'nobody'"),
        (("--agent", "desk:TOOLS"), "what is there is list"),
        (("--agent", "desk:refund"), "what is there is Tool"),
        (("--agent", "wrong:needs_deps"), "needs deps (str)"),
        (("--agent", "wrong:bare"), "what is there is function"),
        (("--agent", "wrong:late"), "what is there is function"),
        (("--agent", "wrong:nothing"), "returned NoneType, no async context manager"),
        (("--agent", "wrong:odd"), "gave str, not a pair (agent, deps)"),
        (("--agent", "wrong:no_signature"), "what is there is type"),
        (("--agent", "broken:agent"), "No module named 'missing_dependency'"),
        (("--agent", "running:agent"), "importing running raised RuntimeError: no. What a program runs belongs under"),
        (("--model", "unheard-of"), "unknown model 'unheard-of'"),
        (("--base-url", "http://127.0.0.1:9/v1"), "give --model, too"),
        (("--agent", "desk:agent", "--model", "x"), "give one of them"),
    ],
)
def test_who_answers_is_checked_and_told(desk: Path, agentkit: Type, words: tuple[str, ...], told: str) -> None:
    (desk / "broken.py").write_text("import missing_dependency\n", "utf-8")
    (desk / "running.py").write_text("raise RuntimeError('no')\n", "utf-8")
    (desk / "wrong.py").write_text(
        "from contextlib import asynccontextmanager\nfrom agentkit import Agent\nfrom desk import MODEL\n"
        "needs_deps = Agent(MODEL, deps_type=str)\nno_signature = type\n"
        "bare = lambda: 1\n"
        "def nothing(session_id): return None\n"
        "@asynccontextmanager\nasync def odd(session_id): yield 'x'\n"
        "async def late(session_id): return 1\n",
        "utf-8",
    )
    done = agentkit("chat", *words, stdin="hi\n")
    assert done.code == 2
    assert told in done.err
    assert "Traceback" not in done.err


def test_an_agent_with_deps_is_opened_for_its_session_and_closed(desk: Path, agentkit: Type, serve: Type) -> None:
    serve(Reply(content="hello there"))
    done = agentkit("chat", "--agent", "desk:with_deps", "--session", "s-1", stdin="hi\n")
    assert done.code == 0
    assert (desk / "opened.txt").read_text() == "closed"


def test_verbose_logs_and_shows_where_an_error_comes_from(agentkit: Type, serve: Type) -> None:
    serve(Reply(content="hello there"))
    done = agentkit("chat", "--agent", "desk:agent", "-v", stdin="hi\n")
    assert "event='TurnEnded'" in done.err
    assert "TurnEnded" not in agentkit("resume", "chat", "--agent", "desk:agent").err
    told = agentkit("show", "nothing", "-v").err
    assert "Traceback" in told
    assert told.rstrip().endswith(
        "agentkit show: the journal holds no session 'nothing'; `agentkit sessions` lists them"
    )
