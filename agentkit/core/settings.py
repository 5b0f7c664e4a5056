"""How the model is asked, as a caller writes it."""

from collections.abc import Mapping
from typing import Literal, TypedDict

from agentkit.core.messages import Json


class ModelSettings(TypedDict, total=False):
    """Settings of a model call; what is left out is the service's default. `extra` is merged into the body."""

    temperature: float
    max_tokens: int
    effort: Literal["none", "low", "medium", "high", "max"]
    parallel_calls: int
    extra: Mapping[str, Json]
