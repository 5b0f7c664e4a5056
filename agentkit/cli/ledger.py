"""`ledger`: every effect that was started, for an auditor."""

import argparse
import csv
import io
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from agentkit.cli.escape import safe_line
from agentkit.cli.exits import Exit
from agentkit.cli.figures import count, moment
from agentkit.cli.project import journal_of, known
from agentkit.cli.screen import ASK, BAD, BOLD, DIM, GOOD, Screen
from agentkit.errors import ConfigurationError
from agentkit.journal.base import Journal
from agentkit.ledger import RULES, TWICE, Entry, erased_of, ledger_of

_STYLES = {"once": GOOD, "ran again": GOOD, "never": DIM, "repeated": "", "failed": "", TWICE: BAD}
_COLUMNS = (
    *("session", "key", "tool", "effect", "verdict", "outcome", "arguments", "starts", "first_started"),
    *("last_started", "ended_at", "processes", "decided", "note"),
)
_ERASED = "of which tools, and with which outcome, cannot be told any more"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


async def ledger(options: argparse.Namespace, screen: Screen) -> int:
    """Tell every effect, one session at a time, and at the end the totals and the rules."""
    if options.csv and options.json:
        raise ConfigurationError("--csv or --json: give one of them")
    totals: Counter[str] = Counter()
    if options.csv:
        screen.write(_row(_COLUMNS))
    async with journal_of(options) as journal:
        if options.session is not None:
            await known(journal, options.session)
        async for entry in _chosen(journal, options):
            totals[entry.verdict] += 1
            _tell(options, screen, entry)
        erased = await _erased(journal, options)
    if options.json:
        gone = [{"session": name, "starts": starts} for name, starts in erased]
        screen.result({"totals": dict(totals), "might_have_run_twice": totals[TWICE], "erased": gone})
    elif options.csv:
        for name, starts in erased:
            row = {"session": name, "verdict": "erased", "starts": starts, "note": _ERASED}
            screen.write(_row([row.get(column, "") for column in _COLUMNS]))
    else:
        _conclude(screen, totals, sum(starts for _, starts in erased))
    return Exit.DIFFERS if totals[TWICE] else Exit.OK


async def _chosen(journal: Journal, options: argparse.Namespace) -> AsyncIterator[Entry]:
    since, until = _moment("--since", options.since), _moment("--until", options.until)
    async for entry in ledger_of(journal, since=since, until=until, session_id=options.session):
        if options.tool in {None, entry.tool}:
            yield entry


async def _erased(journal: Journal, options: argparse.Namespace) -> list[tuple[str, int]]:
    """Return the erased sessions of the period: what one tool did there, or one session, nobody can ask for."""
    if options.tool is not None or options.session is not None:
        return []
    since, until = _moment("--since", options.since), _moment("--until", options.until)
    return [each async for each in erased_of(journal, since=since, until=until)]


def _moment(flag: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(f"{flag} {text}: write a day or a time like 2026-11-01 or 2026-11-01T09:30") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _tell(options: argparse.Namespace, screen: Screen, entry: Entry) -> None:
    if options.json:
        screen.result(_as_json(entry))
    elif options.csv:
        screen.write(_row([_flat(entry)[name] for name in _COLUMNS]))
    else:
        _show(screen, entry)


def _show(screen: Screen, entry: Entry) -> None:
    style = _STYLES.get(entry.verdict, ASK)
    screen.line((f"{entry.verdict:<21}", style), (entry.tool, BOLD), (f"  {entry.effect}, {entry.outcome}", DIM))
    screen.line(("key      ", DIM), entry.key, ("   session ", DIM), entry.session_id, indent=4)
    for start in entry.starts:
        who = f"   {start.process}" if start.process else ""
        screen.line(
            ("started  ", DIM), moment(start.at), (f"{who}   run {start.epoch}, event {start.seq}", DIM), indent=4
        )
    for said in entry.decisions:
        words = f"{said.what.replace('_', ' ')}, says {said.by}" + (f": {said.why}" if said.why else "")
        source = "" if said.source == "person" else f" ({said.source})"
        screen.line(("decided  ", DIM), moment(said.at), f"   {words}", (source, DIM), indent=4)
    if entry.note:
        screen.line(("note     ", DIM), entry.note, indent=4)


def _conclude(screen: Screen, totals: Counter[str], erased: int) -> None:
    if erased:
        screen.line(("! ", ASK), f"{count(erased, 'call')} more began in sessions that are erased: {_ERASED}")
    if not totals:
        screen.line(("nothing that has an effect was started", DIM))
        return
    screen.rule(count(sum(totals.values()), "effect"))
    for verdict, rule in RULES.items():
        if totals[verdict]:
            screen.line((f"{totals[verdict]:>6}  ", BOLD), (f"{verdict:<21}", _STYLES.get(verdict, ASK)), (rule, DIM))
    if totals[TWICE]:
        screen.line(("✗ ", BAD), f"{count(totals[TWICE], 'effect')} might have run twice")
    else:
        screen.line(("✓ ", GOOD), "nothing ran twice, as far as the journal and the tools' own proofs tell")


def _as_json(entry: Entry) -> dict[str, Any]:
    starts = [
        {"at": start.at.isoformat(), "process": start.process, "run": start.epoch, "event": start.seq}
        for start in entry.starts
    ]
    decided = [
        {"what": each.what, "by": each.by, "source": each.source, "at": each.at.isoformat(), "why": each.why}
        for each in entry.decisions
    ]
    whole = {name: value for name, value in _flat(entry).items() if name not in {"processes", "decided"}}
    return {**whole, "starts": starts, "decisions": decided, "rule": RULES[entry.verdict]}


def _flat(entry: Entry) -> dict[str, Any]:
    return {
        "session": entry.session_id,
        "key": entry.key,
        "tool": entry.tool,
        "effect": entry.effect,
        "verdict": entry.verdict,
        "outcome": entry.outcome,
        "arguments": entry.arguments,
        "starts": len(entry.starts),
        "first_started": entry.starts[0].at.isoformat(),
        "last_started": entry.starts[-1].at.isoformat(),
        "ended_at": entry.ended_at.isoformat() if entry.ended_at else "",
        "processes": " ".join(dict.fromkeys(start.process or f"run-{start.epoch}" for start in entry.starts)),
        "decided": "; ".join(f"{each.what} by {each.by}" for each in entry.decisions),
        "note": entry.note,
    }


def _row(cells: Any) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow([_cell(cell) for cell in cells])
    return line.getvalue()


def _cell(value: object) -> object:
    """Return a cell that no spreadsheet takes for a formula and no terminal for an order."""
    if not isinstance(value, str):
        return value
    text = safe_line(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
