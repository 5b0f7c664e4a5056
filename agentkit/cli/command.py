"""What a command is, as data, and the options that many of them take."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Option:
    """One argument of a command, as `ArgumentParser.add_argument` takes it."""

    flags: tuple[str, ...]
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes:
        run: `module:function` under `agentkit.cli`; the function takes the parsed options and the screen.
        choice: options of which exactly one has to be given.
        own_options: the words after the command are parsed by `run` itself.
        stopped: what Ctrl-C leaves behind, and what the same command does then.
    """

    name: str
    help: str
    example: str
    run: str
    options: tuple[Option, ...] = ()
    choice: tuple[Option, ...] = ()
    about: str = ""
    own_options: bool = False
    stopped: str = "Nothing recorded is lost: the same command goes on."


def option(*flags: str, **settings: Any) -> Option:
    """Return an option, given as `add_argument` takes it."""
    return Option(flags, settings)


JOURNAL = option("--journal", metavar="PATH|URL", help="the journal (default: see `agentkit --help`)")
VERBOSE = option("-v", "--verbose", action="store_true", help="log each event to standard error")
JSON = option("--json", action="store_true", help="print JSON for a program; progress goes to standard error")
AGENT = option("--agent", metavar="MODULE:NAME", help="who answers (default: `[tool.agentkit] agent`)")
SESSION = option("id", metavar="ID", help="the session's id")
QUESTION = option("question", metavar="ID", help="the question's id, as `agentkit pending` shows it")
WITHIN = option("--session", metavar="ID", help="the question's session, where the id alone does not tell")
MATCHING = option(
    "--matching",
    metavar="PATTERN",
    help="all sessions of a person: by the session's id, or by who said something in it; like 'customer-4711*'",
)
BY = option("--by", metavar="NAME", required=True, help="who decides; recorded")
STATUSES = ("idle", "open", "waiting", "faulted", "completed", "cancelled", "limit", "failed", "dead")
ALWAYS = (JOURNAL, VERBOSE)
DECIDING = (QUESTION, BY, WITHIN, *ALWAYS)
