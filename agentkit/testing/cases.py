"""A recorded session as a test: `agentkit case ID` writes it, `replay_case` proves that nothing has changed.

from agentkit.testing import replay_case

async def test_the_refund_of_order_7() -> None:
    await replay_case("tests/cases/customer-4711.jsonl", agent)
"""

import os
from typing import Any

import anyio

from agentkit.agent import Agent
from agentkit.errors import ConfigurationError, ForeignJournal, JournalError
from agentkit.journal.export import import_
from agentkit.journal.memory import MemoryJournal
from agentkit.proof import Replay, replay
from agentkit.proof.rerun import Rerun


async def replay_case(
    path: str | os.PathLike[str], agent: Agent[Any, Any], *, deps: Any = None, loop: bool = False
) -> Replay:
    """Replay a recorded session offline, and fail where today's code would send other bytes.

    Args:
        path: the file, as `agentkit case` or `agentkit export` wrote it.
        agent: who would answer today.
        deps: what `needs_approval` functions of the tools get, with `loop`. No tool runs.
        loop: also drive the loop anew, on recorded answers and results: today's code has to record the same events
            (which calls start, are refused or held, and how each turn ends).

    Raises:
        AssertionError: something differs; it says what first, and why.
        ConfigurationError: there is no such file. JournalError: it is damaged. ForeignJournal: it is no case, or one
            of a later version of agentkit.
    """
    journal = MemoryJournal()
    session_id = await _imported(journal, path)
    found = await replay(journal, session_id, agent)
    _check(path, session_id, found.difference, found.why)
    if loop:
        rerun = Rerun(journal, session_id, agent, deps)
        await rerun.go()
        _check(path, session_id, rerun.difference, rerun.why)
    return found


async def _imported(journal: MemoryJournal, path: str | os.PathLike[str]) -> str:
    try:
        lines = (await anyio.Path(path).read_bytes()).splitlines(keepends=True)
    except OSError as error:
        raise ConfigurationError(
            f"{os.fspath(path)}: {error.strerror}. `agentkit case ID --output {os.fspath(path)}` writes a case"
        ) from error
    try:
        return await import_(journal, lines, uid="a case is not driven")
    except JournalError as error:
        kind = ForeignJournal if isinstance(error, ForeignJournal) else JournalError
        text = str(error).removesuffix("; nothing was written")
        raise kind(
            f"{os.fspath(path)}: {text}. Write the case anew, or read it with the version that wrote it"
        ) from error


def _check(path: str | os.PathLike[str], session_id: str, difference: str | None, why: tuple[str, ...]) -> None:
    if difference is not None:
        lines = [f"{os.fspath(path)}, session {session_id}: {difference}", *(f"  because {each}" for each in why)]
        raise AssertionError("\n".join(lines))
