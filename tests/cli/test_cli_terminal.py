"""`chat` at a real terminal (a pseudo one): approvals, edits, Ctrl-C, signs of life."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agentkit.emulator import Call, Fault, Reply
from tests.forked import Forked

Type = Callable[..., Any]
REFUND = Reply(reasoning="Pay.", calls=[Call("refund", {"order_id": "7", "amount": 12.5})])
PATIENCE = 30.0


class Terminal:
    """A program on a terminal of 100 columns, and what a person sees there."""

    def __init__(self, *words: str) -> None:
        self.seen = ""
        self._mine, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        command = [sys.executable, "-m", "agentkit.cli", *words]
        environment = {**os.environ, "TERM": "xterm-256color", "INPUTRC": os.devnull}
        self.process = Forked(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
        )
        os.close(theirs)

    def expect(self, text: str) -> str:
        """Read until a text is seen, colours left out; return all up to it, and forget it."""
        deadline = time.monotonic() + PATIENCE
        while text not in (plain := re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.seen)):
            assert time.monotonic() < deadline, f"no {text!r} in {self.seen!r}"
            ready, _, _ = select.select([self._mine], [], [], 0.1)
            if ready:
                self.seen += self._read()
        before, _, after = plain.partition(text)
        self.seen = after
        return before + text

    def _read(self) -> str:
        try:
            return os.read(self._mine, 65536).decode("utf-8", "replace")
        except OSError as error:  # the program has ended
            raise AssertionError(f"it ended with {self.process.wait(PATIENCE)}: {self.seen!r}") from error

    def type(self, text: str) -> None:
        os.write(self._mine, text.encode())

    def interrupt(self) -> None:
        """Press Ctrl-C, but not in the moment between a prompt and the wait for a line, where readline misses it."""
        time.sleep(0.3)
        os.kill(self.process.pid, signal.SIGINT)

    def end(self) -> int:
        """Wait for the program's end and return its exit code."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < deadline:
            if select.select([self._mine], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self._mine, 65536).decode("utf-8", "replace")
                except OSError:
                    break
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE)
        os.close(self._mine)


@pytest.fixture
def terminal(desk: Path) -> Iterator[Callable[..., Terminal]]:
    assert desk.exists()
    opened: list[Terminal] = []

    def open_(*words: str) -> Terminal:
        opened.append(Terminal(*words))
        return opened[-1]

    yield open_
    for each in opened:
        each.close()


CHAT = ("chat", "--agent", "desk:agent")


def test_a_person_approves_and_denies(desk: Path, serve: Type, terminal: Type) -> None:
    serve(REFUND, REFUND, Reply(content="All settled."))
    chat = terminal(*CHAT)
    chat.expect("a new conversation")
    chat.expect("> ")
    chat.type("Refund it.\n")
    chat.expect("refund needs approval")
    chat.expect("[l]ater? ")
    chat.type("what\n")
    chat.expect("one letter of those in brackets")
    chat.expect("[l]ater? ")
    chat.type("y\n")
    chat.expect("approved by")
    chat.expect("[l]ater? ")
    chat.type("n\n")
    chat.expect("why (the model is told) ")
    chat.type("enough\n")
    chat.expect("denied by")
    chat.expect("All settled.")
    chat.expect("> ")
    chat.type("\x04")
    assert chat.end() == 0
    assert (desk / "refunds.txt").read_text() == "7 12.5\n"


def test_a_person_leaves_it_for_later(desk: Path, serve: Type, terminal: Type) -> None:
    serve(REFUND, Reply(content="All settled."))
    chat = terminal(*CHAT)
    chat.expect("> ")
    chat.type("Refund it.\n")
    chat.expect("[l]ater? ")
    chat.type("l\n")
    chat.expect("left for later")
    chat.expect("> ")
    chat.type("/quit\n")
    assert chat.end() == 3
    again = terminal(*CHAT)
    again.expect("[l]ater? ")
    again.type("\x04")
    again.expect("> ")
    assert not (desk / "refunds.txt").exists()
    again.type("/resume\n")
    again.expect("[l]ater? ")
    again.type("y\n")
    again.expect("All settled.")
    again.expect("> ")
    again.type("\x04")
    assert again.end() == 0


def test_a_person_edits_the_arguments(desk: Path, serve: Type, terminal: Type) -> None:
    serve(REFUND, Reply(content="All settled."))
    chat = terminal(*CHAT)
    chat.expect("> ")
    chat.type("Refund it.\n")
    chat.expect("[l]ater? ")
    chat.type("e\n")
    chat.expect('arguments {"order_id": "7", "amount": 12.5}')
    chat.type("\b" * 5 + "x}\n")
    chat.expect("that is no JSON")
    chat.expect("12.5}")
    chat.type("\x15[1]\n")
    chat.expect("arguments are a JSON object")
    chat.expect("12.5}")
    chat.type("\b" * 5 + '"much"}\n')
    chat.expect("do not fit refund")
    chat.expect("[l]ater? ")
    chat.type("e\n")
    chat.expect("12.5}")
    chat.type("\b" * 5 + "5}\n")
    chat.expect("with other arguments")
    chat.expect("All settled.")
    assert (desk / "refunds.txt").read_text() == "7 5.0\n"
    chat.expect("> ")
    chat.type("\x04")
    assert chat.end() == 0


@pytest.mark.parametrize(
    ("letter", "told"),
    [("h", "it happened, says"), ("n", "it did not happen, says"), ("g", "the outcome stays unknown, says")],
)
def test_a_person_says_what_became_of_an_unknown_call(serve: Type, terminal: Type, letter: str, told: str) -> None:
    serve(Reply(calls=[Call("charge", {"order_id": "7"})]), Reply(content="All settled."))
    chat = terminal(*CHAT)
    chat.expect("> ")
    chat.type("Charge it.\n")
    chat.expect("may or may not have taken effect")
    chat.expect("[l]ater? ")
    chat.type(f"{letter}\n")
    if letter == "h":
        chat.expect("its result (the model is told) ")
        chat.type("r-9\n")
    chat.expect(told)
    if letter == "n":  # it ran again, and the line broke again
        chat.expect("[l]ater? ")
        chat.interrupt()
        chat.expect("left for later")
    chat.expect("> ")
    chat.interrupt()
    assert chat.end() == (3 if letter == "n" else 0)


def test_a_person_answers_a_question(serve: Type, terminal: Type) -> None:
    serve(Reply(calls=[Call("ask_colour", {})]), Reply(content="Blue it is."))
    chat = terminal(*CHAT)
    chat.expect("> ")
    chat.type("Choose.\n")
    chat.expect("which colour?")
    chat.expect("your answer (nothing: later) ")
    chat.type("\n")
    chat.expect("left for later")
    chat.expect("> ")
    chat.type("/resume\n")
    chat.expect("your answer (nothing: later) ")
    chat.type("blue\n")
    chat.expect("Blue it is.")
    chat.expect("> ")
    chat.type("\x04")
    assert chat.end() == 0


def test_ctrl_c_cancels_the_turn_and_the_conversation_goes_on(serve: Type, terminal: Type) -> None:
    serve(Reply(calls=[Call("slow", {})]), Reply(content="Here I am."))
    chat = terminal(*CHAT)
    chat.expect("> ")
    chat.type("Wait.\n")
    chat.expect("1.1.0 slow()")
    chat.expect("running slow (")
    chat.interrupt()
    chat.expect("cancelling the turn; Ctrl-C again leaves at once")
    chat.expect("turn 1 cancelled: cancelled by user")
    chat.expect("> ")
    chat.type("Hello?\n")
    chat.expect("Here I am.")
    chat.expect("> ")
    chat.type("\x04")
    assert chat.end() == 0


def test_a_second_ctrl_c_leaves_and_the_same_command_goes_on(serve: Type, terminal: Type) -> None:
    serve(Reply(calls=[Call("slow_once", {})]))
    chat = terminal(*CHAT)
    chat.expect("> ")
    chat.type("Wait.\n")
    chat.expect("slow_once started (once)")
    chat.interrupt()
    chat.expect("cancelling the turn; Ctrl-C again leaves at once")
    chat.interrupt()
    chat.expect("stopped. Nothing recorded is lost")
    assert chat.end() == 130
    again = terminal(*CHAT)
    again.expect("going on")
    again.expect("slow_once may or may not have taken effect")
    again.interrupt()
    again.expect("> ")
    again.type("/quit\n")
    assert again.end() == 3


def test_after_a_kill_the_same_command_goes_on(serve: Type, terminal: Type) -> None:
    serve([Reply(content="Thinking of it ...", pace=0.5), Reply(content="Back again.")])
    chat = terminal(*CHAT)
    chat.expect("> ")
    chat.type("Wait.\n")
    chat.expect("Thi")
    chat.process.kill()
    assert chat.end() == -signal.SIGKILL
    again = terminal(*CHAT)
    again.expect("going on")
    again.expect("driven anew, by ")
    again.expect("Back again.")
    again.expect("> ")
    again.type("\x04")
    assert again.end() == 0


def test_a_fault_is_told_and_can_be_tried_again(serve: Type, terminal: Type) -> None:
    serve(Fault(400, "not today"), Reply(content="Now then."))
    chat = terminal(*CHAT)
    chat.expect("> ")
    chat.type("Hi.\n")
    chat.expect("not today")
    chat.expect("/resume tries again")
    chat.expect("> ")
    chat.type("/quit\n")
    assert chat.end() == 6


def test_lines_are_for_files_not_for_terminals(serve: Type, terminal: Type, agentkit: Type) -> None:
    serve(Reply(content="hello"))
    agentkit(*CHAT, stdin="hi\n")
    export = terminal("export", "chat")
    export.expect("these lines are for a file")
    assert export.end() == 2
    show = terminal("show", "chat")
    page = show.expect("turn 1 completed")
    assert "─────" in page
    assert show.end() == 0


def test_ctrl_c_stops_a_resume_and_nothing_is_lost(serve: Type, terminal: Type, agentkit: Type) -> None:
    serve(REFUND, Reply(calls=[Call("slow", {})]), Reply(content="hello"))
    agentkit(*CHAT, stdin="hi\n")
    name = agentkit("pending").out.split()[0]
    agentkit("approve", name, "--by", "ann")
    resume = terminal("resume", "chat", "--agent", "desk:agent")
    resume.expect("1.2.0 slow()")
    resume.interrupt()
    resume.expect("stopped. Nothing recorded is lost: the same command goes on.")
    assert resume.end() == 130
    assert "1.2.0 slow: outcome unknown" in agentkit("show", "chat").out


def test_ctrl_c_stops_a_probe_and_says_that_it_starts_anew(serve: Type, terminal: Type) -> None:
    url = serve(Reply("hello", delay=60)).base_url
    probe = terminal("probe", "--base-url", url, "--model", "m", "--yes", "--out", "m.toml")
    probe.expect("request 1")
    probe.interrupt()
    probe.expect("stopped. No row was written: the same command starts again from the beginning, and")
    assert probe.end() == 130
    assert not Path("m.toml").exists()
