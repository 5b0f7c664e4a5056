"""The demo and the chat, as a person starts them."""

import io
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest
from rich.console import Console

from agentkit import Record, Usage
from agentkit.emulator import Call, Emulator, Reply
from agentkit.events import AnyEvent, CallResolved, ModelResponded, RunStarted, ToolStarted
from examples.retail.demo import recorded
from examples.retail.demo_claims import Books, Claims
from examples.retail.demo_worker import SHOP
from examples.retail.screen import shown
from examples.retail.seed import seeded
from examples.retail.shop import Shop
from tests.forked import Forked, ran

ROOT = Path(__file__).parents[2]
DEMO = [sys.executable, "-m", "examples.retail.demo", "--place"]
CHAT = [sys.executable, "-m", "examples.retail.chat", "--place"]
KEYLESS = {name: value for name, value in os.environ.items() if name != "DEEPSEEK_API_KEY"}
SAID_IN_ORDER = (
    "The model is SCRIPTED",
    "customer  Hello, Maren Holt here",
    "thinks    She gave a name",
    'calls     find_user_id_by_name_zip {"first_name":"Maren"',
    "  gets    find_user_id_by_name_zip: maren_holt_1001",
    "held      cancel_pending_order",
    "[y/n] y (nobody is at a terminal)",
    "✓ killed (exit code -9) in the middle: the shop has refunded $38.65",
    "resumes   what an earlier process left open",
    "learns    from reconcile: cancel_pending_order",
    "answers   Done: order #W1000003 is cancelled",
    "✓ the customer has an answer",
    "✓ resumed ",
    "✓ not run again",
    "✓ refunded once: 1 refund in the shop's database; the gift card went from $50.00 to $88.65",
    "✓ reasoning exact: 5 answers",
    "0 missing, 0 altered",
    "✓ replayed offline: 5 requests",
    "✓ and with one word of the instructions changed: request 1.1, message 0: byte ",
    "✓ paid: ",
    "DEEPSEEK_API_KEY",
    "--base-url",
)


@dataclass(frozen=True)
class Played:
    """What a demo left."""

    output: str
    errors: str
    exit_code: int
    place: Path


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    place = tmp_path_factory.mktemp("demo") / "new"
    done = subprocess.run([*DEMO, place], cwd=ROOT, capture_output=True, text=True, check=False)  # as make starts it
    return Played(done.stdout, done.stderr, done.returncode, place)


def test_the_demo_shows_what_it_claims(played: Played) -> None:
    at = 0
    for words in SAID_IN_ORDER:
        at = played.output.find(words, at)
        assert at >= 0, f"{words!r} is not in its place:\n{played.output}"
    assert "NOT SO" not in played.output
    assert (played.exit_code, played.errors) == (0, "")
    assert Books.of(Shop(played.place / SHOP)).refunds == [38.65]


def test_a_demo_is_not_played_over_another(played: Played) -> None:
    again = ran([*DEMO, played.place], cwd=ROOT)
    assert again.returncode == 2
    assert "name another folder" in again.stderr


def is_refund(event: AnyEvent) -> bool:
    return isinstance(event, ToolStarted) and event.effect == "once"


@dataclass(frozen=True)
class Found:
    """What the demo looks at before it claims anything."""

    before: Books
    after: Books
    records: list[Record]
    counts: dict[str, Any]
    exit_code: int = -9

    def claimed(self) -> tuple[bool, str]:
        """Claim it all; tell whether it holds, and what was printed."""
        page = io.StringIO()
        claims = Claims(Console(file=page, width=200))
        start = next(at for at, record in enumerate(self.records) if is_refund(record.event))
        of_the_killed = self.records[: start + 1]
        claims.killed(self.exit_code, self.after, of_the_killed)
        claims.once(self.before, self.after, self.records, of_the_killed[-1].at)
        claims.reasoning(self.counts, self.records)
        claims.cost(self.counts, self.records)
        return claims.hold, page.getvalue()


@pytest.fixture
async def found(played: Played, tmp_path: Path) -> Found:
    records = await recorded(played.place)
    used = [record.event.usage for record in records if isinstance(record.event, ModelResponded)]
    total = sum((usage for usage in used if usage), start=Usage(0, 0, 0, 0, Decimal(0)))
    counts = {
        "by_status": {"200": len(used)},
        "reasoning_missing": 0,
        "reasoning_altered": 0,
        "cache_hit_tokens": total.cached_tokens,
        "cache_miss_tokens": total.input_tokens - total.cached_tokens,
        "output_tokens": total.output_tokens,
    }
    return Found(Books.of(seeded(tmp_path / SHOP)), Books.of(Shop(played.place / SHOP)), records, counts)


def without(kind: type[AnyEvent]) -> Callable[[Found], Found]:
    return lambda found: replace(found, records=[each for each in found.records if not isinstance(each.event, kind)])


def counted(**counts: int) -> Callable[[Found], Found]:
    return lambda found: replace(found, counts=found.counts | counts)


def started_twice(found: Found) -> Found:
    return replace(found, records=[*found.records, *(each for each in found.records if is_refund(each.event))])


FORGERIES: dict[str, tuple[Callable[[Found], Found], str]] = {
    "it ended by itself": (lambda found: replace(found, exit_code=0), "killed (exit code 0)"),
    "two refunds": (lambda found: replace(found, after=replace(found.after, refunds=[38.65] * 2)), "refunded once: 2"),
    "too much on the card": (lambda found: replace(found, after=replace(found.after, card=127.3)), "refunded once: 1"),
    "nobody found out": (without(CallResolved), "not run again"),
    "it started twice": (started_twice, "not run again"),
    "nothing was resumed": (without(RunStarted), "resumed -1.0 s"),
    "reasoning was missing": (counted(reasoning_missing=1), "reasoning exact"),
    "reasoning was altered": (counted(reasoning_altered=1), "reasoning exact"),
    "other tokens": (counted(cache_hit_tokens=0), "paid"),
}


@pytest.mark.anyio
@pytest.mark.parametrize(("forge", "claim"), FORGERIES.values(), ids=FORGERIES)
async def test_a_claim_that_is_not_so_is_called_so(found: Found, forge: Callable[[Found], Found], claim: str) -> None:
    assert found.claimed()[0]
    hold, page = forge(found).claimed()
    assert not hold
    assert f"✗ NOT SO: {claim}" in page


def test_a_person_at_the_terminal_may_say_no(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    with Forked([*DEMO, tmp_path], cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs) as demo:
        os.close(theirs)
        seen = b""
        while b"[y/n]" not in seen:
            seen += os.read(ours, 4096)
        os.write(ours, b"n\n")
        while b"the call still waits" not in seen:
            seen += os.read(ours, 4096)
        assert demo.wait() == 0
    os.close(ours)
    assert b"\x1b[2;3m" in seen  # thinking is dim and italic where there is a terminal
    assert Books.of(Shop(tmp_path / SHOP)).refunds == []


CANCELS = Reply(
    None, "She said yes.", [Call("cancel_pending_order", {"order_id": "#W1000003", "reason": "no longer needed"})]
)
TALK = {"Cancel #W1000003, please.": [CANCELS, Reply("So it is."), Reply("Goodbye.")]}


async def chat(base_url: str, place: Path, typed: str) -> str:
    program = [*CHAT, str(place), "--base-url", base_url, "--model", "qwen3:8b"]
    with Forked(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=KEYLESS) as chatting:
        said, _ = await anyio.to_thread.run_sync(chatting.communicate, typed)
    assert chatting.returncode == 0
    return str(said)


@pytest.mark.anyio
@pytest.mark.parametrize(("answer", "refunds"), [("y", [38.65]), ("n", [])])
async def test_the_chat_goes_on_with_any_server_and_asks_before_it_pays(
    answer: str, refunds: list[float], tmp_path: Path
) -> None:
    async with Emulator(TALK, contract="generic") as server:
        first = await chat(server.base_url, tmp_path, f"Cancel #W1000003, please.\n{answer}\n")
        then = await chat(server.base_url, tmp_path, "Thank you.\nbye\n")
        assert server.requests[-1].body is not None
        told = [each["content"] for each in server.requests[-1].body["messages"] if each["role"] == "tool"]
        assert (server.counts.reasoning_missing, server.counts.reasoning_altered) == (0, 0)
    assert "approve   cancel_pending_order(order_id='#W1000003'" in first
    assert "answers   So it is." in first
    assert "answers   Goodbye." in then
    assert ("said no" in told[0]) is (answer == "n")
    assert Books.of(Shop(tmp_path / "shop.db")).refunds == refunds


def test_the_chat_without_a_key_says_which(tmp_path: Path) -> None:
    with Forked(
        [*CHAT, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=KEYLESS
    ) as chat:
        said, _ = chat.communicate("Hello\n")
    assert chat.returncode == 1
    assert "DEEPSEEK_API_KEY" in said


def test_what_a_model_says_cannot_play_with_the_terminal() -> None:
    assert shown("a\x1b[31mb\u202ec\ud83d\n\N{RECEIPT}") == "a\\x1b[31mb\\u202ec\\ud83d\n\N{RECEIPT}"
