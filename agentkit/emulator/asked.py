"""A chat completion request, decoded and known to be well formed."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from agentkit.emulator.table import Contract, Demand


def text_of(content: Any) -> str:
    """Return the text of a message's content: a string, null, or a list of parts."""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content or ())


@dataclass(frozen=True)
class Asked:
    """One request.

    Attributes:
        body: the decoded JSON object.
        contract: what the service demands.
        beta: it came in on `/beta`.
    """

    body: dict[str, Any]
    contract: Contract
    beta: bool = False

    @cached_property
    def messages(self) -> list[dict[str, Any]]:
        """The conversation so far."""
        found: list[dict[str, Any]] = self.body["messages"]
        return found

    @cached_property
    def tools(self) -> list[dict[str, Any]]:
        """The tools offered; empty where the field is absent or null."""
        return self.body.get("tools") or []

    @cached_property
    def streams(self) -> bool:
        """Whether the answer is to be streamed."""
        return bool(self.body.get("stream"))

    @cached_property
    def usage_wanted(self) -> bool:
        """Whether a trailing chunk with the usage is wanted."""
        return bool((self.body.get("stream_options") or {}).get("include_usage"))

    @cached_property
    def thinks(self) -> bool:
        """Whether the model is to think: the switch, else the effort, else what the model does by itself."""
        switch = self.body.get("thinking")
        if isinstance(switch, dict) and "type" in switch:
            return bool(switch["type"] != "disabled")
        if self.contract.effort_none and self.body.get("reasoning_effort") == "none":
            return False
        return self.body["model"] not in self.contract.quiet_models

    @cached_property
    def conversation(self) -> str:
        """The text of the first user message, which names the conversation in a script."""
        return next((text_of(m.get("content")) for m in self.messages if m["role"] == "user"), "")

    @cached_property
    def answers(self) -> Sequence[int]:
        """The indices of the assistant messages, in order."""
        return [index for index, message in enumerate(self.messages) if message["role"] == "assistant"]

    @cached_property
    def position(self) -> int:
        """The number of assistant messages before the answer."""
        return len(self.answers)

    def first_in(self, scope: Demand) -> int:
        """Return the index of the first message whose reasoning is in a scope; past the end where none is."""
        nothing = len(self.messages)
        if scope == "nothing" or not self.thinks or (self.contract.only_with_tools and not self.tools):
            return nothing
        if scope == "every message":
            return 0
        users = (index for index in range(nothing - 1, -1, -1) if self.messages[index]["role"] == "user")
        return next(users, 0)
