"""The command line: one file per command family.

Law: it uses agentkit as any program would, and nothing imports it. What came from a model, a tool or a journal is
escaped before a terminal sees it (`screen`). A code path is named by the person at the keyboard or by the project's
pyproject.toml, never by a journal. `agentkit --help` loads argparse and nothing else: a command's module is imported
when the command is used.
"""

import sys
from collections.abc import Sequence
from importlib import import_module

from agentkit.cli.commands import COMMANDS
from agentkit.cli.parser import parser

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after the program's name; None takes the process's own.

    Returns:
        The exit code; `agentkit --help` lists them.

    Raises:
        SystemExit: by argparse, after `--help` (0) or with words it does not understand (2).
    """
    words = sys.argv[1:] if argv is None else list(argv)
    command = COMMANDS.get(words[0]) if words else None
    if command is not None and command.own_options:
        return int(import_module("agentkit.cli.running").delegate(command, words[1:]))
    options = parser().parse_args(words)
    return int(import_module("agentkit.cli.running").run(COMMANDS[options.command], options))
