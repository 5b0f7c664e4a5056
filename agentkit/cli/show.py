"""`show` and `events`: what happened in a session, to read or for a program."""

import argparse
import json
from dataclasses import asdict
from functools import partial
from typing import Any

from agentkit import Record, Usage
from agentkit.cli.exits import Exit
from agentkit.cli.page import Page
from agentkit.cli.phrases import shortened
from agentkit.cli.project import hint, journal_of
from agentkit.cli.screen import ASK, BOLD, DIM, Screen
from agentkit.cli.sessions import driven_by
from agentkit.cli.story import Story, TurnTold, told
from agentkit.cli.waiting import Waiting, as_json, tell
from agentkit.errors import NoSuchSession
from agentkit.journal.asking import waiting
from agentkit.journal.base import Head, Journal
from agentkit.journal.codec import codec

_LOOK = 1.0  # seconds between looks at a session another process drives
_WIDE = 160  # characters of an event's body in the list


async def show(options: argparse.Namespace, screen: Screen) -> int:
    """Show a session: as a page, as a list of its events, or as JSON."""
    if options.raw:
        options.after, options.follow = 0, False
        return await events(options, screen)
    async with journal_of(options) as journal:
        head = await _head(journal, options.id)
        records = [record async for record in journal.read(options.id)]
        asked = [waiting(options.id, each) async for _, each in journal.asked(options.id)]
        if screen.json:
            screen.result(_as_json(head, told(records), asked))
            return Exit.OK
        page = Page(screen, partial(journal.blob, options.id), full=options.full)
        story = await page.write(options.id, records)
    _what_next(screen, options, head, story, asked)
    return Exit.OK


async def events(options: argparse.Namespace, screen: Screen) -> int:
    """Print recorded events, one line each; with `follow`, as they come."""
    after = options.after
    async with journal_of(options) as journal:
        await _head(journal, options.id)
        while True:
            async for record in journal.read(options.id, after=after):
                after = record.seq
                _event(screen, record, full=getattr(options, "full", False))
            if not options.follow:
                return Exit.OK
            await journal.changed(options.id, after, _LOOK)


async def _head(journal: Journal, session_id: str) -> Head:
    head = await journal.head(session_id)
    if head is None:
        raise NoSuchSession(f"the journal holds no session {session_id!r}; `agentkit sessions` lists them")
    return head


def _event(screen: Screen, record: Record, *, full: bool) -> None:
    name, body = codec().pack(record.event)
    place = str(record.turn) if record.step is None else f"{record.turn}.{record.step}"
    if screen.json:
        about = {"seq": record.seq, "at": record.at.isoformat(), "turn": record.turn, "step": record.step}
        screen.result({**about, "epoch": record.epoch, "type": name, "body": body})
        return
    fields = json.dumps(body, ensure_ascii=False) if body else ""
    fields = fields if full else shortened(fields, 1, _WIDE)
    screen.line((f"{record.seq:>5} {record.at:%H:%M:%S} {place:<6} ", DIM), (f"{name:<16} ", BOLD), fields)


def _what_next(screen: Screen, options: argparse.Namespace, head: Head, story: Story, asked: list[Waiting]) -> None:
    screen.line()
    tell(screen, options, asked)
    for said in story.waiting:
        screen.line(("a message waits for the turn's end: ", ASK), shortened(str(said.id), 1, _WIDE))
    driver = driven_by(head)
    if driver:
        screen.line((f"driven by {driver} now", ASK))
    elif story.open_turn is not None and not asked:
        screen.line(("the turn is open; to go on: ", ASK), hint(options, "resume", options.id))


def _as_json(head: Head, story: Story, asked: list[Waiting]) -> dict[str, Any]:
    bound = story.bound
    return {
        "session": head.session_id,
        "uid": head.uid,
        "agent": story.agent,
        "model": None if bound is None else bound.model,
        "contract": None if bound is None else bound.contract_id,
        "status": head.status,
        "driven_by": driven_by(head),
        "usage": usage_json(story.usage),
        "model_calls": story.model_calls,
        "tool_calls": story.tool_calls,
        "turns": [_turn_json(turn) for turn in story.turns],
        "waiting": [as_json(each) for each in asked],
    }


def _turn_json(turn: TurnTold) -> dict[str, Any]:
    return {
        "turn": turn.number,
        "message": turn.message,
        "status": turn.status,
        "reason": turn.reason,
        "text": turn.text,
        "steps": turn.steps,
        "usage": usage_json(turn.usage),
        "began_at": turn.began.isoformat(),
        "ended_at": None if turn.ended is None else turn.ended.isoformat(),
    }


def usage_json(usage: Usage) -> dict[str, Any]:
    """Return usage as plain JSON; the cost as text, so that no digit is lost."""
    return {**asdict(usage), "cost": None if usage.cost is None else str(usage.cost)}
