"""From a call whose start is recorded to a body that runs: its place, its moment, its process.

Until then nothing has happened, and that is known: of a `once` call too, whose outcome is not known from then on.
"""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from anyio import CapacityLimiter, WouldBlock, get_cancelled_exc_class
from anyio.lowlevel import checkpoint_if_cancelled

from agentkit.core.replacing import replace
from agentkit.tools.pacing import moment, places
from agentkit.tools.process import NotBegun, worker
from agentkit.tools.results import failed
from agentkit.tools.retrying import Tried
from agentkit.tools.running import Attempt, lives


@dataclass(frozen=True, slots=True, eq=False)
class Beginning:
    """A call's attempts. `attempt` is what each of them is a copy of; `room` is where its session's calls wait."""

    attempt: Attempt
    room: CapacityLimiter

    async def __call__(self) -> Tried:
        """Wait, and make one attempt. Time spent waiting is not the tool's."""
        name, begun = self.attempt.tool.name, False
        try:
            await checkpoint_if_cancelled()
            async with AsyncExitStack() as stack:
                attempt = await self._enter(stack)
                begun = True
                fact = await attempt.run()
                why = attempt.fleeting
                return Tried(fact, why, again=bool(why) and not lives(attempt.key))
        except NotBegun as error:
            return self._not_run(f"Error: {name} was not run, nothing happened: {error}.")
        except get_cancelled_exc_class():
            if begun or self.attempt.tool.effect != "once":
                raise
            return self._not_run(f"Not run: {name} waited for its place when it was called off. Nothing happened.")

    async def _enter(self, stack: AsyncExitStack) -> Attempt:
        tool: Any = self.attempt.tool
        for limiter in (*places(tool), self.room):
            await _take(limiter, self)
            stack.callback(limiter.release_on_behalf_of, self)
        if not tool.declared.process:
            await moment(tool)
            return replace(self.attempt)
        made = await stack.enter_async_context(worker(tool.function, self.attempt.values))
        await moment(tool)
        return replace(self.attempt, elsewhere=made.run)

    def _not_run(self, text: str) -> Tried:
        return Tried(failed(self.attempt.call, text, self.attempt.note))


async def _take(limiter: CapacityLimiter, who: object) -> None:
    """Take a place. Where one is free, the event loop need not go round for it, as anyio's own way in lets it."""
    try:
        limiter.acquire_on_behalf_of_nowait(who)
    except WouldBlock:
        await limiter.acquire_on_behalf_of(who)
