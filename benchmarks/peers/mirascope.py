"""Mirascope: `llm.Model.call_async` and its documented loop of `execute_tools` and `resume`, on "openai:completions".

It has no provider for DeepSeek; any OpenAI-compatible endpoint is registered under a prefix of model ids. It makes the
one client itself. It asks for strict functions, which DeepSeek serves under /beta.
"""

from contextlib import AsyncExitStack
from typing import Any

from mirascope import llm

from benchmarks.peers.shape import KEY, MODEL, QUESTION, Driver, beta, look_up, serve


class Mirascope(Driver):
    """Calls of one model."""

    async def aim(self, url: str, _stack: AsyncExitStack) -> None:
        """Make the client and the tools."""
        llm.register_provider("openai:completions", scope="deepseek/", base_url=beta(url), api_key=KEY)
        self._agent: Any = self.construct(self.declare([look_up]))

    async def hold(self) -> str:
        """Call, and resume until no tool is called."""
        model, tools = self._agent
        response = await model.call_async(QUESTION, tools=tools)
        while response.tool_calls:
            response = await response.resume(await response.execute_tools())
        return str(response.text())

    async def stream(self) -> str:
        """Call, the text being read as it comes."""
        model, tools = self._agent
        response = await model.stream_async(QUESTION, tools=tools)
        return "".join([text async for text in response.text_stream()])

    def declare(self, functions: list[Any]) -> list[Any]:
        """Decorate functions."""
        return [llm.tool(function) for function in functions]

    def construct(self, tools: list[Any]) -> object:
        """Make a model and its set of tools."""
        return llm.Model(f"deepseek/{MODEL}"), tools


SIDE = Mirascope

if __name__ == "__main__":
    serve(SIDE())
