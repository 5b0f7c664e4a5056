"""Programs that you name: `run_program`, with a list of arguments and never a line for a shell.

A program of the allow-list is started with its arguments as they are: `;`, `|`, `$` and `*` are letters. It gets no
input and no environment, and limits of time, output and memory; where bubblewrap works it is shut in a box (`_boxed`).
Each call is `once`, and a person has to agree to it, unless you say otherwise.
"""

import os
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentkit import Tool, ToolError, tool
from agentkit.errors import ConfigurationError
from agentkit_tools._boxed import Box, Limits, Runner

__all__ = ["Box", "Limits", "tools"]


def tools(
    allow: Collection[str],
    folder: str | os.PathLike[str],
    *,
    write: bool = False,
    ask: bool = True,
    box: Box | None = None,
    limits: Limits | None = None,
) -> tuple[Tool[object, Any, Any], ...]:
    """Return the tool that runs programs in a folder.

    Args:
        allow: programs, such as "ls"; with words behind it, such as "git log", only if its arguments begin so.
        folder: where they run, and in a box all that they see beside the system.
        write: whether in a box they may write to the folder.
        ask: whether a person has to agree to each call.
        box: whether the box is required, and what is in it.
        limits: how much one program may take.

    Raises:
        ConfigurationError: a program or the folder is not there, or the box is required and does not work.
    """
    if isinstance(allow, str) or not allow:
        raise ConfigurationError('allow is a list of programs, such as ["ls", "git log"].')
    runner = Runner(folder, box or Box(), limits or Limits(), write=write)
    shell = Shell(tuple(_entry(each, runner) for each in allow), runner, limits or Limits())
    named = ", ".join(f"`{each}`" for each in shell.entries)
    described = tool(effect="once", needs_approval=ask, untrusted=True, description=f"{_TOLD} Allowed: {named}.")
    return (described(shell.run_program),)


_TOLD = "Run a program with a list of arguments. There is no shell: nothing is expanded, piped or redirected."


@dataclass(frozen=True)
class Entry:
    """An entry of the allow-list: a name, where the program is, and how its arguments have to begin."""

    name: str
    path: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join((self.name, *self.words))


@dataclass(frozen=True)
class Shell:
    """The body of the tool."""

    entries: tuple[Entry, ...]
    runner: Runner
    limits: Limits

    async def run_program(self, program: str, arguments: list[str]) -> str:
        """Run a program.

        Args:
            program: its name, without a path and without arguments.
            arguments: each argument as a text of its own.
        """
        given = tuple(arguments)
        entry = next((e for e in self.entries if e.name == program and given[: len(e.words)] == e.words), None)
        if entry is None:
            asked = " ".join((program, *arguments))[:200]
            raise ToolError(f"{asked!r} is not allowed. Allowed are: {', '.join(map(str, self.entries))}.")
        self._check(given)
        try:
            ended = await self.runner.run(entry.path, given)
        except OSError as error:
            raise ToolError(f"{program} could not be started: {error.strerror}.") from error
        how = f"exit code {ended.code}" if (ended.code or 0) >= 0 else f"ended by signal {-(ended.code or 0)}"
        head = f"stopped: {ended.stopped}; what it did until then is done" if ended.stopped else how
        return f"({head})\n{ended.output.decode('utf-8', 'replace')}"

    def _check(self, arguments: tuple[str, ...]) -> None:
        try:
            size = sum(len(os.fsencode(each)) + 1 for each in arguments)
        except UnicodeError as error:
            raise ToolError("An argument cannot be written in the system's encoding.") from error
        if size > self.limits.arguments or any("\0" in each for each in arguments):
            raise ToolError(f"Arguments have at most {self.limits.arguments} bytes together, and no NUL.")


def _entry(text: str, runner: Runner) -> Entry:
    words = text.split()
    path = shutil.which(words[0]) if words else None
    if path is None:
        raise ConfigurationError(f"allow={text!r}: there is no such program here.")
    if not runner.sees(path):
        raise ConfigurationError(f"{path} is not in the box: add its folder to Box(see=…).")
    return Entry(Path(words[0]).name, str(Path(path).absolute()), tuple(words[1:]))
