"""Format 1, pinned: what its stored bodies mean, by what is in them and by what is not.

When a test here fails, stored journals would be read differently: give the type an entry in `codec.UPGRADES`. Then, and
never before, `python tests/journal/test_journal_format.py` writes the two files anew.
"""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import anyio
import pytest

from agentkit.core.binding import Blob, hashed
from agentkit.core.contract import Bridges
from agentkit.core.events import (
    AgentBound,
    AnyEvent,
    CallEscalated,
    CallHeld,
    CallResolved,
    LimitReached,
    ModelRejected,
    ModelResponded,
    SessionStarted,
    ToolFinished,
    ToolStarted,
    UserSaid,
)
from agentkit.core.events_people import CallDeferred, CallWoken, HandedBack, PersonAnswered
from agentkit.core.messages import Stored
from agentkit.core.spec import Patience
from agentkit.journal import MemoryJournal
from agentkit.journal.base import Batch, Placed
from agentkit.journal.export import export, import_

DECLARED = Path(__file__).parent / "format_1.json"
STORED = Path(__file__).parent / "format_1.jsonl"
EARLIER = Path(__file__).parent / "format_1_before_patience.jsonl"
CONTENTS = b"contents"
LATER = (CallEscalated, CallDeferred, CallWoken, PersonAnswered, HandedBack)  # types there were none of then
SAMPLES: dict[Any, Any] = {
    str: hashed(CONTENTS),  # so that whatever names contents names these
    int: 7,
    bool: True,
    float: 2.5,
    Decimal: Decimal("1.25"),
    Bridges: Bridges(user_after_tool="Go on.", user_after_user=""),
}


TRUST: dict[str, Any] = {  # what no tool had then
    "untrusted": False,
    "after_untrusted": False,
    "fields": (),
    "forbidden": False,
}


def sample(hint: Any) -> Any:
    """Return a value of a type hint that is nobody's default."""
    origin, args = get_origin(hint), [arg for arg in get_args(hint) if arg is not type(None)]
    if origin in {Union, UnionType}:
        return sample(args[0])
    if origin is tuple:
        return tuple(sample(kind) for kind in get_args(args[0]) or args[:1])
    if origin in {Literal, Mapping}:
        return args[-1] if origin is Literal else {"seed": [1, None, "\ud83d"]}
    return SAMPLES[hint] if hint in SAMPLES else full(hint)


def full(kind: Any) -> Any:
    return kind(**{name: sample(hint) for name, hint in get_type_hints(kind).items()})


def bare(kind: Any) -> Any:
    hints = get_type_hints(kind)
    needed = [f.name for f in dataclasses.fields(kind) if default(f) == "required"]
    return kind(**{name: sample(hints[name]) for name in needed})


def every_event() -> list[Any]:
    """Return every type of event twice: with all its fields, and with what it cannot be without."""
    return [make(kind) for kind in get_args(AnyEvent) for make in (full, bare)]


def declared() -> dict[str, dict[str, list[str]]]:
    """Return the names, types and defaults of all that is stored."""
    return {kind.__name__: dict(fields_of(kind)) for kind in stored_types(AnyEvent)}


def stored_types(hint: Any) -> Iterator[Any]:
    if dataclasses.is_dataclass(hint):
        yield hint
        for inner in get_type_hints(hint).values():
            yield from stored_types(inner)
    for arg in get_args(hint):
        yield from stored_types(arg)


def fields_of(kind: Any) -> Iterator[tuple[str, list[str]]]:
    hints = get_type_hints(kind)
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        yield field.name, ["any JSON" if get_origin(hint) is Mapping else str(hint), default(field)]


def default(field: dataclasses.Field[Any]) -> str:
    if field.default_factory is not dataclasses.MISSING:
        return repr(field.default_factory())
    return "required" if field.default is dataclasses.MISSING else repr(field.default)


def test_names_types_and_defaults_are_those_of_format_1() -> None:
    assert declared() == json.loads(DECLARED.read_text())


@pytest.mark.anyio
async def test_a_session_stored_in_format_1_reads_as_it_did() -> None:
    lines = STORED.read_bytes().splitlines(keepends=True)
    journal = MemoryJournal()
    await import_(journal, lines, uid="u")
    assert [record.event async for record in journal.read("format-1")] == every_event()


@pytest.mark.anyio
async def test_a_session_stored_before_time_ran_out_for_people_reads_as_it_did() -> None:
    lines = EARLIER.read_bytes().splitlines(keepends=True)
    journal = MemoryJournal()
    await import_(journal, lines, uid="u")
    then = [_as_then(event) for event in every_event() if not isinstance(event, LATER)]
    assert [record.event async for record in journal.read("format-1")] == then


SINCE: dict[type[Any], dict[str, Any]] = {  # what came since: redaction and time apart, which are below
    CallHeld: {"mended": None, "how": ""},
    LimitReached: {"kind": "cost"},  # then the last of them
    SessionStarted: {"parent": ""},
    ToolFinished: {"hint": "", "cut": None, "child": None},
    CallResolved: {"cut": None},
    ToolStarted: {"process": "", "mended": None, "how": ""},
    UserSaid: {"about": "", "inherited": None},
}


def _as_then(event: AnyEvent) -> AnyEvent:
    """Return an event without what came since."""
    if (parts := getattr(event, "parts", None)) is not None:
        texts = tuple(Stored(each.hash, each.size) if isinstance(each, Stored) else each for each in parts)
        event = dataclasses.replace(event, parts=texts)  # type: ignore[arg-type]  # it has parts
    match event:
        case AgentBound():
            tools = tuple(dataclasses.replace(tool, patience=Patience(), child=False, **TRUST) for tool in event.tools)
            limits = dataclasses.replace(event.limits, repairs=None, repeats=None)
            return dataclasses.replace(event, tools=tools, declared=None, limits=limits, output="")
        case ModelResponded() | ModelRejected():
            return dataclasses.replace(event, message=dataclasses.replace(event.message, redacted=False))
        case _:
            return dataclasses.replace(event, **SINCE.get(type(event), {}))


def test_no_field_has_a_name_that_the_codec_uses_itself() -> None:
    names = {name for fields in declared().values() for name in fields}
    assert len(names) > 50
    assert not names & {"v", "ignorable", "is"}


async def write() -> None:
    DECLARED.write_text(json.dumps(declared(), indent=1) + "\n")
    journal = MemoryJournal()
    lease = await journal.claim("format-1", uid="uid", agent="agent", owner="test")
    placed = [Placed(event, 1, 1) for event in every_event()]
    await journal.append(lease, 0, Batch(placed, blobs=[Blob(hashed(CONTENTS), CONTENTS)]))
    STORED.write_bytes(b"".join([line async for line in export(journal, "format-1")]))


if __name__ == "__main__":
    anyio.run(write)
