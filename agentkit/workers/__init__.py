"""Workers: processes that drive whatever session has something to do, on one machine or on fifty.

Law: an engine only dispatches. It says which session to drive next; what happened, what is owed and who may write is
the journal's to say, so `drive` may be called too often, twice at once, late, or by the wrong worker. Only ids go
through an engine. Nothing but the command line imports this room.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentkit.workers.dbos import DBOSEngine
    from agentkit.workers.dbos_wakes import DBOSWakes
    from agentkit.workers.drive import driving
    from agentkit.workers.embedded import EmbeddedEngine
    from agentkit.workers.engine import Drive, Engine, Rest
    from agentkit.workers.places import Pace
    from agentkit.workers.temporal import TemporalEngine
    from agentkit.workers.worker import work

__all__ = [
    "DBOSEngine",
    "DBOSWakes",
    "Drive",
    "EmbeddedEngine",
    "Engine",
    "Pace",
    "Rest",
    "TemporalEngine",
    "driving",
    "work",
]

_HOMES = {
    "DBOSEngine": "dbos",
    "DBOSWakes": "dbos_wakes",
    "Drive": "engine",
    "EmbeddedEngine": "embedded",
    "Engine": "engine",
    "Pace": "places",
    "Rest": "engine",
    "TemporalEngine": "temporal",
    "driving": "drive",
    "work": "worker",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
