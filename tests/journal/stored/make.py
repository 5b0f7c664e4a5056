"""Writes the stored journals of this version: `python -m tests.journal.stored.make`, into a folder that must not exist.

Two SQLite files, compressed, with sessions at rest, open in the middle of a turn, and waiting; each session as exported
lines; the contract rows of the day; and `expected.json`: what is in them, and what comes of those that are not at rest.
When the format has a new number, or an event a new type, make a folder (and drop the type from the test's `LATER`).
Run it where the host's name and the path of the checkout may be read by everybody: both get into the files.
"""

import gzip
import json
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

import anyio

from agentkit import Journal, Outcome, Session, SQLiteJournal, replay
from agentkit.core.contract import Contract
from agentkit.emulator import Call, Emulator, Reply
from agentkit.errors import ModelError
from agentkit.events import AnyEvent, CancelRequested, Compacted, OutputRefused, RunStarted, ToolFinished
from agentkit.ids import uuid7
from agentkit.inbox import body_of
from agentkit.journal.calls import calls
from agentkit.journal.export import export, import_
from agentkit.journal.sqlite_upgrades import VERSION
from agentkit.means import means_for
from agentkit.models import contracts
from agentkit.recorder import Recorder
from tests.journal.stored.agents import (
    NASTY,
    PRIMARY,
    SPARE,
    PowerCut,
    World,
    agent_named,
    desk,
    rows_of,
    settled,
    thinker,
)
from tests.session.faults import FaultyAt

# One row for each way in which reasoning travels, is kept, and is judged.
CARRIERS = (
    *("deepseek-v4", "deepseek-v3.2", "openai", "kimi-k2.6", "kimi-k3", "minimax-m2", "minimax-m3-split", "mimo"),
    *("mistral", "gemini-openai", "openrouter", "vllm", "generic", "deepseek-responses", "openai-responses"),
)
THOUGHT = 'I “think” é😀 \u2028 \\n "so"'
TURNS = {
    "one": [
        Reply(
            "I look.", THOUGHT, [Call("look", '{"order" : "é\u2028\\n"}'), Call("put", {"order": "1", "note": "😀"})]
        ),
        Reply(None, "", [Call("look", {"order": "again"})]),
        Reply(f"Here: {THOUGHT}", "short"),
        Reply(None, "more", [Call("look", {"order": "3"})]),
        Reply("Done.", None),
    ]
}

About = dict[str, Any]


class Making:
    """The journals as far as they are made. `sessions` tells, by id, what a session was made with."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.rows = folder, rows_of(folder)
        self.sessions: dict[str, About] = {}
        self.journal: Journal

    def session(
        self, name: str, agent: str = "desk", world: World | None = None, *, later: bool = False
    ) -> Session[World, str]:
        deps = world or World()
        self.sessions[name] = {"agent": agent, "paid": deps.paid}
        return Session(desk(self.rows, agent, later=later), name, journal=self.journal, deps=deps)

    async def talk(self) -> None:
        async with self.session("talk") as session:
            await settled(session, await session.run(f"talk {NASTY}", id="m1"))
            await session.run(NASTY, id="m2")
        async with await session.fork("fork", before="2.1", say="the other one") as fork:
            await settled(fork, await fork.resume())
        fresh = await session.fork("fork nobody drove", before="1.2")
        self.sessions |= {name: {"agent": "desk", "paid": {}} for name in (fork.id, fresh.id)}
        async with self.session("large") as session:
            await session.run("large", id="m1")

    async def money(self) -> None:
        world = World(trouble={"3": ["after"], "6": ["before"], "4": ["before"], "5": ["after"]})
        async with self.session("money", world=world) as session:
            result = await session.run("money", id="m1")
            first, second = result.approvals
            await session.approve(first, by="ann", arguments={"order": "1", "amount": 4.5})
            await session.deny(second, by="ann", reason="too much")
            result = await session.resume()  # 3 is found to have happened, 6 not to have; then 4 waits
            await session.resolve(result.unknowns[0], Outcome.not_happened(), by="bob")
            result = await session.resume()
            await session.resolve(result.unknowns[0], Outcome.unknown(), by="bob")
            result = await session.resume()
            lines = [line async for line in export(self.journal, "money")]
            await session.deny(result.approvals[0], by="ann", reason="it may have happened")
            await session.resume()
        await import_(self.journal, lines, uid=uuid7(), session_id="import")
        async with self.session(
            "import", world=World(world.paid.copy())
        ) as copy:  # asks again for what was asked there
            await settled(copy, await copy.run("and here?", id="m3"))

    async def trouble(self) -> None:
        async with self.session("trouble") as session:
            with suppress(ModelError):
                await session.run("trouble", id="m1")
            await session.run("after all", id="m2")
        async with self.session("switch", "pair") as session:
            await session.run("switch", id="m1")
            await session.run("again", id="m2")
        async with self.session("failed") as session:
            with suppress(ModelError):
                await session.run("failed", id="m1")

    async def cut(self) -> None:
        async with self.session("cut") as session:
            await session.run("cut", id="m1")
            await session.cancel(by="ann")
            row = body_of(CancelRequested(1, "late"))
            await self.journal.put("cut", "cancel", "1/again", row, "late")
            await session.run("next", id="m2")
        async with self.session("limit", "short") as session:
            await session.run("limit", id="m1")

    async def kept(self) -> None:
        """A process that cannot record what its tool did hands it over."""
        journal, world = self.journal, World()
        self.journal = FaultyAt(journal, ToolFinished, "full")
        with suppress(Exception):
            async with self.session("kept", world=world) as session:
                await session.run("kept", id="m1")
        self.journal = journal
        async with self.session("kept", world=world) as session:
            await session.resume()

    async def odd(self) -> None:
        """Facts that no loop of this version comes to: an answer of the wrong type, and a compaction."""
        with suppress(PowerCut):
            async with self.session("odd") as session:
                await session.run("odd", id="m1")
        agent = desk(self.rows, "desk", later=True)
        recorder = Recorder(self.journal, "odd")
        await recorder.load()
        recorder.lease = await self.journal.claim("odd", uid="", agent="desk", owner="p")
        await recorder.record(RunStarted("the one by hand"))
        answer = await (await means_for(agent, World(), recorder)).answering.ask(recorder, None)
        await recorder.record(answer, then=False)
        await recorder.record(OutputRefused("This is not JSON. Say it again."))
        await self.journal.release(recorder.lease)
        async with self.session("odd") as session:
            await session.resume()
        await recorder.load()
        recorder.lease = await self.journal.claim("odd", uid="", agent="desk", owner="p")
        await recorder.record(Compacted(2, "Before: they asked for JSON."))
        await self.journal.release(recorder.lease)
        async with self.session("odd") as session:
            await session.run("go on", id="m2")

    async def people(self) -> None:
        """Approval that the talk does not wait for, people in the agent's place, and a sub-agent that waits."""
        async with self.session("sent for approval", "deferring") as session:
            first = await session.run("sent for approval", id="m1")
            await session.run("and the colour?", id="m2")
            await session.approve(first.approvals[0], by="ann")
            await session.resume()
        async with self.session("sent, not decided", "deferring") as session:
            await session.run("sent, not decided", id="m1")
        async with self.session("taken over") as session:
            await session.run("taken over", id="m1")
            await session.say_as(f"I do it myself. {NASTY}", by="ann", id="a1")
            await session.say("thank you", id="m2")
            await session.say_as("Not at all.", by="ann", id="a2")
            await session.hand_back(by="ann")
            await session.run("and now?", id="m3")
        async with self.session("handed on", "caller") as session:
            result = await settled(session, await session.run("handed on", id="m1"))
            assert result.text == "it is refunded"
            for below in await calls(self.journal, session.id):
                self.sessions[below] = {"agent": "helper", "paid": {}}
        async with self.session("handed on, waits", "caller") as session:
            await session.run("handed on, waits", id="m1")

    async def open(self) -> None:
        """Sessions whose process ended in the middle, which wait for people, or which nobody has looked at yet."""
        troubles = {"open in a read": "1", "open in a put": "1", "open in a charge": "1", "open in a send": "4"}
        for name in ("open in a model call", *troubles):
            world = World(trouble={troubles[name]: ["cut"]} if name in troubles else {})
            with suppress(PowerCut):
                async with self.session(name, world=world) as session:
                    await session.run(name, id="m1")
            assert not any(world.trouble.values()), f"{name}: it was not cut"
        for name in ("waits for an approval", "waits for an answer", "waits, and was approved"):
            async with self.session(name) as session:
                result = await session.run(name, id="m1")
                for approval in result.approvals if name.endswith("approved") else ():
                    await session.approve(approval, by="ann")
                    await session.say("one more thing", id="m2")
        for name, agent in (("escalated", "patient"), ("expired", "hasty")):
            async with self.session(name, agent) as session:
                await session.run(name, id="m1")
                await anyio.sleep(0.1)
                await session.resume()
        async with self.session("nobody looked yet") as session:
            await session.say(f"anybody? {NASTY}", id="m1")

    async def carriers(self) -> None:
        for name in CARRIERS:
            self.sessions[name] = {"agent": name, "paid": {}}
            async with Emulator(TURNS, contract=name) as server:
                agent = thinker(self.rows[name], server.base_url)
                async with Session(agent, name, journal=self.journal, deps=World()) as session:
                    for text, answer in (("one", f"Here: {THOUGHT}"), ("two", "Done.")):
                        if name in {"deepseek-v4", "openai-responses"}:
                            async with session.stream(text, id=text) as events:
                                assert (await events.result()).text == answer
                        else:
                            assert (await session.run(text, id=text)).text == answer
                assert server.counts.losses == 0, name

    async def about(self, name: str) -> About:
        """Return what is in a session, as it is stored now."""
        head = await self.journal.head(name)
        assert head is not None
        events = [record.event async for record in self.journal.read(name)]
        waiting = [asked.kind async for _, asked in self.journal.asked(name)]
        rows = [row.kind for row in await self.journal.inbox(name)]
        lines = b"".join([line async for line in export(self.journal, name)])
        number = list(self.sessions).index(name)
        (self.folder / f"{number:02}.jsonl.gz").write_bytes(gzip.compress(lines, mtime=0))
        agent = self.sessions[name]["agent"]
        requests = 0
        if events:
            found = await replay(self.journal, name, agent_named(agent, self.rows))
            assert found.same, (name, found.difference)
            requests = found.requests
        return {
            "agent": agent,
            "lines": f"{number:02}.jsonl.gz",
            "status": head.status,
            "events": dict(Counter(type(event).__name__ for event in events)),
            "requests": requests,
            "waiting": waiting,
            "inbox": rows,
            "paid": self.sessions[name]["paid"],
        }

    async def after(self, name: str) -> About:
        """Return what comes of a session that goes on."""
        world = World(paid=Counter(self.sessions[name]["paid"]))
        async with self.session(name, self.sessions[name]["agent"], world, later=True) as session:
            result = await settled(session, await session.resume())
        return {"status": result.status, "text": result.text, "turn": result.turn, "paid": dict(world.paid)}


async def make(folder: Path) -> None:
    of_today = {row.id: row for row in contracts.rows()}
    chosen = {name: of_today[name].model_dump(mode="json") for name in sorted({*CARRIERS, PRIMARY, SPARE})}
    assert all(Contract.model_validate(row) == of_today[name] for name, row in chosen.items())
    (folder / "rows.json").write_text(json.dumps(chosen, ensure_ascii=False) + "\n", "utf-8")
    making = Making(folder)
    files: dict[str, Any] = {}
    await written(making, "desk.db", [getattr(making, part) for part in PARTS], files)
    await written(making, "carriers.db", [making.carriers], files)
    types = [kind.__name__ for kind in get_args(AnyEvent)]
    expected = {"format": VERSION, "types": types, "files": files}
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n", "utf-8")


PARTS = ("talk", "money", "trouble", "cut", "kept", "odd", "people", "open")


async def written(making: Making, file: str, parts: list[Callable[[], Any]], files: dict[str, Any]) -> None:
    path, known = making.folder / file, set(making.sessions)
    async with SQLiteJournal(path) as journal:
        making.journal = journal
        for part in parts:
            await part()
        made = [name for name in making.sessions if name not in known]
        files[f"{file}.gz"] = told = {name: await making.about(name) for name in made}
    (making.folder / f"{file}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    resting = {"completed", "cancelled", "limit"}
    async with SQLiteJournal(path) as journal:  # from here on the file is scratch
        making.journal = journal
        for name in [name for name in made if told[name]["status"] not in resting]:
            told[name]["after"] = await making.after(name)
    path.unlink()


if __name__ == "__main__":
    place = Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parent / f"v{VERSION}"
    place.mkdir()
    anyio.run(make, place)
