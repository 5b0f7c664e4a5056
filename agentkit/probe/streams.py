"""Streams: where reasoning comes in them, and what is odd about them."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from agentkit.core.contract import INLINE_TAGS, ITEMS, THINKING_PARTS
from agentkit.probe import talk
from agentkit.probe.answers import Answer
from agentkit.probe.bench import Bench
from agentkit.probe.facts import Notes
from agentkit.probe.talk import Ask

_STREAMS: Final = "streams"
_USAGE: Final = "usage stream streamed_carrier usage_in_stream parallel"
PARALLEL: Final = "parallel_tool_calls"


async def streamed(bench: Bench, notes: Notes) -> None:
    """Ask for streams, one of them with two calls at once."""
    plain, usage = await _plain(bench)
    if not plain.ok:
        notes.unknown(_USAGE, f'a streamed request was refused: "{plain.said}"', plain.number)
        return
    answers = [plain]
    if bench.tools:
        answers.append(await _together(bench, notes, usage=usage))
    else:
        notes.unknown("parallel", "tools are refused")
    by = [answer.number for answer in answers]
    seen = list(dict.fromkeys(name for answer in answers for name in answer.carriers))
    said = "what the streams hold beside text and calls" if seen else "no stream holds any reasoning"
    notes.found("streamed_carrier", seen, said, *by)
    asked = "" if usage else ", unasked; stream_options is refused"
    notes.found("usage_in_stream", bool(plain.usage) and usage, f"{_place(plain)}{asked}", plain.number)
    odd = list(dict.fromkeys(oddity for answer in answers for oddity in _odd(answer)))
    notes.found("stream", odd or ["as documented"], "what the raw bytes hold", *by)
    fields = sorted(_paths(plain.usage or bench.answers[talk.EARLY].usage))
    if fields:
        notes.found("usage", fields, "the fields of usage", plain.number)
    else:
        notes.unknown("usage", "no usage is reported", plain.number)


async def _plain(bench: Bench) -> tuple[Answer, bool]:
    """Ask for a stream; return it, and whether it could be asked to report usage."""
    ask = Ask(talk.TO_SUM, tools=False, stream=True)
    answer = await bench.whole(_STREAMS, ask)
    if answer.ok or bench.wire != "chat":
        return answer, answer.ok
    return await bench.whole(_STREAMS, replace(ask, usage=False)), False


async def _together(bench: Bench, notes: Notes, *, usage: bool) -> Answer:
    """Ask for two calls in one answer; where one comes, ask again with the field that allows two."""
    ask = Ask((talk.user(talk.BOTH),), stream=True, usage=usage)
    answer = await bench.whole(_STREAMS, ask)
    if len(answer.calls) > 1:
        notes.found("parallel", "unasked", "two calls came in one answer", answer.number)
        return answer
    again = await bench.whole(_STREAMS, replace(ask, extra={PARALLEL: True}))
    if len(again.calls) > 1:
        notes.found("parallel", PARALLEL, "two calls came once the field was true", answer.number, again.number)
        return again
    if not again.calls:
        notes.unknown("parallel", "the model called no tool where it was asked for two calls", again.number)
    else:
        notes.found("parallel", "no", "one call at a time came", answer.number, again.number)
    return again if again.calls else answer


def _place(answer: Answer) -> str:
    """Tell where in the stream the usage stands."""
    found = [value for value in answer.values if isinstance(value, dict) and value.get("usage")]
    if not answer.usage or not found:
        return "none came" if not answer.usage else "in the last event"
    last = found[-1]
    if not last.get("choices"):
        return "in a chunk without choices"
    finish = any(choice.get("finish_reason") for choice in last["choices"])
    return "in the chunk with the finish reason" if finish else "in a chunk of the answer"


def _paths(usage: Mapping[str, Any], before: str = "") -> Iterator[str]:
    for name, value in usage.items():
        if isinstance(value, Mapping):
            yield from _paths(value, f"{before}{name}.")
        elif value is not None:
            yield f"{before}{name}"


def _odd(answer: Answer) -> Iterator[str]:
    lines = answer.raw.replace(b"\r\n", b"\n").split(b"\n")
    comments = [line for line in lines if line.startswith(b":")]
    if comments:
        yield f"comments ({comments[0][1:].strip().decode('utf-8', 'replace')})"
    if b"\r\n" in answer.raw:
        yield "lines end in CR LF"
    if set(answer.carriers) != {ITEMS} and not any("response" in value for value in answer.values):
        yield from _chat_odd(answer, done=any(line.strip() == b"data: [DONE]" for line in lines))


def _chat_odd(answer: Answer, *, done: bool) -> Iterator[str]:
    if not done:
        yield "no [DONE]"
    chunks = [value for value in answer.values if isinstance(value, dict)]
    if any(not chunk.get("choices") and not chunk.get("usage") for chunk in chunks):
        yield "chunks without choices"
    deltas = [choice.get("delta") or {} for chunk in chunks for choice in chunk.get("choices") or ()]
    if any(delta.get("tool_calls") == [] for delta in deltas):
        yield "tool_calls: []"
    if any(isinstance(delta.get("content"), list) for delta in deltas):
        yield "content in lists"
    yield from _order(answer, deltas)
    yield from _calls(answer, [piece for delta in deltas for piece in delta.get("tool_calls") or ()])


def _order(answer: Answer, deltas: list[dict[str, Any]]) -> Iterator[str]:
    fields = [name for name in answer.carriers if name not in {INLINE_TAGS, THINKING_PARTS}]
    thinking = [at for at, delta in enumerate(deltas) if any(delta.get(name) for name in fields)]
    speaking = [at for at, delta in enumerate(deltas) if delta.get("content")]
    if any(delta.get(name) == "" for delta in deltas for name in fields):
        yield "reasoning begins empty"
    if thinking and speaking and thinking[-1] > speaking[0]:
        yield "reasoning after content"


def _calls(answer: Answer, pieces: list[dict[str, Any]]) -> Iterator[str]:
    indices = [piece.get("index") for piece in pieces]
    if any(index is None for index in indices):
        yield "calls without index"
    elif len(answer.calls) > 1 and len(set(indices)) == 1:
        yield "every call at one index"
    named = [piece for piece in pieces if (piece.get("function") or {}).get("name")]
    if any(not piece.get("id") for piece in named):
        yield "calls without id"
    if any("id" in piece and not piece["id"] for piece in pieces if piece not in named):
        yield "ids empty later"
    if any((piece.get("function") or {}).get("arguments") is None for piece in pieces):
        yield "arguments: null"
    if named and all((piece.get("function") or {}).get("arguments") for piece in named) and len(named) == len(pieces):
        yield "whole arguments in one delta"
