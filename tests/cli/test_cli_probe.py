"""`probe`, typed: it says what it will spend, asks, shows what it found and writes a row that a program can use."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from agentkit.emulator import Emulator, Fault, Reply
from agentkit.models import Model
from tests.forked import Forked
from tests.probe.probed_model import play

Type = Callable[..., Any]


@dataclass
class Service:
    """An emulated service, and how a person names it."""

    emulator: Emulator

    @property
    def words(self) -> tuple[str, ...]:
        return ("probe", "--base-url", self.emulator.base_url, "--model", "served")


@pytest.fixture
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    """Serve a contract; `indirect` names another one, or gives a script."""
    given = getattr(request, "param", {})
    with ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal())
        emulator = Emulator(given.get("script", play), contract=given.get("contract", "deepseek-v4"))
        stack.enter_context(portal.wrap_async_context_manager(emulator))
        yield Service(emulator)


def test_it_says_what_it_spends_and_sends_nothing_unless_somebody_agrees(agentkit: Type, service: Service) -> None:
    done = agentkit(*service.words)
    assert done.code == 2
    assert "nobody is there to agree" in done.err
    assert "--yes" in done.err
    assert "served at http://127.0.0.1" in done.out
    assert "gets up to " in done.out
    assert " requests, one after the other" in done.out
    assert " tokens sent and " in done.out
    assert service.emulator.requests == []
    assert list(Path().glob("*.toml")) == []


def test_it_shows_what_it_found_beside_the_row_and_writes_one(agentkit: Type, service: Service) -> None:
    done = agentkit(*service.words, "--yes", "--contract", "deepseek-v4")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    table = {line[2:22].strip(): line for line in lines}
    assert table["old reasoning"].split()[2:4] == ["sticky-if-tools", "sticky-if-tools"]
    assert table["where it is missing"].split()[4:6] == ["error", "error"]
    assert not any(line.startswith("≠") for line in lines)
    assert any(line.startswith("agree    with all that was found: deepseek-v4") for line in lines)
    assert "row      written to served-probed.toml" in lines
    assert f"spent    {len(service.emulator.requests)} requests" in done.out
    row = Model("served", base_url=service.emulator.base_url, contract=Path("served-probed.toml")).resolve()
    assert (row.id, row.retention, row.missing, row.placeholder) == ("served-probed", "sticky-if-tools", "error", "")


def test_what_differs_is_marked_and_explained(agentkit: Type, service: Service) -> None:
    done = agentkit(*service.words, "--yes", "--contract", "deepseek-v3.2")
    marked = [line for line in done.out.splitlines() if line.startswith("≠ old reasoning")]
    assert marked
    assert "turn" in marked[0]
    assert "  ≠ old reasoning: asked for in an earlier turn without tools" in done.out


@pytest.mark.parametrize("service", [{"contract": "generic"}], indirect=True)
def test_what_is_unknown_says_why(agentkit: Type, service: Service) -> None:
    done = agentkit(*service.words, "--yes")
    assert "? asked for on" in done.out
    assert "  ? asked for on, the refusal says: it is asked for nowhere" in done.out
    assert "ROW generic" in done.out


@pytest.mark.parametrize("service", [{"script": lambda _: Reply("391")}], indirect=True)
def test_a_reason_is_told_once(agentkit: Type, service: Service) -> None:
    done = agentkit(*service.words, "--yes")
    _, _, reasons = done.out.partition("\nwhy\n")
    told = [line.partition(": ")[2] for line in reasons.split("\nspent")[0].strip().splitlines()]
    assert len(told) > 3
    assert len(set(told)) == len(told)
    assert "  ? old reasoning, where it is missing, asked for on, " in done.out


def test_a_program_gets_every_fact(agentkit: Type, service: Service) -> None:
    done = agentkit(*service.words, "--yes", "--json", "--out", "mine.toml")
    found = json.loads(done.out)
    facts = {fact["name"]: fact for fact in found["facts"]}
    assert facts["retention"]["value"] == "sticky-if-tools"
    assert facts["retention"]["agrees"] is False  # of `generic`, which rules on this machine
    assert facts["off"]["value"][0] == {"thinking": {"type": "disabled"}}
    assert facts["missing"]["by"]
    assert "deepseek-v4" in found["agreeing"]
    assert "generic" not in found["agreeing"]
    assert (found["file"], found["requests"]) == ("mine.toml", len(service.emulator.requests))


def test_what_is_set_goes_along(agentkit: Type, service: Service) -> None:
    words = ("--yes", "--set", "thinking.type=enabled", "--set", "thinking.n=3", "--set", "user=me")
    assert agentkit(*service.words, *words).code == 0
    body = json.loads(service.emulator.requests[0].raw)
    assert (body["thinking"], body["user"]) == ({"type": "enabled", "n": 3}, "me")
    assert 'body = { thinking = { type = "enabled", n = 3 }, user = "me" }' in Path("served-probed.toml").read_text(
        "utf-8"
    )


def test_words_that_cannot_work_are_refused_before_anything_is_sent(agentkit: Type, service: Service) -> None:
    Path("there.toml").write_text("keep me", "utf-8")
    for words, said in (
        (("--out", "there.toml"), "there.toml exists"),
        (("--out", "nowhere/x.toml"), "nowhere is no directory"),
        (("--set", "thinking"), "give KEY=VALUE"),
        (("--contract", "nobody"), "no contract row 'nobody'"),
        (("--api-key-env", "NOT_SET_HERE"), "NOT_SET_HERE is not set"),
    ):
        done = agentkit(*service.words, "--yes", *words)
        assert (done.code, said in done.err) == (2, True), done.err
    assert service.emulator.requests == []
    assert Path("there.toml").read_text("utf-8") == "keep me"


def test_a_key_goes_nowhere_in_the_open(agentkit: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "sk-123456789")
    done = agentkit("probe", "--base-url", "http://10.0.0.1/v1", "--model", "m", "--yes", "--api-key-env", "SECRET_KEY")
    assert done.code == 2
    assert "in the open" in done.err
    assert "sk-123" not in done.err


def test_the_key_is_sent_and_not_written(agentkit: Type, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "sk-123456789")
    done = agentkit(*service.words, "--yes", "--api-key-env", "SECRET_KEY")
    assert service.emulator.requests[0].headers["authorization"] == "Bearer sk-123456789"
    written = Path("served-probed.toml").read_text("utf-8")
    assert 'api_key_env = "SECRET_KEY"' in written
    assert "sk-123" not in written + done.out + done.err


def evil(body: dict[str, Any]) -> Reply | Fault:
    answers = [message for message in body.get("messages") or () if message["role"] == "assistant"]
    if any("reasoning_content" not in message for message in answers):
        return Fault(400, "\x1b]0;gone\x07 is missing")
    return Fault(400, "\x1b[31m no") if "temperature" in body else play(body)


@pytest.mark.parametrize("service", [{"script": evil, "contract": "generic"}], indirect=True)
def test_a_service_cannot_steer_the_terminal(agentkit: Type, service: Service) -> None:
    done = agentkit(*service.words, "--yes")
    assert done.code == 0
    assert "gone" in done.out  # in the table
    assert "\\x1b[31m no" in done.out  # among the reasons
    written = Path("served-probed.toml").read_text("utf-8")
    for character in ("\x1b", "\x07"):
        assert character not in done.out + written


@pytest.mark.parametrize("service", [{"script": lambda _: Fault(402)}], indirect=True)
def test_a_service_that_wants_money_first_is_a_fault_of_the_model(agentkit: Type, service: Service) -> None:
    done = agentkit(*service.words, "--yes")
    assert done.code == 6
    assert "balance" in done.err
    assert not Path("served-probed.toml").exists()


def later(body: dict[str, Any]) -> Reply | Fault:
    return Fault(402) if "temperature" in body else play(body)


@pytest.mark.parametrize("service", [{"script": later}], indirect=True)
def test_a_service_that_fails_on_the_way_leaves_what_was_found(agentkit: Type, service: Service) -> None:
    done = agentkit(*service.words, "--yes")
    assert done.code == 6
    assert "broke off" in done.out
    assert "? temperature 0.2" in done.out
    assert "# unknown: sampling: the probe did not get that far" in Path("served-probed.toml").read_text("utf-8")


@pytest.mark.parametrize(("typed", "sent"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_a_person_is_asked(service: Service, typed: str, sent: bool) -> None:  # noqa: FBT001 - a column of the table
    """At a terminal: `script` gives the program one."""
    master, theirs = os.openpty()
    command = [sys.executable, "-m", "agentkit.cli", *service.words]
    with Forked(command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as program:
        os.write(master, typed.encode())
        out, _ = program.communicate(timeout=60)
    os.close(master)
    os.close(theirs)
    assert b"Go on? [y/N]" in out
    assert bool(service.emulator.requests) == sent
    assert (b"nothing was sent" in out) != sent
