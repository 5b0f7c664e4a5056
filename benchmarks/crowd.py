"""A journal file with thousands of sessions: a few that were really held, copied row by row under other names.

Of a hundred sessions twenty wait for a person's approval, one has a message that nobody has taken, and the others rest.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from agentkit import Agent, ScriptedModel, Session, SQLiteJournal, tool
from agentkit.messages import AssistantMessage, ToolCall
from benchmarks.work import THINKING, look_up

_TABLES = ("event", "blob", "question")  # of rows that name their session and have no number of their own
_WAITS, _MAIL = (1, 2), 3  # numbers of ten sessions that wait; of a hundred that have mail


@tool(effect="once", needs_approval=True)
async def lend(book: str) -> str:
    """Lend a book.

    Args:
        book: its title.
    """
    return f"lent: {book}"


async def gather(path: Path, sessions: int, *, size: int = 1_000, turns: int = 2) -> list[str]:
    """Make the file: of each session `turns` turns of two calls, with results of `size` bytes, and one more.

    Returns the ids of its sessions, oldest first; "r…" rest, "w…" wait, "m…" have mail.
    """
    async with SQLiteJournal(path) as journal:
        for kind in "rwm":
            await _held(journal, kind, [_turn(turn, size) for turn in range(turns)])
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("pragma synchronous = off")  # nobody minds if this file is lost
        db.execute("begin")
        names = _copied(db, sessions)
        db.execute("commit")
        db.execute("pragma wal_checkpoint(truncate)")
    return names


async def _held(journal: SQLiteJournal, kind: str, turns: list[list[AssistantMessage]]) -> None:
    """Hold one session: turns of two calls each, and one that is as the kind says."""
    wish = AssistantMessage(reasoning=THINKING, calls=(ToolCall("call_lend", "lend", '{"book":"Momo"}'),))
    last = [wish] if kind == "w" else []
    said = [answer for turn in turns for answer in turn]
    agent: Agent[None] = Agent(ScriptedModel(*said, *last, "Anything else?"), tools=[look_up, lend])
    async with Session(agent, kind, journal=journal) as session:
        for turn in range(len(turns)):
            await session.run(f"Read two pages of volume {turn} to me.", id=f"said-{turn}")
        await session.run("And now lend it to me.", id="said-last")
        if kind == "m":
            await session.say("Are you still there?", id="said-then")


def _turn(turn: int, size: int) -> list[AssistantMessage]:
    calls = [ToolCall(f"call_{turn}_{page}", "look_up", f'{{"page":{page},"size":{size}}}') for page in range(2)]
    asking = [AssistantMessage(reasoning=THINKING, calls=(call,)) for call in calls]
    return [*asking, AssistantMessage(f"That was volume {turn}.")]


def _copied(db: sqlite3.Connection, sessions: int) -> list[str]:
    """Copy the held sessions until there are so many of them; return all ids."""
    held: dict[str, int] = dict(db.execute("select id, n from session").fetchall())
    names = list(held)
    db.execute("create temporary table copy (n integer primary key, held integer, id text)")
    for n in range(len(held) + 1, sessions + 1):
        kind = "w" if n % 10 in _WAITS else "m" if n % 100 == _MAIL else "r"
        names.append(f"{kind}-{n:08}-9b1e-7c42-8f6d-2a5b3c4d5e6f")
        db.execute("insert into copy values (?, ?, ?)", (n, held[kind], names[-1]))
    columns = ", ".join(f"t.{name}" for name in _columns(db, "session") if name not in {"n", "id"})
    into = columns.replace("t.", "")
    db.execute(
        f"insert into session (n, id, {into}) select c.n, c.id, {columns} from copy c join session t on t.n = c.held"  # noqa: S608
    )
    for table in (*_TABLES, "inbox"):
        columns = ", ".join(f"t.{name}" for name in _columns(db, table) if name not in {"n", "session"})
        into = columns.replace("t.", "")
        db.execute(
            f"insert into {table} (session, {into}) select c.n, {columns} from copy c join {table} t"  # noqa: S608
            " on t.session = c.held order by c.n, t.rowid"
        )
    db.execute("drop table copy")
    return names


def _columns(db: sqlite3.Connection, table: str) -> list[str]:
    return [name for _, name, *_ in db.execute(f"pragma table_info({table})")]
