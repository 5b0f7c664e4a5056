"""`show` and `events`: what happened in a session, to read or for a program."""

import argparse
import json
from dataclasses import asdict
from functools import partial
from typing import Any

from agentkit import Record, Usage
from agentkit.cli.exits import Exit
from agentkit.cli.figures import moment
from agentkit.cli.page import Page
from agentkit.cli.phrases import shortened
from agentkit.cli.project import hint, journal_of, known
from agentkit.cli.screen import ASK, BAD, BOLD, DIM, Screen
from agentkit.cli.sessions import driven_by
from agentkit.cli.story import Story, TurnTold, told
from agentkit.cli.waiting import Waiting, as_json, tell
from agentkit.events import HandedBack, PersonAnswered
from agentkit.journal.asking import waiting
from agentkit.journal.base import Head
from agentkit.journal.codec import codec
from agentkit.journal.watch import watched
from agentkit.workers.dead import is_dead, obituary, reason

_WIDE = 160  # characters of an event's body in the list


async def show(options: argparse.Namespace, screen: Screen) -> int:
    """Show a session: as a page, as a list of its events, or as JSON."""
    if options.raw:
        options.after, options.follow = 0, False
        return await events(options, screen)
    async with journal_of(options) as journal:
        head = await known(journal, options.id)
        records = [record async for record in journal.read(options.id)]
        asked = [waiting(options.id, each) async for _, each in journal.asked(options.id)]
        if screen.json:
            screen.result(_as_json(head, told(records), asked))
            return Exit.OK
        page = Page(screen, partial(journal.blob, options.id), full=options.full)
        story = await page.write(head, records)
        screen.line()
        tell(screen, options, asked)
        for row in await journal.inbox(options.id):
            by = f" by {row.by}" if row.by else ""
            screen.line((f"left for the session{by}, not taken up yet: {row.kind}, {moment(row.at)}", ASK))
    _what_next(screen, options, head, story, _has_the_word(records))
    return Exit.OK


async def events(options: argparse.Namespace, screen: Screen) -> int:
    """Print recorded events, one line each; with `follow`, as they come."""
    async with journal_of(options) as journal:
        await known(journal, options.id)
        find = partial(watched, journal) if options.follow else journal.read
        async for record in find(options.id, after=options.after):
            tell_event(screen, record, full=getattr(options, "full", False))
    return Exit.OK


def tell_event(screen: Screen, record: Record, *, full: bool) -> None:
    """Write an event as one line, for a person or a program."""
    name, body = codec().pack(record.event)
    place = str(record.turn) if record.step is None else f"{record.turn}.{record.step}"
    if screen.json:
        about = {"seq": record.seq, "at": record.at.isoformat(), "turn": record.turn, "step": record.step}
        screen.result({**about, "epoch": record.epoch, "type": name, "body": body})
        return
    fields = json.dumps(body, ensure_ascii=False) if body else ""
    fields = fields if full else shortened(fields, 1, _WIDE)
    screen.line((f"{record.seq:>5} {record.at:%H:%M:%S} {place:<6} ", DIM), (f"{name:<16} ", BOLD), fields)


def _has_the_word(records: list[Record]) -> str:
    """Return the person who answers in the agent's place."""
    word = ""
    for record in records:
        match record.event:
            case PersonAnswered(by=person):
                word = person
            case HandedBack():
                word = ""
    return word


def _what_next(screen: Screen, options: argparse.Namespace, head: Head, story: Story, person: str) -> None:
    for said in story.waiting:
        screen.line((f"message {said.id} waits for the turn's end", ASK))
    driver = driven_by(head)
    if driver:
        screen.line((f"driven by {driver} now", ASK))
    elif is_dead(head):
        screen.line((obituary(head), BAD))
    elif person:
        says = f"{person} answers in the agent's place; to let the agent answer again: "
        screen.line((says, ASK), hint(options, "hand-back", options.id, "--by", "NAME"))
    elif story.open_turn is not None:
        words = "the turn failed; to try again: " if head.status == "faulted" else "the turn is open; to go on: "
        screen.line((words, ASK), hint(options, "resume", options.id))


def _as_json(head: Head, story: Story, asked: list[Waiting]) -> dict[str, Any]:
    bound = story.bound
    return {
        "session": head.session_id,
        "uid": head.uid,
        "agent": story.agent,
        "model": None if bound is None else bound.model,
        "contract": None if bound is None else bound.contract_id,
        "status": head.status,
        "dead": reason(head) if is_dead(head) else None,
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
        "model": turn.model,
        "steps": turn.steps,
        "usage": usage_json(turn.usage),
        "began_at": turn.began.isoformat(),
        "ended_at": None if turn.ended is None else turn.ended.isoformat(),
    }


def usage_json(usage: Usage) -> dict[str, Any]:
    """Return usage as plain JSON; the cost as text, so that no digit is lost."""
    return {**asdict(usage), "cost": None if usage.cost is None else str(usage.cost)}
