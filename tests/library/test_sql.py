"""The sql tools: what they do on both databases, and the list of attacks on them."""

import json
import os
import sqlite3
import time
import tracemalloc
from contextlib import closing
from pathlib import Path
from tempfile import gettempdir
from typing import Any, TypeAlias

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentkit import Tool, ToolError
from agentkit.errors import ConfigurationError
from agentkit_tools import sql
from tests.postgres import execute, server

OWNED = Path(gettempdir(), "agentkit-owned")  # what the attacks would make; one name, as the cases are named by it
Tools: TypeAlias = dict[str, Tool[object, Any, Any]]
SHOP = (
    "create table orders (id integer primary key, customer text, price numeric)",
    "insert into orders values (1, 'Ann', 10.50), (2, 'Bob', 3), (3, 'Cid', null)",
    "create table keys (name text)",
    "create view cheap as select id from orders where price < 5",
)
QUICK = sql.Limits(seconds=0.5)


def made(url: str, **options: Any) -> Tools:
    return {each.name: each for each in sql.tools(url, write=True, **options)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "shop ?#%.db"
    with closing(sqlite3.connect(path)) as connection:
        for statement in SHOP:
            connection.execute(statement)
        connection.commit()
    return path


@pytest.fixture(scope="module")
def postgres() -> str:
    url = server().fresh()
    for statement in SHOP:
        execute(url, statement)
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, file: Path) -> str:
    return f"sqlite:///{file}" if request.param == "sqlite" else str(request.getfixturevalue("postgres"))


def place(url: str) -> str:
    return "?" if url.startswith("sqlite") else "$1"


def test_each_does_its_work(url: str) -> None:
    tools = made(url)
    assert "orders (id integer, customer text, price numeric)" in tools["list_tables"]().replace("public.", "").lower()
    found = tools["query"]("select id, customer from orders where price > 5; ")
    assert [json.loads(line) for line in found.splitlines()] == [{"id": 1, "customer": "Ann"}]
    found = tools["query"](f"-- theirs\nselect id from orders where customer = {place(url)}", ["Bob"])
    assert json.loads(found) == {"id": 2}
    assert tools["query"]("select id from orders where id = 99") == "(no rows)"
    assert '"price": null' in tools["query"]("select price from orders where id = 3").replace(":null", ": null")
    assert tools["execute"]("insert into keys values (@)".replace("@", place(url)), ["k1"]) == "1 rows were changed."
    assert tools["execute"]("delete from keys where name = 'k1'") == "1 rows were changed."
    assert tools["query"]("select 1 as x union all select 2").count("\n") == 1
    assert tools["query"]("with a as (select 1 as x) select x from a").replace(" ", "") == '{"x":1}'


def test_effects_and_approvals_are_as_declared(file: Path) -> None:
    told = {
        n: (t.effect, t.declared.needs_approval, t.declared.untrusted) for n, t in made(f"sqlite:///{file}").items()
    }
    assert told == {
        "list_tables": ("read", False, True),
        "query": ("read", False, True),
        "execute": ("once", True, False),
    }
    only = sql.tools(f"sqlite:///{file}", prefix="shop_", untrusted=False)
    assert [(each.name, each.declared.untrusted) for each in only] == [
        ("shop_list_tables", False),
        ("shop_query", False),
    ]
    assert "write ? where a parameter goes" in only[1].inputs.description


WRITES = [
    *(
        "insert into orders values (9, 'x', 1)",
        "update orders set price = 0",
        "delete from orders",
        "drop table orders",
    ),
    *(
        "create table x (y text)",
        "alter table orders add column z text",
        "truncate orders",
        "vacuum",
        "begin",
        "commit",
    ),
    *("attach 'other.db' as other", "pragma user_version = 7", "pragma table_info(orders)", "detach main", "analyze"),
    *(f"copy orders to program 'touch {OWNED}'", f"copy (select 1) to '{OWNED}'", "do $$ begin end $$", "call x()"),
    *(
        "set session characteristics as transaction read write",
        "grant all on orders to public",
        "load 'x'",
        "",
        " ",
        ";",
    ),
    *(
        "select 1; drop table orders",
        "select 1; commit; drop table orders",
        "select 1) q; drop table orders; --",
    ),
    *("with gone as (delete from orders returning id) select id from gone", "select * into copied from orders"),
    *(
        "/* /* */ select */ drop table orders",
        "--\rdrop table orders --\nselect 1",
        "explain analyze delete from orders",
    ),
    *("select load_extension('x.so')", "select * from pragma_table_info('orders')", "values (1); delete from orders"),
    *(
        "select lo_create(0)",
        "select nextval('nothing')",
        "select set_config('transaction_read_only', 'off', false), lo_create(0)",
    ),
    *(
        f"select writefile('{OWNED}', 'x')",
        "select 1 \0; drop table orders",
        "\ud800",
        "select '\ud800'",
        "drop/**/table orders",
    ),
]

# What a second statement would leave behind, were it run: nothing else depends on it, so nothing else refuses it.
WRITES += ["select 1; create table grown (y text)", "select 1) q; commit; create table grown (y text); --"]


@pytest.mark.parametrize("statement", WRITES, ids=lambda text: ascii(text[:40]))
def test_a_query_changes_nothing(url: str, statement: str) -> None:
    tools = made(url)
    before = tools["query"]("select * from orders order by id"), tools["list_tables"]()
    with pytest.raises(ToolError, match=r"nly (reading|one statement)|at most 20000 characters"):
        tools["query"](statement)
    assert (tools["query"]("select * from orders order by id"), tools["list_tables"]()) == before
    assert not OWNED.exists()


REACHING = [
    "drop table orders",
    "attach 'x.db' as x",
    "pragma writable_schema = on",
    "create table x (y text)",
    "vacuum",
]
FARTHER = [
    "insert into keys values ('x'); create table grown (y text)",
    "delete from keys; commit; create table grown (y text)",
    "insert into keys values ('x'); drop table orders",
    "/* /* */ insert */ drop table orders",
    "commit",
]
INNER = ["--\rcreate table x as --\nselect 1", "select 1", "copy keys from program 'id'", "do $$ begin end $$"]
INNER += ["insert into keys select name from pragma_table_info('orders')"]


@pytest.mark.parametrize("statement", [*REACHING, *FARTHER, *INNER, "update sqlite_schema set sql = ''"])
def test_a_change_changes_rows_and_nothing_else(url: str, statement: str) -> None:
    tools = made(url)
    before = tools["list_tables"]()
    with pytest.raises(ToolError, match=r"Only (rows may|one statement)"):
        tools["execute"](statement)
    assert tools["list_tables"]() == before


HOSTILE = [
    "'; drop table orders; --",
    "' or '1'='1",
    "\\'; drop table orders",
    "$1",
    "?",
    "%s",
    "{0}",
    "\u02bc or 1=1",
    "",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_parameter_is_a_value_and_never_a_statement(url: str, value: str) -> None:
    tools = made(url)
    assert tools["query"]("select id from orders where customer = @".replace("@", place(url)), [value]) == "(no rows)"
    cast = place(url) if url.startswith("sqlite") else "$1::text"
    assert json.loads(tools["query"](f"select {cast} as said", [value])) == {"said": value}


VALUES = st.one_of(st.text(), st.integers(-(2**70), 2**70), st.floats(), st.booleans(), st.none())


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    statement=st.one_of(st.text(), st.sampled_from(WRITES), st.text().map(lambda x: f"select {x}")),
    values=st.lists(VALUES, max_size=3),
)
def test_any_statement_and_any_value_is_answered_or_refused(file: Path, statement: str, values: list[Any]) -> None:
    (_, query) = sql.tools(f"sqlite:///{file}")
    before = file.read_bytes()
    try:
        said = query(statement, values)
    except ToolError as refused:
        said = str(refused)
    assert said
    assert file.read_bytes() == before
    assert sorted(each.name for each in file.parent.iterdir()) == [file.name]


ENDLESS = "with recursive n(x) as (select 1 union all select x + 1 from n) select {} from n"


def test_endless_queries_end(url: str) -> None:
    tools = made(url, limits=QUICK)
    begun = time.monotonic()
    for statement in (ENDLESS.format("count(*)"), ENDLESS.format("max(x)") + " where x < 0"):
        with pytest.raises(ToolError, match=r"longer than the 0\.5 s allowed"):
            tools["query"](statement)
    with pytest.raises(ToolError, match=r"longer than the 0\.5 s allowed"):
        tools["execute"]("insert into keys " + ENDLESS.format("'x'"))
    assert time.monotonic() - begun < 10
    said = made(url)["query"](ENDLESS.format("x"))  # rows without an end
    assert said.endswith("(cut: at most 200 rows of 50000 characters together are shown)")
    assert said.count("\n") == 200
    assert made(url)["query"]("select count(*) as n from keys").replace(" ", "") == '{"n":0}'


def test_no_pattern_takes_for_ever(file: Path) -> None:
    query = made(f"sqlite:///{file}", limits=QUICK)["query"]
    text = "replace(hex(zeroblob(200000)), '0', 'a')"  # between two steps of SQLite's machine nothing is asked
    begun = time.monotonic()
    for pattern in ("%a" * 24 + "b", "%" * 200 + "b", "_%" * 100 + "b"):
        assert query(f"select {text} like ? as said", [pattern]) == '{"said": 0}'
    assert query(f"select {text} glob ? as said", ["*a" * 24 + "b"]) == '{"said": 0}'
    assert time.monotonic() - begun < 10


def test_a_gigabyte_is_not_fetched(url: str) -> None:
    tools = made(url)
    lite = url.startswith("sqlite")
    tracemalloc.start()
    try:
        for size in (900_000, 20_000_000):
            text = (
                f"select replace(hex(zeroblob({size // 2})), '0', 'x') as t"
                if lite
                else f"select repeat('x', {size}) as t"
            )
            if lite and size > 1_000_000:
                with pytest.raises(ToolError, match="at most 1000000 bytes is allowed"):
                    tools["query"](text)
            else:
                said = tools["query"](text)
                assert said.endswith("xx…\n(cut: at most 200 rows of 50000 characters together are shown)")
                assert len(said) < 50_200
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
    wide = tools["query"](
        ENDLESS.format("x, replace(hex(zeroblob(1500)), '0', 'y') as y" if lite else "x, repeat('y', 3000) as y")
    )
    assert len(wide) < 50_200
    with pytest.raises(ToolError, match="at most 20000 characters"):
        tools["query"]("select " + "1," * 20_000 + "1")


def test_what_is_no_json_is_shown_all_the_same(file: Path) -> None:
    query = made(f"sqlite:///{file}")["query"]
    said = query("select x'00ff' as b, 9e999 as f, -9e999, 'ü\n' as t, 1 as t, 9223372036854775807 as n")
    assert json.loads(said.replace('"t": 1', '"u": 1')) == {
        "b": "(2 bytes)",
        "f": "inf",
        "-9e999": "-inf",
        "t": "ü\n",
        "u": 1,
        "n": 9223372036854775807,
    }


def test_a_full_text_index_can_be_asked(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("create virtual table notes using fts5(body)")
        connection.execute("insert into notes values ('a red bicycle')")
        connection.commit()
    said = made(f"sqlite:///{file}")["query"]("select body from notes where notes match ?", ["bicycle"])
    assert json.loads(said) == {"body": "a red bicycle"}


def test_a_busy_database_is_waited_for_no_longer_than_said(file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("begin exclusive")
        with pytest.raises(ToolError, match="database is locked"):
            made(f"sqlite:///{file}", limits=sql.Limits(seconds=0.1))["execute"]("delete from orders")
    assert '"n": 3' in made(f"sqlite:///{file}")["query"]("select count(*) as n from orders")


def test_a_failed_change_is_undone_whole(url: str) -> None:
    tools = made(url)
    with pytest.raises(ToolError, match="The database refused it: "):
        tools["execute"]("insert into orders values (7, 'x', 1), (1, 'twice', 1)")
    assert tools["query"]("select id from orders where id = 7") == "(no rows)"


def test_what_the_person_says_has_to_be_there(file: Path) -> None:
    with pytest.raises(ConfigurationError, match="is not there"):
        sql.tools(f"sqlite:///{file}.none")
    for wrong in ("mysql://x", "sqlite://x.db", "shop.db", ""):
        with pytest.raises(ConfigurationError, match=r'is no database: write "sqlite:///shop.db"'):
            sql.tools(wrong)
    (_, query) = sql.tools("postgresql://nobody:hidden@127.0.0.1:1/none")
    with pytest.raises(ToolError, match=r"^The database cannot be reached now\.$"):
        query("select 1")
    assert os.fspath(file) not in query.inputs.description
    assert psycopg.__name__ == "psycopg"
