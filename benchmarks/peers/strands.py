"""Strands Agents: `Agent.invoke_async` with `OpenAIModel(AsyncOpenAI(base_url=…))`; no class for DeepSeek.

An agent holds its conversation, so each session makes one, of tools declared once. No callback that prints; nothing is
cut off the history, as its sliding window of 40 messages would; it has no form that does not stream.
"""

from contextlib import AsyncExitStack
from typing import Any

from openai import AsyncOpenAI
from strands import Agent, tool
from strands.agent.conversation_manager import NullConversationManager
from strands.models.openai import OpenAIModel

from benchmarks.peers.shape import KEY, MODEL, QUESTION, Driver, look_up, serve


class Strands(Driver):
    """One agent a session, one model for all."""

    async def aim(self, url: str, stack: AsyncExitStack) -> None:
        """Make the client and the tool."""
        client = await stack.enter_async_context(AsyncOpenAI(base_url=url, api_key=KEY, max_retries=0, timeout=600))
        self._model = OpenAIModel(client, model_id=MODEL)
        self._tools = self.declare([look_up])

    async def hold(self) -> str:
        """Run an agent."""
        return str(await self.construct(self._tools).invoke_async(QUESTION)).strip()

    async def stream(self) -> str:
        """Run an agent, its events being read as they come."""
        events = self.construct(self._tools).stream_async(QUESTION)
        return "".join([event["data"] async for event in events if "data" in event])

    def declare(self, functions: list[Any]) -> list[Any]:
        """Decorate functions."""
        return [tool(function) for function in functions]

    def construct(self, tools: list[Any]) -> Any:
        """Make an agent."""
        manager = NullConversationManager()
        return Agent(model=self._model, tools=tools, callback_handler=None, conversation_manager=manager)


SIDE = Strands

if __name__ == "__main__":
    serve(SIDE())
