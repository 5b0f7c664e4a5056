"""A streamed fragment: shown, never recorded, never changes state."""

from typing import Literal

from agentkit.core.values import dataclass


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of an answer, or of a tool's progress, while it comes in.

    `step` is "turn.step". An `attempt` higher than before means: forget what this step showed until now.
    """

    kind: Literal["text", "reasoning", "arguments", "progress"]
    text: str
    step: str
    attempt: int
