"""What the service answers: the items of an answer, and the response that holds them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from agentkit.emulator.responses.items import Conversation, Item
from agentkit.emulator.responses.seal import Kind, item_id, seal
from agentkit.emulator.returned import EmittedCall
from agentkit.emulator.stream import Answer

SUMMARY = "**Thinking it over**"
"""Every summary: it tells nothing of the reasoning, as little as a real one that a client could send back instead."""

# How a script's finish reasons end a response: its status, and why it is not complete.
_ENDINGS = {
    "length": ("incomplete", "max_output_tokens"),
    "content_filter": ("incomplete", "content_filter"),
    "insufficient_system_resource": ("failed", None),
}
_FAILURE = {"code": "server_error", "message": "The service ran out of resources while it answered."}


@dataclass(frozen=True)
class Spoken:
    """An answer as items.

    Attributes:
        asked: the request.
        answer: what is said.
    """

    asked: Conversation
    answer: Answer

    @cached_property
    def id(self) -> str:
        """The response's id."""
        return f"resp_{self.answer.head['id']}"

    @cached_property
    def ending(self) -> tuple[str, str | None]:
        """The status at the end, and why it is incomplete."""
        return _ENDINGS.get(self.answer.ending, ("completed", None))

    @cached_property
    def thought(self) -> bool:
        """Whether a reasoning item comes first."""
        return self.answer.emitted.reasoning is not None

    @cached_property
    def summary(self) -> list[dict[str, Any]]:
        """The summary of the reasoning, where one is wanted and there is something to sum up."""
        wanted = (self.asked.body.get("reasoning") or {}).get("summary")
        shown = wanted and self.asked.contract.sealed and self.answer.emitted.reasoning
        return [{"type": "summary_text", "text": SUMMARY}] if shown else []

    @cached_property
    def items(self) -> list[Item]:
        """Its items, the reasoning whole although the client may not get it so."""
        emitted = self.answer.emitted
        found = [self.reasoning(emitted.reasoning)] if emitted.reasoning is not None else []
        if emitted.content or not (emitted.calls or found):
            found.append(self.message(emitted.content))
        found.extend(self.call(at, call) for at, call in enumerate(emitted.calls))
        if self.ending[0] != "completed" and "status" in found[-1]:
            found[-1]["status"] = "incomplete"
        return found

    @cached_property
    def sent(self) -> list[Item]:
        """Its items as the client gets them."""
        hidden = () if self.asked.sends_blob else ("encrypted_content",)
        return [{name: value for name, value in item.items() if name not in hidden} for item in self.items]

    def reasoning(self, text: str) -> Item:
        """Return the reasoning item, in the form that this service has."""
        item: Item = {"id": self._id("rs"), "type": "reasoning", "summary": self.summary}
        if self.asked.contract.sealed:
            return {**item, "encrypted_content": seal(text, self.asked.contract.name)}
        return {**item, "content": [{"type": "reasoning_text", "text": text}], "status": "completed"}

    def message(self, text: str) -> Item:
        """Return the item of a text."""
        part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        phase = {"phase": "commentary" if self.answer.emitted.calls else "final_answer"}
        return {
            "id": self._id("msg"),
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [part],
            **(phase if self.asked.contract.phases else {}),
        }

    def call(self, at: int, call: EmittedCall) -> Item:
        """Return the item of a call; one without an id has no `call_id`."""
        identity = {} if call.id is None else {"call_id": call.id}
        return {
            "id": self._id("fc", at),
            "type": "function_call",
            "status": "completed",
            **identity,
            "name": call.name,
            "arguments": call.arguments,
        }

    def response(self, status: str, output: Sequence[Item]) -> dict[str, Any]:
        """Return the response object in a state: `in_progress`, or how it ends."""
        body = self.asked.body
        over = status != "in_progress"
        reported = over and self.answer.reply.usage_at != "absent"
        why = self.ending[1]
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.answer.head["created"],
            "status": status,
            "background": False,
            "error": _FAILURE if status == "failed" else None,
            "incomplete_details": {"reason": why} if status == "incomplete" else None,
            "instructions": body.get("instructions"),
            "max_output_tokens": body.get("max_output_tokens"),
            "model": self.answer.head["model"],
            "output": list(output),
            "parallel_tool_calls": body.get("parallel_tool_calls", True),
            "previous_response_id": body.get("previous_response_id"),
            "reasoning": {"effort": self.asked.effort, "summary": None, **(body.get("reasoning") or {})},
            "store": self.asked.stores,
            "temperature": body.get("temperature", 1.0),
            "text": body.get("text", {"format": {"type": "text"}}),
            "tool_choice": body.get("tool_choice", "auto"),
            "tools": body.get("tools") or [],
            "top_p": body.get("top_p", 1.0),
            "truncation": body.get("truncation", "disabled"),
            "usage": self._usage if reported else None,
            "metadata": body.get("metadata") or {},
        }

    @property
    def _usage(self) -> dict[str, Any]:
        tokens = self.answer.usage
        written = {"cache_write_tokens": 0} if self.asked.contract.writes else {}
        return {
            "input_tokens": tokens["prompt_tokens"],
            "input_tokens_details": {"cached_tokens": tokens["prompt_tokens_details"]["cached_tokens"], **written},
            "output_tokens": tokens["completion_tokens"],
            "output_tokens_details": {"reasoning_tokens": tokens["completion_tokens_details"]["reasoning_tokens"]},
            "total_tokens": tokens["total_tokens"],
        }

    def _id(self, kind: Kind, at: int = 0) -> str:
        told = (self.asked.conversation, self.asked.position, replace(self.answer.emitted, whole=True))
        return item_id(kind, self.asked.contract.name, told, at, thought=self.thought)
