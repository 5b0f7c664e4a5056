"""`replay` with its modes, and `pending` with all a person needs, as they are typed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agentkit.emulator import Call, Reply

Type = Callable[..., Any]
ASKS = Reply("I look.", calls=[Call("find_order", {"order_id": "7"}), Call("charge", {"order_id": "7"})])


def recorded(agentkit: Type, serve: Callable[..., Any]) -> None:
    """Leave a session `chat` that waits: the line broke while a card was charged."""
    serve([ASKS, ASKS, Reply("I will not.")])  # the third time it is asked, it says something else
    agentkit("chat", "--agent", "desk:agent", stdin="Charge 7, please.\n")


def replayed(agentkit: Type, *words: str) -> Any:
    return agentkit("replay", "chat", "--agent", "desk:agent", *words)


def test_live_reads_run_and_what_they_say_is_compared(agentkit: Type, serve: Callable[..., Any], desk: Path) -> None:
    recorded(agentkit, serve)
    before = (desk / "agentkit.db").read_bytes()
    done = replayed(agentkit, "--live", "read")
    assert done.code == 0
    assert '✓ 1.1.0  find_order {"order_id": "7"}' in done.out.replace('{"order_id":"7"}', '{"order_id": "7"}')
    assert "charge" not in done.out
    assert not (desk / "refunds.txt").exists()
    assert (desk / "agentkit.db").read_bytes() == before


def test_a_live_model_is_asked_and_costs_are_shown(agentkit: Type, serve: Callable[..., Any]) -> None:
    recorded(agentkit, serve)
    same = replayed(agentkit, "--live", "model", "--yes")
    assert same.code == 0
    assert "asking cost" in same.out
    other = replayed(agentkit, "--live", "model", "--yes", "--json")
    told = json.loads(other.out)
    assert (other.code, told["same"], told["why"]) == (8, False, [])
    (asked,) = told["compared"]
    assert (asked["where"], asked["today"], asked["same"]) == ("1.1", "I will not.", False)
    assert told["usage"]["output_tokens"] > 0
    shown = replayed(agentkit, "--live", "model", "--yes")
    assert "✗ 1.1  deepseek-flash" in shown.out
    assert "I will not." in shown.out


def test_nothing_is_sent_to_a_model_before_somebody_agrees(agentkit: Type, serve: Callable[..., Any]) -> None:
    recorded(agentkit, serve)
    unasked = replayed(agentkit, "--live", "model")
    assert unasked.code == 2
    assert "today's model gets 1 request; when recorded they consumed" in unasked.out
    assert "nobody is there to agree (standard input is no terminal): say --yes" in unasked.err
    asked = replayed(agentkit, "--live", "model", "--yes", "--json")
    assert json.loads(asked.out)["same"], "the second answer that is served was not used up before"


def test_a_difference_says_why(agentkit: Type, serve: Callable[..., Any]) -> None:
    recorded(agentkit, serve)
    done = agentkit("replay", "chat", "--agent", "desk:other")
    assert done.code == 8
    assert "✗ request 1.1, " in done.out
    assert 'because  instructions line 1 was "You help.", is "You help very much." now' in done.out
    assert "because  tools slow_once removed" in done.out


def test_pending_shows_what_a_person_needs_to_decide(agentkit: Type, serve: Callable[..., Any]) -> None:
    recorded(agentkit, serve)
    shown = agentkit("pending").out
    assert "the user said  Charge 7, please." in shown
    assert "the model said  I look." in shown
    assert "idempotency key" in shown
    (waiting,) = json.loads(agentkit("pending", "--json").out)
    assert (waiting["kind"], waiting["tool"], waiting["user_said"]) == ("unknown", "charge", ["Charge 7, please."])
    assert [start["run"] for start in waiting["starts"]] == [1]
    assert waiting["idempotency_key"].endswith("/1.1.1")
    assert (waiting["expires_at"], waiting["decided"]) == (None, None)
    ledger = agentkit("ledger")
    assert ledger.code == 0
    assert "unknown" in ledger.out
