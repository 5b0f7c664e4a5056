"""What the core tells the model. Each text is recorded in the event that causes it; changing one changes no past."""

from collections.abc import Sequence
from typing import Final, TypeAlias

from agentkit.core.messages import Part, Text

Parts: TypeAlias = tuple[Part, ...]

NOBODY: Final = "agentkit"  # who is named where time has decided


def edited(arguments: str) -> str:
    """Begin a result by saying that a person changed the arguments (law 7)."""
    return f"Note: a person changed the arguments to {arguments} before the call ran.\n"


def unknown_tool(name: str, known: list[str]) -> Parts:
    """Tell that there is no such tool."""
    names = ", ".join(known) or "none"
    return (Text(f"Error: there is no tool named {name!r}. The tools are: {names}."),)


def left_out(what: str) -> Text:
    """Stand in for a part of a tool's result that the model's service does not take."""
    return Text(f"[{what}: left out, because this model's service takes none in the result of a tool]")


_ABSENT: Final = "null taken as absent: "


def changed(*, repaired: bool, dropped: Sequence[str], absent: Sequence[str]) -> str:
    """Say what a tool's policies did to the arguments; "" where nothing."""
    done = [
        "broken JSON repaired" if repaired else "",
        f"not parameters, dropped: {', '.join(dropped)}" if dropped else "",
        f"{_ABSENT}{', '.join(absent)}" if absent else "",
    ]
    return "; ".join(filter(None, done))


def mended(how: str, arguments: str) -> str:
    """Begin a result by saying what was done to the arguments; a null that counts as absent is not worth telling."""
    told = how.partition(_ABSENT)[0].removesuffix("; ")
    return f"Note: the call ran with {arguments} ({told}).\n" if told else ""


def hopeless(tool: str) -> str:
    """Tell that a tool's arguments were wrong too often; behind a refusal."""
    return f" These arguments have been wrong again and again: do not call {tool} again, do without it."


def stalled(steps: int) -> str:
    """Tell that steps repeat themselves; behind a result."""
    return (
        f"\n\nNote: the last {steps} steps brought nothing new. Do not repeat them: try another way, or answer with "
        "what is known."
    )


def gone(name: str) -> Parts:
    """Tell that a tool was taken away while its call waited."""
    return (Text(f"Not run: the tool {name!r} is no longer available."),)


def not_begun(name: str) -> Parts:
    """Tell that a call was called off between the record of its start and its start."""
    return (Text(f"Not run: {name} was called off before it began. Nothing happened."),)


def forbidden(name: str) -> Parts:
    """Tell that this agent may not use a tool."""
    return (Text(f"Not run: this agent is not allowed to use {name!r}. Do without it."),)


def denied(by: str, reason: str) -> Parts:
    """Tell that a person said no."""
    said = f": {reason}" if reason else "."
    return (Text(f"Not run: {by} did not approve this call{said}"),)


def deferred(tool: str) -> Parts:
    """Tell that a call was sent for approval and that the talk goes on."""
    return (
        Text(
            f"This {tool} call was sent for approval. It has not happened. The outcome follows in a message of its "
            "own: go on without it, do not repeat it, and promise nothing."
        ),
    )


def deferred_already(tool: str) -> Parts:
    """Tell that an equal call waits for approval."""
    return (Text(f"Not run: an equal {tool} call was sent for approval and is not decided yet. Do not repeat it."),)


def outcome(tool: str, arguments: str, parts: Parts) -> Parts:
    """Tell, in the user's place, what became of a call that was sent for approval."""
    head = f"[Notice, not from the user] The {tool} call sent for approval, with {arguments}, is settled. Result:\n"
    return behind(head, parts)


def behind(head: str, parts: Parts) -> Parts:
    """Return a result behind what agentkit says of it, with its pictures and files."""
    first, *more = parts
    return (Text(head + first.text), *more) if isinstance(first, Text) else (Text(head), *parts)


def took_over(by: str) -> str:
    """Tell, in the user's place, that a person speaks."""
    return f"[Notice, not from the user] {by}, a person, answers here in your place."


def expired(waited: str) -> Parts:
    """Tell that nobody decided in time about a call that needed a yes."""
    return (Text(f"Not run: nobody decided within {waited}. It did not happen, and this request is over."),)


def unanswered(waited: str) -> Parts:
    """Tell that nobody answered a tool's question in time."""
    return (Text(f"Nobody answered within {waited}. There is no answer: do not take one for granted."),)


def span(seconds: float) -> str:
    """Return a time span in the largest unit in which it is at most one digit behind the point: "2 h", "1.5 min"."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size and seconds % (size / 10) == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"


def closed(why: str, *, effect_started: bool) -> Parts:
    """Tell why a call was closed; after a start that may have had an effect, say so."""
    cause = "the turn was cancelled" if why == "cancelled" else "limit reached"
    if effect_started:
        return (Text(f"Cut off: {cause} while this call ran; it may have taken effect."),)
    return (Text(f"Not run: {cause}."),)


def given_up(tool: str, by: str) -> Parts:
    """Tell that nobody knows whether a call took effect."""
    return (
        Text(
            f"The outcome of this {tool} call is not known: it may have happened. Do not repeat it. "
            f"A person ({by}) is checking."
        ),
    )


def crashed(tool: str, times: int) -> Parts:
    """Tell that a harmless call was lost with its process again and again."""
    return (Text(f"Error: {tool} was started {times} times and the process died each time. Do without it."),)


def not_alone(answer: str) -> Parts:
    """Tell that an answer was given beside calls whose results it cannot know."""
    return (Text(f"Not taken: call {answer} alone, once you have the results of all other calls."),)


def broken_off(tool: str, times: int) -> Parts:
    """Tell that a call broke off again and again, and that it is known each time that nothing happened."""
    return (Text(f"Error: {tool} was started {times} times and broke off each time. Nothing happened. Do without it."),)
