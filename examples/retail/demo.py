"""`python -m examples.retail.demo`: a customer's desk that is killed in the middle of a refund, and goes on.

The model is scripted (`demo.json`, played by agentkit's emulator). The rest is real: HTTP, the tools, the shop's
database, the journal, and the kill. What the demo claims it has looked up; if one claim is wrong, it exits with 1.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from urllib.request import urlopen

import anyio
from anyio import to_thread
from anyio.abc import ByteReceiveStream, Process
from anyio.streams.text import TextReceiveStream
from rich.console import Console

from agentkit import Record, Session, SQLiteJournal, replay
from examples.retail.demo_claims import Books, Claims
from examples.retail.demo_worker import JOURNAL, REFUSED, SESSION, SHOP
from examples.retail.desk import desk
from examples.retail.seed import seeded
from examples.retail.shop import Shop

_SCRIPT = Path(__file__).with_name("demo.json")
_LOOK = 0.01  # seconds between looks into the shop's books

_OPENING = """\
A customer's desk, with agentkit. The model is SCRIPTED: what it thinks and says stands in examples/retail/demo.json,
and agentkit's emulator plays it. The rest is real: HTTP, the tools, the shop's database, the journal, the kill.
"""

_ENDING = """\
A real model is one line away: Agent("deepseek-flash", …) and DEEPSEEK_API_KEY, or Model(name, base_url=…) for any
OpenAI-compatible server. The same desk, with you as the customer:

  DEEPSEEK_API_KEY=… {python} -m examples.retail.chat
  {python} -m examples.retail.chat --base-url http://127.0.0.1:11434/v1 --model qwen3:8b
                                 (Ollama; llama.cpp listens on 8080, vLLM on 8000)

Shop and journal of this demo are in {place}; look:
{python} -m agentkit.cli show {session} --journal {place}/{journal}
"""


async def play(console: Console, place: Path) -> bool:
    """Play the demo in a folder, and tell whether all that it claims is so."""
    claims, shop = Claims(console), seeded(place / SHOP)
    before = Books.of(shop)
    _print(console, _OPENING)
    async with model_service() as base_url:
        console.rule("1. A customer writes. The desk will be killed in the middle of a refund", align="left")
        exit_code, killed = await kill_in_the_middle(base_url, place, shop)
        if exit_code == REFUSED:
            claims.claim("you said no: nothing was refunded, the call still waits", holds=Books.of(shop) == before)
            return claims.hold
        console.print()
        claims.killed(exit_code, Books.of(shop), await recorded(place))
        console.print()
        console.rule("2. The same program again, started at once", align="left")
        async with await worker(base_url, place) as again:
            exit_code = await again.wait()
        counts = await to_thread.run_sync(counted, base_url)
    console.print()
    console.rule("3. What is so (the model service is gone by now)", align="left")
    records = await recorded(place)
    claims.claim("the customer has an answer", holds=exit_code == 0)
    claims.once(before, Books.of(shop), records, killed)
    claims.reasoning(counts, records)
    await claim_replay(claims, place)
    claims.cost(counts, records)
    console.rule(align="left")
    _print(console, _ENDING.format(python=_python(), place=place, session=SESSION, journal=JOURNAL))
    return claims.hold


def _python() -> str:
    """Return this Python as a person would type it here."""
    here = Path.cwd()
    python = Path(sys.executable)
    return str(python.relative_to(here)) if python.is_relative_to(here) else str(python)


async def claim_replay(claims: Claims, place: Path) -> None:
    """Replay the session without model and network: with the desk as it is, and with one word of it changed."""
    agent = desk("deepseek-flash")
    again = await replay(SQLiteJournal(place / JOURNAL), SESSION, agent)
    claims.claim(f"replayed offline: {again.requests} requests, byte for byte as they were sent", holds=again.same)
    other = replace(agent, instructions=str(agent.instructions).replace("customer", "client", 1))
    changed = await replay(SQLiteJournal(place / JOURNAL), SESSION, other)
    claims.claim(f"and with one word of the instructions changed: {changed.difference}", holds=not changed.same)


@asynccontextmanager
async def model_service() -> AsyncIterator[str]:
    """Run the emulator in a process of its own; gives the address of its API."""
    program = [sys.executable, "-m", "agentkit.emulator", "--script", str(_SCRIPT)]
    async with await anyio.open_process(program, stdin=None, stderr=None) as process:
        try:
            yield await _first_line(process)
        finally:
            process.terminate()


async def _first_line(process: Process) -> str:
    lines = TextReceiveStream(cast("ByteReceiveStream", process.stdout))
    try:
        return (await lines.receive()).strip()
    except anyio.EndOfStream:
        raise SystemExit("The emulator did not start: it needs pip install 'agentkit-reasoning[server]'") from None


async def worker(base_url: str, place: Path) -> Process:
    """Start the desk, on this terminal."""
    program = [sys.executable, "-m", "examples.retail.demo_worker", "--base-url", base_url, "--place", str(place)]
    return await anyio.open_process(program, stdin=None, stdout=None, stderr=None)


async def kill_in_the_middle(base_url: str, place: Path, shop: Shop) -> tuple[int, datetime]:
    """Start the desk, and kill it when the refund is in the shop's books and not yet in the journal.

    Returns:
        The exit code, and when it ended.
    """
    async with await worker(base_url, place) as process:
        while process.returncode is None:
            if Books.of(shop).refunds:
                process.kill()  # SIGKILL: nothing is cleaned up, nothing is said goodbye to
                break
            await anyio.sleep(_LOOK)
        return await process.wait(), datetime.now(UTC)


async def recorded(place: Path) -> list[Record]:
    """Read the session's records, from a process that has never driven it."""
    journal, shop = SQLiteJournal(place / JOURNAL), Shop(place / SHOP)
    async with Session(desk("deepseek-flash"), SESSION, journal=journal, deps=shop) as session:
        return [record async for record in session.events()]


def counted(base_url: str) -> Mapping[str, Any]:
    """Ask the emulator what it counted."""
    with urlopen(f"{base_url.removesuffix('/v1')}/emulator/counts") as answer:  # noqa: S310 - our own, on loopback
        counts: Mapping[str, Any] = json.load(answer)
    return counts


def _print(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def main() -> int:
    """Play the demo; the exit code is 0 only if all it claims is so."""
    parser = argparse.ArgumentParser(description="A desk that is killed in the middle of a refund, and goes on.")
    parser.add_argument("--place", type=Path, help="a folder for shop and journal (default: a new temporary one)")
    place = parser.parse_args().place or Path(tempfile.mkdtemp(prefix="agentkit-demo-"))
    if (place / SHOP).exists():
        parser.error(f"{place} holds a demo already: name another folder, or delete it")
    place.mkdir(parents=True, exist_ok=True)
    return 0 if anyio.run(play, Console(), place) else 1


if __name__ == "__main__":
    sys.exit(main())
