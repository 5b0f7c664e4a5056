"""The table of commands, its help, and what loading it costs."""

import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from agentkit.cli.commands import COMMANDS
from agentkit.cli.exits import MEANING, Exit, of_error, of_status
from agentkit.core.spec import VERSION
from agentkit.errors import BadRequest, ConfigurationError, Fenced, NoSuchSession, SessionBusy

Type = Callable[..., Any]
TALK = ("chat", "sessions", "show", "events", "tail", "resume")
DECIDE = ("pending", "approve", "deny", "answer", "resolve", "cancel")
WORK = ("worker", "say", "hand-back", "revive", "db")
PROOF = ("case", "ledger")
KEEP = ("erase", "vacuum", "sizes")
LOOK = ("replay", "fork", "diff", "export", "import", "probe", "doctor", "emulator")
OFFER = ("mcp", "tools")
WANTED = (*TALK, *DECIDE, *LOOK, *WORK, *PROOF, *KEEP, *OFFER)


def test_the_commands_are_those_promised() -> None:
    assert list(COMMANDS) == list(WANTED)


def test_help_loads_argparse_and_nothing_heavy() -> None:
    code = (
        "import json, sys\nbefore = set(sys.modules)\nfrom agentkit.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print('\\n' + json.dumps(sorted({m.split('.')[0] for m in set(sys.modules) - before})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert "agentkit" in loaded
    assert not loaded & {"rich", "anyio", "pydantic", "openai", "structlog", "jsonschema", "sqlite3", "readline"}


def test_help_tells_the_commands_and_the_exit_codes(agentkit: Type) -> None:
    done = agentkit("--help")
    assert done.code == 0
    for name in WANTED:
        assert f"    {name}" in done.out
    for code in Exit:
        assert MEANING[code] in done.out


@pytest.mark.parametrize("name", [name for name in WANTED if name != "emulator"])
def test_each_command_has_help_an_example_and_a_journal(agentkit: Type, name: str) -> None:
    done = agentkit(name, "--help")
    assert done.code == 0
    assert ("--journal PATH" in done.out) == (name not in {"probe", "mcp", "tools"})  # which record nothing
    assert f"example:\n  agentkit {name}" in done.out
    module, _, function = COMMANDS[name].run.partition(":")
    work = getattr(import_module(f"agentkit.cli.{module}"), function)
    assert list(inspect.signature(work).parameters) == ["options", "screen"]


def test_wrong_words_are_usage(agentkit: Type) -> None:
    for words in ((), ("dance",), ("show",), ("deny", "x", "--by", "ann"), ("resolve", "x", "--by", "ann")):
        done = agentkit(*words)
        assert done.code == 2
        assert "usage: agentkit" in done.err


def test_a_word_that_a_command_does_not_know_is_told_with_its_own_usage(agentkit: Type) -> None:
    done = agentkit("doctor", "--modl", "x")
    assert done.code == 2
    assert done.err.startswith("usage: agentkit doctor [-h]")
    assert "agentkit doctor: error: unrecognized arguments: --modl x" in done.err


def test_the_version_is_told(agentkit: Type) -> None:
    assert agentkit("--version").out == f"agentkit {VERSION}\n"


def test_exit_codes_differ_by_outcome() -> None:
    assert [of_status(status) for status in ("completed", "waiting", "limit", "cancelled")] == [0, 3, 4, 5]
    busy = SessionBusy("s", owner="host:1", until=None)
    errors = (NoSuchSession("x"), ConfigurationError("x"), BadRequest("x"), busy, Fenced("x"))
    assert [of_error(error) for error in errors] == [1, 2, 6, 7, 7]


def test_the_emulator_parses_its_own_words(agentkit: Type) -> None:
    assert "--contract" in agentkit("emulator", "--help").out
    done = agentkit("emulator", "--script", "nothing.json")
    assert (done.code, "No such file" in done.err) == (2, True)


def test_a_missing_server_says_what_to_install() -> None:
    code = "import sys\nsys.modules['uvicorn'] = None\nfrom agentkit.cli import main\nsys.exit(main(['emulator']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(
        "agentkit emulator: uvicorn is not installed: pip install 'agentkit-reasoning[server]'"
    )
