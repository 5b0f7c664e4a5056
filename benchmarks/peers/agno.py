"""Agno: `Agent.arun` with its own `DeepSeek` model (`base_url`, one `AsyncOpenAI` for all runs); telemetry is off."""

from contextlib import AsyncExitStack
from typing import Any

from agno.agent import Agent
from agno.models.deepseek import DeepSeek
from openai import AsyncOpenAI

from benchmarks.peers.shape import KEY, MODEL, QUESTION, Driver, look_up, serve


class Agno(Driver):
    """Runs of one agent."""

    async def aim(self, url: str, stack: AsyncExitStack) -> None:
        """Make the client and the agent."""
        client = await stack.enter_async_context(AsyncOpenAI(base_url=url, api_key=KEY, max_retries=0, timeout=600))
        self._model = DeepSeek(id=MODEL, api_key=KEY, base_url=url, async_client=client)
        self._agent: Any = self.construct([look_up])

    async def hold(self) -> str:
        """Run the agent."""
        run = await self._agent.arun(QUESTION)
        if run.status.value != "COMPLETED":  # a refusal of the service is told as a status
            raise RuntimeError(f"{run.status.value}: {run.content}")
        return str(run.content)

    async def stream(self) -> str:
        """Run the agent, its answer being streamed."""
        events = self._agent.arun(QUESTION, stream=True)
        return "".join([event.content async for event in events if event.event == "RunContent" and event.content])

    def construct(self, tools: list[Any]) -> object:
        """Make an agent."""
        return Agent(model=self._model, tools=tools, telemetry=False)


SIDE = Agno

if __name__ == "__main__":
    serve(SIDE())
