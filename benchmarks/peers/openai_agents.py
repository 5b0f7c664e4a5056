"""openai-agents: `Runner.run` with `OpenAIChatCompletionsModel` and a client of one's own; tracing is off.

The model's name holds "deepseek", which is what makes it give reasoning back; no limit of turns ends a session.
It asks for strict functions, which DeepSeek serves under /beta.
"""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    Runner,
    SQLiteSession,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI
from openai.types.responses import ResponseTextDeltaEvent

from benchmarks.peers.shape import FOREVER, KEY, MODEL, QUESTION, Driver, beta, look_up, serve


class OpenAIAgents(Driver):
    """Runs of one agent."""

    async def aim(self, url: str, stack: AsyncExitStack) -> None:
        """Make the client and the agent."""
        set_tracing_disabled(disabled=True)
        client = await stack.enter_async_context(
            AsyncOpenAI(base_url=beta(url), api_key=KEY, max_retries=0, timeout=600)
        )
        self._model = OpenAIChatCompletionsModel(MODEL, openai_client=client)
        self._agent: Any = self.construct(self.declare([look_up]))

    async def hold(self) -> str:
        """Run the agent."""
        result = await Runner.run(self._agent, QUESTION, max_turns=FOREVER)
        return str(result.final_output)

    async def stream(self) -> str:
        """Run the agent, its raw events being read as they come."""
        events = Runner.run_streamed(self._agent, QUESTION, max_turns=FOREVER).stream_events()
        raw = [event.data async for event in events if event.type == "raw_response_event"]
        return "".join(data.delta for data in raw if isinstance(data, ResponseTextDeltaEvent))

    def declare(self, functions: list[Any]) -> list[Any]:
        """Decorate functions."""
        return [function_tool(function) for function in functions]

    def construct(self, tools: list[Any]) -> object:
        """Make an agent."""
        return Agent(name="bench", model=self._model, tools=tools)

    async def record(self, folder: Path) -> str:
        """Run the agent with its own session in SQLite."""
        session = SQLiteSession("recorded", folder / "session.db")
        result = await Runner.run(self._agent, QUESTION, max_turns=FOREVER, session=session)
        session.close()
        return str(result.final_output)

    async def reopen(self, folder: Path) -> int:
        """Read the session's items."""
        session = SQLiteSession("recorded", folder / "session.db")
        items = await session.get_items()
        session.close()
        return len(items)


SIDE = OpenAIAgents

if __name__ == "__main__":
    serve(SIDE())
