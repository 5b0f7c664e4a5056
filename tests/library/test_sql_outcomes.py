"""What the sql tools leave behind, and what they say of it: databases as they are met in production."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from shutil import copy
from typing import Any

import pytest

from agentkit import Tool, ToolError
from agentkit_tools import sql
from tests.postgres import execute, server

SEEKING = """
    with recursive n(x) as (select 1 union all select x + 1 from n)
    select max(instr(replace(hex(zeroblob(40000)), '0', 'a'), replace(hex(zeroblob(20000)), '0', 'a') || x)) from n
"""
QUICK = sql.Limits(seconds=0.2)
SHOP = """
    create table people (id integer primary key, name text);
    create table orders (id integer primary key, person integer references people (id));
    create table notes (person integer references people (id) deferrable initially deferred);
    insert into people values (1, 'Ann');
    insert into orders values (1, 1);
    create view names as select name from people;
    create view broken as select x from gone;
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SHOP)
    return path


def made(file: Path, **options: Any) -> dict[str, Tool[object, Any, Any]]:
    return {each.name: each for each in sql.tools(f"sqlite:///{file}", write=True, **options)}


def test_a_query_leaves_even_what_a_crash_left(file: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("pragma journal_mode = wal")
        connection.execute("insert into people values (2, 'Bob')")
        connection.commit()
        crashed = tmp_path / "crashed"
        crashed.mkdir()
        for name in ("shop.db", "shop.db-wal"):
            copy(tmp_path / name, crashed / name)
    before = (crashed / "shop.db").read_bytes()
    assert made(crashed / "shop.db")["query"]("select count(*) as n from people") == '{"n": 2}'
    assert (crashed / "shop.db").read_bytes() == before, "whoever may write moves the journal into the file at the end"


def test_a_change_that_waits_for_a_reader_in_vain_did_not_happen(file: Path) -> None:
    tools = made(file, limits=QUICK)
    with closing(sqlite3.connect(file, isolation_level=None)) as reader:
        reader.execute("begin")
        reader.execute("select * from people").fetchall()
        with pytest.raises(
            ToolError, match=r"^The database refused it, and nothing was changed: database is locked\.$"
        ):
            tools["execute"]("insert into people values (2, 'Bob')")
    assert tools["query"]("select count(*) as n from people") == '{"n": 1}'
    assert tools["execute"]("insert into people values (2, 'Bob')") == "1 rows were changed."


@pytest.mark.parametrize("statement", ["delete from people", "insert into orders values (2, 99)"])
def test_what_the_file_declares_holds(file: Path, statement: str) -> None:
    with pytest.raises(ToolError, match="FOREIGN KEY constraint failed"):
        made(file)["execute"](statement)
    with pytest.raises(ToolError, match="nothing was changed: FOREIGN KEY constraint failed"):
        made(file)["execute"]("insert into notes values (99)")  # which is looked at when it is committed
    assert made(file)["query"]("select count(*) as n from people") == '{"n": 1}'


def test_rows_are_counted_also_behind_a_with(file: Path) -> None:
    execute = made(file)["execute"]
    assert execute("with new (id) as (values (7), (8)) insert into people select id, 'x' from new") == (
        "2 rows were changed."
    )
    assert execute("delete from people where id > 6 returning id") == "2 rows were changed."
    assert execute("with x as (select 1) select * from x") == "0 rows were changed."


def test_a_broken_view_hides_no_table(file: Path) -> None:
    told = made(file)["list_tables"]()
    assert "orders (id INTEGER, person INTEGER)" in told
    assert "broken (it cannot be read: no such table: main.gone) [a view]" in told


def test_a_row_has_no_more_columns_than_said(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        columns = ", ".join(f"c{n}" for n in range(150))
        connection.execute(f"create table wide ({columns})")
    query = made(file)["query"]
    for many in (
        "select * from wide",
        "with t as (select hex(zeroblob(400000)) z) select " + "z, " * 1999 + "z from t",
    ):
        with pytest.raises(ToolError, match="too many columns in result set"):
            query(many)
    assert query("select c149 from wide") == "(no rows)"


def test_tables_that_there_is_no_time_for_are_not_said_to_be_broken(file: Path) -> None:
    columns = ", ".join(f"c{n}" for n in range(30))
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(f"begin; {''.join(f'create table t{n} ({columns});' for n in range(1000))} commit")
    taken = []
    for _ in range(2):
        begun = time.monotonic()
        assert "t199 (" in made(file, limits=sql.Limits(rows=2000, characters=500_000))["list_tables"]()
        taken.append(time.monotonic() - begun)
    with pytest.raises(ToolError, match="It took longer than"):
        made(file, limits=sql.Limits(rows=2000, characters=500_000, seconds=min(taken) / 2))["list_tables"]()


def test_functions_that_take_long_are_not_waited_for_long(file: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(ToolError, match=r"longer than the 0\.2 s allowed"):
        made(file, limits=QUICK)["query"](SEEKING)
    assert time.monotonic() - begun < 1.5


@pytest.fixture(scope="module")
def postgres() -> str:
    url = server().fresh()
    for statement in ("create schema shop", "create table shop.people (name text)"):
        execute(url, statement)
    return url


def test_options_of_a_url_are_kept(postgres: str) -> None:
    mark = "&" if "?" in postgres else "?"
    tools = {
        each.name: each
        for each in sql.tools(f"{postgres}{mark}options=-c%20search_path%3Dshop", write=True, limits=QUICK)
    }
    assert tools["query"]("select name from people") == "(no rows)"
    with pytest.raises(ToolError, match="longer than"):  # and ours beside them
        tools["query"]("select pg_sleep(5)")
    with pytest.raises(ToolError, match="read-only"):
        tools["query"]("select lo_create(0)")


@pytest.mark.parametrize(
    "statement", ["insert into shop.people values ('Ann') returning name", "with a as (select 1) select * from a"]
)
def test_a_change_on_postgres_brings_no_rows_back(postgres: str, statement: str) -> None:
    _, query, change = sql.tools(postgres, write=True)
    with pytest.raises(ToolError, match="leave RETURNING out"):
        change(statement)
    assert query("select name from shop.people") == "(no rows)"
