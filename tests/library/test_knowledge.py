"""Search in documents: what is found and cited, what is brought up to date, and the list of attacks."""

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentkit import Tool, ToolError
from agentkit.errors import ConfigurationError
from agentkit_tools import knowledge
from agentkit_tools._passages import passages
from tests.library.places import HIDDEN, furnished

MANUAL = "# Returns\n\nIntro.\n\n## Deadlines\n\nYou have 30 days to return a shirt.\n\n```\n# no heading\n```\n"
PRICES = (
    "<head><title>x</title></head>\n<h1>Prices</h1>\n<p>A shirt costs <b>5</b> &euro;</p><script>evil shirt</script>"
)


@pytest.fixture
def room(tmp_path: Path) -> Path:
    room = furnished(tmp_path)
    (room / "manual.md").write_text(MANUAL)
    (room / "sub/prices.html").write_text(PRICES)
    (room / "stock.csv").write_text('sku,name\n1,"red\nblouse"\n2,Größe\n', "utf-8")
    return room


def made(folder: Path, **options: Any) -> dict[str, Tool[object, Any, Any]]:
    return {each.name: each for each in knowledge.tools(folder, **options)}


def test_passages_are_found_and_cited(room: Path) -> None:
    search, read = made(room).values()
    assert search("return days").startswith(
        "[manual.md, lines 5-11], under Returns > Deadlines\n> Deadlines\n> You have 30 days to return a shirt.\n"
    )
    assert search("costs") == "[sub/prices.html, lines 2-3], under Prices\n> Prices\n> A shirt costs 5 €"
    assert search("shirt", 1).count("[") == 1
    assert search("blouse") == (
        "[stock.csv, lines 1-4]\n> sku, name\n> sku: 1; name: red blouse\n> sku: 2; name: Größe"
    )
    assert "[stock.csv" in search("grosse GROSSE größe")
    assert search("shir").startswith("(nothing") is False
    assert search("evil") == "(nothing was found; try other words)"
    assert read("manual.md", 7, 1).startswith("You have 30 days")


def test_effects_and_trust_are_as_declared(room: Path) -> None:
    for trusted in (False, True):
        told = {n: (t.effect, t.declared.untrusted) for n, t in made(room, trusted=trusted).items()}
        assert told == dict.fromkeys(("search_documents", "read_document"), ("read", not trusted))


@pytest.mark.parametrize("kept", [False, True])
def test_the_index_follows_the_documents(tmp_path: Path, room: Path, *, kept: bool) -> None:
    index = tmp_path / "notes.index" if kept else None
    search = made(room, index=index)["search_documents"]
    assert "manual.md" in search("deadlines")
    (room / "manual.md").write_text("# Other\nelephants\n")
    (room / "new.txt").write_text("giraffes")
    assert search("deadlines").startswith("(nothing")
    assert "[manual.md, lines 1-2], under Other" in search("elephants")
    (room / "new.txt").unlink()
    assert search("giraffes").startswith("(nothing")
    if index is not None:
        assert index.stat().st_mode & 0o777 == 0o600
        with closing(sqlite3.connect(index)) as connection:
            connection.execute("UPDATE passages SET text = 'zebras' WHERE path = 'manual.md'")
            connection.commit()
        assert "zebras" in made(room, index=index)["search_documents"]("zebras")  # not read again: nothing changed


QUERIES = [
    '"',
    "'",
    '"shirt',
    "shirt OR",
    "AND",
    "NEAR(shirt days",
    "text: shirt",
    "shirt*",
    "^shirt",
    "-shirt",
    "{a b}: c",
]


@pytest.mark.parametrize("query", [*QUERIES, "shirt); DROP TABLE passages; --", "shirt\0", "a" * 10_000, "x " * 10_000])
def test_no_query_is_a_program(room: Path, query: str) -> None:
    search = made(room)["search_documents"]
    try:
        assert search(query)
    except ToolError as refusal:
        assert "give words" in str(refusal)  # noqa: PT017 - one of two fair ends
    assert "manual.md" in search("deadlines")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Tool[object, Any, Any]:
    return made(furnished(tmp_path_factory.mktemp("shared")))["search_documents"]


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=40))
def test_no_text_raises_anything_but_a_refusal(shared: Tool[object, Any, Any], query: str) -> None:
    try:
        assert shared(query)
    except ToolError as refusal:
        assert "give words" in str(refusal)  # noqa: PT017 - as above


def test_nothing_outside_and_nothing_hidden_is_found_or_read(tmp_path: Path, room: Path) -> None:
    (room / "link.md").symlink_to("../secret.txt")
    (room / "linked").symlink_to("../outside")
    os.link(tmp_path / "secret.txt", room / "hard.md")
    (room / ".env.txt").write_text(HIDDEN)
    (room / "key.pem").write_text(HIDDEN)
    os.mkfifo(room / "pipe.md")
    search, read = made(room).values()
    found = search("plans shop", 20)
    assert HIDDEN not in found
    assert "left out: hard.md has 2 names" in found
    assert "link.md is a link" in found
    for path in (
        "link.md",
        "hard.md",
        ".env.txt",
        "key.pem",
        "../secret.txt",
        "linked/secret.txt",
        "pipe.md",
        "",
        "sub",
    ):
        with pytest.raises(ToolError):
            read(path)


def test_what_cannot_be_read_is_left_out_and_told(room: Path) -> None:
    (room / "big.txt").write_text("x " * 2000)
    (room / "binary.txt").write_bytes(b"a\0b")
    (room / "latin.txt").write_bytes(b"\xff")
    (room / "broken.csv").write_text('"' + "x" * 140_000)
    found = made(room, limits=knowledge.Limits(bytes=3000))["search_documents"]("deadlines")
    assert "manual.md" in found
    assert "big.txt has more than 3000 bytes" in found
    assert "and 1 more" in found
    assert "only 1 documents are searched" in made(room, limits=knowledge.Limits(documents=1))["search_documents"]("x")
    short = made(room, limits=knowledge.Limits(characters=60, seconds=0))["search_documents"]("one")
    assert "search again to go on" in short


@pytest.mark.parametrize(
    "part", ["<", "<!--", "<a ", "<a b='", "</", "<script>", "</script", "&#", "<h1>", "<p>a\n", "<svg></svg"]
)
def test_no_page_takes_long(part: str) -> None:
    begun = time.perf_counter()
    for _ in passages("a.html", "<script>" * (part == "</script") + part * (200_000 // len(part))):
        pass
    assert time.perf_counter() - begun < 3


def test_wrong_settings_are_told(tmp_path: Path, room: Path) -> None:
    (tmp_path / "other.db").write_bytes(b"no database, and long enough to be looked at" * 50)
    wrong: list[dict[str, Any]] = [
        {"names": "*.md"},
        {"names": []},
        {"encoding": "x"},
        {"index": tmp_path / "other.db"},
    ]
    for options in wrong:
        with pytest.raises(ConfigurationError):
            made(room, **options)
    with pytest.raises(ConfigurationError):
        made(room / "nowhere")


@pytest.mark.parametrize("line", ["# a" + " " * 1190 + "b", "# " + " " * 1190 + "#", "#" * 1190, "# " + "a #" * 390])
def test_no_heading_takes_long(line: str) -> None:
    begun = time.perf_counter()
    assert list(passages("a.md", f"{line}\n" * 20))
    assert time.perf_counter() - begun < 1, "`re` lets no other thread run meanwhile"


def test_a_heading_loses_closing_marks_only() -> None:
    text = "# In C#\n## Closed ##\n### Open \ntext"
    assert [each.heading for each in passages("a.md", text)][-1] == "In C# > Closed > Open"


def test_no_document_grows_without_bound_or_hides_the_others(room: Path) -> None:
    (room / "names.csv").write_text(",".join(["n" * 1000] * 100) + ("\n" + "x," * 99 + "x") * 200)  # 20 MB with names
    (room / "heads.md").write_text("# a\n" * 100_000)
    (room / "number.html").write_text("<p>&#" + "1" * 5000 + ";</p>")
    found = made(room, limits=knowledge.Limits(bytes=500_000))["search_documents"]("deadlines")
    assert found.startswith("[manual.md")
    assert "heads.md is too long from line" in found
    assert "names.csv is too long from line" in found
    assert "number.html can be read in part only" in found


def test_an_index_that_was_removed_is_made_anew(tmp_path: Path, room: Path) -> None:
    index = tmp_path / "notes.index"
    search = made(room, index=index)["search_documents"]
    assert "manual.md" in search("deadlines")
    index.unlink()
    assert "manual.md" in search("deadlines")


def test_lines_are_counted_alike_by_both_tools(room: Path) -> None:
    (room / "old.txt").write_bytes(b"one\rtwo\r\nelephants\n")
    search, read = made(room).values()
    assert search("elephants").startswith("[old.txt, lines 1-2]")
    assert read("old.txt", 2, 1).startswith("elephants")
