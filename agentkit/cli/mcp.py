"""`mcp serve`: an agent's tools, or a list of tools, for any MCP client."""

import argparse
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

from agentkit.cli.exits import Exit
from agentkit.cli.named import found
from agentkit.cli.screen import Screen
from agentkit.errors import ConfigurationError
from agentkit.tools import Tool
from agentkit.tools.mcp.serve import Offer
from agentkit.workers.who import FORM, answering

Tools: TypeAlias = tuple[str, Sequence[Tool[Any, ..., Any]], Any]

_FORM = f"MODULE:NAME, of a tool, a list of tools, {FORM}"


async def mcp(options: argparse.Namespace, screen: Screen) -> int:
    """Serve until the client leaves, or, over HTTP, until a signal."""
    named = found(options.tools, Path.cwd(), "mcp serve", _FORM)
    async with _tools_of(named) as (name, tools, deps):
        offer = Offer(tools, name=name, deps=deps, unasked=options.unasked)
        if options.http is None:
            await offer.stdio()
        else:
            await _serve(offer, options.http, screen)
    return Exit.OK


@asynccontextmanager
async def _tools_of(named: Any) -> AsyncIterator[Tools]:
    if isinstance(named, Tool):
        yield named.name, (named,), None
    elif isinstance(named, list | tuple):
        yield "agentkit", named, None
    else:
        async with answering(named, "mcp") as (agent, deps):
            yield agent.name, agent.tools, deps


async def _serve(offer: Offer, port: int, screen: Screen) -> None:
    """Serve on loopback; the URL is the first line of standard output.

    Raises:
        ConfigurationError: the port is taken, or is none.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise ConfigurationError(f"mcp serve: port {port} of 127.0.0.1 cannot be used: {error}") from error
        screen.line(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp")
        await offer.http(listener)
