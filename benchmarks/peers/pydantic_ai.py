"""Pydantic AI: `Agent.run` with `OpenAIChatModel` and `DeepSeekProvider(openai_client=…)`, as its documentation says.

No instrumentation (the default); usage limits off, because a long session passes the default of 50 requests.
It asks for strict functions, which DeepSeek serves under /beta.
"""

from contextlib import AsyncExitStack
from typing import Any

from openai import AsyncOpenAI
from pydantic_ai import Agent, PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.deepseek import DeepSeekProvider
from pydantic_ai.usage import UsageLimits

from benchmarks.peers.shape import KEY, MODEL, QUESTION, Driver, beta, look_up, serve

_NONE = UsageLimits(request_limit=None)


class PydanticAI(Driver):
    """Runs of one agent."""

    async def aim(self, url: str, stack: AsyncExitStack) -> None:
        """Make the client and the agent."""
        client = await stack.enter_async_context(
            AsyncOpenAI(base_url=beta(url), api_key=KEY, max_retries=0, timeout=600)
        )
        self._model = OpenAIChatModel(MODEL, provider=DeepSeekProvider(openai_client=client))
        self._agent: Any = self.construct([look_up])

    async def hold(self) -> str:
        """Run the agent."""
        result = await self._agent.run(QUESTION, usage_limits=_NONE)
        return str(result.output)

    async def stream(self) -> str:
        """Run the agent, its events being handed on as they come."""
        said: list[str] = []

        async def heed(_context: Any, events: Any) -> None:
            async for event in events:
                if isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
                    said.append(event.delta.content_delta)
                elif isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
                    said.append(event.part.content)

        await self._agent.run(QUESTION, usage_limits=_NONE, event_stream_handler=heed)
        return "".join(said)

    def construct(self, tools: list[Any]) -> object:
        """Make an agent."""
        return Agent(self._model, tools=tools)


SIDE = PydanticAI

if __name__ == "__main__":
    serve(SIDE())
