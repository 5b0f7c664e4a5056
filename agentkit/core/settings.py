"""How the model is asked, as a caller writes it."""

from collections.abc import Mapping
from typing import Literal, TypedDict

from agentkit.core.messages import Json


class ModelSettings(TypedDict, total=False):
    """Settings of a model call; what is left out is the service's default. `extra` is merged into the body.

    `strict_tools`: the service is asked to keep to the schemas of tools, where its contract row says that it can. A
    schema that has no strict form is sent as it is, and the log says why; arguments are checked here all the same.
    """

    temperature: float
    max_tokens: int
    effort: Literal["none", "low", "medium", "high", "max"]
    parallel_calls: int
    extra: Mapping[str, Json]
    strict_tools: bool
