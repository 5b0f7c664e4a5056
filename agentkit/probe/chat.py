"""Chat Completions for the probe: requests as raw messages, answers as the raw message they make. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from agentkit.core.contract import INLINE_TAGS, THINKING_PARTS, Carrier, Contract
from agentkit.core.messages import Producer, ToolCall
from agentkit.models.base import Answered, Unusable
from agentkit.models.faults import words
from agentkit.models.private import merged as grown
from agentkit.models.reading import Reading
from agentkit.probe import talk
from agentkit.probe.answers import TAGS, Answer, beside, tags_in, thoughts, value_in, values_in
from agentkit.probe.talk import Ask, Treatment

ROUTE: Final = "/chat/completions"
CAP: Final = ("max_tokens", "max_completion_tokens")
FORCED: Final[Mapping[str, Any]] = {"type": "function", "function": {"name": talk.NAME}}
TEXT_FIELDS: Final = ("reasoning_content", "reasoning")

# A row that reads whatever may come.
_READER: Final = Contract(
    id="probe",
    carrier=Carrier(read=TEXT_FIELDS, tags=TAGS, opaque=("reasoning_details",), beside_calls=("extra_content",)),
)
_TOOL: Final = {
    "type": "function",
    "function": {"name": talk.NAME, "description": talk.ABOUT, "parameters": dict(talk.PARAMETERS)},
}
_TAMPERED: Final = "QUdFTlRLSVQ="  # signs nothing


def body(ask: Ask, model: str, cap_key: str | None, answers: Mapping[int, Answer]) -> dict[str, Any]:
    """Return a request's body, without `ask.extra`."""
    messages = [{"role": ask.system, "content": "You are brief."}] if ask.system else []
    _fill(messages, ask, answers)
    if ask.call_id is not None:
        _renamed(messages, ask.call_id)
    if ask.cold:
        messages = [_cold(message) for message in messages]
    found: dict[str, Any] = {"model": model, "messages": messages}
    if ask.tools:
        found["tools"] = [_TOOL]
    if cap_key is not None:
        found[cap_key] = ask.cap
    if ask.stream:
        found |= {"stream": True, **({"stream_options": {"include_usage": True}} if ask.usage else {})}
    return found


def _cold(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message with other ids of calls."""
    if "tool_call_id" in message:
        return {**message, "tool_call_id": talk.cold(message["tool_call_id"])}
    calls = message.get("tool_calls")
    return {**message, "tool_calls": [{**call, "id": talk.cold(call["id"])} for call in calls]} if calls else message


def _fill(messages: list[dict[str, Any]], ask: Ask, answers: Mapping[int, Answer]) -> None:
    for line in ask.lines:
        if line.kind == "user":
            messages.append({"role": "user", "content": line.text})
        elif line.kind == "answer":
            said = answers[line.place]
            messages.append(_sent(said, ask.treatments.get(line.place, ask.usual), ask.into))
        else:
            messages += [
                {"role": "tool", "tool_call_id": call["id"], "content": line.text}
                for call in messages[-1].get("tool_calls", ())
            ]


def _renamed(messages: list[dict[str, Any]], call_id: str) -> None:
    """Give the first call another id, and its result too."""
    called = next(message for message in messages if message.get("tool_calls"))
    first, *others = called["tool_calls"]
    called["tool_calls"] = [{**first, "id": call_id}, *others]
    for message in messages:
        if message.get("tool_call_id") == first["id"]:
            message["tool_call_id"] = call_id


def read(number: int, status: int, kind: str, raw: bytes) -> Answer:
    """Read an answer."""
    streamed = kind.startswith("text/event-stream")
    values = values_in(raw) if streamed else value_in(raw)
    said = _refusal(status, values, raw)
    if said:
        return Answer(number, status, said, raw, values, streamed)
    reading = Reading(_READER, Producer("probe", "probe"), kind)
    reading.feed(raw)
    reply = reading.end()
    calls = reply.message.calls if isinstance(reply, Answered | Unusable) else ()
    back, usage, finish = _assembled(values)
    if calls:
        back["tool_calls"] = [_call(call) for call in calls] if streamed else _identified(back["tool_calls"], calls)
    return Answer(
        number=number,
        status=status,
        raw=raw,
        values=values,
        streamed=streamed,
        back=back,
        calls=[(call.id, call.name, call.arguments) for call in calls],
        text=reply.message.text or "" if isinstance(reply, Answered | Unusable) else "",
        carriers=carriers(back),
        reasoning=reply.message.reasoning or "" if isinstance(reply, Answered | Unusable) else "",
        finish=finish,
        usage=usage,
    )


def _call(call: ToolCall) -> dict[str, Any]:
    """Return a call that came in pieces."""
    function = {"name": call.name, "arguments": call.arguments}
    return {**call.extras, "id": call.id, "type": "function", "function": function}


def _identified(raws: Sequence[dict[str, Any]], calls: Sequence[ToolCall]) -> list[dict[str, Any]]:
    """Return the calls of an answer as they came; one without an id gets the one it was read with."""
    ids = [call.id for call in calls] if len(calls) == len(raws) else [f"call_{at}" for at, _ in enumerate(raws)]
    return [{**raw, "id": raw.get("id") or given} for raw, given in zip(raws, ids, strict=True)]


def _refusal(status: int, values: Sequence[Any], raw: bytes) -> str:
    """Return the service's words, where it refused: also inside a 200."""
    error = next((value for value in values if isinstance(value, list) or (value or {}).get("error")), None)
    if status < 300 and error is None:  # noqa: PLR2004 - the end of the class of successes
        return "" if values else "an answer that is no JSON"
    return words(error if error is not None else values[0] if values else raw.decode("utf-8", "replace")) or "refused"


def _assembled(values: Sequence[Any]) -> tuple[dict[str, Any], Mapping[str, Any], str]:
    """Put the raw fields of a message together: texts grow, lists are merged by index."""
    back: dict[str, Any] = {"role": "assistant", "content": None}
    usage: Mapping[str, Any] = {}
    finish = ""
    for value in values:
        usage = value.get("usage") or usage
        for choice in value.get("choices") or ():
            usage = choice.get("usage") or usage
            finish = choice.get("finish_reason") or finish
            apart = choice.get("message")
            for name, piece in (apart or choice.get("delta") or {}).items():
                if name == "role" or (name == "tool_calls" and not apart):
                    continue
                back[name] = _grown(back.get(name), piece)
    kept = ("role", "content", "tool_calls", "extra_content", *thoughts(back))
    found = {name: back[name] for name in kept if name in back and (name == "content" or back[name])}
    return found, usage, finish


def _grown(old: Any, new: Any) -> Any:
    if isinstance(old, str) and isinstance(new, str):
        return old + new
    if isinstance(old, list) and isinstance(new, list) and all(_spoken(chunk) for chunk in (*old, *new)):
        return [*old, *new]
    if isinstance(old, str) and isinstance(new, list):  # a content that begins as "" and goes on as chunks
        return new if not old else [{"type": "text", "text": old}, *new]
    if isinstance(old, list) and isinstance(new, str):
        return [*old, {"type": "text", "text": new}] if new else old
    return old if new is None else grown(old, new)


def _spoken(chunk: Any) -> bool:
    return isinstance(chunk, dict) and chunk.get("type") in {"text", "thinking"}


def carriers(back: Mapping[str, Any]) -> list[str]:
    """Return where reasoning stands in a message."""
    found = thoughts(back)
    content = back.get("content")
    if isinstance(content, list) and any(chunk.get("type") == "thinking" for chunk in content):
        found.append(THINKING_PARTS)
    if tags_in(content):
        found.append(INLINE_TAGS)
    found += dict.fromkeys(name for call in back.get("tool_calls", ()) for name in beside(call))
    if back.get("extra_content"):
        found.append("extra_content")
    return found


def _sent(said: Answer, how: Treatment, into: str | None) -> dict[str, Any]:
    """Return an answer as a message with its reasoning treated so."""
    own = into or own_field(said.carriers)
    if how in {"as_came", "copied"}:
        return {**said.back, **({into or other_field(own): said.reasoning} if how == "copied" else {})}
    bare = _bare(said.back)
    if how == "absent":
        return bare
    if how == "changed" and into is None and private(said):
        return _tampered(said.back)
    text = {
        "empty": "",
        "blank": " ",
        "plain": said.reasoning,
        "long": talk.FILLER,
        "moved_long": talk.FILLER,
    }.get(how, talk.OTHER)
    return {**bare, other_field(own): text} if how.startswith("moved") else _put(bare, text, said, own)


def private(said: Answer) -> bool:
    """Tell whether reasoning came in fields that only the service can read: what is changed, is changed there."""
    plain = {INLINE_TAGS, THINKING_PARTS, *(name for name, value in said.back.items() if isinstance(value, str))}
    return not plain.issuperset(said.carriers)


def _bare(back: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message without any reasoning."""
    found = {name: value for name, value in back.items() if name in {"role", "content", "tool_calls"}}
    content, pair = found["content"], tags_in(back["content"])
    if isinstance(content, list):
        found["content"] = [chunk for chunk in content if chunk.get("type") != "thinking"] or ""
    elif pair is not None:
        found["content"] = re.sub(f"^.*?{re.escape(pair[1])}\\s*", "", content, count=1, flags=re.DOTALL)
    if "tool_calls" in found:
        found["tool_calls"] = [
            {name: value for name, value in call.items() if name not in beside(call)} for call in found["tool_calls"]
        ]
    return found


def own_field(carriers: Sequence[str]) -> str | None:
    """Return the text field reasoning came in, None where it was none."""
    known = [name for name in carriers if name not in {INLINE_TAGS, THINKING_PARTS}]
    return next((name for name in known if name in TEXT_FIELDS), None)


def other_field(own: str | None) -> str:
    """Return a text field that is not the one reasoning came in."""
    return next(name for name in TEXT_FIELDS if name != own)


def _put(bare: dict[str, Any], text: str, said: Answer, own: str | None) -> dict[str, Any]:
    """Write a text of reasoning where the service's own came."""
    content = bare["content"]
    if own is None and THINKING_PARTS in said.carriers:
        spoken = content if isinstance(content, list) else [{"type": "text", "text": content}] if content else []
        return {**bare, "content": [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}, *spoken]}
    if own is None and (pair := tags_in(said.back.get("content"))) is not None:
        return {**bare, "content": f"{pair[0]}{text}{pair[1]}{content or ''}"}
    return {**bare, own or TEXT_FIELDS[0]: text}


def _tampered(back: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message whose private fields hold other texts."""
    found = {
        name: _other(value) if name not in {"role", "content"} and not isinstance(value, str) else value
        for name, value in back.items()
    }
    if "tool_calls" in back:
        found["tool_calls"] = [
            {name: _other(value) if name in beside(call) else value for name, value in call.items()}
            for call in back["tool_calls"]
        ]
    return found


def _other(value: Any) -> Any:
    if isinstance(value, str):
        return _TAMPERED
    if isinstance(value, list):
        return [_other(item) for item in value]
    if isinstance(value, dict):
        kept = {"type", "format", "index", "id"}
        return {name: item if name in kept else _other(item) for name, item in value.items()}
    return value
