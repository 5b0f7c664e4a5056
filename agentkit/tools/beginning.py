"""From a call whose start is recorded to a body that runs: its place, its moment, its process.

Until then nothing has happened, and that is known: of a `once` call too, whose outcome is not known from then on.
"""

from dataclasses import dataclass
from typing import Any

from anyio import CapacityLimiter, WouldBlock, get_cancelled_exc_class
from anyio.lowlevel import checkpoint_if_cancelled

from agentkit.core.replacing import replace
from agentkit.tools.attempts import Tried
from agentkit.tools.pacing import moment, places
from agentkit.tools.process import NotBegun, worker
from agentkit.tools.results import failed
from agentkit.tools.running import Attempt, lives


@dataclass(frozen=True, slots=True, eq=False)
class Beginning:
    """A call's attempts. `attempt` is what each of them is a copy of; `room` is where its session's calls wait."""

    attempt: Attempt
    room: CapacityLimiter

    async def __call__(self) -> Tried:
        """Wait, and make one attempt. Time spent waiting is not the tool's."""
        tool: Any = self.attempt.tool
        attempt, taken = replace(self.attempt), list[CapacityLimiter]()
        try:
            await checkpoint_if_cancelled()
            for limiter in (*places(tool), self.room):
                await _take(limiter, self)
                taken.append(limiter)
            if not tool.declared.process:
                return await self._made(attempt)
            async with worker(tool.function, attempt.values) as made:
                attempt.elsewhere = made.run
                return await self._made(attempt)
        except NotBegun as error:
            return self._not_run(f"Error: {tool.name} was not run, nothing happened: {error}.")
        except get_cancelled_exc_class():
            if attempt.begun or tool.effect != "once":
                raise
            return self._not_run(f"Not run: {tool.name} waited for its place when it was called off. Nothing happened.")
        finally:
            for limiter in reversed(taken):
                limiter.release_on_behalf_of(self)

    async def _made(self, attempt: Attempt) -> Tried:
        """Make an attempt that has its place, when its moment has come."""
        await moment(attempt.tool)
        fact = await attempt.run()
        why = attempt.fleeting
        return Tried(fact, why, again=bool(why) and not lives(attempt.key))

    def _not_run(self, text: str) -> Tried:
        return Tried(failed(self.attempt.call, text, self.attempt.note))


async def _take(limiter: CapacityLimiter, who: object) -> None:
    """Take a place. Where one is free, the event loop need not go round for it, as anyio's own way in lets it."""
    try:
        limiter.acquire_on_behalf_of_nowait(who)
    except WouldBlock:
        await limiter.acquire_on_behalf_of(who)
