"""Redaction: what a rule finds is neither written, nor believed, nor sent; and a rule that fails loses nothing."""

import dataclasses
import json
import logging
import re
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from agentkit import Journal, MemoryJournal, SQLiteJournal, ToolContext, tool
from agentkit.core.contract import ITEMS, THINKING_PARTS, Contract
from agentkit.core.events import AnyEvent
from agentkit.core.loop import fold
from agentkit.core.messages import AssistantMessage, File, Image, Stored, Text, ToolCall
from agentkit.core.request import project
from agentkit.errors import ConfigurationError, MessageIdReused, NeedsAnswer, RedactionFailed
from agentkit.events import (
    CallAnswered,
    CallDenied,
    CallRefused,
    ModelFailed,
    ModelInterrupted,
    ModelRejected,
    ModelResponded,
    Sent,
    ToolFinished,
    UserSaid,
)
from agentkit.journal import export
from agentkit.journal.keys import KeyFolder
from agentkit.models.base import Broken
from agentkit.redaction import PLACES, Redaction, redacted
from tests.session.desk import Played, Till, asks, facts, facts_of, session_of, told

pytestmark = pytest.mark.anyio

IBAN = "FR76-3000-6000-0112"
FOUND = (re.compile(r"[A-Z]{2}\d\d(-\d{4}){3}"), "[iban]")
RULES = Redaction([FOUND])
EVERYWHERE = Redaction([FOUND], arguments=True, reasoning=True)


@tool(effect="read")
async def statement(ctx: ToolContext[Till], account: str) -> str:
    """Read an account's statement."""
    ctx.deps.done.append(account)
    return f"account {IBAN}: 7 EUR" + " " * 70_000


@tool(effect="once")
async def pay(ctx: ToolContext[Till], account: str) -> str:
    """Pay."""
    ctx.deps.done.append(account)
    raise ConnectionError(f"the line to {IBAN} broke")


@tool(effect="read")
async def question() -> str:
    """Ask."""
    raise NeedsAnswer(f"is {IBAN} yours?")


def journal_of(kind: str, folder: Path, redaction: Redaction | None = RULES) -> Journal:
    match kind:
        case "memory":
            return MemoryJournal(redaction=redaction)
        case "sealed":
            keys = KeyFolder(folder / "keys", bytes(32))
            return SQLiteJournal(folder / "j.db", redaction=redaction, keys=keys)
        case _:
            return SQLiteJournal(folder / "j.db", redaction=redaction)


def bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("j.db*"))


@pytest.mark.parametrize("kind", ["memory", "sqlite", "sealed"])
async def test_nothing_a_rule_finds_is_written_believed_or_sent(tmp_path: Path, kind: str) -> None:
    model = Played(
        asks(("statement", {"account": "7"}), text=f"I look at {IBAN}."),
        [Broken("it broke", f"half of {IBAN}", f"thought of {IBAN}", None), f"It is {IBAN}."],
        asks(("pay", {"account": "7"})),
    )
    async with journal_of(kind, tmp_path) as journal, session_of(model, journal, Till(), statement, pay) as session:
        result = await session.run(f"My account is {IBAN}.", id="m1")
        assert result.output == "It is [iban]."
        result = await session.run(f"Pay from {IBAN}.", id="m2")
        unknown = result.unknowns[0]
        assert IBAN not in unknown.why
        await session.resume()
        events = await facts(session)
        told_to_model = json.dumps(model.requests)
        state = session._recorder.state  # noqa: SLF001 - what is believed
        assert fold(events).transcript == state.transcript
    (interrupted,) = [event for event in events if isinstance(event, ModelInterrupted)]
    assert (interrupted.text, interrupted.reasoning) == ("half of [iban]", f"thought of {IBAN}")  # exact, unasked
    assert IBAN not in told_to_model
    assert "My account is [iban]." in told_to_model
    assert "account [iban]: 7 EUR" in told_to_model
    if kind == "sqlite":
        assert bytes_of(tmp_path).count(IBAN.encode()) == bytes_of(tmp_path).count(b"thought of " + IBAN.encode())


async def test_what_agentkit_quotes_of_arguments_is_redacted(tmp_path: Path) -> None:
    model = Played(asks(("statement", {"account": [IBAN]})), asks((f"pay {IBAN}", {})), "done")
    async with session_of(model, journal_of("sqlite", tmp_path), Till(), statement) as session:
        await session.run("go")
        refused = await facts_of(session, CallRefused)
    assert [event.kind for event in refused] == ["schema", "unknown_tool"]
    assert IBAN not in str(refused)
    assert "[iban]" in str(refused[1])


async def test_people_s_words_and_a_tool_s_question_are_redacted_before_the_inbox(tmp_path: Path) -> None:
    model = Played(asks(("question", {}), ("question", {})), f"thanks, {IBAN}")
    journal = SQLiteJournal(tmp_path / "j.db", redaction=RULES)
    async with session_of(model, journal, Till(), question) as session:
        result = await session.run(f"hello {IBAN}", id="m1")
        assert [each.text for each in result.questions] == ["is [iban] yours?"] * 2
        await session.say(f"and {IBAN} too", id="m2")
        for each in result.questions:
            await session.answer(each, f"yes, {IBAN}", by="mary")
        rows = await journal.inbox("s")
        assert IBAN not in str(rows)
        assert (await session.resume()).output == "answer 2"
        assert [event.parts for event in await facts_of(session, CallAnswered)] == [(Text("yes, [iban]"),)] * 2
        await session.fork("f", before="2.1", say=f"or {IBAN}")
    assert IBAN.encode() not in bytes_of(tmp_path)


async def test_a_message_s_id_still_tells_the_same_text_from_another(tmp_path: Path) -> None:
    async with session_of(Played("yes"), journal_of("sqlite", tmp_path), Till()) as session:
        first = await session.run(f"my account is {IBAN}", id="m1")
        assert (await session.run(f"my account is {IBAN}", id="m1")).output == first.output
        with pytest.raises(MessageIdReused):
            await session.run("another text", id="m1")


async def test_a_tool_runs_with_the_arguments_the_model_gave(tmp_path: Path) -> None:
    till, model = Till(), Played(asks(("statement", {"account": IBAN})), "done")
    async with session_of(model, journal_of("sqlite", tmp_path), till, statement) as session:
        await session.run("go")
    assert till.done == [IBAN]
    assert IBAN.encode() in bytes_of(tmp_path)


async def test_where_arguments_are_redacted_the_tool_runs_with_what_was_recorded(tmp_path: Path) -> None:
    till, model = Till(), Played(asks(("statement", {"account": IBAN})), "done")
    async with session_of(model, journal_of("sqlite", tmp_path, EVERYWHERE), till, statement) as session:
        await session.run("go")
    assert till.done == ["[iban]"]
    assert IBAN.encode() not in bytes_of(tmp_path)


class Broken_(Exception):  # noqa: N801, N818 - a rule's own
    pass


def failing(times: list[int]) -> Callable[[str], str]:
    def rule(text: str) -> str:
        if IBAN in text and times[0] > 0:
            times[0] -= 1
            raise Broken_(f"no idea what {text} is")
        return FOUND[0].sub(FOUND[1], text)

    return rule


async def test_a_message_that_a_rule_fails_on_is_not_left(tmp_path: Path) -> None:
    rules = Redaction([failing([1])])
    async with session_of(Played("yes"), journal_of("sqlite", tmp_path, rules), Till()) as session:
        with pytest.raises(RedactionFailed, match=r"rule .*failing.* raised Broken_: nothing was written") as told_:
            await session.run(f"it is {IBAN}", id="m1")
        assert IBAN not in str(told_.value)
        assert await session.status() is None
        assert (await session.run(f"it is {IBAN}", id="m1")).output == "yes"
    assert IBAN.encode() not in bytes_of(tmp_path)


async def test_an_outcome_that_a_rule_fails_on_is_kept_in_hand_until_the_rule_is_mended(
    tmp_path: Path,
) -> None:
    times, till = [1], Till()
    model = Played(asks(("statement", {"account": "7"})), "done")
    rules = Redaction([failing(times)])
    async with session_of(model, journal_of("sqlite", tmp_path, rules), till, statement) as session:
        with pytest.raises(RedactionFailed):
            await session.run("go", id="m1")
        assert IBAN.encode() not in bytes_of(tmp_path)
        head = await session._journal.head("s")  # noqa: SLF001 - what a worker would be told
        assert head is not None
        assert head.trouble is not None
        assert head.trouble.startswith("RedactionFailed")
        assert (await session.resume()).output == "done"
        (finished,) = await facts_of(session, ToolFinished)
        assert not finished.failed
        assert session._recorder.kept == []  # noqa: SLF001
    assert till.done == ["7"]
    assert "account [iban]" in told(model.requests[-1])[0]
    assert IBAN.encode() not in bytes_of(tmp_path)


async def test_a_kept_outcome_is_not_handed_over_unredacted_when_the_session_is_left(tmp_path: Path) -> None:
    journal = journal_of("sqlite", tmp_path, Redaction([failing([99])]))
    model = Played(asks(("statement", {"account": "7"})), "done")
    async with journal:
        with pytest.raises(RedactionFailed):
            async with session_of(model, journal, Till(), statement) as session:
                await session.run("go", id="m1")
        assert list(await journal.inbox("s", taken=False)) == []
    assert IBAN.encode() not in bytes_of(tmp_path)


async def test_a_paid_answer_that_a_rule_fails_on_is_not_asked_for_again(tmp_path: Path) -> None:
    model = Played(f"it is {IBAN}")
    async with session_of(model, journal_of("sqlite", tmp_path, Redaction([failing([1])])), Till()) as session:
        with pytest.raises(RedactionFailed):
            await session.run("go", id="m1")
        assert (await session.resume()).output == "it is [iban]"
    assert len(model.requests) == 1


def test_a_rule_has_to_settle_and_to_give_text() -> None:
    with pytest.raises(RedactionFailed, match="changes its own result"):
        Redaction([(re.compile("a"), "aa")])("a")
    with pytest.raises(RedactionFailed, match="gave NoneType"):
        Redaction([lambda _: None])("a")  # type: ignore[list-item,return-value]
    with pytest.raises(ConfigurationError, match="is no rule"):
        Redaction([("a", "b")])  # type: ignore[list-item]
    with pytest.raises(ConfigurationError, match="is no rule"):
        Redaction([re.compile("a")])  # type: ignore[list-item]


def test_every_text_of_every_event_is_a_place_or_exact_for_a_reason() -> None:
    """A new event, or a new field, has to be thought of here."""
    exact = {"call", "kind", "by", "id", "process", "uid", "parent", "before", "seq", "dedup", "digest", "arguments"}
    exact |= {"agent", "model", "host", "contract_id", "version", "instructions", "schemas", "settings", "contract"}
    exact |= {"finish", "prices", "status", "effect", "purpose", "source", "carrier", "tools", "sent", "notes"}
    exact |= {"declared", "to", "about", "output"}
    for kind in get_args(AnyEvent):
        if kind in {ModelResponded, ModelRejected}:
            continue
        texts = {each.name for each in dataclasses.fields(kind) if "str" in str(each.type) or "Part" in str(each.type)}
        touched = set(PLACES.get(kind, {}))
        reasons = {"CallClosed": {"why"}}.get(kind.__name__, set())
        assert texts - touched - exact - reasons == set(), kind.__name__


# --- reasoning --------------------------------------------------------------------------------------------------------


def answer(**fields: Any) -> ModelResponded:
    return ModelResponded(AssistantMessage(**fields), Sent(0, ("h",)))


def test_reasoning_and_what_came_beside_it_stay_exact_unless_they_are_asked_for() -> None:
    call = ToolCall("c", "pay", json.dumps({"to": IBAN}), extras={"signature": IBAN})
    event = answer(text=f"it is {IBAN}", reasoning=IBAN, calls=(call,), extras={"details": [{"text": IBAN}]})
    clean = redacted(RULES, event).message
    assert clean == AssistantMessage("it is [iban]", IBAN, (call,), extras={"details": [{"text": IBAN}]})


def test_an_answer_no_rule_touches_is_the_very_same() -> None:
    event = answer(text="hello", reasoning="hm", extras={"details": [{"text": "hm", "n": 1}]})
    assert redacted(EVERYWHERE, event) is event
    said = UserSaid((Image("data:x"), File("a", "data:y"), Text("b")), "m1")
    assert redacted(RULES, said) is said


def test_changed_reasoning_goes_back_changed_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "agentkit")
    call = ToolCall("c", "pay", "{}", extras={"signature": "s"})
    event = answer(text="yes", reasoning=f"think of {IBAN}", calls=(call,), carrier="r", extras={"details": [1]})
    clean = redacted(EVERYWHERE, event)
    assert clean.message.redacted
    assert (clean.message.reasoning, clean.message.extras, clean.message.calls[0].extras) == ("think of [iban]", {}, {})
    assert [note for note in clean.notes if "redaction changed the reasoning" in note]
    assert redacted(EVERYWHERE, clean) is clean
    strict = Contract.model_validate({"id": "strict", "missing": "error", "carrier": {"opaque": ["details"]}})
    sending = project(clean.message, strict, "m", retained=True)
    assert (sending.decision, sending.reasoning) == ("redacted", "think of [iban]")
    assert sending.why.endswith("this service asks for it as it came")
    assert project(clean.message, strict, "m", retained=False).decision == "dropped"


def test_a_signed_block_in_which_a_rule_finds_something_does_not_go_back() -> None:
    event = answer(reasoning="hm", extras={"details": [{"text": IBAN, "signature": "s"}], "other": "kept"})
    message = redacted(EVERYWHERE, event).message
    assert (message.extras, message.redacted) == ({"other": "kept"}, True)


def test_frames_follow_a_changed_text() -> None:
    parts = {"content": [{"type": "thinking", "thinking": IBAN}, {"type": "text", "text": IBAN}]}
    clean = redacted(RULES, answer(text=IBAN, reasoning=IBAN, extras={THINKING_PARTS: parts, ITEMS: [{"n": 19}]}))
    assert clean.message.extras == {
        THINKING_PARTS: {"content": [parts["content"][0], {"type": "text", "text": "[iban]"}]}
    }
    assert [note for note in clean.notes if "without the items it came in" in note]


async def test_the_decision_is_recorded_with_the_next_request(tmp_path: Path) -> None:
    first = AssistantMessage(reasoning=f"think of {IBAN}", calls=asks(("statement", {"account": "7"})).calls)
    model = Played(first, "done")
    async with session_of(model, journal_of("sqlite", tmp_path, EVERYWHERE), Till(), statement) as session:
        await session.run("go")
        answers = await facts_of(session, ModelResponded)
    assert answers[1].sent.decisions == ("message 1: redacted, a rule changed its reasoning before it was recorded",)
    assert IBAN not in json.dumps(model.requests)
    assert IBAN.encode() not in bytes_of(tmp_path)


async def test_what_is_imported_is_redacted_too(tmp_path: Path) -> None:
    model = Played(asks(("statement", {"account": "mine"})), f"it is {IBAN}")
    async with session_of(model, MemoryJournal(), Till(), statement) as session:
        await session.run(f"mine is {IBAN}")
        lines = [line async for line in export.export(session._journal, "s")]  # noqa: SLF001
    assert IBAN.encode() in b"".join(lines)
    async with journal_of("sqlite", tmp_path) as journal:
        await export.import_(journal, lines, uid="u")
        again = b"".join([line async for line in export.export(journal, "s")])
        (done,) = [record.event async for record in journal.read("s") if isinstance(record.event, ToolFinished)]
        assert isinstance(done.parts[0], Stored)
        data = await journal.blob("s", done.parts[0].hash)
    assert (data[:13], len(data)) == (b"account [iban", done.parts[0].size)
    assert b64encode(IBAN.encode())[:-4] not in again
    assert IBAN.encode() not in bytes_of(tmp_path)


def test_words_of_errors_are_redacted() -> None:
    failed = ModelFailed("bad_request", f"refused {IBAN}", provider_text=f'{{"message": "{IBAN}"}}')
    clean = redacted(RULES, failed)
    assert IBAN not in str(clean)
    denied = CallDenied("1.1.0", 3, "ann", f"not {IBAN}", (Text(f"ann refused: not {IBAN}"),))
    assert IBAN not in str(redacted(RULES, denied))
