"""Asking for a yes before something that costs money or cannot be undone."""

import argparse
import sys

from agentkit.cli.screen import ASK, Screen
from agentkit.errors import ConfigurationError

_YES = frozenset({"y", "yes"})


def agreed(options: argparse.Namespace, screen: Screen, question: str) -> bool:
    """Ask the person, unless --yes was said. Raises: ConfigurationError: nobody is there to say yes."""
    if options.yes:
        return True
    if not sys.stdin.isatty():
        raise ConfigurationError("nobody is there to agree (standard input is no terminal): say --yes")
    screen.write(f"{question} [y/N] ", ASK)
    return sys.stdin.readline().strip().lower() in _YES
