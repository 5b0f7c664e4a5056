"""The tables on a server: made once, upgraded when told, refused where they are not ours or not yet known."""

import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import to_thread

from agentkit.cli import main
from agentkit.errors import ConfigurationError, ForeignJournal, JournalError
from agentkit.journal import PostgresJournal, SQLiteJournal, open_journal, postgres
from agentkit.journal.address import redacted, scrubbed
from agentkit.journal.postgres.schema import migrations
from tests.postgres import execute, server

pytestmark = pytest.mark.anyio


@pytest.fixture
def url() -> str:
    return server().fresh()


async def open_and_close(url: str, *, create: bool = True) -> None:
    async with PostgresJournal(url, create=create):
        pass


def tables(url: str) -> int:
    ((count,),) = execute(url, "select count(*) from pg_tables where schemaname not in ('pg_catalog')")
    system = execute(url, "select count(*) from pg_tables where schemaname = 'information_schema'")[0][0]
    return int(count) - int(system)


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [each.number for each in migrations()] == list(range(1, len(migrations()) + 1))


async def test_an_empty_database_stays_empty_unless_a_journal_is_to_be_made(url: str) -> None:
    with pytest.raises(JournalError, match="there is no journal here"):
        await open_and_close(url, create=False)
    assert tables(url) == 0
    await open_and_close(url)
    made = tables(url)
    assert made > 0
    await open_and_close(url, create=False)
    assert tables(url) == made


async def test_ten_at_once_make_one_journal(url: str) -> None:
    done: list[Any] = []
    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(lambda: to_thread.run_sync(lambda: done.append(postgres.upgrade(url))))
    assert sorted(map(len, done)) == [0] * 9 + [len(migrations())]
    await open_and_close(url, create=False)


async def test_an_older_format_is_refused_until_it_is_upgraded(
    url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    await open_and_close(url)
    newest = len(migrations())
    later = Path(postgres.__file__).with_name(f"{newest + 1:04}_test_of_upgrades.sql")
    try:
        later.write_text("alter table agentkit.session add column later text;\n", "utf-8")
        migrations.cache_clear()
        with pytest.raises(JournalError, match="agentkit db upgrade"):
            await open_and_close(url)
        assert await to_thread.run_sync(main, ["db", "status", "--journal", url]) == 1
        assert f"format {newest}. Missing: {newest + 1:04}_test_of_upgrades." in capsys.readouterr().out
        assert await to_thread.run_sync(main, ["db", "upgrade", "--journal", url]) == 0
        assert f"done: {newest + 1:04}_test_of_upgrades" in capsys.readouterr().out
        await open_and_close(url)
        assert execute(url, "select later from agentkit.session") == []
        later.write_text("this is no SQL;\n", "utf-8")
    finally:
        later.unlink()
        migrations.cache_clear()
    before = execute(url, "select * from agentkit.migration")
    with pytest.raises(ForeignJournal, match=rf"format {newest + 1}; .* reads up to {newest}. Update agentkit"):
        await open_and_close(url)
    with pytest.raises(ForeignJournal):
        postgres.upgrade(url)
    assert execute(url, "select * from agentkit.migration") == before


async def test_an_upgrade_that_fails_changes_nothing(url: str) -> None:
    await open_and_close(url)
    later = Path(postgres.__file__).with_name(f"{len(migrations()) + 1:04}_test_of_upgrades.sql")
    try:
        later.write_text("alter table agentkit.session add column later text; this is no SQL;\n", "utf-8")
        migrations.cache_clear()
        with pytest.raises(JournalError, match=r"nothing was written.*syntax error"):
            postgres.upgrade(url)
    finally:
        later.unlink()
        migrations.cache_clear()
    await open_and_close(url)
    assert "later" not in {name for (name,) in execute(url, "select column_name from information_schema.columns")}


async def test_another_program_s_schema_is_left_as_it_is(url: str) -> None:
    execute(url, "create schema agentkit")
    execute(url, "create table agentkit.session (mine integer)")
    with pytest.raises(ForeignJournal, match="another program"):
        await open_and_close(url)
    with pytest.raises(ForeignJournal, match="another program"):
        postgres.upgrade(url)
    assert tables(url) == 1


async def test_a_user_without_rights_is_told_so(url: str) -> None:
    await open_and_close(url)
    execute(url, "drop role if exists guest")
    execute(url, "create role guest login")
    guest = url.replace("postgres@", "guest@")
    with pytest.raises(JournalError, match="lacks a right on schema `agentkit`"):
        await open_and_close(guest)


def test_the_command_tells_of_a_file_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["db", "status"]) == 0
    assert "no journal yet" in capsys.readouterr().out
    assert not (tmp_path / "agentkit.db").exists()
    assert main(["db", "upgrade"]) == 0
    assert "the newest that this version knows" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://host/db", "postgresql://host/db"),
        ("postgresql://ann@host/db", "postgresql://ann@host/db"),
        ("postgresql://ann:s3cret@host:5432/db?sslmode=require", "postgresql://ann:***@host:5432/db?sslmode=require"),
        ("postgres://ann:s3%40cret@host/db", "postgres://ann:***@host/db"),
        ("postgresql://ann:s3/c@r?et@host/db", "postgresql://ann:***@host/db"),
        ("postgresql://host/db?user=ann&password=s3cret&x=1", "postgresql://host/db?user=ann&password=***&x=1"),
        ("postgresql://h1,h2/db?sslpassword=s3cret", "postgresql://h1,h2/db?sslpassword=***"),
        ("postgresql://ann:s3cret@h1:1,h2:2/db", "postgresql://ann:***@h1:1,h2:2/db"),
        ("postgresql://:s3cret@host/db", "postgresql://:***@host/db"),
        ("talks.db", "talks.db"),
        ("a:b@c.db", "a:b@c.db"),
    ],
)
def test_a_password_is_never_shown(address: str, shown: str) -> None:
    assert redacted(address) == shown
    assert scrubbed(f'cannot read "{address}": no', address) == f'cannot read "{shown}": no'
    if "s3cret" in address:
        assert scrubbed("password s3cret is wrong", address) == "password *** is wrong"


@pytest.mark.parametrize("words", ["pending", "sessions", "doctor --offline", "db status", "db upgrade", "show s"])
def test_no_command_shows_a_password(
    words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    away = ("postgresql://ann:hunter2@127.0.0.1:1/none", "postgresql://127.0.0.1:1/none?user=ann&password=hunter2")
    wrong = ("postgresql://ann:hunter2%zz@127.0.0.1:1/none", "mysql://ann:hunter2@127.0.0.1:1/none")
    for address in (*wrong, *(away if words == "pending" else ())):  # one that is away is waited for
        assert main([*words.split(), "--journal", address]) != 0
        shown = capsys.readouterr()
        assert "hunter2" not in shown.out + shown.err
        assert "***" in shown.out + shown.err


def test_a_hint_repeats_the_address_without_the_password(
    url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    address = url.replace("postgres@", "postgres:hunter2@")
    assert main(["db", "upgrade", "--journal", address]) == 0
    assert main(["say", "s1", "hello", "--journal", address]) == 0
    shown = capsys.readouterr()
    assert "agentkit resume s1 --journal" in shown.out
    assert "hunter2" not in shown.out + shown.err
    assert "hunter2" not in repr(PostgresJournal(address))


def test_a_place_is_a_path_or_an_address(url: str, tmp_path: Path) -> None:
    assert isinstance(open_journal(tmp_path / "j.db"), SQLiteJournal)
    assert isinstance(open_journal(url), PostgresJournal)
    assert isinstance(open_journal(url.replace("postgresql://", "postgres://")), PostgresJournal)
    with pytest.raises(ConfigurationError, match="postgresql://user@host/name"):
        open_journal("http://example.org/x")


def test_where_psycopg_is_missing_the_extra_is_named(tmp_path: Path) -> None:
    """In a process of its own, which is told that there is no psycopg."""
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from agentkit.cli import main\n"
        "sys.exit(main(['pending', '--journal', 'postgresql://ann:hunter2@host/db']))"
    )
    done = anyio.run(lambda: anyio.run_process([sys.executable, "-c", code], check=False, cwd=tmp_path))
    assert done.returncode == 2
    said = done.stderr.decode()
    assert "pip install 'agentkit-reasoning[postgres]'" in said
    assert "hunter2" not in said
