"""agentkit, `Session` on a `MemoryJournal`: nothing that lasts is recorded."""

from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from agentkit import Agent, Journal, Limits, MemoryJournal, Model, Session, SQLiteJournal, tool
from benchmarks.peers.shape import KEY, MODEL, QUESTION, Driver, look_up, serve

_tool: Any = tool(effect="read")
_NONE = Limits(steps=None, repeats=None)  # the book's pages are looked up as often as it has pages


class Agentkit(Driver):
    """Sessions of agentkit. The reader of the answer gets its deltas as they come."""

    def __init__(self) -> None:
        self._sessions = 0

    def journal(self, _stack: AsyncExitStack) -> Journal:
        """Return where the sessions are recorded."""
        return MemoryJournal()

    async def aim(self, url: str, stack: AsyncExitStack) -> None:
        """Make the agent. The one client per endpoint is agentkit's own affair."""
        self._model = Model(MODEL, base_url=url, api_key=KEY, contract="deepseek-v4")
        self._agent: Agent[None] = Agent(self._model, tools=self.declare([look_up]), limits=_NONE)
        self._journal = await stack.enter_async_context(self.journal(stack))

    async def hold(self) -> str:
        """Hold a session from the question on."""
        self._sessions += 1
        return await self._held(self._journal, f"bench-{self._sessions}")

    async def _held(self, journal: Journal, name: str) -> str:
        async with Session(self._agent, name, journal=journal) as session:
            result = await session.run(QUESTION)
        return str(result.output)

    async def stream(self) -> str:
        """Read an answer as it comes."""
        self._sessions += 1
        said: list[str] = []
        async with (
            Session(self._agent, f"bench-{self._sessions}", journal=self._journal) as session,
            session.stream(QUESTION) as stream,
        ):
            async for item in stream:
                said += _texts(item)
        return "".join(said)

    def declare(self, functions: list[Any]) -> list[Any]:
        """Decorate functions."""
        return [_tool(function) for function in functions]

    def construct(self, tools: list[Any]) -> object:
        """Make an agent."""
        return Agent(Model(MODEL, base_url="http://127.0.0.1:1/v1", api_key=KEY, contract="deepseek-v4"), tools=tools)

    async def record(self, folder: Path) -> str:
        """Hold a session in a file."""
        async with SQLiteJournal(folder / "journal.db") as journal:
            return await self._held(journal, "recorded")

    async def reopen(self, folder: Path) -> int:
        """Open the file and load the session."""
        agent = self._agent
        async with Session(agent, "recorded", journal=SQLiteJournal(folder / "journal.db")) as session:
            await session.status()
            return len(await session.messages())


def _texts(item: Any) -> Iterable[str]:
    if getattr(item, "kind", "") == "text":
        yield item.text


SIDE = Agentkit

if __name__ == "__main__":
    serve(SIDE())
