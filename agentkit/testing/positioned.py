"""A model that finds its place in a conversation by what it is shown, as a real one does."""

import json
from collections import Counter

import anyio.lowlevel

from agentkit.core.contract import Contract
from agentkit.core.messages import AssistantMessage
from agentkit.core.spec import Usage
from agentkit.models import Model
from agentkit.models.base import Answered, Body, Reply, Show
from agentkit.testing.judge import ill_formed


class PositionedModel(Model):
    """Says `turns[n]` where a request holds `n` answers, and "answer n" behind the last one.

    So a program that was killed and is started again just goes on, which a script that counts calls cannot. Each
    request is judged: an ill-formed one is an AssertionError.

    Attributes:
        asked: how often each position was asked for.
    """

    def __init__(self, *turns: str | AssistantMessage) -> None:
        super().__init__("positioned", base_url="http://127.0.0.1", contract="generic")
        self.turns = turns
        self.asked: Counter[int] = Counter()

    async def call(self, body: Body, contract: Contract, show: Show | None) -> Reply:  # noqa: ARG002 - a model's face
        """Answer by position. Raises: AssertionError: the request is ill-formed."""
        request = {"messages": [json.loads(fragment) for fragment in body.messages]}
        wrong = ill_formed(request)
        assert wrong is None, wrong  # noqa: S101 - it is for tests
        position = sum(message["role"] == "assistant" for message in request["messages"])
        self.asked[position] += 1
        await anyio.lowlevel.checkpoint()
        said = self.turns[position] if position < len(self.turns) else f"answer {position}"
        message = AssistantMessage(said, reasoning=f"r{position}") if isinstance(said, str) else said
        return Answered(message, "tool_calls" if message.calls else "stop", Usage(10, 0, 5, 1))
