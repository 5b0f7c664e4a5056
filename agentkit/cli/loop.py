"""The event loop of a command: uvloop's where `agentkit[fast]` is installed. A program of one's own starts its own."""

from importlib.util import find_spec


def fastest() -> dict[str, bool]:
    """Return how anyio starts the fastest event loop there is here."""
    return {"use_uvloop": find_spec("uvloop") is not None}
