"""Microsoft Agent Framework: `Agent.run` with `OpenAIChatCompletionClient(async_client=…)`; no class for DeepSeek.

As it comes: without the two hooks with which a user could give the reasoning back. Its limit of rounds of tool calls
would end a long session and is lifted.
"""

from contextlib import AsyncExitStack
from typing import Any

from agent_framework import Agent, tool
from agent_framework.openai import OpenAIChatCompletionClient
from openai import AsyncOpenAI

from benchmarks.peers.shape import FOREVER, KEY, MODEL, QUESTION, Driver, look_up, serve


class AgentFramework(Driver):
    """Runs of one agent."""

    async def aim(self, url: str, stack: AsyncExitStack) -> None:
        """Make the client and the agent."""
        client = await stack.enter_async_context(AsyncOpenAI(base_url=url, api_key=KEY, max_retries=0, timeout=600))
        self._client: Any = OpenAIChatCompletionClient(
            MODEL, async_client=client, function_invocation_configuration={"max_iterations": FOREVER}
        )
        self._agent: Any = self.construct(self.declare([look_up]))

    async def hold(self) -> str:
        """Run the agent."""
        return str((await self._agent.run(QUESTION)).text)

    async def stream(self) -> str:
        """Run the agent, its updates being read as they come."""
        return "".join([update.text async for update in self._agent.run(QUESTION, stream=True)])

    def declare(self, functions: list[Any]) -> list[Any]:
        """Decorate functions."""
        return [tool(function) for function in functions]

    def construct(self, tools: list[Any]) -> object:
        """Make an agent."""
        return Agent(client=self._client, tools=tools)


SIDE = AgentFramework

if __name__ == "__main__":
    serve(SIDE())
