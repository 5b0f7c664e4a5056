"""`python -m agentkit.emulator`, and what the command line's `emulator` command calls."""

import argparse
import sys
import textwrap
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import anyio

from agentkit.emulator.script import ScriptError, canned, read_script
from agentkit.emulator.server import Emulator
from agentkit.emulator.table import CONTRACTS

_CONTRACTS = textwrap.fill(f"Contracts: {', '.join(CONTRACTS)}.", 100, break_on_hyphens=False)
_LAST_PORT = 65535
SCRIPTS = f"""\
{_CONTRACTS}

A script is {{"first user message, or *": [turn, ...]}}; a turn has the fields of a Reply, a Fault, or is a list of
those. The format is told in full by `python -m pydoc agentkit.emulator.script`, the contracts by
agentkit.emulator.table.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the emulator's options."""
    parser.add_argument("--script", type=Path, metavar="FILE", help="a JSON file to play; else one canned answer")
    parser.add_argument(
        "--contract",
        choices=CONTRACTS,
        metavar="ID",
        default="deepseek-v4",
        help="what to enforce (default: %(default)s)",
    )
    parser.add_argument("--port", type=_port, default=0, help="0, the default, takes a free one")
    parser.add_argument("--api-key", metavar="KEY", help="the only key to take (default: any)")
    parser.add_argument(
        "--model", action="append", dest="models", metavar="NAME", help="a model to know (default: all)"
    )
    parser.add_argument("--cache-unit", type=int, choices=(64, 128), default=64, help="tokens per unit of the cache")
    parser.add_argument("--context", type=int, metavar="TOKENS", help="the context window in tokens")
    parser.add_argument("--warm", action="store_true", help="tolerate missing reasoning for calls minted here")
    parser.add_argument("--keep", type=int, metavar="N", help="requests the log keeps with their bodies (default: all)")


def _port(text: str) -> int:
    """Return a port. Raises: ArgumentTypeError: it is none."""
    if not (text.isascii() and text.isdigit() and int(text) <= _LAST_PORT):
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to {_LAST_PORT}, not {text!r}")
    return int(text)


def run(argv: Sequence[str] | None = None) -> int:
    """Parse options and serve until interrupted.

    Args:
        argv: the options; None takes the program's own.

    Returns:
        The exit code, as of `serve`.
    """
    parser = argparse.ArgumentParser(
        prog="agentkit emulator",
        description="A stand-in model service that judges.",
        epilog=SCRIPTS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    return serve(parser.parse_args(argv))


def serve(options: argparse.Namespace) -> int:
    """Serve with parsed options until interrupted, the base URL being the first line of standard output.

    Returns:
        The exit code: 0, or 2 where the script cannot be read or the port not be taken.
    """
    try:
        script = read_script(options.script.read_text("utf-8")) if options.script else canned
        emulator = Emulator(
            script,
            contract=options.contract,
            cache_unit=options.cache_unit,
            api_key=options.api_key,
            models=options.models,
            context=options.context,
            warm=options.warm,
            keep=options.keep,
            port=options.port,
        )
        with suppress(KeyboardInterrupt):
            anyio.run(_forever, emulator)
    except OSError as error:
        what = error.filename or f"port {options.port}"
        sys.stderr.write(f"agentkit emulator: {what}: {error.strerror}\n")
        return 2
    except (ScriptError, UnicodeDecodeError) as error:
        sys.stderr.write(f"agentkit emulator: {options.script}: {error}\n")
        return 2
    return 0


async def _forever(emulator: Emulator) -> None:
    async with emulator:
        sys.stdout.write(f"{emulator.base_url}\n")
        sys.stdout.flush()
        await anyio.sleep_forever()
