"""What a service does whose parser fails: calls or reasoning leak into the text, in the model's own notation. Pure."""

import json
from collections.abc import Collection, Sequence
from dataclasses import replace

from agentkit.emulator.carriers import CLOSE, OPEN
from agentkit.emulator.returned import Emitted, EmittedCall

_MARK = "\uff5cDSML\uff5c"
"""Full-width bars, as in most leaks."""


def leaked(told: Emitted, quirks: Collection[str], wrapper: str) -> Emitted:
    """Return what is emitted instead of `told`; `wrapper` is the name of the outer tag of calls."""
    content, calls, reasoning = told.content, told.calls, told.reasoning
    if "dsml_leak" in quirks and calls:
        content, calls = content + dsml(calls, wrapper), ()
    if "think_leak" in quirks and reasoning is not None:
        content, reasoning = OPEN + reasoning + CLOSE + content, None
    return replace(told, content=content, calls=calls, reasoning=reasoning)


def repaired(told: Emitted, sent: Emitted, quirks: Collection[str]) -> Emitted:
    """Return what comes back of a client that recognises a leak and puts things where they belong."""
    calls = sent.calls
    if "dsml_leak" in quirks:
        calls = tuple(EmittedCall(None, call.name, call.arguments) for call in told.calls)
    reasoning = told.reasoning if "think_leak" in quirks else sent.reasoning
    return replace(sent, reasoning=reasoning, content=told.content, calls=calls, loose=True)


def dsml(calls: Sequence[EmittedCall], wrapper: str) -> str:
    """Return calls in the notation of DeepSeek's chat encoding: text values raw, others as JSON."""
    lines = [f"<{_MARK}{wrapper}>"]
    for call in calls:
        lines += [f'<{_MARK}invoke name="{call.name}">', *_parameters(call.arguments), f"</{_MARK}invoke>"]
    return "\n".join([*lines, f"</{_MARK}{wrapper}>"])


def _parameters(arguments: str) -> list[str]:
    try:
        decoded = json.loads(arguments)
    except ValueError:
        return [arguments]
    if not isinstance(decoded, dict):
        return [arguments]
    return [
        f'<{_MARK}parameter name="{name}" string="{str(isinstance(value, str)).lower()}">'
        f"{value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}</{_MARK}parameter>"
        for name, value in decoded.items()
    ]
