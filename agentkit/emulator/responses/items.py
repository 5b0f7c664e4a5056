"""A Responses request as a conversation: the items of one answer are one assistant message.

So everything that judges conversations (what was emitted where, the prompt, the cache, the script's position) works on
it unchanged. An answer is a run of assistant items: reasoning, then text, then calls. It ends at an item of somebody
else, and where a second text, or reasoning after text or calls, can only be the next answer's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from agentkit.emulator.asked import Asked
from agentkit.emulator.carriers import text_of
from agentkit.emulator.responses.rows import ItemContract
from agentkit.emulator.responses.seal import unseal

Item = dict[str, Any]


def kind_of(item: Mapping[str, Any]) -> str:
    """Return an item's type; one without is a message."""
    return str(item.get("type", "message"))


def answers(item: Mapping[str, Any]) -> bool:
    """Return whether an item is part of an answer."""
    return kind_of(item) in {"reasoning", "function_call"} or item.get("role") == "assistant"


def reasoning_in(item: Mapping[str, Any], contract: ItemContract) -> str | None:
    """Return the text a reasoning item carries, in whatever form its service reads; None where it carries none."""
    if contract.sealed:
        blob = item.get("encrypted_content")
        return None if blob is None else unseal(blob, contract.name)
    parts = item.get("content")
    return None if parts is None else text_of(parts)


@dataclass(frozen=True)
class Conversation(Asked):
    """One request on the Responses wire.

    Attributes:
        body: the decoded JSON object.
        contract: what the service demands.
        items: the input, with what the service has stored of it filled in.
    """

    contract: ItemContract
    items: Sequence[Item] = ()

    @cached_property
    def told(self) -> list[tuple[dict[str, Any], int]]:
        """The messages, each with the index of its first item; the instructions have -1."""
        told: list[tuple[dict[str, Any], int]] = []
        if instructions := self.body.get("instructions"):
            told.append(({"role": "system", "content": instructions}, -1))
        at = 0
        for group in grouped(self.items):
            told.extend((message, at) for message in _message(group, self.contract))
            at += len(group)
        return told

    @cached_property
    def messages(self) -> list[dict[str, Any]]:
        """The conversation so far."""
        return [message for message, _ in self.told]

    @cached_property
    def tools(self) -> list[dict[str, Any]]:
        """The tools offered. Here they are flat; what judges them knows them as Chat Completions writes them."""
        return [{"type": "function", "function": tool} for tool in self.body.get("tools") or ()]

    @cached_property
    def effort(self) -> str | None:
        """The reasoning effort asked for."""
        effort: str | None = (self.body.get("reasoning") or {}).get("effort")
        return effort

    @cached_property
    def stores(self) -> bool:
        """Whether the service is to keep what it answers."""
        return not self.contract.stateless and self.body.get("store") is not False

    @cached_property
    def sends_blob(self) -> bool:
        """Whether the answer's reasoning carries its blob."""
        asked_for = "reasoning.encrypted_content" in (self.body.get("include") or ())
        return self.contract.sealed and (asked_for or self.contract.always_sealed or not self.stores)


def grouped(items: Sequence[Item]) -> list[list[Item]]:
    """Return the items of each answer together, and every other item alone."""
    groups: list[list[Item]] = []
    for item in items:
        if groups and answers(item) and answers(groups[-1][0]) and not _opens(item, groups[-1]):
            groups[-1].append(item)
        else:
            groups.append([item])
    return groups


def _opens(item: Item, answer: Sequence[Item]) -> bool:
    """Return whether an item of an answer can only be the beginning of the next one."""
    return kind_of(item) != "function_call" and any(kind_of(other) != "reasoning" for other in answer)


def _message(group: Sequence[Item], contract: ItemContract) -> list[dict[str, Any]]:
    """Return a group as the message it is; reasoning that belongs to no answer is none."""
    first = group[0]
    if kind_of(first) == "function_call_output":
        return [{"role": "tool", "tool_call_id": first["call_id"], "content": first["output"]}]
    if not answers(first):
        return [{"role": first["role"], "content": first["content"]}]
    if all(kind_of(item) == "reasoning" for item in group):
        return []
    message: dict[str, Any] = {"role": "assistant", "content": ""}
    thoughts = [reasoning_in(item, contract) for item in group if kind_of(item) == "reasoning"]
    if known := [thought for thought in thoughts if thought is not None]:
        message[contract.carrier] = "".join(known)
    message["content"] = "".join(text_of(item["content"]) for item in group if kind_of(item) == "message")
    if calls := [_call(item) for item in group if kind_of(item) == "function_call"]:
        message["tool_calls"] = calls
    return [message]


def _call(item: Item) -> dict[str, Any]:
    function = {"name": item["name"], "arguments": item["arguments"]}
    return {"id": item["call_id"], "type": "function", "function": function}
