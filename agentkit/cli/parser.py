"""The table of commands as an argparse parser."""

import argparse
import sys
from importlib import import_module
from typing import Any

from agentkit.cli.command import Command
from agentkit.cli.commands import COMMANDS
from agentkit.cli.exits import MEANING

_ABOUT = """Talk to agents, look at what they did, decide what they ask, prove what they sent.

Every session is in a journal: --journal PATH or postgresql://…, else `[tool.agentkit] journal` of the nearest
pyproject.toml, else agentkit.db. Who answers is --agent MODULE:NAME, else `[tool.agentkit] agent`: an Agent without
deps, or a function (session_id) -> async context manager of (agent, deps)."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; `command` of what it parses is the command's name."""
    codes = "\n".join(f"  {code.value:>3}  {meaning}" for code, meaning in MEANING.items())
    top = argparse.ArgumentParser(
        prog="agentkit",
        description=_ABOUT,
        epilog=f"exit codes:\n{codes}\n\n`agentkit COMMAND --help` tells more, with an example.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action=_Version, nargs=0, help="print the version and leave")
    family = top.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Own)
    for command in COMMANDS.values():
        _add(family, command)
    return top


def _add(family: Any, command: Command) -> None:
    sub = family.add_parser(
        command.name,
        help=command.help,
        description=command.about or command.help,
        epilog=f"example:\n  {command.example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for option in command.options:
        sub.add_argument(*option.flags, **option.settings)
    if command.choice:
        group = sub.add_mutually_exclusive_group(required=True)
        for option in command.choice:
            group.add_argument(*option.flags, **option.settings)


class _Own(argparse.ArgumentParser):
    """A command's parser. A word that it does not know is told with its own usage; argparse shows the program's."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        options, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return options, unknown


class _Version(argparse.Action):
    """Prints the version; the module that knows it is loaded for that only."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        sys.stdout.write(f"agentkit {import_module('agentkit.core.spec').VERSION}\n")
        parser.exit()
