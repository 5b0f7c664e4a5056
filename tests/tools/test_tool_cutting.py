"""Results that are too long: what is shown, what is kept, and that a gigabyte is no more trouble than that."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from agentkit import Outcome, tool
from agentkit.core.cutting import Cut
from agentkit.core.events import ToolFinished, ToolUnknown
from agentkit.core.messages import File, Image, Text, text_of
from agentkit.errors import ToolError
from agentkit.tools.cutting import KEPT, LIMIT, cut_short
from agentkit.tools.dispatch import Dispatch, Job

pytestmark = pytest.mark.anyio

MakeJob = Callable[..., Job]


def made(value: Any, **declared: Any) -> Dispatch:
    async def work() -> Any:
        if isinstance(value, Exception):
            raise value
        return value

    return Dispatch([tool(**{"effect": "read", **declared})(work)])


async def ran(dispatch: Dispatch, job: Job) -> ToolFinished:
    event = await dispatch.run(job)
    assert isinstance(event, ToolFinished)
    return event


@pytest.mark.parametrize(("size", "limit"), [(20, 20), (LIMIT, None), (0, 1)])
async def test_a_result_within_its_limit_is_as_it_was(make_job: MakeJob, size: int, limit: int | None) -> None:
    event = await ran(made("x" * size or "y", result_limit=limit), make_job("work"))
    assert event == ToolFinished("2.1.0", (Text("x" * size or "y"),))


@pytest.mark.parametrize("value", ["x" * 21, ["x" * 17], ToolError("x" * 21), "é" * 21, "😀" * 21, "\ud83d" * 21])
async def test_a_longer_one_is_cut_and_kept_whole(make_job: MakeJob, value: Any) -> None:
    event = await ran(made(value, result_limit=20), make_job("work"))
    whole = event.cut.whole.text if event.cut and isinstance(event.cut.whole, Text) else ""
    assert len(whole) == 21
    assert event.cut == Cut(Text(whole), 20, more=True)
    assert text_of(event.parts).startswith(whole[:20] + "\n[The result is too long: characters 1 to 20 of 21")
    assert 'read_more(call="2.1.0", start=20)' in text_of(event.parts)


async def test_without_a_limit_of_its_own_a_result_has_a_generous_one(make_job: MakeJob) -> None:
    event = await ran(made("x" * (LIMIT + 1)), make_job("work"))
    assert event.cut == Cut(Text("x" * (LIMIT + 1)), LIMIT)
    assert text_of(event.parts).endswith("of 100001 are shown. The rest cannot be read: ask for less at a time.]")


@pytest.mark.parametrize(("letter", "size"), [("x", 1), ("é", 2), ("東", 3), ("😀", 4)])
def test_what_is_kept_has_an_end_and_says_so(letter: str, size: int) -> None:
    event = cut_short(ToolFinished("2.1.0", (Text("-" + letter * KEPT),)), 20)
    assert event.cut is not None
    assert isinstance(event.cut.whole, Text)
    kept = len(event.cut.whole.text)
    assert kept == 1 + (KEPT - 1) // size
    assert kept + event.cut.lost == KEPT + 1
    assert f"of {KEPT + 1} are shown" in text_of(event.parts)


@pytest.mark.full
async def test_a_gigabyte_is_cut_without_being_copied(make_job: MakeJob) -> None:
    resource = pytest.importorskip("resource", reason="memory is measured as POSIX does")
    huge = "x" * 2**30
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    event = await ran(made(huge), make_job("work"))
    assert event.cut is not None
    assert event.cut.lost == 2**30 - KEPT
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes


def test_pictures_stay_and_too_large_ones_are_told_of() -> None:
    picture, file = Image("https://x"), File("a.pdf", "data:," + "x" * KEPT)
    event = cut_short(ToolFinished("2.1.0", (Text("a" * 15), picture, Text("b" * 15), file)), 20)
    assert event.cut is not None
    assert isinstance(event.cut.whole, Text)
    assert (
        event.cut.whole.text
        == f"{'a' * 15}{'b' * 15}[a file of {KEPT + 6} bytes is left out: at most {KEPT} are kept of one]"
    )
    assert event.parts[1:] == (picture,)
    assert text_of(event.parts[:1]).startswith("a" * 15 + "b" * 5 + "\n[The result is too long")
    small = cut_short(ToolFinished("2.1.0", (file,)), None)
    assert small == ToolFinished(
        "2.1.0", (Text(f"[a file of {KEPT + 6} bytes is left out: at most {KEPT} are kept of one]"),)
    )


@pytest.mark.parametrize("effect", ["read", "once"])
async def test_a_traceback_has_an_end_too(make_job: MakeJob, effect: Any) -> None:
    event = await made(ValueError("x" * 300_000), effect=effect).run(make_job("work"))
    assert isinstance(event, ToolFinished | ToolUnknown)
    assert event.detail is not None
    assert LIMIT < len(event.detail) < LIMIT + 100
    assert event.detail.endswith("characters more, which are not kept]")


async def test_what_reconcile_found_is_cut_as_what_the_tool_returns(make_job: MakeJob) -> None:
    async def found() -> Outcome[str]:
        return Outcome.happened("x" * 30)

    limited = tool(effect="once", result_limit=20, name="work")(_paid)
    limited.reconcile(found)
    event = await Dispatch([limited]).reconcile(make_job("work"), 7)
    assert event.cut == Cut(Text("x" * 30), 20, more=True)
    assert text_of(event.parts).startswith("x" * 20 + "\n[")


def _paid() -> str:
    return "paid"


async def test_a_late_result_is_cut(make_job: MakeJob, gate: threading.Event) -> None:
    said: list[Any] = []
    over = threading.Event()

    def work() -> str:
        gate.wait()
        return "x" * 30

    def late(event: object) -> None:
        said.append(event)
        over.set()

    dispatch = Dispatch([tool(effect="once", result_limit=20, timeout=0.3)(work)])
    assert isinstance(await dispatch.run(make_job("work", late=late)), ToolUnknown)
    gate.set()
    assert over.wait(5)
    assert said[0].cut == Cut(Text("x" * 30), 20, more=True)


# --- read_more -------------------------------------------------------------------------------------------------------


def test_read_more_is_offered_where_a_tool_has_a_limit_and_nowhere_else() -> None:
    short, limited = (
        tool(effect="read", name="short")(_paid),
        tool(effect="read", name="limited", result_limit=9)(_paid),
    )
    assert [spec.bound.name for spec in Dispatch([short]).specs] == ["short"]
    (_, _, more) = Dispatch([limited, short]).specs
    assert (more.bound.name, more.bound.effect, more.bound.exclusive) == ("read_more", "read", False)
    schema: Any = more.parameters
    assert list(schema["properties"]) == ["call", "start"]
    assert more.bound == Dispatch([limited]).specs[-1].bound


async def test_read_more_reads_what_the_session_keeps(make_job: MakeJob) -> None:
    text = "".join(str(n % 10) for n in range(45))

    async def kept(call: str) -> tuple[str, Cut] | None:
        return (text, Cut(Text(text), 20, more=True)) if call == "1.1.0" else None

    dispatch = made("x", result_limit=20)

    async def more(call: str, start: int) -> tuple[str, bool]:
        event = await ran(dispatch, make_job("read_more", {"call": call, "start": start}, kept=kept))
        return text_of(event.parts), event.failed

    said, failed = await more("1.1.0", 20)
    assert not failed
    assert said == (
        text[20:40]
        + '\n[Characters 21 to 40 of 45 of the result of call 1.1.0. To read on: read_more(call="1.1.0", start=40).]'
    )
    assert (await more("1.1.0", 40))[
        0
    ] == "01234\n[Characters 41 to 45 of 45 of the result of call 1.1.0. That is its end.]"
    said, failed = await more("1.1.0", 45)
    assert failed
    assert "start=45 is behind the end" in said
    said, failed = await more("1.2.0", 0)
    assert failed
    assert "no result of a call '1.2.0' can be read on in" in said
    assert "at least 0" in (await more("1.1.0", -1))[0]


async def test_a_piece_is_not_cut_itself(make_job: MakeJob) -> None:
    text = "x" * 2_500_000

    async def kept(_: str) -> tuple[str, Cut] | None:
        return text, Cut(Text(text), 1_000_000, more=True)

    job = make_job("read_more", {"call": "1.1.0", "start": 0}, kept=kept)
    event = await ran(made("x", result_limit=1_000_000), job)
    assert event.cut is None
    assert text_of(event.parts).startswith("x" * 1_000_000 + "\n[Characters 1 to 1000000 of 2500000")


def test_read_more_is_as_untrusted_as_what_it_reads() -> None:
    def untrusted(*tools: Any) -> bool:
        return Dispatch(tools)._tools["read_more"].declared.untrusted  # noqa: SLF001 - no other way to see it yet

    web = tool(effect="read", name="web", untrusted=True)(_paid)
    limited = tool(effect="read", name="limited", result_limit=9)(_paid)
    long_web = tool(effect="read", name="long_web", result_limit=9, untrusted=True)(_paid)
    assert (untrusted(web, limited), untrusted(limited, long_web)) == (False, True)
