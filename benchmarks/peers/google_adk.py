"""Google ADK: `Runner.run_async` with `LiteLlm("deepseek/…", api_base=…)` and an `InMemorySessionService`.

LiteLLM's telemetry and its look-up of prices over the network are off; ADK's limit of model calls is lifted.
"""

from contextlib import AsyncExitStack
from itertools import count
from typing import Any

import litellm
from google.adk.agents import LlmAgent
from google.adk.agents.run_config import RunConfig, StreamingMode
from google.adk.models.lite_llm import LiteLlm
from google.adk.runners import Runner
from google.adk.sessions import InMemorySessionService
from google.genai import types

from benchmarks.peers.shape import KEY, MODEL, QUESTION, Driver, look_up, serve

_ASKED = types.Content(role="user", parts=[types.Part(text=QUESTION)])
_WHOLE = RunConfig(max_llm_calls=0)
_STREAMED = RunConfig(max_llm_calls=0, streaming_mode=StreamingMode.SSE)


class GoogleADK(Driver):
    """Runs of one runner, each in a session of its own."""

    async def aim(self, url: str, _stack: AsyncExitStack) -> None:
        """Make the model, the agent and the runner."""
        litellm.telemetry = False
        self._model = LiteLlm(f"deepseek/{MODEL}", api_base=url, api_key=KEY)
        self._sessions = InMemorySessionService()
        agent: Any = self.construct([look_up])
        self._runner = Runner(app_name="bench", agent=agent, session_service=self._sessions)
        self._names = count()

    async def _events(self, how: RunConfig) -> Any:
        name = f"bench-{next(self._names)}"
        await self._sessions.create_session(app_name="bench", user_id="bench", session_id=name)
        async for event in self._runner.run_async(user_id="bench", session_id=name, new_message=_ASKED, run_config=how):
            if event.error_code:
                raise RuntimeError(f"{event.error_code}: {event.error_message}")
            yield event
        await self._sessions.delete_session(app_name="bench", user_id="bench", session_id=name)

    async def hold(self) -> str:
        """Run the agent."""
        said = ""
        async for event in self._events(_WHOLE):
            if event.is_final_response():
                said = _text(event)
        return said

    async def stream(self) -> str:
        """Run the agent, its partial events being read as they come."""
        return "".join([_text(event) async for event in self._events(_STREAMED) if event.partial])

    def construct(self, tools: list[Any]) -> object:
        """Make an agent."""
        return LlmAgent(name="bench", model=self._model, tools=tools)


def _text(event: Any) -> str:
    parts = event.content.parts if event.content else ()
    return "".join(part.text for part in parts or () if part.text and not part.thought)


SIDE = GoogleADK

if __name__ == "__main__":
    serve(SIDE())
