"""`agentkit tail`: told as `show` tells it, from any number on, until the caller or the session has had enough."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import pytest

from agentkit import SQLiteJournal
from agentkit.core.events import UserSaid
from agentkit.core.messages import Text
from agentkit.emulator.script import Call, Fault, Reply
from agentkit.journal.base import Batch, Placed
from tests.cli.conftest import Serve, Type
from tests.forked import Forked

CHAT = ("chat", "--agent", "desk:agent", "--session", "c-1")


@contextmanager
def tailing(*words: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-W", "ignore", "-m", "agentkit.cli", "tail", *words]
    with Forked(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def talk(agentkit: Type, serve: Serve) -> None:
    """Two turns: one that fails and is resumed, with calls that run, one that waits for a person."""
    order, pay = {"order_id": "7"}, {"order_id": "7", "amount": 1}
    ask = Reply(reasoning="Which?", calls=[Call("find_order", order), Call("long_story", {})])
    serve([Fault(400, "not today"), ask], Reply(content="found\x1b[31m"), Reply(calls=[Call("refund", pay)]))
    agentkit(*CHAT, stdin="hi\n")
    agentkit("resume", "c-1", "--agent", "desk:agent")
    agentkit(*CHAT, stdin="refund\n")


def read(process: subprocess.Popen[str], wanted: Callable[[str], Any]) -> str:
    assert process.stdout is not None
    return next(line for line in process.stdout if wanted(line))


def test_it_tells_what_show_tells_and_how_to_go_on(agentkit: Type, serve: Serve) -> None:
    talk(agentkit, serve)
    count = len(agentkit("show", "c-1", "--raw").out.splitlines())
    for full in ((), ("--full",)):
        *told, last = agentkit("tail", "c-1", "--once", *full).out.splitlines()
        assert last == f"seen up to event {count}; to go on behind it: agentkit tail c-1 --after {count}"
        assert "\n".join(told).strip()
        assert "\n".join(told) in agentkit("show", "c-1", *full).out
        assert "\x1b" not in "".join(told)
    done = agentkit("tail", "c-1", "--after", str(count), "--once")
    assert (done.code, done.out) == (0, "")


def test_behind_any_number_it_tells_the_rest_and_nothing_else(agentkit: Type, serve: Serve) -> None:
    talk(agentkit, serve)
    agentkit("resume", "c-1", "--agent", "desk:other")
    whole = agentkit("tail", "c-1", "--once").out
    assert "the agent changed" in whole
    lines = [json.loads(line) for line in agentkit("tail", "c-1", "--once", "--json").out.splitlines()]
    lengths = []
    for after in range(len(lines)):
        rest = agentkit("tail", "c-1", "--once", "--after", str(after)).out
        assert whole.endswith(rest)
        lengths.append(len(rest))
        behind = agentkit("tail", "c-1", "--once", "--json", "--after", str(after)).out.splitlines()
        assert [json.loads(line) for line in behind] == lines[after:]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] > lengths[-1] > 0
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))


def test_what_is_not_there_is_told(agentkit: Type, serve: Serve) -> None:
    talk(agentkit, serve)
    missing = agentkit("tail", "nothing")
    assert missing.code == 1
    assert "no session 'nothing'" in missing.err
    beyond = agentkit("tail", "c-1", "--after", "999")
    assert beyond.code == 1
    assert "there is nothing behind 999 yet" in beyond.err
    assert beyond.out == ""


def test_it_waits_for_a_session_and_leaves_when_it_rests(agentkit: Type, serve: Serve) -> None:
    talk(agentkit, serve)
    with tailing("c-2", "--wait", "--until-rest", "--json") as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.5)
        serve(Reply(content="hello"))
        agentkit(*CHAT[:4], "c-2", stdin="hi\n")
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert out == agentkit("events", "c-2", "--json").out
    assert f"--after {len(out.splitlines())}" in err
    assert agentkit("tail", "c-2", "--until-rest").code == 0


def test_an_open_turn_and_one_that_is_driven_are_not_at_rest(agentkit: Type, serve: Serve) -> None:
    talk(agentkit, serve)
    anyio.run(append, "open")
    with tailing("c-1", "--until-rest") as process:
        read(process, lambda line: "more" in line)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.5)
        anyio.run(append, "waiting", process)
        assert process.wait(30) == 0


async def append(status: str, watching: subprocess.Popen[str] | None = None) -> None:
    """Write something as a driver would, and let go; who watches stays until then."""
    async with SQLiteJournal("agentkit.db") as journal:
        lease = await journal.claim("c-1", uid="u", agent="desk", owner="test")
        event = UserSaid((Text("more"),), f"m-{status}")
        await journal.append(lease, lease.last_seq, Batch([Placed(event, 2, 1)], status=status))
        if watching is not None:
            await anyio.sleep(1.5)
            assert watching.poll() is None
        await journal.release(lease)


def test_ctrl_c_says_how_to_go_on(agentkit: Type, serve: Serve) -> None:
    talk(agentkit, serve)
    count = len(agentkit("show", "c-1", "--raw").out.splitlines())
    with tailing("c-1") as process:
        read(process, lambda line: re.search("refund waits for approval", line))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out.splitlines()[-1].endswith(f"agentkit tail c-1 --after {count}")
    assert "stopped. The session goes on without it" in err
    assert "Traceback" not in err
