"""Enqueuing for DBOS in the journal's own transaction, without DBOS: one statement, on the journal's connection.

`PostgresJournal(url, wakes=DBOSWakes())`: whatever is left for a session (a message, an approval) and the word that
somebody should drive it are committed together, or neither is. Only ids go through the engine.
"""

import logging
from collections.abc import Mapping
from typing import Any

SCHEMA = "agentkit_dbos"  # of its own: dropped whole, and apart from a DBOS application in the same database
WORKFLOW = "agentkit.drive"
APPLICATION = "agentkit"

ENQUEUE = """
select agentkit_dbos.enqueue_workflow(
    workflow_name => 'agentkit.drive', application_name => 'agentkit',
    workflow_id => %(session)s::text || ':' || %(wake)s::text, queue_partition_key => %(session)s::text,
    positional_args => array[to_json(%(session)s::text)], delay_until_epoch_ms => %(at)s::bigint,
    queue_name => 'agentkit' || coalesce(
        (select '.' || nullif(agent, '') from agentkit.session where id = %(session)s::text), ''))
"""  # the workflow's id makes the same wake nothing: DBOS refuses deduplication ids on partitioned queues

_IS_THERE = """
select exists (
    select from pg_proc where proname = 'enqueue_workflow' and pronamespace = to_regnamespace('agentkit_dbos')
    and proargnames @> array['queue_partition_key', 'delay_until_epoch_ms', 'application_name'])
"""

_LOG = logging.getLogger("agentkit")


def values(session_id: str, wake: str, at: int | None = None) -> Mapping[str, str | int | None]:
    """Return what `ENQUEUE` takes; `at`: not before, in milliseconds since 1970."""
    return {"session": session_id, "wake": wake, "at": at}


def is_there(connection: Any) -> bool:
    """Tell whether this database has DBOS's tables: the first worker makes them."""
    return bool(connection.execute(_IS_THERE).fetchone()[0])


class DBOSWakes:
    """Tells DBOS that a session has something to do. It is a `Wakes`, for `PostgresJournal(…, wakes=…)`."""

    def wake(self, connection: Any, session_id: str, wake: str) -> None:
        """Enqueue a drive of the session: it takes effect with the transaction's commit."""
        if is_there(connection):
            connection.execute(ENQUEUE, values(session_id, wake))
        else:
            _LOG.info("session %r: no worker has run on this database yet; the first one finds it", session_id)
