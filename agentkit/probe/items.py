"""Responses for the probe: requests as raw items, answers as the items they are made of. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from agentkit.core.contract import ITEMS
from agentkit.models.faults import words
from agentkit.probe import talk
from agentkit.probe.answers import Answer, value_in, values_in
from agentkit.probe.talk import Ask, Treatment

ROUTE: Final = "/responses"
CAP: Final = ("max_output_tokens",)
FORCED: Final[Mapping[str, Any]] = {"type": "function", "name": talk.NAME}
_TOOL: Final = {
    "type": "function",
    "name": talk.NAME,
    "description": talk.ABOUT,
    "parameters": dict(talk.PARAMETERS),
    "strict": False,
}
# So that all that is needed comes in the answer; who does not know them ignores them.
_BODY: Final = {"store": False, "include": ["reasoning.encrypted_content"]}


def body(ask: Ask, model: str, cap_key: str | None, answers: Mapping[int, Answer]) -> dict[str, Any]:
    """Return a request's body, without `ask.extra`."""
    items = [{"role": ask.system, "content": "You are brief."}] if ask.system else []
    _fill(items, ask, answers)
    if ask.call_id is not None:
        _renamed(items, ask.call_id)
    if ask.cold:
        items = [{**item, "call_id": talk.cold(item["call_id"])} if "call_id" in item else item for item in items]
    found: dict[str, Any] = {"model": model, "input": items, **_BODY}
    if ask.tools:
        found["tools"] = [_TOOL]
    if cap_key is not None:
        found[cap_key] = ask.cap
    if ask.stream:
        found["stream"] = True
    return found


def _fill(items: list[dict[str, Any]], ask: Ask, answers: Mapping[int, Answer]) -> None:
    for line in ask.lines:
        if line.kind == "user":
            items.append({"role": "user", "content": line.text})
        elif line.kind == "answer":
            items += _sent(answers[line.place], ask.treatments.get(line.place, ask.usual))
        else:
            done = {item["call_id"] for item in items if item.get("type") == "function_call_output"}
            owed = [item["call_id"] for item in items if item.get("type") == "function_call"]
            items += [
                {"type": "function_call_output", "call_id": call_id, "output": line.text}
                for call_id in owed
                if call_id not in done
            ]


def _renamed(items: list[dict[str, Any]], call_id: str) -> None:
    """Give the first call another id, and its result too."""
    old = next(item["call_id"] for item in items if item.get("type") == "function_call")
    for index, item in enumerate(items):
        if item.get("call_id") == old:
            items[index] = {**item, "call_id": call_id}


def read(number: int, status: int, kind: str, raw: bytes) -> Answer:
    """Read an answer."""
    streamed = kind.startswith("text/event-stream")
    values = values_in(raw) if streamed else value_in(raw)
    whole = next((value.get("response") or value for value in reversed(values) if _complete(value)), None)
    error = next((value for value in values if isinstance(value, list) or (value or {}).get("error")), None)
    if whole is None or error is not None:
        first = values[0] if values else raw.decode("utf-8", "replace")
        said = words(error if error is not None else first) or "an answer without `output`"
        return Answer(number, status, said, raw, values, streamed)
    output = whole["output"]
    reasoning = [item for item in output if item.get("type") == "reasoning"]
    return Answer(
        number=number,
        status=status,
        raw=raw,
        values=values,
        streamed=streamed,
        back={"items": [_returned(item) for item in output]},
        calls=[
            (item["call_id"], item["name"], item["arguments"]) for item in output if item["type"] == "function_call"
        ],
        text="".join(_texts(item) for item in output if item.get("type") == "message"),
        carriers=[ITEMS] if reasoning else [],
        reasoning="".join(_texts(item) for item in reasoning),
        finish=str(whole.get("status") or ""),
        usage=whole.get("usage") or {},
    )


def _complete(value: Any) -> bool:
    """Tell whether a value is, or an event holds, the whole answer."""
    if not isinstance(value, dict):
        return False
    return isinstance((value.get("response") or value).get("output"), list) and (
        "response" not in value or value.get("type") in {"response.completed", "response.incomplete"}
    )


def _returned(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item of an answer as it goes back: `status` of reasoning is for answers only."""
    return {name: value for name, value in item.items() if name != "status" or item.get("type") != "reasoning"}


def _texts(item: Mapping[str, Any]) -> str:
    return "".join(part.get("text") or "" for part in item.get("content") or ())


def _sent(said: Answer, how: Treatment) -> list[dict[str, Any]]:
    items: Sequence[dict[str, Any]] = said.back["items"]
    if how in {"as_came", "plain"}:
        return list(items)
    if how == "absent":
        return [item for item in items if item.get("type") != "reasoning"]
    if how == "moved":  # behind what it belongs before
        return sorted(items, key=lambda item: item.get("type") == "reasoning")
    text = {"empty": "", "blank": " ", "long": talk.FILLER}.get(how, talk.OTHER)
    return [_written(item, text) if item.get("type") == "reasoning" else item for item in items]


def _written(item: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Return a reasoning item with another text; a sealed one is broken by it."""
    if item.get("encrypted_content"):
        return {**item, "encrypted_content": text}
    return {**item, "content": [{"type": "reasoning_text", "text": text}]}
