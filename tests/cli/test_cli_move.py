"""`export`, `import`, `replay`: a session leaves, arrives, and proves what it sent."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agentkit.emulator import Call, Reply
from tests.forked import ran

Type = Callable[..., Any]
CHAT = ("chat", "--agent", "desk:agent", "--session", "c-1")


def test_a_session_travels_whole_and_decisions_do_not(desk: Path, agentkit: Type, serve: Type) -> None:
    serve(Reply(reasoning="hm", calls=[Call("refund", {"order_id": "7", "amount": 1})]), Reply(content="done"))
    agentkit(*CHAT, stdin="refund\n")
    done = agentkit("export", "c-1", "--output", "c-1.jsonl")
    assert (done.code, done.out) == (0, "session c-1 is in c-1.jsonl\n")
    piped = ran([sys.executable, "-m", "agentkit.cli", "export", "c-1"], text=False, check=True)
    assert piped.stdout == (desk / "c-1.jsonl").read_bytes()
    done = agentkit("import", "c-1.jsonl", "--as", "copy", "--journal", "other.db")
    assert (done.code, "agentkit show copy --journal other.db" in done.out) == (0, True)
    command = [sys.executable, "-m", "agentkit.cli", "import", "-", "--journal", "other.db"]
    with (desk / "c-1.jsonl").open("rb") as lines:
        assert ran(command, stdin=lines, check=True).stdout.startswith("session c-1 is")
    assert "1.1.0 refund waits for approval" in agentkit("show", "copy", "--journal", "other.db").out
    done = agentkit("resume", "copy", "--agent", "desk:agent", "--journal", "other.db")
    assert done.code == 3
    assert "copied here from another session" in done.out


def test_what_cannot_be_moved_is_told(desk: Path, agentkit: Type, serve: Type) -> None:
    serve(Reply(content="hello"))
    agentkit(*CHAT, stdin="hi\n")
    assert agentkit("export", "nothing", "--output", "x.jsonl").code == 1
    assert not (desk / "x.jsonl").exists()
    agentkit("export", "c-1", "--output", "x.jsonl")
    done = agentkit("export", "c-1", "--output", "x.jsonl")
    assert (done.code, "x.jsonl: File exists" in done.err) == (2, True)
    assert "there is a session 'c-1' already" in agentkit("import", "x.jsonl").err
    assert agentkit("import", "missing.jsonl").code == 2
    (desk / "half.jsonl").write_text((desk / "x.jsonl").read_text().splitlines()[0] + "\n")
    done = agentkit("import", "half.jsonl", "--as", "half")
    assert (done.code, "nothing was written" in done.err) == (1, True)


def test_a_replay_is_the_same_or_shows_the_first_byte_that_differs(agentkit: Type, serve: Type) -> None:
    serve(Reply(reasoning="hm", calls=[Call("find_order", {"order_id": "7"})]), Reply(content="done"))
    agentkit(*CHAT, stdin="hi\n")
    done = agentkit("replay", "c-1", "--agent", "desk:agent")
    assert (done.code, done.out) == (0, "✓ 2 requests: today's code would send the same bytes\n")
    done = agentkit("replay", "c-1", "--agent", "desk:other")
    assert done.code == 8
    assert done.out.startswith("✗ request 1.1, ")
    assert "differs" in done.out
    found = json.loads(agentkit("replay", "c-1", "--agent", "desk:other", "--json").out)
    assert (found["session"], found["same"]) == ("c-1", False)
    assert "differs" in found["difference"]
    assert agentkit("replay", "nothing", "--agent", "desk:agent").code == 1
