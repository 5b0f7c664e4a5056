"""What is measured, and how: each measure gives every side its jobs, in turns, and returns what they took.

What a measure returns is `{side's key: {name: figure}}`; figures of several rounds are medians. A side whose share of
seconds is used up drops out of the rounds that follow; a session that takes longer than its budget is cut.
"""

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from compileall import compile_dir
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import lean
from benchmarks.drivers import Drivers, Told, command, surroundings
from benchmarks.environments import ROOT, Environment
from benchmarks.peers.shape import LAST
from benchmarks.service import emulator, seen, serving
from benchmarks.sides import Side
from benchmarks.work import THINKING

Figures = dict[str, Any]
Table = dict[str, Figures]

SIZE = 1_000  # bytes of a tool's result
STRICT, LOOSE = "deepseek-v4", "generic"  # the contract, and a row that enforces none
DELTAS = 3_000  # pieces of a streamed answer, of three characters each
_THOUGHT = 1_000  # of them, reasoning
_MANY = 100  # sessions at once, from which on memory is told
NASTY = ' \tThe next page: "quoted", \\n literal, \u4e2d\u6587, \U0001f600, \u2028.\n '


@dataclass(frozen=True, slots=True)
class Scale:
    """How much work there is, and how long anybody may take for it, in seconds."""

    rounds: int = 5
    lengths: tuple[int, ...] = (10, 100)  # steps of the sessions whose requests are measured
    growth: tuple[int, ...] = (50, 100, 200, 1_000)
    crowds: tuple[int, ...] = (500, 5_000)
    recorded: int = 200
    opened: int = 1_000
    share: float = 20.0  # of one side in one table's column
    budget: float = 25.0  # of a peer's session that grows; the longest has a fifth of it
    patience: float = 40.0  # of one crowd; the biggest has six times as long


SMALL = Scale(1, (5,), (10, 20), (20,), 20, 30, 5.0, 10.0, 10.0)


@dataclass(frozen=True, slots=True)
class Bench:
    """What a measure has: the sides that could be installed, their environments and drivers, and the scale."""

    sides: tuple[Side, ...]
    environments: dict[str, Environment]
    drivers: Drivers
    scale: Scale

    def of(self, *kinds: str) -> list[Side]:
        """Return the sides of those kinds."""
        return [side for side in self.sides if side.kind in kinds]

    def turns(
        self, sides: Iterable[Side], give: Callable[[Side], Told], *, warm: bool = True, rounds: int = 0
    ) -> dict[str, list[Told]]:
        """Give each side a job in each round; a side that fails, is cut or has used its share up gives way."""
        taken: dict[str, list[Told]] = defaultdict(list)
        spent: dict[str, float] = defaultdict(float)
        sides = list(sides)
        for side in sides if warm else ():
            give(side)  # the first time pays for what is loaded late
        for turn in range(rounds or self.scale.rounds):
            for side in sides:
                told = taken[side.key]
                spoilt = told and ("error" in told[-1] or told[-1].get("cut"))
                if spoilt or (turn and spent[side.key] > self.scale.share):
                    continue
                told.append(give(side))
                spent[side.key] += told[-1].get("wall", 0.0)
        return taken


def _script(replies: list[Any]) -> str:
    return json.dumps({"*": replies})


def session_script(steps: int, thinking: str = THINKING) -> str:
    """Return the emulator's script of a session; argument strings have blanks, and nothing is cut into pieces."""
    replies: list[Any] = []
    for page in range(1, steps):
        call = {"name": "look_up", "arguments": f'{{"page": {page}, "size": {SIZE}}}'}
        replies.append({"reasoning": thinking, "calls": [call], "chunk": 0})
    return _script([*replies, {"reasoning": thinking, "content": "Done.", "chunk": 0}])


def conformance(bench: Bench) -> Table:
    """Twenty steps under the contract; who fails goes again without it. What the emulator's side log says."""
    table: Table = {}
    with emulator(session_script(20, NASTY)) as strict, emulator(session_script(20, NASTY), LOOSE) as loose:
        for side in bench.sides:
            told, figures = _judged(bench, side, strict)
            table[side.key] = {**figures, "contract": STRICT}
            if told.get("said") != "Done.":
                error = told.get("error", "another answer")
                table[side.key] = {**_judged(bench, side, loose)[1], "contract": LOOSE, "error": error}
    return table


def _judged(bench: Bench, side: Side, url: str) -> tuple[Told, Figures]:
    before = seen(url)
    told = bench.drivers.do(side, do="session", url=url, sessions=1, budget=60.0)
    after = seen(url)
    names = ("requests", "arguments_altered", "cache_hit_tokens", "cache_miss_tokens", "output_tokens")
    log = {name: after[name] - before[name] for name in (*names, "reasoning_missing", "reasoning_altered")}
    return told, {
        "requests": log["requests"],
        "reasoning": log["reasoning_missing"] + log["reasoning_altered"],
        "arguments": log["arguments_altered"],
        "hit": log["cache_hit_tokens"],
        "miss": log["cache_miss_tokens"],
        "output": log["output_tokens"],
        "cost": float(Decimal(after["cost"]) - Decimal(before["cost"])),
    }


def requests(bench: Bench, contracts: dict[str, str]) -> Table:
    """CPU and wall time per request, in sessions of some lengths, against the emulator; recording as the side does.

    Of long sessions, CPU of ten requests at their end apart: what a request costs behind so many steps.
    """
    table: Table = defaultdict(dict)
    for steps in bench.scale.lengths:
        with ExitStack() as stack:
            urls = {each: stack.enter_context(emulator(session_script(steps), each)) for each in (STRICT, LOOSE)}
            sessions = max(1, 30 // steps)

            def give(side: Side, sessions: int = sessions, urls: dict[str, str] = urls) -> Told:
                url = urls[contracts.get(side.key, STRICT)]
                return bench.drivers.do(side, do="session", url=url, sessions=sessions, budget=120.0)

            taken = bench.turns(bench.sides, give, warm=steps == bench.scale.lengths[0])
        for key, told in taken.items():
            table[key]["contract"] = contracts.get(key, STRICT)
            table[key] |= _per(told, sessions * steps, f"{steps}", sessions * (steps - 1))
            if f"cpu {steps}" in table[key] and sessions == 1 and steps > LAST + 1:
                table[key][f"last {steps}"] = median(each["last"] for each in told) / LAST
    return table


def deltas(bench: Bench) -> Table:
    """CPU per piece of a streamed answer, its request included. The emulator writes it in one go."""
    thought = "".join(f"{n:03d}" for n in range(_THOUGHT))
    said = "".join(f"{n % 1000:03d}" for n in range(DELTAS - _THOUGHT))
    with emulator(_script([{"reasoning": thought, "content": said, "chunk": 3}])) as url:
        taken = bench.turns(bench.sides, lambda side: bench.drivers.do(side, do="stream", url=url, budget=60.0))
    table: Table = {}
    for key, told in taken.items():
        table[key] = _per(told, DELTAS, "delta", 0)
        if "error" not in told[-1] and abs(told[-1]["said"] - len(said)) > 1:  # Mirascope ends a text with a new line
            table[key] = {"error": f"{told[-1]['said']} of {len(said)} characters were shown"}
    return table


def growth(bench: Bench) -> Table:
    """CPU per request in sessions of growing length, the service being lean."""
    table: Table = defaultdict(dict)
    slow = [side for side in bench.sides if side.kind == "peer" or side.driver == "sdk_create"]
    with serving([sys.executable, "-m", "benchmarks.lean", str(SIZE)]) as url:
        for steps in bench.scale.growth:
            longest = steps == max(bench.scale.growth)

            def give(side: Side, steps: int = steps, *, longest: bool = longest) -> Told:
                part = 0.2 if longest else 1
                budget = bench.scale.budget * (part if side in slow else 8)
                return bench.drivers.do(side, do="session", url=f"{url}/{steps}-0/v1", sessions=1, budget=budget)

            warm, rounds = steps == min(bench.scale.growth), min(3, bench.scale.rounds)
            taken = bench.turns([side for side in bench.sides if side not in slow], give, warm=warm, rounds=rounds)
            for key, told in (taken | bench.turns(slow, give, warm=False, rounds=1)).items():
                table[key] |= _per(told, steps, f"{steps}", steps - 1)
    return table


def crowd(bench: Bench) -> Table:
    """Many sessions of five steps at once, an answer taking 50 ms: wall, CPU and memory. The service is lean."""
    table: Table = defaultdict(dict)
    with serving([sys.executable, "-m", "benchmarks.lean", str(SIZE)]) as url:
        for sessions in bench.scale.crowds:
            most = sessions == max(bench.scale.crowds) and len(bench.scale.crowds) > 1
            sides = [side for side in bench.sides if not most or _stands_crowds(side)]
            budget = bench.scale.patience * (6 if most else 1)
            fresh = set(bench.sides) if sessions >= _MANY else set()

            def give(side: Side, sessions: int = sessions, budget: float = budget, fresh: set[Side] = fresh) -> Told:
                place = f"{url}/5-50/v1"
                if side in fresh:
                    fresh.remove(side)
                    bench.drivers.end(side)  # memory is told of a new process
                    bench.drivers.do(side, do="session", url=place, sessions=1, budget=30.0)
                return bench.drivers.do(side, do="crowd", url=place, sessions=sessions, budget=budget)

            for key, told in bench.turns(sides, give, warm=False, rounds=1 if most else 0).items():
                table[key] |= _crowded(told, sessions)
    return table


def _stands_crowds(side: Side) -> bool:
    return side.driver in {"agentkit_sqlite", "bare_aiohttp"}


def _crowded(told: list[Told], sessions: int) -> Figures:
    figures = _per(told, 1, f"{sessions}", 4 * sessions)
    if f"cpu {sessions}" in figures and sessions >= _MANY:
        figures[f"memory {sessions}"] = told[0]["memory"] / sessions
    return figures


def starting(bench: Bench) -> Table:
    """CPU of the import and until an agent is built, each in a new process; then of agents with ten tools."""
    sides = [side for side in bench.sides if side.package]
    for folder in ("agentkit", "benchmarks"):  # as pip does with what it installs, the peers among it
        compile_dir(ROOT / folder, quiet=1)
    rounds = min(3, bench.scale.rounds)
    taken = bench.turns(
        sides, lambda side: _started(bench.environments[side.home.name], side), warm=False, rounds=rounds
    )
    table: Table = {}
    for key, told in taken.items():
        table[key] = (
            {name: median(each[name] for each in told) for name in told[0]} if "error" not in told[-1] else told[-1]
        )
    for side in sides:
        place = "http://127.0.0.1:9/v1"  # nobody is asked
        table[side.key] |= bench.drivers.do(side, do="construct", url=place, times=20, budget=60.0)
    return table


_STARTING = """
import time
cpu, wall = time.process_time(), time.perf_counter()
import {package}
imported = time.process_time() - cpu
from contextlib import AsyncExitStack
from benchmarks.peers.{driver} import SIDE
import anyio, json
async def build():
    async with AsyncExitStack() as stack:
        await SIDE().aim("http://127.0.0.1:9/v1", stack)
        built, waited = time.process_time() - cpu, time.perf_counter() - wall
        print(json.dumps({{"import": imported, "built": built, "wall": waited}}))
anyio.run(build)
"""


def _started(environment: Environment, side: Side) -> Told:
    program = _STARTING.format(package=side.package, driver=side.driver)
    done = subprocess.run(  # noqa: S603 - our own program
        [*command(environment), "-c", program],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        **surroundings(side),
    )
    if done.returncode:
        return {"error": done.stderr.strip().rpartition("\n")[2][:300]}
    told: Told = json.loads(done.stdout.splitlines()[-1])
    return told


RECORDING = ("agentkit_sqlite", "langgraph", "openai_agents")


def recording(bench: Bench) -> Table:
    """A session recorded in a file of its own and not: CPU per step, bytes; and what it costs to open it again."""
    table: Table = {}
    steps, opened = bench.scale.recorded, bench.scale.opened
    sides = [side for side in bench.sides if side.driver in RECORDING]
    with serving([sys.executable, "-m", "benchmarks.lean", str(SIZE)]) as url:
        for side in sides:
            table[side.key] = {"conversation": lean.conversation(steps, SIZE), "steps": steps}
            table[side.key] |= _recorded(bench, side, url, steps)
            if side.kind == "agentkit":
                table[side.key] |= {f"long {name}": value for name, value in _opened(bench, side, url, opened).items()}
                table[side.key]["long steps"] = opened
    return table


def _recorded(bench: Bench, side: Side, url: str, steps: int) -> Figures:
    place = f"{url}/{steps}-0/v1"
    off = side
    if side.kind == "agentkit":
        off = next(each for each in bench.sides if each.driver == "agentkit_memory" and each.home == side.home)
    bench.drivers.do(off, do="session", url=f"{url}/5-0/v1", sessions=1, budget=60.0)
    without = bench.drivers.do(off, do="session", url=place, sessions=1, budget=120.0)
    with_it = _opened(bench, side, url, steps)
    return {**with_it, "cpu off": without["cpu"] / steps if "cpu" in without else None}


def _opened(bench: Bench, side: Side, url: str, steps: int) -> Figures:
    """Record a session; open it again and again."""
    with TemporaryDirectory() as folder, TemporaryDirectory() as short:
        bench.drivers.do(side, do="record", url=f"{url}/5-0/v1", folder=short, budget=60.0)
        told = bench.drivers.do(side, do="record", url=f"{url}/{steps}-0/v1", folder=folder, budget=240.0)
        if "error" in told or told["cut"]:
            return {"error": told.get("error", "it took more than 240 s")}
        kept = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
        looks = [bench.drivers.do(side, do="reopen", folder=folder, budget=60.0) for _ in range(5)]
    found = {"cpu on": told["cpu"] / steps, "bytes": kept, "messages": looks[0].get("said")}
    return found | {"opening": median(look["wall"] for look in looks if "wall" in look)}


def _per(told: list[Told], parts: int, name: str, ran: int) -> Figures:
    """Return medians per part, or what went wrong; `ran`: how many tools must have run."""
    last = told[-1]
    if "error" in last:
        return {f"error {name}": last["error"]}
    if last["cut"]:
        return {f"cut {name}": last["wall"], f"ran {name}": last["ran"], f"cut cpu {name}": last["cpu"]}
    if odd := [each["ran"] for each in told if each["ran"] != ran]:
        return {f"error {name}": f"{odd[0]} tools ran, not {ran}"}
    return {
        f"cpu {name}": median(each["cpu"] for each in told) / parts,
        f"wall {name}": median(each["wall"] for each in told) / parts,
        f"rounds {name}": len(told),
    }
