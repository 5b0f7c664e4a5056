import dataclasses
import json
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from agentkit.core.events import AgentBound, AnyEvent, ModelResponded, ModelStarted, Sent, SessionStarted, UserSaid
from agentkit.core.messages import AssistantMessage, Text, ToolCall
from agentkit.core.spec import Limits, Usage
from agentkit.errors import ForeignJournal, JournalError
from agentkit.journal.codec import Codec, Stored, codec
from agentkit.journal.jsonbytes import MAX_DEPTH, decode_json, encode_json
from agentkit.journal.shape import shape_of

EVENTS: tuple[type, ...] = get_args(AnyEvent)
NASTY = [" a ", "\u2028\u2029", "\0", "\ud83d", "\ude00", "\\\ud83d", '"\\n"', "\\ud83d", "\U0001f600", "\x7f\ufeff"]


def joined(text: str) -> str:
    """Halves of one pair side by side are one character."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


TEXT = st.one_of(st.text(st.characters(), max_size=8), st.lists(st.sampled_from(NASTY)).map("".join)).map(joined)
HUGE = st.integers() | st.sampled_from([2**63, -(2**64), 10**4000])
FLOAT = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | HUGE | FLOAT | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)
EXTRAS = st.dictionaries(TEXT, JSON, max_size=3)
SCALARS = {
    str: TEXT,
    int: HUGE,
    bool: st.booleans(),
    float: FLOAT,
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
    NoneType: st.none(),
}


@cache
def values(hint: Any) -> st.SearchStrategy[Any]:
    """Make values of a type hint: written apart from the codec's own reading of hints, to judge it."""
    if hint in SCALARS:
        return SCALARS[hint]
    origin, args = get_origin(hint), get_args(hint)
    if origin in {Union, UnionType}:
        return st.one_of([values(arg) for arg in args])
    if origin is Literal:
        return st.sampled_from(args)
    if origin in {tuple, Mapping}:
        return st.lists(values(args[0]), max_size=3).map(tuple) if origin is tuple else EXTRAS
    if issubclass(hint, BaseModel):  # pydantic refuses lone surrogates itself
        return st.builds(hint, **{name: st.none() | st.text() for name in hint.model_fields})
    return st.builds(hint, **{name: values(kind) for name, kind in get_type_hints(hint).items()})


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_every_event_comes_back(kind: type, data: st.DataObject) -> None:
    event = data.draw(values(kind))
    stored = codec().encode(event)
    assert stored.type == kind.__name__
    stored.body.decode("utf-8")
    json.loads(stored.body)
    assert codec().decode(stored) == event


@settings(deadline=None)
@given(JSON)
def test_any_json_comes_back(value: Any) -> None:
    data = encode_json(value)
    data.decode("utf-8")
    assert decode_json(data) == value


@pytest.mark.parametrize("text", NASTY)
def test_only_lone_surrogates_are_escaped(text: str) -> None:
    data = encode_json(text)
    assert decode_json(data) == text
    lone = any("\ud800" <= character <= "\udfff" for character in text)
    plain = json.dumps(text, ensure_ascii=False)
    assert (data != plain.encode("utf-8", "surrogatepass")) == lone


def test_a_backslash_before_a_lone_surrogate_stays_one() -> None:
    assert encode_json("\\\ud83d") == rb'"\\\ud83d"'
    assert decode_json(rb'"\\\ud83d"') == "\\\ud83d"
    assert decode_json(rb'"\\ud83d"') == "\\ud83d"


def test_the_halves_of_a_pair_become_one_character() -> None:
    event = UserSaid((Text("\ud83d" + "\ude00"),))
    assert codec().decode(codec().encode(event)) == UserSaid((Text("\U0001f600"),))


def test_the_deepest_value_that_may_be_written_can_be_read() -> None:
    value: Any = 1
    for _ in range(MAX_DEPTH):
        value = [value]
    assert decode_json(encode_json(value)) == value
    with pytest.raises(JournalError, match="deeper"):
        encode_json([value])
    with pytest.raises(JournalError):
        decode_json(b"[" * 100_000)


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), {1: "a"}, {None: 1}, object(), b"bytes", {"a": {1, 2}}, [Decimal(1)], 10**5000],
    ids=lambda value: type(value).__name__,
)
def test_what_json_has_no_word_for_is_refused(value: object) -> None:
    with pytest.raises(JournalError):
        encode_json(value)
    with pytest.raises(JournalError, match="nothing was written"):
        codec().encode(responded({"extra": value}))


@pytest.mark.parametrize("number", [10**5000, -(10**5000)], ids=["large", "small"])
def test_an_integer_that_nobody_could_read_again_is_refused(number: int) -> None:
    with pytest.raises(JournalError, match=r"ModelStarted\.tokens: .*4,300 digits: nothing was written"):
        codec().encode(ModelStarted(1, number))


def responded(extras: Mapping[str, Any]) -> ModelResponded:
    call = ToolCall("id", "look", "{}", extras=extras)
    return ModelResponded(AssistantMessage(calls=(call,)), Sent(0, ()))


@pytest.mark.parametrize(
    "data",
    [b"NaN", b"[Infinity]", b"1e999", b'{"a":1,"a":2}', b"\xed\xa0\xbd", b"", b"{", b"1 2", b"\xff", b'"\x01"'],
)
def test_bytes_no_journal_writes_are_refused(data: bytes) -> None:
    with pytest.raises(JournalError):
        decode_json(data)


def test_defaults_are_not_stored_and_absent_is_not_empty() -> None:
    body = codec().encode(UserSaid((Text(""),))).body
    assert body == b'{"parts":[""]}'
    for reasoning in (None, "", "why"):
        message = AssistantMessage(text="hi", reasoning=reasoning)
        event = ModelResponded(message, Sent(0, ()), Usage(cost=None))
        stored = codec().encode(event)
        assert codec().decode(stored) == event
        assert stored.usage == b'{"cost":null}'


def test_usage_stands_beside_the_body() -> None:
    event = ModelResponded(AssistantMessage(text="hi"), Sent(0, ()), Usage(1, 2, 3, 4, Decimal("0.50")))
    stored = codec().encode(event)
    assert b"usage" not in stored.body
    assert stored.usage == b'{"in":1,"cached":2,"out":3,"reasoning":4,"cost":"0.50"}'
    assert codec().decode(stored) == event
    with pytest.raises(JournalError, match="usage: an object"):
        codec().decode(stored._replace(usage=b"5"))
    with pytest.raises(JournalError, match="usage: Usage has no field tokens"):
        codec().decode(stored._replace(usage=b'{"tokens":5}'))


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("UserSaid", b'{"parts":[],"colour":1}', "no field colour"),
        ("UserSaid", b"{}", "lacks parts"),
        ("UserSaid", b"[]", "not a JSON object"),
        ("UserSaid", b'{"parts":{}}', "UserSaid.parts: a list"),
        ("UserSaid", b'{"parts":["a",{"is":"image"}]}', r"UserSaid.parts\[1\]: Image lacks url"),
        ("UserSaid", b'{"parts":[{"is":"text","text":"a"}]}', r"parts\[0\]: one of .* not 'text'"),
        ("UserSaid", b'{"parts":[{"is":"movie"}]}', r"parts\[0\]: one of .* not 'movie'"),
        ("UserSaid", b'{"parts":[5]}', r"parts\[0\]: one of"),
        ("UserSaid", b'{"parts":[],"id":5}', "UserSaid.id: text is wanted, not int"),
        ("UserSaid", b'{"parts":[],"now":1}', "UserSaid.now: true or false"),
        ("ModelStarted", b'{"attempt":true}', "attempt: a whole number is wanted, not bool"),
        ("ModelStarted", b'{"attempt":1.5}', "attempt: a whole number"),
        ("ModelStarted", b'{"attempt":1,"cost":1}', "cost: a decimal number in quotes"),
        ("ModelStarted", b'{"attempt":1,"cost":"much"}', "cost: a decimal number in quotes"),
        ("ModelStarted", b'{"attempt":1,"cost":"Infinity"}', "cost: a decimal number in quotes"),
        ("ModelStarted", b'{"attempt":1,"purpose":"fun"}', "purpose: one of"),
        ("ModelResponded", b'{"message":1,"sent":{"kept":0,"hashes":[],"digest":""}}', "message: an object"),
        ("ModelResponded", b'{"message":{"extras":[]},"sent":{"kept":0,"hashes":[],"digest":""}}', "extras: an object"),
    ],
)
def test_a_body_of_another_shape_is_refused_by_the_name_of_its_place(name: str, body: bytes, words: str) -> None:
    with pytest.raises(JournalError, match=words):
        codec().decode(Stored(name, body))


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (UserSaid("hello"), "UserSaid.parts: a tuple"),  # type: ignore[arg-type]
        (UserSaid((Text(5),)), r"parts\[0\].text: text is wanted"),  # type: ignore[arg-type]
        (UserSaid((5,)), r"parts\[0\]: one of"),  # type: ignore[arg-type]
        (UserSaid((), id=b"x"), "id: text is wanted"),  # type: ignore[arg-type]
        (responded([1]), r"message.calls\[0\].extras: a mapping"),  # type: ignore[arg-type]
        (ModelResponded(AssistantMessage(), Usage()), "sent: Sent is wanted, not Usage"),  # type: ignore[arg-type]
        (dataclasses.replace(responded({}), usage=Usage(cost=Decimal("NaN"))), "usage.cost: a finite Decimal"),
        (Text("no event"), "Text is no event"),
    ],
)
def test_an_event_that_could_not_be_read_again_is_not_written(event: Any, words: str) -> None:
    with pytest.raises(JournalError, match=words):
        codec().encode(event)


@pytest.mark.parametrize("seconds", [float("nan"), True, "1"])
def test_a_float_is_a_finite_number(seconds: Any) -> None:
    shape = shape_of(Limits)
    with pytest.raises(JournalError, match="seconds: a finite number"):
        shape.pack(Limits(seconds=seconds))
    with pytest.raises(JournalError, match="seconds: a finite number"):
        shape.unpack({"seconds": seconds})
    assert shape.unpack(shape.pack(Limits(seconds=30))) == Limits(seconds=30)


@pytest.mark.parametrize("hint", [complex, list[int], tuple[int, str], int | str | bytes, Text | dict[str, int]])
def test_a_type_the_codec_does_not_know_is_an_error_of_the_event_s_author(hint: Any) -> None:
    with pytest.raises(TypeError, match="codec"):
        shape_of(hint)


def test_an_unknown_type_is_refused_unless_it_says_that_it_may_be() -> None:
    with pytest.raises(ForeignJournal, match=r"Dreamed.*later version"):
        codec().decode(Stored("Dreamed", b'{"of":"sheep"}'))
    with pytest.raises(ForeignJournal):
        codec().decode(Stored("Dreamed", b'{"of":"sheep","ignorable":1}'))
    assert codec().decode(Stored("Dreamed", b'{"of":"sheep","ignorable":true}')) is None


def test_a_later_version_of_a_known_type_is_refused_unless_it_says_that_it_may_be() -> None:
    with pytest.raises(ForeignJournal, match="version 2"):
        codec().decode(Stored("UserSaid", b'{"parts":[],"v":2}'))
    with pytest.raises(ForeignJournal):
        codec().decode(Stored("UserSaid", b'{"parts":[],"v":"1"}'))
    assert codec().decode(Stored("UserSaid", b'{"parts":[],"v":2,"ignorable":true}')) is None
    assert codec().decode(Stored("UserSaid", b'{"parts":[],"ignorable":true}')) == UserSaid(())


def test_older_bodies_go_through_every_upgrade() -> None:
    later = Codec(
        SessionStarted | UserSaid,
        {
            ("UserSaid", 1): lambda body: {"words": [body["text"]]},
            ("UserSaid", 2): lambda body: {"parts": [*body["words"], "!"]},
        },
    )
    for body in (b'{"text":"hi"}', b'{"words":["hi"],"v":2}', b'{"parts":["hi","!"],"v":3}'):
        assert later.decode(Stored("UserSaid", body)) == UserSaid((Text("hi"), Text("!")))
    assert later.encode(UserSaid((Text("hi"),))).body == b'{"parts":["hi"],"v":3}'
    assert later.encode(SessionStarted("u", "a")).body == b'{"uid":"u","agent":"a"}'


def test_a_binding_of_before_the_progress_guards_has_none() -> None:
    bound = AgentBound("a", "m", "h", "c", "0", "i", "s", "t", "c", limits=Limits(steps=9))
    name, body = codec().pack(bound)
    for limits, steps in (({"steps": 9}, 9), ({}, 50)):
        older = codec().unpack(name, body | {"v": 2, "limits": limits})
        assert older == dataclasses.replace(bound, limits=Limits(steps=steps, repairs=None, repeats=None))
    assert codec().unpack(name, body) == bound
