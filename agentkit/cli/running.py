"""Running one command: its function is loaded, errors become words and an exit code, never a traceback."""

import argparse
import inspect
import logging
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import anyio

from agentkit.cli.command import Command
from agentkit.cli.exits import Exit, of_error
from agentkit.cli.loop import fastest
from agentkit.cli.screen import Screen
from agentkit.errors import AgentkitError, ConfigurationError


def run(command: Command, options: argparse.Namespace) -> int:
    """Run a command with parsed options and return the exit code."""
    screen = Screen(json=getattr(options, "json", False))
    log = logging.getLogger("agentkit")
    level, handler = log.level, logging.StreamHandler(sys.stderr)
    try:
        log.addHandler(handler)
        if options.verbose:
            log.setLevel(logging.INFO)
        return _run(command, options, screen)
    except AgentkitError as error:
        if options.verbose:
            screen.fault("".join(traceback.format_exception(error)))
        screen.fault(f"agentkit {command.name}: {error}")
        return of_error(error)
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


def _run(command: Command, options: argparse.Namespace, screen: Screen) -> int:
    work = _function(command)
    try:
        if inspect.iscoroutinefunction(work):
            return int(anyio.run(work, options, screen, backend_options=fastest()))
        return int(work(options, screen))
    except KeyboardInterrupt:
        screen.fresh()
        screen.fault(f"stopped. {command.stopped}")
        return Exit.INTERRUPTED


def delegate(command: Command, words: Sequence[str]) -> int:
    """Run a command that parses its own words."""
    try:
        return int(_function(command)(words))
    except AgentkitError as error:
        Screen().fault(f"agentkit {command.name}: {error}")
        return of_error(error)


def _function(command: Command) -> Callable[..., Any]:
    module, _, name = command.run.partition(":")
    function: Callable[..., Any] = getattr(import_module(f"agentkit.cli.{module}"), name)
    return function


def emulator(words: Sequence[str]) -> int:
    """Serve the emulator. Raises: ConfigurationError: the server it needs is not installed."""
    try:
        serve = import_module("agentkit.emulator.command").run
    except ModuleNotFoundError as error:
        if error.name not in {"uvicorn", "starlette"}:
            raise
        raise ConfigurationError(f"{error.name} is not installed: pip install 'agentkit-reasoning[server]'") from error
    return int(serve(words))
