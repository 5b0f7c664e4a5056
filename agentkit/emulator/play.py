"""Plays a timeline as an HTTP response. The one place that waits, drops connections and falls silent."""

import math
from collections.abc import Awaitable, Callable, Iterable, Mapping

import anyio
from starlette.types import Receive, Scope, Send

from agentkit.emulator.stream import Cut, Hang, Step, Wait
from agentkit.emulator.stream import Send as Written


class Player:
    """An ASGI response.

    Args:
        steps: the timeline.
        headers: the response's headers.
        closing: is set when the server closes; a silent answer then ends.
        finished: called just before the last bytes of an answer that was sent to its end.
    """

    def __init__(
        self, steps: Iterable[Step], headers: Mapping[str, str], closing: anyio.Event, finished: Callable[[], None]
    ) -> None:
        self._steps = steps
        self._headers = [(name.encode(), value.encode()) for name, value in headers.items()]
        self._closing = closing
        self._finished = finished
        self._started = False
        self._ready: list[bytes] = []

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Play. An answer that ends early leaves its body open, and the server then drops the connection."""
        for step in self._steps:
            if isinstance(step, Written):
                self._ready.append(step.data)
                continue
            if self._ready or not isinstance(step, Wait):
                await self._flush(send, more=True)
            if isinstance(step, Cut) or await self._gone(receive, step):
                return
        self._finished()
        await self._flush(send, more=False)

    async def _flush(self, send: Send, *, more: bool) -> None:
        if not self._started:
            self._started = True
            await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        await send({"type": "http.response.body", "body": b"".join(self._ready), "more_body": more})
        self._ready.clear()

    async def _gone(self, receive: Receive, silence: Wait | Hang) -> bool:
        """Be silent; return whether the client went away, or the server closes, before it was over."""
        seconds = silence.seconds if isinstance(silence, Wait) else math.inf
        with anyio.move_on_after(seconds) as waiting:
            async with anyio.create_task_group() as group:
                group.start_soon(_first, self._closing.wait, group.cancel_scope)
                group.start_soon(_first, lambda: _disconnect(receive), group.cancel_scope)
        return not waiting.cancelled_caught


async def _first(event: Callable[[], Awaitable[object]], others: anyio.CancelScope) -> None:
    await event()
    others.cancel()


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
