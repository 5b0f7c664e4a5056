"""What the core tells the model. Each text is recorded in the event that causes it; changing one changes no past."""

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


def gone(name: str) -> Parts:
    """Tell that a tool was taken away while its call waited."""
    return (Text(f"Not run: the tool {name!r} is no longer available."),)


def denied(by: str, reason: str) -> Parts:
    """Tell that a person said no."""
    said = f": {reason}" if reason else "."
    return (Text(f"Not run: {by} did not approve this call{said}"),)


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


def broken_off(tool: str, times: int) -> Parts:
    """Tell that a call broke off again and again, and that it is known each time that nothing happened."""
    return (Text(f"Error: {tool} was started {times} times and broke off each time. Nothing happened. Do without it."),)
