"""What a service says when it refuses, pure: its own words, statuses and code words, whatever shape they come in.

The shapes, all met: `{"error": {message, type, param, code}}`, `{"error": "text"}`, `{"code", "error"}`, any of these
in a list, `{"message"}`, `{"detail": …}`, `{"object": "error", …}`, `{"errors": […]}`, text, a proxy's web page, and
nothing. A gateway wraps what the service behind it said, sometimes twice, as JSON in a text (`metadata.raw`).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from agentkit.core.values import dataclass
from agentkit.models.sse import decode

_STATUSES: Final = ("status_code", "code", "status", "http_status")  # keys that may hold an HTTP status
_NAMES: Final = ("code", "type", "status", "error_type", "reason")  # keys that may hold a word for what is wrong
_TELLING: Final = ("failed_generation", "flagged_input")  # keys that say by being there what is wrong
_DEEPEST: Final = 8  # wrappings that are opened


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal, read.

    Attributes:
        said: the service's own words, a gateway's before those it wraps. whole: the body as text.
        names: words like "context_length_exceeded", in lower case with underscores, the innermost first.
        status: the innermost HTTP status named in the body. upstream: the innermost one behind a gateway's wrapping.
        generated: what the model wrote, where the service says that it could not read it.
    """

    said: str
    whole: str
    names: tuple[str, ...] = ()
    status: int | None = None
    upstream: int | None = None
    generated: str | None = None

    @property
    def is_page(self) -> bool:
        """Whether it is a web page: then something else than a model service answered."""
        return self.whole.lstrip()[:15].lower().startswith(("<!doctype", "<html"))


def of_body(content: bytes) -> Refusal:
    """Read the body of an HTTP answer."""
    whole = content.decode("utf-8", "replace")
    return of_value(_json_or(whole), whole)


def of_value(value: Any, whole: str | None = None) -> Refusal:
    """Read a decoded error. `whole` is its text, where that is known."""
    layers = [*_layers(value, wrapped=False)]
    layers.reverse()
    statuses = [(status, wrapped) for layer, wrapped in layers if (status := _status(layer)) is not None]
    return Refusal(
        said=words(value),
        whole=str(value) if whole is None else whole,
        names=tuple(name for layer, _ in layers for name in _names(layer)),
        status=next((status for status, _ in statuses), None),
        upstream=next((status for status, wrapped in statuses if wrapped), None),
        generated=next((str(layer["failed_generation"]) for layer, _ in layers if "failed_generation" in layer), None),
    )


def words(error: Any) -> str:
    """Return a service's own words from whatever shape its error has; a gateway's wrapped words behind its own."""
    if isinstance(error, list):
        return "; ".join(words(item) for item in error)
    if not isinstance(error, dict):
        return "" if error is None else str(error)
    inner = error.get("error") or error.get("errors")
    if inner:
        return words(inner)
    said = next((words(_opened(error[key])) for key in ("message", "detail", "msg", "title") if error.get(key)), "")
    wrapped = error.get("metadata")
    raw = wrapped.get("raw") if isinstance(wrapped, dict) else None
    if isinstance(wrapped, dict) and raw is not None:
        behind = f" ({wrapped['provider_name']})" if said and wrapped.get("provider_name") else ""
        inside = words(_json_or(raw))
        said = f"{said}{behind}: {inside}" if said else inside
    return said or str(error)


def _layers(value: Any, *, wrapped: bool, depth: int = 0) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """Yield the objects of an error from the outside in, and whether each came from behind a gateway."""
    if isinstance(value, list):
        for item in value:
            yield from _layers(item, wrapped=wrapped, depth=depth + 1)
    if not isinstance(value, dict) or depth > _DEEPEST:
        return
    yield value, wrapped
    for key in ("error", "errors", "detail", "details", "message", "innererror"):
        yield from _layers(_opened(value.get(key)), wrapped=wrapped, depth=depth + 1)
    metadata = value.get("metadata")
    if isinstance(metadata, dict):
        yield metadata, wrapped
        yield from _layers(_json_or(metadata.get("raw")), wrapped=True, depth=depth + 1)


def _status(layer: Mapping[str, Any]) -> int | None:
    for key in _STATUSES:
        value = layer.get(key)
        if isinstance(value, str) and value.isdecimal() and value.isascii():
            value = int(value[:4])
        if isinstance(value, int) and 400 <= value < 600:  # noqa: PLR2004 - the classes of HTTP errors
            return value
    return None


def _names(layer: Mapping[str, Any]) -> Iterator[str]:
    yield from (key for key in _TELLING if key in layer)
    for key in _NAMES:
        value = layer.get(key)
        if isinstance(value, str) and value:
            snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", value)
            yield re.sub(r"[\s.-]+", "_", snake).lower()


def _opened(value: Any) -> Any:
    """Return what a text holds where it is a JSON object or list, else the value as it is."""
    return _json_or(value) if isinstance(value, str) and value.lstrip()[:1] in ("{", "[") else value


def _json_or(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return decode(value.encode("utf-8", "surrogatepass"))
    except ValueError:
        return value
