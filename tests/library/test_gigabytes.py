"""A gigabyte met by each tool that may meet one: it is cut or refused, in little memory and time."""

import sqlite3
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from anyio.abc import ByteStream

from agentkit import Tool, ToolContext, ToolError
from agentkit_tools import email, files, knowledge, shell, sql
from tests.library.test_http import bomb
from tests.library.web import made, ok, serving
from tests.postgres import server

pytestmark = [pytest.mark.anyio, pytest.mark.full]
GIGABYTE = 1_000_000_000
PIECE = 1_000_000
THOUSAND = "with recursive n(x) as (select 1 union all select x + 1 from n limit 1000) {} from n"


@contextmanager
def modestly(megabytes: int, seconds: float) -> Iterator[None]:
    begun = time.monotonic()
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes * 1_000_000
    finally:
        tracemalloc.stop()
    assert time.monotonic() - begun < seconds


def named(tools: tuple[Tool[object, Any, Any], ...]) -> dict[str, Tool[object, Any, Any]]:
    return {each.name: each for each in tools}


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a gigabyte of text, half of it one line."""
    folder = tmp_path_factory.mktemp("room")
    with (folder / "big.txt").open("wb") as file:
        for _ in range(GIGABYTE // PIECE // 2):
            file.write(b"x" * PIECE)
        for _ in range(GIGABYTE // PIECE // 2):
            file.write(b"0123456789abcde\n" * (PIECE // 16))
    (folder / "small.txt").write_text("an elephant\n")
    yield folder
    (folder / "big.txt").unlink()


async def test_files_of_a_gigabyte(room: Path) -> None:
    tools = named(files.tools(room, write=True))
    with modestly(15, 20):
        assert tools["list_files"]().startswith("big.txt (1000000000 bytes)")
        assert tools["read_file"]("big.txt").endswith("line 1 is longer than the 50000 characters shown)")
        with pytest.raises(ToolError, match="too long: 50000000 bytes of a file are read"):
            tools["read_file"]("big.txt", start=2)
        assert "small.txt:1: an elephant" in tools["search_files"]("elephant")
        with pytest.raises(ToolError, match="at most 5000000 bytes can be written or edited"):
            tools["edit_file"]("big.txt", "0", "1")


async def test_documents_of_a_gigabyte(room: Path) -> None:
    with modestly(5, 10):
        search, read = knowledge.tools(room)
        assert "left out: big.txt has more than 5000000 bytes" in search("elephant")
        assert len(read("big.txt")) < 50_100


async def test_attachments_of_a_gigabyte(room: Path, tmp_path: Path) -> None:
    (draft,) = email.tools(tmp_path, attach=room)
    with modestly(25, 10), pytest.raises(ToolError, match="more than 10000000 bytes together"):
        draft(ToolContext(None), ["ann@example.com"], "Hello", "See this.", attachments=["big.txt"])


async def test_an_answer_of_a_gigabyte() -> None:
    async def long(stream: ByteStream) -> None:
        await stream.send(f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {GIGABYTE}\r\n\r\n".encode())
        for _ in range(GIGABYTE // PIECE):
            await stream.send(b"x" * PIECE)

    packed = ok(bomb(GIGABYTE >> 20), "Content-Encoding: gzip")
    async with serving() as web:
        web.answers |= {"/long": long, "/packed": packed}
        (get,) = made(web).values()
        with modestly(10, 10):
            for path in web.answers:
                said = await get(f"{web.url}{path}")
                assert said.endswith("(cut: the first 200000 bytes are shown)")
                assert len(said) < 200_100


async def test_programs_that_say_or_write_a_gigabyte(tmp_path: Path) -> None:
    (run,) = shell.tools(["head", "sh"], tmp_path, write=True)
    with modestly(3, 20):
        assert (await run("head", ["-c", str(GIGABYTE), "/dev/zero"])).startswith(
            "(stopped: it said more than the 50000"
        )
        assert "exit code 0" not in await run("sh", ["-c", f"exec head -c {GIGABYTE} /dev/zero > big"])
    assert (tmp_path / "big").stat().st_size == shell.Limits().file
    (tmp_path / "big").unlink()


async def test_rows_of_a_gigabyte_in_sqlite(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "big.db")) as connection:
        connection.execute("create table big (body blob)")
        connection.execute("insert into big values (zeroblob(999000000))")
        connection.execute("insert into big values ('small')")
        connection.commit()
    tools = named(sql.tools(f"sqlite:///{tmp_path}/big.db", write=True))
    with modestly(120, 30):
        assert "big (body BLOB)" in tools["list_tables"]().replace("blob", "BLOB")
        with pytest.raises(ToolError, match="at most 1000000 bytes is allowed"):
            tools["query"]("select body from big")
        assert tools["query"]("select rowid from big").count("\n") == 1
        assert len(tools["query"](THOUSAND.format("select hex(zeroblob(499000))"))) < 50_200
        columns = "z, " * 99 + "z from t"
        assert len(tools["query"]("with t(z) as (select hex(zeroblob(499000))) select " + columns)) < 50_200
        assert tools["execute"](THOUSAND.format("insert into big select 'x'")) == "1000 rows were changed."
    (tmp_path / "big.db").unlink()


async def test_rows_of_a_gigabyte_on_postgres() -> None:
    tools = named(sql.tools(server().fresh(), write=True, limits=sql.Limits(seconds=60)))
    with modestly(5, 60):
        for rows, size in ((1, 200_000_000), (10_000, 100_000)):
            said = tools["query"]("select repeat('x', $1) as t from generate_series(1, $2)", [size, rows])
            assert said.endswith("(cut: at most 200 rows of 50000 characters together are shown)")
            assert len(said) < 50_200
        with pytest.raises(ToolError, match="leave RETURNING out"):
            tools["execute"]("with a as (select repeat('x', 1000000000) as t) select t from a")
