"""Setting by setting: what a request may ask for, and what then comes."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from agentkit.core.messages import Json
from agentkit.probe import talk
from agentkit.probe.answers import Answer
from agentkit.probe.bench import Bench
from agentkit.probe.facts import Notes
from agentkit.probe.talk import Ask

_OFF: Final = "thinking switched off"
_EFFORT: Final = "efforts"
_CALLS: Final = "forced and parallel calls"
_REST: Final = "roles, sampling, JSON, ids, errors"
_CUT: Final = frozenset({"length", "max_tokens", "incomplete"})
_MODES: Final[Mapping[str, Any]] = {
    "json_object": {"type": "json_object"},
    "json_schema": {
        "type": "json_schema",
        "json_schema": {
            "name": "number",
            "strict": True,
            "schema": {
                "type": "object",
                "properties": {"n": {"type": "integer"}},
                "required": ["n"],
                "additionalProperties": False,
            },
        },
    },
}
_JSON: Final = (talk.user('Answer with a JSON object that holds the key "n" and the value 391, and nothing else.'),)
IDS: Final = ("call_abc-1", "abcDEF123")


async def switched(bench: Bench, notes: Notes, switches: Sequence[Mapping[str, Json]]) -> None:
    """Try what turns thinking off."""
    if not notes.value("thinks"):
        return notes.unknown("off", "it was not seen to think, so that nothing was there to turn off")
    works: list[Json] = []
    told, by = [], []
    for switch in switches:
        answer = await bench.whole(_OFF, Ask(talk.TO_SUM, tools=False, extra=switch))
        text = in_words(switch)
        by.append(answer.number)
        if not answer.ok:
            told.append(f'{text} is refused: "{answer.said}"')
        elif answer.thought:
            told.append(f"{text} changes nothing")
        else:
            works.append(dict(switch))
    notes.found("off", works, "; ".join(told) or "each that was tried", *by)
    return None


async def scaled(bench: Bench, notes: Notes, keys: Sequence[str]) -> None:
    """Try the fields an effort may stand in."""
    taken, told, by = [], [], []
    for key in keys:
        answer = await bench.whole(_EFFORT, Ask(talk.TO_SUM, tools=False, extra=_at(key, "low")))
        by.append(answer.number)
        if answer.ok:
            taken.append(key)
        else:
            told.append(f'{key} is refused: "{answer.said}"')
    notes.found("efforts", taken, "; ".join(["accepted, which does not say heeded", *told]), *by)
    await _with_tools(bench, notes, taken)


async def _with_tools(bench: Bench, notes: Notes, keys: Sequence[str]) -> None:
    """Try tools together with an effort."""
    if not bench.tools or not keys:
        return
    answer = await bench.whole(_EFFORT, Ask(talk.TO_SUM, extra=_at(keys[0], "low")))
    if answer.ok:
        notes.found("tools", "ok", "accepted, also with an effort", bench.answers[talk.EARLY].number, answer.number)
    else:
        notes.found("tools", "without_effort", f'tools with {keys[0]}: "{answer.said}"', answer.number)


def in_words(fields: Mapping[str, Json], before: str = "") -> str:
    """Return fields of a body as a person types them: `thinking.type=disabled`."""
    found = []
    for name, value in fields.items():
        path = f"{before}{name}"
        plain = value if isinstance(value, str) else json.dumps(value)
        found.append(in_words(value, f"{path}.") if isinstance(value, Mapping) else f"{path}={plain}")
    return " ".join(found)


def _at(path: str, value: Any) -> dict[str, Any]:
    for name in reversed(path.split(".")):
        value = {name: value}
    return dict(value)


async def forced(bench: Bench, notes: Notes) -> None:
    """Ask for a call that the question does not need."""
    if not bench.tools:
        return notes.unknown("forced_tool_choice", "tools are refused")
    answers = [
        await bench.whole(_CALLS, Ask(talk.TO_SUM, extra={"tool_choice": choice}))
        for choice in ("required", bench.dialect.FORCED)
    ]
    by = [answer.number for answer in answers]
    required, named = answers
    if all(answer.ok and not answer.calls and answer.finish not in _CUT for answer in answers):
        notes.found("forced_tool_choice", "ignored", "accepted, and no call came", *by)
        return None
    if required.ok and named.ok:
        came = "a call came" if required.calls or named.calls else "the answer was cut off before a call came"
        notes.found("forced_tool_choice", "ok", f"required and a named one were accepted; {came}", *by)
        return None
    said = named.said or required.said
    if required.ok or named.ok:
        notes.found("forced_tool_choice", "required_only" if required.ok else "named_only", f'"{said}"', *by)
        return None
    return await _forced_quietly(bench, notes, f'"{said}"', by)


async def _forced_quietly(bench: Bench, notes: Notes, said: str, by: Sequence[int]) -> None:
    """Tell apart who refuses forced calls always, and who does while it thinks."""
    works = notes.value("off")
    switch = works[0] if isinstance(works, Sequence) and works else None
    if not isinstance(switch, Mapping):
        return notes.found("forced_tool_choice", "reject", f"{said}; thinking cannot be turned off to try then", *by)
    quiet = await bench.whole(_CALLS, Ask(talk.TO_SUM, extra={**switch, "tool_choice": "required"}))
    value = "reject" if quiet.ok else "never"
    then = "accepted" if quiet.ok else "refused too"
    return notes.found("forced_tool_choice", value, f"{said}; without thinking {then}", *by, quiet.number)


async def rest(bench: Bench, notes: Notes) -> None:
    """Try roles, sampling, JSON modes, call ids and the shape of an error."""
    await _cap(bench, notes)
    await _roles(bench, notes)
    cool = await bench.whole(_REST, Ask(talk.TO_SUM, tools=False, extra={"temperature": 0.2}))
    notes.found("sampling", "accepted" if cool.ok else "refused", _said(cool), cool.number)
    await _json(bench, notes)
    await _ids(bench, notes)
    broken = await bench.whole(_REST, Ask(talk.TO_SUM, extra={"messages": None, "input": None}))
    if broken.ok:
        notes.unknown("errors", "a request without messages was answered", broken.number)
    else:
        notes.found("errors", f"{broken.status} {_shape(broken)}", f'"{broken.said}"', broken.number)


async def _cap(bench: Bench, notes: Notes) -> None:
    if bench.cap_key is None:
        return notes.found("token_limit_key", [], "a request with a limit was refused, the same without it was not")
    first, *others = bench.dialect.CAP
    taken, told, by = [bench.cap_key], [], [bench.answers[talk.EARLY].number]
    for key in [name for name in (first, *others) if name != bench.cap_key]:
        kept, bench.cap_key = bench.cap_key, key
        answer = await bench.whole(_REST, Ask(talk.TO_SUM, tools=False))
        bench.cap_key = kept
        by.append(answer.number)
        taken += [key] if answer.ok else []
        told += [] if answer.ok else [f'{key}: "{answer.said}"']
    return notes.found("token_limit_key", taken, "; ".join(told) or "accepted", *by)


async def _roles(bench: Bench, notes: Notes) -> None:
    taken, told, by = [], [], []
    for role in ("system", "developer"):
        answer = await bench.whole(_REST, Ask(talk.TO_SUM, tools=False, system=role))
        by.append(answer.number)
        taken += [role] if answer.ok else []
        told += [] if answer.ok else [f'{role}: "{answer.said}"']
    notes.found("system_role", taken, "; ".join(told) or "accepted", *by)
    twice = await bench.whole(_REST, Ask((talk.user("Be brief."), *talk.TO_SUM), tools=False))
    notes.found("user_after_user", _word(twice), _said(twice), twice.number)
    if talk.CALLED not in bench.answers:
        return notes.unknown("user_after_tool", "the model called no tool")
    answer = await bench.whole(_REST, Ask((*talk.TO_RESULT, talk.user("Be brief."))))
    return notes.found("user_after_tool", _word(answer), _said(answer), answer.number)


async def _json(bench: Bench, notes: Notes) -> None:
    if bench.wire != "chat":
        return notes.unknown("json_mode", "not tried on this wire")
    answers = {
        mode: await bench.whole(_REST, Ask(_JSON, tools=False, extra={"response_format": given}))
        for mode, given in _MODES.items()
    }
    refused = [f'{mode}: "{answer.said}"' for mode, answer in answers.items() if not answer.ok]
    by = [answer.number for answer in answers.values()]
    taken = [mode for mode, answer in answers.items() if answer.ok]
    return notes.found("json_mode", taken, "; ".join(["accepted, which does not say served", *refused]), *by)


async def _ids(bench: Bench, notes: Notes) -> None:
    if talk.CALLED not in bench.answers:
        return notes.unknown("call_ids", "the model called no tool")
    taken, told, by = [], [], []
    for call_id in IDS:
        answer = await bench.whole(_REST, Ask(talk.TO_RESULT, call_id=call_id))
        by.append(answer.number)
        taken += [call_id] if answer.ok else []
        told += [] if answer.ok else [f'{call_id}: "{answer.said}"']
    return notes.found("call_ids", taken, "; ".join(told) or "both forms are accepted", *by)


def _word(answer: Answer) -> str:
    return "ok" if answer.ok else "refused"


def _said(answer: Answer) -> str:
    return f'"{answer.said}"' if answer.said else "accepted"


def _shape(answer: Answer) -> str:
    """Return what an error's body looks like, by its keys."""
    value = answer.values[0] if answer.values else None
    return _keys(value) if value is not None else "no JSON"


def _keys(value: Any) -> str:
    if isinstance(value, list):
        return f"[{_keys(value[0])}]" if value else "[]"
    if not isinstance(value, dict):
        return "…"
    inner = (f"{name}: {_keys(item)}" if isinstance(item, dict) else str(name) for name, item in value.items())
    return "{" + ", ".join(inner) + "}"
