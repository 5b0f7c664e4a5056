"""Watching from the side: subscribers fold the same events that everybody gets.

A library is quiet: nothing is written unless the program raises the level of the standard logger "agentkit" to INFO
(`agentkit` on the command line does). Lines carry keys, never message texts or arguments: those are in the journal.
"""

import logging
from collections.abc import Sequence
from typing import Any

import structlog

from agentkit.core import events
from agentkit.core.deltas import Delta
from agentkit.core.record import Record


class Lines:
    """Writes one structlog line for each record of a session. Deltas are not logged."""

    def __init__(self, session_id: str) -> None:
        self._log = structlog.wrap_logger(
            logging.getLogger("agentkit"),
            processors=[structlog.stdlib.add_log_level, structlog.processors.KeyValueRenderer(key_order=["event"])],
            wrapper_class=structlog.stdlib.BoundLogger,
        ).bind(session=session_id)

    def __call__(self, news: Record | Sequence[Delta]) -> None:
        """Take what the session publishes."""
        if isinstance(news, Record):
            write = self._log.warning if isinstance(news.event, _WARNED) else self._log.info
            write(type(news.event).__name__, seq=news.seq, turn=news.turn, step=news.step, **_keys(news.event))


_WARNED = (
    *(events.ModelFailed, events.ModelRejected, events.ModelInterrupted),
    *(events.ToolUnknown, events.CallEscalated, events.InboxRefused),
)
_LOGGED = (
    *("call", "kind", "effect", "status", "attempt", "finish", "failed", "by", "question", "to"),
    *("model", "contract_id"),
)


def _keys(event: events.AnyEvent) -> dict[str, Any]:
    return {name: getattr(event, name) for name in _LOGGED if getattr(event, name, None) not in {None, "", False}}
