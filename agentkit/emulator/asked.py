"""A chat completion request, decoded and known to be well formed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from agentkit.emulator.carriers import CARRIAGES, text_of
from agentkit.emulator.returned import Came
from agentkit.emulator.row import Contract, Demand

__all__ = ["Asked", "text_of"]


@dataclass(frozen=True)
class Asked:
    """One request.

    Attributes:
        body: the decoded JSON object.
        contract: what the service demands, with the switches that the request has set.
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
        return self.contract.usage_always or bool((self.body.get("stream_options") or {}).get("include_usage"))

    @cached_property
    def switched_off(self) -> bool:
        """Whether the request switches thinking off: the first of the row's switches that stands in it decides."""
        stands = (switch for switch in self.contract.switches if switch.found(self.body) is not None)
        return any(switch.on(self.body) for switch in [*stands][:1])

    @cached_property
    def thinks(self) -> bool:
        """Whether the model is to think: a switch, else what the model does by itself."""
        if any(switch.found(self.body) is not None for switch in self.contract.switches):
            return not self.switched_off
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

    @cached_property
    def back(self) -> Mapping[int, Came]:
        """What came back of every assistant message, by its index."""
        read = CARRIAGES[self.contract.form].read
        return {index: read(self.messages[index], self.contract) for index in self.answers}

    @cached_property
    def last_user(self) -> int:
        """The index of the last user message, or -1."""
        users = (index for index in range(len(self.messages) - 1, -1, -1) if self.messages[index]["role"] == "user")
        return next(users, -1)

    @cached_property
    def calling(self) -> frozenset[int]:
        """The indices of the assistant messages of turns that called a tool."""
        turns: list[list[int]] = [[]]
        for index, message in enumerate(self.messages):
            if message["role"] == "user":
                turns.append([])
            elif message["role"] == "assistant":
                turns[-1].append(index)
        return frozenset(index for turn in turns if any(self.calls(index) for index in turn) for index in turn)

    def calls(self, index: int) -> bool:
        """Return whether a message calls a tool."""
        return bool(self.messages[index].get("tool_calls"))

    def scope(self, demand: Demand) -> frozenset[int]:
        """Return the indices of the assistant messages in a scope: none where reasoning is not read at all."""
        found = self._scopes.get(demand)
        if found is None:
            read = self.thinks and (self.tools or not self.contract.only_with_tools)
            found = frozenset(index for index in self.answers if read and _SCOPES[demand](self, index))
            self._scopes[demand] = found
        return found

    @cached_property
    def _scopes(self) -> dict[Demand, frozenset[int]]:
        return {}

    def first_in(self, scope: Demand) -> int:
        """Return the index of the first message in a scope; past the end where none is."""
        return min(self.scope(scope), default=len(self.messages))


_SCOPES: Mapping[Demand, Callable[[Asked, int], bool]] = {
    "nothing": lambda _asked, _index: False,
    "every message": lambda _asked, _index: True,
    "since the last user": lambda asked, index: index > asked.last_user,
    "tool turns": lambda asked, index: index in asked.calling,
    "tool calls": lambda asked, index: asked.calls(index),
    "tool calls since the last user": lambda asked, index: index > asked.last_user and asked.calls(index),
}
