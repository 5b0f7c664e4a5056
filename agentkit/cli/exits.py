"""Exit codes: a program that starts `agentkit` can tell how it ended without reading a word."""

from enum import IntEnum

from agentkit.errors import AgentkitError, ConfigurationError, Fenced, ModelError, SessionBusy


class Exit(IntEnum):
    """What each exit code means."""

    OK = 0
    ERROR = 1
    USAGE = 2
    WAITING = 3
    LIMIT = 4
    CANCELLED = 5
    MODEL = 6
    BUSY = 7
    DIFFERS = 8
    INTERRUPTED = 130


MEANING = {
    Exit.OK: "done; of a turn: completed",
    Exit.ERROR: "an error, told on standard error",
    Exit.USAGE: "the command line or the configuration is wrong",
    Exit.WAITING: "the turn waits for a person (see `agentkit pending`)",
    Exit.LIMIT: "the turn met a limit",
    Exit.CANCELLED: "the turn was cancelled",
    Exit.MODEL: "the model service failed; the turn can be resumed",
    Exit.BUSY: "another process drives the session",
    Exit.DIFFERS: "replay: today's code would send other bytes; diff: the sessions differ; "
    "ledger: an effect might have happened twice",
    Exit.INTERRUPTED: "stopped by Ctrl-C; nothing recorded is lost",
}

_BY_STATUS = {"completed": Exit.OK, "waiting": Exit.WAITING, "limit": Exit.LIMIT, "cancelled": Exit.CANCELLED}
_BY_ERROR: tuple[tuple[type[AgentkitError], Exit], ...] = (
    (ConfigurationError, Exit.USAGE),
    (ModelError, Exit.MODEL),
    (SessionBusy, Exit.BUSY),
    (Fenced, Exit.BUSY),
)


def of_status(status: str) -> Exit:
    """Return the code of a turn that came to rest as `Result.status` says."""
    return _BY_STATUS[status]


def of_error(error: AgentkitError) -> Exit:
    """Return the code of an error."""
    return next((code for kind, code in _BY_ERROR if isinstance(error, kind)), Exit.ERROR)
