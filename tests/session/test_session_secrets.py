"""A secret in a handle: after a full run, its value is searched for as bytes in everything that run has left."""

import base64
import logging
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent, Delta, Outcome, Session, SQLiteJournal, ToolContext, ToolError, tool
from agentkit.core.messages import AssistantMessage, Image
from agentkit.emulator import Call, Emulator, Reply
from agentkit.errors import NeedsAnswer
from agentkit.events import ToolFinished, ToolUnknown
from agentkit.journal.export import export
from agentkit.models import Model
from agentkit.tools import Secret
from tests.session.desk import facts_of

pytestmark = pytest.mark.anyio

VALUE = 'sk_live-51/H"8+ö&9'
STRIPE = Secret("stripe", VALUE)
MAIL = Secret("mail", "correct horse battery")
CORES = ("sk_live", "51/H", "51%2FH", "correct", "battery")  # what every form but base64 and hex would hold


@dataclass
class Shop:
    mail: Secret


@tool(effect="read", secrets=(STRIPE,))
async def show(ctx: ToolContext[Shop], how: str) -> Any:
    """Show the key, as a careless tool would."""
    value = STRIPE.reveal()
    await ctx.progress(f"signing in with {value} and {ctx.deps.mail.reveal()}")
    data = value.encode()
    match how:
        case "json":
            return {
                "key": value,
                "handle": repr(STRIPE),
                "headers": [f"Basic {base64.b64encode(data + b':').decode()}"],
            }
        case "url":
            return f"https://shop.example/?{urllib.parse.urlencode({'key': value})}" + " " * 70_000
        case "hex":
            return data.hex()
        case "told":
            raise ToolError(f"401 for {value}")
        case "asks":
            raise NeedsAnswer(f"is {value} the key?")
        case "group":
            raise ExceptionGroup(f"tried {value}", [ConnectionError(value), ValueError(repr(value))])
        case _:
            return f"{ctx.deps.mail}: {ctx.deps.mail.reveal()} {Image(value)!r}"


@tool(effect="once", secrets=(STRIPE,), needs_approval=lambda order: f"{STRIPE.reveal()} pays {order}")
async def pay(order: str) -> str:
    """Pay, over a line that breaks."""
    raise ConnectionError(f"POST /charge {order} Authorization: Bearer {STRIPE.reveal()}")


@pay.reconcile
async def was_paid(order: str) -> Outcome[str]:
    raise ConnectionError(f"GET /charge/{order}?key={urllib.parse.quote(STRIPE.reveal())}")


WAYS = ("json", "url", "hex", "told", "group", "other")


async def play(folder: Path, seen: list[Any], base_url: str) -> None:
    """Drive a session over every way a value could get out, with a person deciding where one has to."""
    model = Model("m", base_url=base_url, contract="deepseek-v4")
    agent = Agent(model, tools=[show, pay], deps_type=Shop, instructions=lambda shop: f"Your key is {shop.mail}.")
    journal = SQLiteJournal(folder / "shop.db")
    async with Session(agent, "s", journal=journal, deps=Shop(MAIL)) as session:
        async with session.stream("What is the key?") as stream:
            seen += [item async for item in stream]
        (question,) = (await session.resume()).questions
        seen.append(question)
        await session.answer(question, "no", by="ann")
        (approval,) = (await session.resume()).approvals
        seen.append(approval)
        await session.approve(approval, by="ann")
        result = await session.resume()
        (unknown,) = result.unknowns
        seen.append(unknown)
        await session.resolve(unknown, Outcome.happened(f"paid with {VALUE}"), by="ann")
        seen.append(result := await session.resume())
        assert result.output == "Done."
        assert len(await facts_of(session, ToolFinished)) == len(WAYS)
        assert len(await facts_of(session, ToolUnknown)) == 1
        seen += [event async for event in session.events()]
        (folder / "export").write_bytes(b"".join([line async for line in export(journal, "s", whole=True)]))
        keep(folder)  # the write-ahead log is there as long as the journal is open


def keep(folder: Path) -> None:
    for path in folder.iterdir():
        (folder.parent / "copies" / path.name).write_bytes(path.read_bytes())


def forms(value: str) -> list[bytes]:
    """Return the value as bytes, in every form in which anything may have written it."""
    data = value.encode()
    inside = [base64.b64encode(b"\0" * n + data)[4:-4] for n in range(3)]
    return [data, data.hex().encode(), repr(value)[1:-1].encode(), *inside, *(core.encode() for core in CORES)]


async def test_the_value_is_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    (tmp_path / "run").mkdir()
    (tmp_path / "copies").mkdir()
    asked = tuple(Call("show", {"how": way}) for way in WAYS)
    script = {
        "*": [
            Reply("I look.", "Let me see.", asked),
            Reply(None, "", (Call("show", {"how": "asks"}),)),
            Reply(None, "", (Call("pay", {"order": "7"}),)),
            Reply("Done.", ""),
        ]
    }
    seen: list[Any] = []
    async with Emulator(script) as server:
        await play(tmp_path / "run", seen, server.base_url)
        sent = [each.raw + repr(each.headers).encode() for each in server.requests]
    left = {path.name: path.read_bytes() for path in (tmp_path / "copies").iterdir()}
    assert {"shop.db", "shop.db-wal", "export"} <= set(left)
    written = "".join(str(vars(record)) for record in caplog.records) + caplog.text + repr(capfd.readouterr())
    left |= {"sent": b"".join(sent), "written": written.encode(), "seen": "".join(map(repr, seen)).encode()}
    found = [
        (name, form)
        for name, data in left.items()
        for value in (VALUE, MAIL.reveal())
        for form in forms(value)
        if form in data
    ]
    assert found == []
    assert {name for name in left if b"[secret stripe]" in left[name]} >= {"sent", "seen", "export"}
    assert b"[secret mail]" in left["sent"], "the instructions, and a result"
    assert any(isinstance(each, Delta) and each.text == f"signing in with {STRIPE} and {MAIL}" for each in seen)
    assert len(sent) == 4
    assert not any(isinstance(each, AssistantMessage) for each in seen)


async def test_the_search_would_find_it(tmp_path: Path) -> None:
    (tmp_path / "left").write_bytes(b"x" + base64.b64encode(b":" + VALUE.encode() + b"!"))
    assert any(form in (tmp_path / "left").read_bytes() for form in forms(VALUE))
