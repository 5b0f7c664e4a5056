"""The loop everybody writes first: `AsyncOpenAI.chat.completions.create` with a list of messages."""

from contextlib import AsyncExitStack
from typing import Any

import openai
from pydantic_core import from_json

from benchmarks.peers.shape import FOREVER, KEY, MODEL, QUESTION, SCHEMA, Driver, look_up, serve


class SdkCreate(Driver):
    """The SDK's own way."""

    async def aim(self, url: str, stack: AsyncExitStack) -> None:
        """Make the one client."""
        client = openai.AsyncOpenAI(base_url=url, api_key=KEY, max_retries=0, timeout=600)
        self._client = await stack.enter_async_context(client)

    async def hold(self) -> str:
        """Hold a session from the question on."""
        messages: list[Any] = [{"role": "user", "content": QUESTION}]
        create: Any = self._client.chat.completions.create  # its overloads know nothing of reasoning
        for _ in range(FOREVER):
            completion = await create(model=MODEL, messages=messages, tools=[SCHEMA])
            message = completion.choices[0].message
            if not message.tool_calls:
                return str(message.content)
            messages.append(message.model_dump(exclude_none=True))
            for call in message.tool_calls:
                text = await look_up(**from_json(call.function.arguments))
                messages.append({"role": "tool", "tool_call_id": call.id, "content": text})
        raise AssertionError

    async def stream(self) -> str:
        """Read an answer as it comes."""
        create: Any = self._client.chat.completions.create
        messages = [{"role": "user", "content": QUESTION}]
        options = {"include_usage": True}
        chunks = await create(model=MODEL, messages=messages, tools=[SCHEMA], stream=True, stream_options=options)
        said: list[str] = []
        async for chunk in chunks:
            said += [choice.delta.content for choice in chunk.choices if choice.delta.content]
        return "".join(said)


SIDE = SdkCreate

if __name__ == "__main__":
    serve(SIDE())
