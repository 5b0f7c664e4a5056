"""What is DBOS's own: one transaction with the journal, and tables that do not grow for ever."""

import re
from pathlib import Path
from typing import Any

import psycopg
import pytest

from agentkit.errors import ConfigurationError
from agentkit.journal import MemoryJournal, PostgresJournal
from agentkit.workers import DBOSEngine, DBOSWakes
from tests import postgres
from tests.workers.dispatched import OnDBOS
from tests.workers.staff import until

pytestmark = [pytest.mark.anyio, pytest.mark.crash]


class Tripped(DBOSWakes):
    """Enqueues, then fails the transaction it is in."""

    def wake(self, connection: Any, session_id: str, wake: str) -> None:
        super().wake(connection, session_id, wake)
        raise RuntimeError("the disk of the database is full")


@pytest.fixture
def shop(tmp_path: Path) -> OnDBOS:
    return OnDBOS(tmp_path)


async def test_a_message_and_its_wake_are_one_transaction(shop: OnDBOS) -> None:
    async with shop.journal() as journal:
        await shop.engine(journal).enqueue("nobody", "w")  # makes DBOS's tables, without a worker
        await shop.say("a", "one")
        async with PostgresJournal(shop.place, wakes=Tripped()) as tripped:
            with pytest.raises(RuntimeError, match="disk of the database"):
                await shop.session(tripped, "b", "support").say("two", id="m1")
        assert await journal.head("b") is None
        await shop.session(journal, "a").say("one", id="m1")
        await shop.session(journal, "a").say("three", id="m2")
    rows = shop.rows("queue_partition_key, queue_name, status, workflow_uuid")
    assert [row[:3] for row in rows] == [
        ("nobody", "agentkit", "ENQUEUED"),
        ("a", "agentkit.support", "ENQUEUED"),
        ("a", "agentkit.support", "ENQUEUED"),
    ]
    assert len({row[3] for row in rows}) == 3


async def test_a_message_gets_in_while_a_worker_is_still_making_dboss_tables(shop: OnDBOS) -> None:
    with psycopg.connect(shop.place) as connection:
        connection.execute("create schema agentkit_dbos")
        connection.execute(  # as DBOS makes it first; later steps of its migration replace it
            "create function agentkit_dbos.enqueue_workflow(workflow_name text, queue_name text, workflow_id text)"
            " returns text language sql as 'select workflow_id'"
        )
    async with shop.journal() as journal:
        await shop.say("a", "one")
        assert [each.session_id for each in await journal.ready()] == ["a"]


async def test_enqueued_in_a_transaction_of_the_callers_own(shop: OnDBOS) -> None:
    engine = DBOSEngine(MemoryJournal(), shop.place)
    async with shop.journal():
        await engine.enqueue("a", "w1")
    with psycopg.connect(shop.place) as connection:
        await engine.enqueue("a", "w2", tx=connection)
        connection.rollback()
        await engine.enqueue("a", "w3", tx=connection)
        connection.commit()
    assert [key for (key,) in shop.rows("workflow_uuid")] == ["a:w1", "a:w3"]


async def test_only_ids_go_through_it_and_the_wake_comes_before_any_sweep(shop: OnDBOS) -> None:
    await shop.say("a", "look:7 sesame")
    with shop.staffed():
        await until(lambda: shop.completed("a"))
        await shop.say("b", "look:8 sesame")
        await until(lambda: shop.completed("b"))
        await until(lambda: len(shop.rows("1")) == 2 and all(status == "SUCCESS" for (status,) in shop.rows("status")))
    found, woken = (str(key) for (key,) in shop.rows("workflow_uuid"))
    assert found.startswith("a:")
    assert "~" in found  # by the sweep: there were no tables when the message came
    assert woken.startswith("b:")
    assert "~" not in woken  # by the message's own transaction
    tables = postgres.execute(
        shop.place, "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname = 'agentkit_dbos'"
    )
    for (table,) in tables:
        assert "sesame" not in str(postgres.execute(shop.place, f"select * from {table}"))  # noqa: S608 - from the catalog
    assert len(tables) > 5


async def test_what_was_given_to_a_worker_that_does_not_drive_it_is_given_to_another(shop: OnDBOS) -> None:
    await shop.say("a", "look:7 a")
    with shop.staffed(ttl=2):
        await until(lambda: shop.completed("a"))
        postgres.execute(  # its sign of life is never old: what tells is that nobody has the session's lease
            shop.place, "insert into agentkit_dbos.agentkit_seen values ('worker idle', 'infinity')"
        )
        postgres.execute(
            shop.place,
            "update agentkit_dbos.workflow_status set status = 'PENDING', completed_at = null,"
            " executor_id = 'worker idle'",
        )
        await shop.say("a", "look:8 a", id="m2")
        await until(lambda: len(shop.did("look")) == 2)
        await until(lambda: shop.completed("a"))


async def test_what_ended_long_ago_is_deleted(shop: OnDBOS) -> None:
    await shop.say("a", "look:7 a")
    with shop.staffed():
        await until(lambda: shop.completed("a"))
        await until(lambda: shop.counts(waiting=0, ended=1))
        await shop.say("b", "look:8 b")
        await until(lambda: shop.counts(waiting=0, ended=2))
        postgres.execute(
            shop.place,
            "update agentkit_dbos.workflow_status set completed_at = completed_at - 3601000"
            " where queue_partition_key = 'a'",
        )
        postgres.execute(shop.place, "update agentkit_dbos.agentkit_seen set seen = '-infinity' where name = 'purge'")
        await until(lambda: shop.counts(waiting=0, ended=1))
    assert shop.rows("queue_partition_key") == [("b",)]
    assert postgres.execute(shop.place, "select count(*) from agentkit_dbos.workflow_input") == [(1,)]


async def test_the_servers_restart_is_waited_out(shop: OnDBOS) -> None:
    await shop.say("a", "look:7 hold:gate a")
    with shop.staffed() as worker:
        await until(lambda: shop.did("holds"))
        postgres.server().restart(down=1.0)
        shop.opens("gate")
        await until(lambda: shop.completed("a"))
        await shop.say("b", "look:8 b")
        await until(lambda: shop.completed("b"))
        assert worker.lives
    assert shop.twice("asked") == []


def test_it_says_what_it_needs() -> None:
    with pytest.raises(ConfigurationError, match=r"journal's own Postgres, and mysql://ann:\*\*\*@host/x is none"):
        DBOSEngine(MemoryJournal(), "mysql://ann:secret@host/x")


def test_the_programs_of_the_page_are_programs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "engines.md").read_text("utf-8")
    programs = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    for program in programs:
        exec(compile(program, "docs/engines.md", "exec"), names)  # noqa: S102 - the page's own program
    assert isinstance(names["journal"], PostgresJournal)
    assert len(programs) == 2
