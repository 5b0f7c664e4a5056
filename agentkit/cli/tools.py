"""`tools list | check | try`: what a model is told of tools, what is wrong with it, and one call of one."""

import argparse
import inspect
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from agentkit.agent import Agent
from agentkit.cli.agree import agreed
from agentkit.cli.exits import Exit
from agentkit.cli.named import found
from agentkit.cli.screen import BAD, DIM, GOOD, Screen
from agentkit.cli.told import length, loosely, problems
from agentkit.core.commands import Refuse
from agentkit.core.events import CallSuspended, ToolUnknown
from agentkit.core.messages import Part, Text
from agentkit.errors import ConfigurationError
from agentkit.models import Model
from agentkit.tools import Tool
from agentkit.tools.dispatch import Dispatch, Job
from agentkit.workers.who import FORM, answering

_FORM = f"MODULE:NAME, of a tool, a list of tools, a function that returns one, {FORM}"


async def tools(options: argparse.Namespace, screen: Screen) -> int:
    """List, check or try. Raises: ConfigurationError: what is named is not there, or holds no tools."""
    named = found(options.tools, Path.cwd(), "tools", _FORM)
    if inspect.iscoroutinefunction(named):
        raise ConfigurationError(f"tools {options.tools}: an async function gives no tools; give {_FORM}")
    async with _tools_of(named) as (offered, agent, deps):
        match options.what:
            case "list":
                return _list(offered, screen)
            case "check":
                return _check(offered, agent, options.model, screen)
            case _:
                return await _try(options, offered, deps, screen)


@asynccontextmanager
async def _tools_of(named: Any) -> AsyncIterator[tuple[Sequence[Tool[Any, ..., Any]], Agent[Any, Any] | None, Any]]:
    if callable(named) and not isinstance(named, Tool | Agent) and _takes_nothing(named):
        named = named()
    if isinstance(named, Tool):
        yield (named,), None, None
    elif isinstance(named, list | tuple):
        if strange := next((each for each in named if not isinstance(each, Tool)), None):
            raise ConfigurationError(f"tools: {strange!r:.80} is no tool: write `@tool(effect=…)` above the function")
        yield named, None, None
    else:
        async with answering(named, "tools") as (agent, deps):
            yield agent.tools, agent, deps


def _takes_nothing(function: Any) -> bool:
    try:
        inspect.signature(function).bind()
    except (TypeError, ValueError):
        return False
    return True


def _list(offered: Sequence[Tool[Any, ..., Any]], screen: Screen) -> int:
    if offered:
        rows: list[tuple[str, ...]] = [(each.name, each.effect, _approval(each), _first_line(each)) for each in offered]
        screen.table(("TOOL", "EFFECT", "APPROVAL", "WHAT IT DOES"), rows)
    else:
        screen.line(("there are no tools", DIM))
    return Exit.OK


def _approval(tool: Tool[Any, ..., Any]) -> str:
    rule = tool.declared.needs_approval
    if callable(rule):
        return "by a rule"
    if rule == "defer":
        return "deferred"
    return "yes" if rule else "no"


def _first_line(tool: Tool[Any, ..., Any]) -> str:
    return next(iter(tool.inputs.description.splitlines()), "")


def _check(
    offered: Sequence[Tool[Any, ..., Any]], agent: Agent[Any, Any] | None, model: str | None, screen: Screen
) -> int:
    for each in offered:
        screen.line(f"{each.name}: about {length(each)} tokens")
    screen.line((f"together about {sum(map(length, offered))} tokens (an estimate: bytes / 4)", DIM))
    contracts = [each.resolve() for each in ([Model(model)] if model else agent.endpoints if agent else ())]
    sent = [told for contract in contracts for told in loosely(offered, agent, contract)]
    wrong = [*problems(offered, contracts), *(text for text, wanted in sent if wanted)]
    for text in wrong:
        screen.line(("wrong  ", BAD), text)
    for text in (text for text, wanted in sent if not wanted):
        screen.line(("note   ", DIM), text)
    if not wrong:
        screen.line(("nothing is wrong", GOOD))
    if not contracts:
        screen.line(("no service was checked for: say --model NAME", DIM))
    return Exit.ERROR if wrong else Exit.OK


async def _try(
    options: argparse.Namespace, offered: Sequence[Tool[Any, ..., Any]], deps: object, screen: Screen
) -> int:
    if options.name is None:
        raise ConfigurationError("tools try: name the tool, and give its arguments as a JSON object")
    dispatch = Dispatch(offered)
    verdict = dispatch.check("1.1.0", options.name, options.arguments, deps, session_id="tools")
    if isinstance(verdict, Refuse):
        _show(verdict.event.parts, screen)
        return Exit.ERROR
    tool = next((each for each in offered if each.name == options.name), None)
    asking = tool is not None and (tool.effect != "read" or tool.declared.needs_approval is not False)
    if tool and asking and not agreed(options, screen, f"{tool.name} is {tool.effect}: run it?"):
        screen.line(("nothing was run", DIM))
        return Exit.OK
    return await _run(dispatch, options, deps, screen)


async def _run(dispatch: Dispatch, options: argparse.Namespace, deps: object, screen: Screen) -> int:
    job = Job(
        call="1.1.0",
        tool=options.name,
        arguments=options.arguments,
        edited=False,
        idempotency_key=f"{uuid4()}/1.1.0",
        session_id="tools",
        deps=deps,
        progress=lambda text: screen.line((text, DIM)),
        late=lambda fact: screen.fault(f"it ended after all: {fact}"),
    )
    fact = await dispatch.run(job)
    if isinstance(fact, CallSuspended):
        screen.line(f"it asks a person: {fact.text}")
        return Exit.WAITING
    if isinstance(fact, ToolUnknown):
        screen.fault(f"it is not known what it did: {fact.why}. It may have happened")
        return Exit.ERROR
    _show(fact.parts, screen)
    if fact.failed and fact.detail:
        screen.fault(fact.detail)
    return Exit.ERROR if fact.failed else Exit.OK


def _show(parts: Sequence[Part] | str, screen: Screen) -> None:
    for each in (Text(parts),) if isinstance(parts, str) else parts:
        screen.block(each.text if isinstance(each, Text) else f"{each!r:.200}")
