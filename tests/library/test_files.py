"""The files tools: what they do, and the list of attacks on them."""

import itertools
import os
import resource
import socket
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentkit import Agent, ScriptedModel, Tool, ToolError
from agentkit.errors import ConfigurationError
from agentkit.messages import AssistantMessage, ToolCall
from agentkit_tools import files
from tests.library.places import HIDDEN, furnished, names_in, swapping, untouched

SMALL = files.Limits(characters=200, scanned=2000, written=300, entries=5, depth=3, seconds=5)


@pytest.fixture
def room(tmp_path: Path) -> Path:
    return furnished(tmp_path)


Tools: TypeAlias = dict[str, Tool[object, Any, Any]]


def made(folder: Path, **options: Any) -> Tools:
    return {each.name: each for each in files.tools(folder, write=True, **options)}


@pytest.fixture
def tools(room: Path) -> Tools:
    return made(room)


def test_each_does_its_work(room: Path) -> None:
    tools = made(room)
    assert tools["list_files"]() == "a.md (14 bytes)\nsub/"
    assert tools["read_file"]("a.md") == "one\ntwo\nthree\n"
    assert tools["read_file"]("a.md", start=2, lines=1) == "two\n\n(a.md goes on: read on with start=3)"
    assert tools["search_files"]("two") == "a.md:2: two\nsub/b.md:1: two more"
    assert tools["search_files"]("two", names="b*") == "sub/b.md:1: two more"
    assert tools["search_files"]("two", folder="sub") == "sub/b.md:1: two more"
    assert tools["search_files"]("zwei") == "(no line contains it)"
    assert tools["write_file"]("new/deep/c.md", "ü") == "new/deep/c.md is written: 2 bytes."
    assert (room / "new/deep/c.md").read_text("utf-8") == "ü"
    assert tools["edit_file"]("a.md", "two", "2") == "a.md is edited."
    assert (room / "a.md").read_text() == "one\n2\nthree\n"
    assert tools["delete_file"]("a.md") == "a.md is deleted."
    assert tools["list_files"]() == "new/\nsub/"
    assert tools["list_files"]("new") == "deep/"


def test_effects_and_approvals_are_as_declared(room: Path) -> None:
    assert [each.name for each in files.tools(room)] == ["list_files", "read_file", "search_files"]
    told = {
        name: (each.effect, each.declared.needs_approval, each.declared.untrusted) for name, each in made(room).items()
    }
    assert told == {
        "list_files": ("read", False, True),
        "read_file": ("read", False, True),
        "search_files": ("read", False, True),
        "write_file": ("idempotent", False, False),
        "edit_file": ("once", False, False),
        "delete_file": ("once", True, False),
    }
    asked = made(room, ask=["write_file", "edit_file"])
    assert [name for name, each in asked.items() if each.declared.needs_approval] == ["write_file", "edit_file"]


ESCAPES = [
    *("..", "../secret.txt", "sub/../../secret.txt", "./../secret.txt", "sub/..", "../notes/a.md"),
    *("/etc/passwd", "//etc/passwd", "/", "a.md\0", "\0", "a" * 5000, "a/" * 2040 + "a"),
    *("..\0/secret.txt", "\ud800", ".agentkit-1", "sub/.agentkit-1/x"),
]
NOT_THERE = [
    "..\\secret.txt",
    "~/secret.txt",
    "%2e%2e/secret.txt",
    "\uff0e\uff0e/secret.txt",
    "\u2026/secret.txt",
    "a" * 300,
    " ",
]


@pytest.mark.parametrize("path", [*ESCAPES, *NOT_THERE], ids=lambda path: ascii(path[:20]))
def test_no_path_leads_out(room: Path, path: str) -> None:
    tools = made(room)
    for name in ("list_files", "read_file", "delete_file"):
        with pytest.raises(ToolError):
            tools[name](path)
    with pytest.raises(ToolError):
        tools["edit_file"](path, HIDDEN, "x")
    with pytest.raises(ToolError):
        tools["search_files"](HIDDEN, folder=path)
    if path in ESCAPES:
        with pytest.raises(ToolError):
            tools["write_file"](path, "x")
    assert untouched(room)


def test_a_refusal_says_what_is_allowed_and_names_no_place(room: Path) -> None:
    with pytest.raises(ToolError, match=r"'\.\./secret\.txt' leads out of the folder. Give a path inside it") as told:
        made(room)["read_file"]("../secret.txt")
    with pytest.raises(ToolError, match=r"^missing: no such file or directory\.$") as missing:
        made(room)["read_file"]("missing/x.md")
    assert str(room) not in f"{told.value} {missing.value}"


PIECES = st.sampled_from(
    ["..", ".", "", "sub", "a.md", "link", "hard", "/", "\0", "~", "secret.txt", "outside", "\\", "a" * 300]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.lists(st.one_of(PIECES, st.text(max_size=8)), max_size=6).map("/".join))
def test_no_path_leads_out_by_fuzzing(room: Path, tools: Tools, path: str) -> None:
    linked(room)
    rest = {"search_files": (HIDDEN, path), "write_file": (path, "x"), "edit_file": (path, "x", "y")}
    for name in tools:
        with suppress(ToolError):
            said = tools[name](*rest.get(name, (path,)))
            assert HIDDEN not in said
            assert "secret.txt (" not in said
    assert untouched(room)


def linked(room: Path) -> None:
    for name, target in (("link", "../outside"), ("file-link", "../secret.txt"), ("self", "self")):
        with suppress(FileExistsError):
            (room / name).symlink_to(target)
    with suppress(FileExistsError):
        os.link(room.parent / "secret.txt", room / "hard")


def test_no_link_is_followed(room: Path) -> None:
    linked(room)
    tools = made(room)
    for path in ("link/secret.txt", "file-link", "hard", "self", "self/x"):
        with pytest.raises(ToolError, match=r"links are not followed|one of them perhaps outside|levels"):
            tools["read_file"](path)
    with pytest.raises(ToolError, match="link is a link"):
        tools["list_files"]("link")
    with pytest.raises(ToolError, match="link is a link"):
        tools["write_file"]("link/x", "x")
    for path in ("file-link", "self"):
        with pytest.raises(ToolError, match="is a link"):
            tools["write_file"](path, "x")
        with pytest.raises(ToolError, match="is a link"):
            tools["delete_file"](path)
    assert (
        tools["search_files"](HIDDEN)
        == "(4 entries were left out: links, no text, too long, or nested too deep)\n(no line contains it)"
    )
    assert "link (a link: not followed)" in tools["list_files"]()
    tools["write_file"]("hard", "mine")  # a new file under that name: the other name keeps its own
    assert untouched(room)
    assert made(room, hard_links=True)["read_file"]("hard") == "mine"


def test_a_hard_link_is_read_where_the_person_says_so(room: Path) -> None:
    os.link(room / "a.md", room / "again.md")
    assert made(room, hard_links=True)["read_file"]("again.md") == "one\ntwo\nthree\n"


def rounds(least: int, met: Counter[str]) -> Iterator[int]:
    """Count so many rounds, and on until both was met: on a busy machine a swap may stand still for long."""
    end = time.monotonic() + 30
    for n in itertools.count():
        if n >= least and (met.keys() >= {"done", "refused"} or time.monotonic() > end):
            return
        yield n


@pytest.mark.parametrize("what", ["folder", "file"])
def test_links_swapped_in_during_the_call_are_not_followed(room: Path, tools: Tools, what: str) -> None:
    (room / "sub/secret.txt").write_text("harmless")
    (room / "link").symlink_to(room.parent / "outside" if what == "folder" else room.parent / "secret.txt")
    swapped = room / "sub" if what == "folder" else room / "sub/secret.txt"
    met: Counter[str] = Counter()
    with swapping(swapped, room / "link"):
        for _ in rounds(300, met):
            try:
                met["done"] += tools["read_file"]("sub/secret.txt") == "harmless" or pytest.fail("it read another file")
            except ToolError as error:
                met["refused"] += "link" in str(error)
    assert min(met["done"], met["refused"]) > 0, "no swap ever met a call: this test tries nothing"
    assert untouched(room)


def test_links_swapped_in_during_a_write_are_not_followed(room: Path, tools: Tools) -> None:
    (room / "link").symlink_to(room.parent / "outside")
    met: Counter[str] = Counter()
    with swapping(room / "sub", room / "link"):
        for n in rounds(200, met):
            try:
                tools["write_file"](f"sub/{n % 3}.txt", "harmless")
                tools["delete_file"](f"sub/{n % 3}.txt")
                met["done"] += 1
            except ToolError:
                met["refused"] += 1
            with suppress(ToolError):
                tools["delete_file"]("sub/secret.txt")
    assert min(met["done"], met["refused"]) > 0, "no swap ever met a call: this test tries nothing"
    assert untouched(room)


def test_only_regular_files_are_opened_and_nothing_waits(room: Path) -> None:
    os.mkfifo(room / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(room / "socket"))
    tools = made(room)
    for name, called in (("pipe", "a pipe"), ("socket", "a socket"), ("sub", "a folder")):
        with pytest.raises(ToolError, match=f"{name} is {called}"):
            tools["read_file"](name)
        with pytest.raises(ToolError, match=f"{name} is {called}"):
            tools["write_file"](name, "x")
    assert "a.md:1: one" in tools["search_files"]("one")
    devices = {each.name: each for each in files.tools("/dev")}
    for name in ("zero", "null", "urandom"):
        with pytest.raises(ToolError, match="is a device: only files"):
            devices["read_file"](name)


def test_files_that_are_no_text_are_refused(room: Path) -> None:
    (room / "x.png").write_bytes(b"\x89PNG\x00\x01")
    (room / "latin.txt").write_bytes(b"caf\xe9")
    (room / "zeros").touch()
    os.truncate(room / "zeros", 1 << 30)  # 1 GB of NUL, and no disk
    tools = made(room)
    for name in ("x.png", "latin.txt", "zeros"):
        with pytest.raises(ToolError, match="is no text"):
            tools["read_file"](name)
        with pytest.raises(ToolError, match=r"is no text|that is more"):
            tools["edit_file"](name, "a", "b")
    assert made(room, encoding="latin-1")["read_file"]("latin.txt") == "café"


def test_large_files_take_little_memory_and_little_room(room: Path) -> None:
    with (room / "big.txt").open("w") as file:
        for _ in range(4):
            file.write("0123456789abcde\n" * 65_536)
    (room / "line.txt").write_text("x" * 900_000)
    tools = made(room, limits=files.Limits(scanned=1_000_000, written=200_000))
    tracemalloc.start()
    try:
        first = tools["read_file"]("big.txt", lines=10**9)
        one = tools["read_file"]("line.txt")
        with pytest.raises(ToolError, match="too long: 1000000 bytes of a file are read"):
            tools["read_file"]("big.txt", start=10**9)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    assert len(first) < 50_100
    assert first.endswith("(big.txt goes on: read on with start=3126)")
    assert tools["read_file"]("big.txt", start=3126, lines=1).startswith("0123456789abcde\n")
    assert one.endswith("x\n(line.txt: line 1 is longer than the 50000 characters shown)")
    with pytest.raises(ToolError, match="at most 200000 bytes can be written or edited"):
        tools["edit_file"]("big.txt", "0", "1")


def test_a_file_that_never_ends_is_left(room: Path) -> None:
    over = threading.Event()

    def grow() -> None:
        with (room / "log").open("a") as log:
            while not over.is_set():
                log.write("more\n" * 100)

    thread = threading.Thread(target=grow)
    (room / "log").write_text("more\n" * 2000)
    thread.start()
    try:
        with pytest.raises(ToolError, match="too long: 2000 bytes"):
            made(room, limits=SMALL)["read_file"]("log", start=10**9)
    finally:
        over.set()
        thread.join()


def test_searches_and_listings_end(room: Path) -> None:
    for n in range(20):
        (room / f"{n}.txt").write_text("needle " * 400 + "\n")
    deep = room
    for _ in range(6):
        deep /= "d"
        deep.mkdir()
    tools = made(room, limits=SMALL)
    said = tools["search_files"]("needle")
    assert "entries were left out" in said
    assert len(said) < 400
    assert "18 more are not shown: at most 5 are" in tools["list_files"]()
    generous = made(room, limits=files.Limits(characters=20_000, scanned=9000))["search_files"]("needle")
    assert "9000 bytes or 10 s are enough for one search" in generous
    assert max(map(len, generous.splitlines())) < 330
    with pytest.raises(ToolError, match="one line to look for"):
        tools["search_files"]("")


def test_a_file_is_written_whole_or_not_at_all(room: Path) -> None:
    tools = made(room, limits=SMALL)
    with pytest.raises(ToolError, match="at most 300 bytes"):
        tools["write_file"]("a.md", "x" * 301)
    with pytest.raises(ToolError, match="cannot be written in utf-8"):
        tools["write_file"]("a.md", "\ud800")
    assert (room / "a.md").read_text() == "one\ntwo\nthree\n"
    (room / "a.md").chmod(0o640)
    seen: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            seen.add((room / "a.md").read_text())

    thread = threading.Thread(target=look)
    thread.start()
    for n in range(100):
        tools["write_file"]("a.md", str(n % 10) * 250)
    over.set()
    thread.join()
    assert {len(each) for each in seen} <= {14, 250}
    assert all(len(set(each)) == 1 for each in seen if len(each) == 250)
    assert (room / "a.md").stat().st_mode & 0o7777 == 0o640
    assert not [each for each in names_in(room) if each.startswith(".agentkit-")]


def test_a_write_that_fails_leaves_what_was_there(room: Path, tools: Tools) -> None:
    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, most[1]))  # the disk is full after a hundred bytes
    try:
        with pytest.raises(ToolError, match=r"a\.md: file too large"):
            tools["write_file"]("a.md", "x" * 250)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)
    assert (room / "a.md").read_text() == "one\ntwo\nthree\n"
    assert names_in(room) == ["a.md", "sub"]


def test_an_edit_needs_one_place(room: Path) -> None:
    edit = made(room)["edit_file"]
    with pytest.raises(ToolError, match=r"occurs 2 times in a.md, and it has to occur once: give more"):
        edit("a.md", "t", "x")
    with pytest.raises(ToolError, match=r"occurs 0 times .*: read the file again"):
        edit("a.md", "four", "x")
    with pytest.raises(ToolError, match="Give the text to replace"):
        edit("a.md", "", "x")
    (room / "dos.txt").write_bytes(b"a\r\nb\r\n")
    edit("dos.txt", "a\r\n", "A\r\n")
    assert (room / "dos.txt").read_bytes() == b"A\r\nb\r\n"


@pytest.mark.anyio
async def test_what_was_cut_off_is_found_out(room: Path) -> None:
    tools = made(room)
    edited, deleted = tools["edit_file"].check, tools["delete_file"].check
    assert edited is not None
    assert deleted is not None
    assert (await edited("a.md", "two", "2")).kind == "not_happened"
    assert (await edited("a.md", "t", "2")).kind == "unknown"
    assert (await deleted("a.md")).kind == "not_happened"
    tools["edit_file"]("a.md", "two", "2")
    assert (await edited("a.md", "two", "2")).kind == "happened"
    assert (await edited("a.md", "2", "")).kind == "unknown"
    tools["delete_file"]("a.md")
    assert (await deleted("a.md")).kind == "happened"


def test_what_the_person_says_has_to_be_there(room: Path) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"folder": room / "none"}, "make it first"),
        ({"folder": room / "a.md"}, "is not a folder"),
        ({"folder": room, "encoding": "klingon"}, "not known to Python"),
        ({"folder": room, "ask": ["read_file"]}, "asked before write_file, edit_file, delete_file"),
    ]
    for wrong, words in cases:
        with pytest.raises(ConfigurationError, match=words):
            files.tools(**wrong)


def test_the_model_is_told_of_a_refusal(room: Path) -> None:
    call = AssistantMessage(calls=(ToolCall("c1", "read_file", '{"path": "../secret.txt"}'),))
    model = ScriptedModel(call, "It is outside.")
    result = anyio.run(Agent(model, tools=[*files.tools(room)]).run, "Read ../secret.txt.")
    assert result.output == "It is outside."
    assert "leads out of the folder" in str(model.requests[-1])
