"""What a service's refusal means, pure: status and body in, a typed error out that says what to do.

Nothing secret enters an error's text: the key and secret headers are struck out, also from the service's own words.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final

from agentkit.core.contract import Contract
from agentkit.errors import (
    AuthenticationFailed,
    BadRequest,
    BalanceExhausted,
    ContextTooLong,
    ContractViolation,
    ModelError,
    Overloaded,
    RateLimited,
    Unreachable,
)
from agentkit.models.sse import decode

_LONGEST: Final = 4000  # characters of a service's words that are kept
_SHORTEST: Final = 6  # characters of a secret; what is shorter ("none", "EMPTY") is a word, and words stay readable
_TOO_LONG: Final = re.compile(
    r"context[ _-]?(length|window|size)|context_length_exceeded|maximum context|prompt is too long|too many tokens",
    re.IGNORECASE,
)
_INDEX: Final = re.compile(r"(?:message index |at index |messages?\[|messages\.)(\d+)")
_TROUBLE: Final = "The service is in trouble, and trying again did not help so far"
_LONG: Final = "The conversation no longer fits the model's context"
_BY_STATUS: Final[dict[int, tuple[type[ModelError], str]]] = {
    HTTPStatus.UNAUTHORIZED: (AuthenticationFailed, "Check the key: Model(api_key=…), or {key}"),
    HTTPStatus.FORBIDDEN: (AuthenticationFailed, "The key is known and not allowed to do this: check {key}"),
    HTTPStatus.PAYMENT_REQUIRED: (BalanceExhausted, "The account has no balance left; repeating does not help"),
    HTTPStatus.NOT_FOUND: (BadRequest, "Check the model's name, and base_url (it usually ends in /v1)"),
    HTTPStatus.REQUEST_TIMEOUT: (Overloaded, _TROUBLE),
    HTTPStatus.CONFLICT: (Overloaded, _TROUBLE),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (ContextTooLong, _LONG),
    HTTPStatus.TOO_MANY_REQUESTS: (RateLimited, "Too many requests, and waiting did not help so far"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """Who was asked what: enough to name the offending message, and what must not be told."""

    model: str
    url: str
    contract: Contract
    messages: Sequence[bytes] = ()
    secrets: tuple[str, ...] = ()

    def clean(self, text: str) -> str:
        """Strike the secrets out of a text."""
        for secret in self.secrets:
            if len(secret) >= _SHORTEST:
                text = text.replace(secret, "<secret>")
        return text[:_LONGEST]


def refused(asked: Asked, status: int, content: bytes, location: str = "") -> ModelError:
    """Return the error that an HTTP answer other than 2xx stands for."""
    whole = content.decode("utf-8", "replace")
    said = asked.clean(words(_json_or(content, whole)))
    told = f": {said.rstrip('.')}" if said else ""
    index = _index(said)
    kind, advice = _kind(asked, status, said, whole)
    if kind is ContractViolation:
        return _violation(asked, status, said, index)
    if 300 <= status < 400:  # noqa: PLR2004 - the class of redirects
        told, advice = "", f"It redirects to {asked.clean(location)!r}; redirects are refused: set base_url to it"
    where = f" (message {index})" if index is not None else ""
    text = f"{asked.url} answered {status} for model {asked.model!r}{where}{told}. {advice}."
    return kind(text, status=status, provider_text=said, message_index=index)


def unreachable(asked: Asked, cause: BaseException | None) -> Unreachable:
    """Return the error for a connection that could not be made, or that ended before an answer began."""
    reason = asked.clean(f"{type(cause).__name__}: {cause}".removesuffix(": ")) if cause else "it closed without one"
    return Unreachable(
        f"no answer from {asked.url} ({reason}). Check that the server runs there, that base_url is right "
        "(it usually ends in /v1), and that this machine's network or proxy lets it through."
    )


def reported(asked: Asked, error: Any) -> ModelError | None:
    """Return the error for an error object that came inside a 200 before any answer; None where it names no status."""
    code = error.get("code") or error.get("status_code") if isinstance(error, dict) else None
    if not isinstance(code, int) or not HTTPStatus.BAD_REQUEST <= code < 600:  # noqa: PLR2004 - the end of 5xx
        return None
    said = asked.clean(words(error))
    kind, advice = _kind(asked, code, said, said)
    return kind(
        f"{asked.url} reported error {code} for model {asked.model!r}: {said}. {advice}.",
        status=code,
        provider_text=said,
    )


def words(error: Any) -> str:
    """Return a service's own words from whatever shape its error has; a gateway's wrapped words behind its own."""
    if isinstance(error, list):
        return "; ".join(words(item) for item in error)
    if not isinstance(error, dict):
        return "" if error is None else str(error)
    inner = error.get("error")
    if inner:
        return words(inner)
    said = next((words(error[key]) for key in ("message", "detail", "msg", "title") if error.get(key)), "")
    wrapped = error.get("metadata")
    raw = wrapped.get("raw") if isinstance(wrapped, dict) else None
    if raw is not None:
        inside = words(_json_or(raw.encode("utf-8", "replace"), raw) if isinstance(raw, str) else raw)
        said = f"{said}: {inside}" if said else inside
    return said or str(error)


def patience(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds a service asks to wait (`Retry-After` as seconds or HTTP date), None where it does not say."""
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    asked = headers.get("retry-after")
    if asked is None or (seconds := _number(asked)) is not None:
        return None if asked is None else seconds
    try:
        until = parsedate_to_datetime(asked)
    except ValueError:
        return None
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - now).total_seconds())


def _number(text: str | None) -> float | None:
    return float(text) if text is not None and re.fullmatch(r"\d+(\.\d+)?", text.strip()) else None


def _kind(asked: Asked, status: int, said: str, whole: str) -> tuple[type[ModelError], str]:
    """Choose the error and the advice. The words of lost reasoning are the row's; the rest is HTTP."""
    if any(text in whole or text in said for text in asked.contract.error_match.reasoning):
        return ContractViolation, ""
    if status == HTTPStatus.TOO_MANY_REQUESTS and "insufficient_quota" in whole:
        status = HTTPStatus.PAYMENT_REQUIRED
    if status in _BY_STATUS:
        kind, advice = _BY_STATUS[status]
        return kind, advice.format(key=asked.contract.api_key_env or "the api_key")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Overloaded, _TROUBLE
    return (ContextTooLong, _LONG) if _TOO_LONG.search(said) else (BadRequest, "Repeating the request does not help")


def _violation(asked: Asked, status: int, said: str, index: int | None) -> ContractViolation:
    """Name the message the service means: it does not always do so itself (CONTRACTS.md, 2.7)."""
    row = asked.contract
    names = row.carrier.read if row.carrier.write == "same" else (row.carrier.write,)
    if index is None:
        index = _first_without(asked.messages, row, names)
    which = f"message {index}" if index is not None else "no answer in the request"
    return ContractViolation(
        f"{asked.url} says that reasoning was lost ({status}): {said!r}. In the request for model {asked.model!r} "
        f"{which} lacks `{names[0]}`, which contract row {row.id!r} asks for on every answer it covers.",
        status=status,
        provider_text=said,
        message_index=index,
    )


def _first_without(messages: Sequence[bytes], row: Contract, names: Sequence[str]) -> int | None:
    """Find the first answer that lacks what the row asks for; where it asks inside a turn only, in the last turn."""
    found = None
    for index, fragment in enumerate(messages):
        message = decode(fragment)
        if message["role"] == "user" and row.retention == "turn":
            found = None
        asked = row.applies_to == "all_assistant" or message.get("tool_calls")
        lacks = message["role"] == "assistant" and all(message.get(name) is None for name in names)
        if found is None and asked and lacks:
            found = index
    return found


def _index(said: str) -> int | None:
    found = _INDEX.search(said)
    return int(found.group(1)) if found else None


def _json_or(content: bytes, otherwise: str) -> Any:
    try:
        return decode(content)
    except ValueError:
        return otherwise
