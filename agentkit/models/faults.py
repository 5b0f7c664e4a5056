"""What a service's refusal means, pure: status and body in, a typed error out that says what to do.

The contract row's own texts decide first (`error_match`), then code words that say more than a status does, then the
status, then the other words. Nothing secret enters an error's text: the key and secret headers are struck out, also
from the service's own words.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final

from agentkit.core.contract import Contract
from agentkit.core.values import dataclass
from agentkit.errors import (
    AnswerMalformed,
    AuthenticationFailed,
    BadRequest,
    BalanceExhausted,
    ContentFiltered,
    ContextTooLong,
    ContractViolation,
    ModelError,
    Overloaded,
    RateLimited,
    Unreachable,
)
from agentkit.models import blame, refusal
from agentkit.models.refusal import Refusal, words

__all__ = ["Asked", "patience", "refused", "reported", "unreachable", "words"]

_Kind = tuple[type[ModelError], str]  # the error, and what to do

_LONGEST: Final = 4000  # characters of a service's words that are kept
_TOLD: Final = 600  # characters of them that stand in an error's text: a proxy's web page fills the screen
_SHORTEST: Final = 6  # characters of a secret; what is shorter ("none", "EMPTY") is a word, and words stay readable
_TOO_LONG: Final = re.compile(
    r"context[ _-]?(length|window|size)|context_length_exceeded|maximum context|prompt is too long|too many tokens",
    re.IGNORECASE,
)

_LONG: Final = (ContextTooLong, "The conversation no longer fits the model's context")
_BUSY: Final = (Overloaded, "The service is in trouble, and trying again did not help so far")
_MANY: Final = (RateLimited, "Too many requests, and waiting did not help so far")
_POOR: Final = (BalanceExhausted, "The account has no balance left; repeating does not help")
_KEY: Final = (AuthenticationFailed, "Check the key: Model(api_key=…), or {key}")
_BARRED: Final = (AuthenticationFailed, "The key is known and not allowed to do this: check {key}")
_ODD: Final = (AnswerMalformed, "The service could not read what its model wrote; asking again may help")
_FILTER: Final = (ContentFiltered, "A filter refused what was asked; repeating does not help, other words may")
_LOST: Final = (ContractViolation, "")
_NAME: Final = (BadRequest, "Check the model's name, and base_url (it usually ends in /v1)")
_BAD: Final = (BadRequest, "Repeating the request does not help")

_BY_ROW: Final[Mapping[str, _Kind]] = {  # by the field of `ErrorMatch`
    "reasoning": _LOST,
    "malformed": _ODD,
    "context": _LONG,
    "filtered": _FILTER,
    "balance": _POOR,
    "authentication": _KEY,
    "overloaded": _BUSY,
}
_BY_STATUS: Final[Mapping[int, _Kind]] = {
    HTTPStatus.UNAUTHORIZED: _KEY,
    HTTPStatus.FORBIDDEN: _BARRED,
    HTTPStatus.PAYMENT_REQUIRED: _POOR,
    HTTPStatus.NOT_FOUND: _NAME,
    HTTPStatus.REQUEST_TIMEOUT: _BUSY,
    HTTPStatus.CONFLICT: _BUSY,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: _LONG,
    HTTPStatus.TOO_MANY_REQUESTS: _MANY,
}

# Code words as services write them in `code`, `type` and `status`. The first say more than any status does: an empty
# account is reported as 429, a bad key as 400. The others count where the status says no more than "bad request".
_PLAIN: Final[tuple[tuple[re.Pattern[str], _Kind], ...]] = (
    (re.compile(r"failed_generation|tool_use_failed|json_validate_failed|output_parse_failed"), _ODD),
    (re.compile(r"context_(length|window)|prompt_too_long"), _LONG),
    (re.compile(r"content_(filter|policy|moderation)|data_inspection|flagged_input|moderation_blocked"), _FILTER),
    (re.compile(r"insufficient_(quota|balance|credit|fund)|exceeded_current_quota|billing|arrearage"), _POOR),
    (re.compile(r"(invalid|incorrect)_(api_)?key|api_key_invalid|(invalid_)?authentication|unauthenticated"), _KEY),
)
_VAGUE: Final[tuple[tuple[re.Pattern[str], _Kind], ...]] = (
    (re.compile(r"rate_?limit|too_many_requests|throttl|resource_exhausted"), _MANY),
    (re.compile(r"overload|server_error|internal_error|^internal$|unavailable|server_busy|^api_error"), _BUSY),
    (re.compile(r"(?<!invalid_)timeout"), _BUSY),
    (re.compile(r"unauthorized|permission_(denied|error)"), _BARRED),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """Who was asked what: enough to name the offending message, and what must not be told."""

    model: str
    url: str
    contract: Contract
    messages: Sequence[bytes] = ()
    secrets: tuple[str, ...] = ()

    def struck(self, text: str) -> str:
        """Strike the secrets out of a text."""
        for secret in self.secrets:
            if len(secret) >= _SHORTEST:
                text = text.replace(secret, "<secret>")
        return text

    def clean(self, text: str) -> str:
        """Strike the secrets out of a text, and keep what is not beyond reason of it."""
        return self.struck(text)[:_LONGEST]


def refused(asked: Asked, status: int, content: bytes, location: str = "") -> ModelError:
    """Return the error that an HTTP answer other than 2xx stands for.

    `AnswerMalformed` is no fault yet: the model answered, and the service could not read it.
    """
    read = _cleaned(asked, refusal.of_body(content))
    told = f": {_brief(read.said).rstrip('.')}" if read.said else ""
    paid = status == HTTPStatus.PAYMENT_REQUIRED  # 402 is final, whoever answered what behind a gateway
    kind, advice = _POOR if paid else _kind(asked, read.upstream or status, read)
    if read.is_page:
        advice = f"{advice}. This is a web page, so perhaps not the service answered but a proxy: check base_url"
    if 300 <= status < 400:  # noqa: PLR2004 - the class of redirects
        told, advice = "", f"It redirects to {asked.clean(location)!r}; redirects are refused: set base_url to it"
    return _error(asked, read, kind, f"answered {status} for model {asked.model!r}{{where}}{told}. {advice}.", status)


def reported(asked: Asked, error: Any) -> ModelError | None:
    """Return the error for an error object that came inside a 200 before any answer; None where it says too little."""
    read = _cleaned(asked, refusal.of_value(error))
    if read.status is None and _by_row(asked, read) is None and _by_name(read, _PLAIN + _VAGUE) is None:
        return None
    kind, advice = _kind(asked, read.status, read)
    number = "an error" if read.status is None else f"error {read.status}"
    text = f"reported {number} for model {asked.model!r}{{where}}: {_brief(read.said).rstrip('.')}. {advice}."
    return _error(asked, read, kind, text, read.status)


def unreachable(asked: Asked, cause: BaseException | None) -> Unreachable:
    """Return the error for a connection that could not be made, or that ended before an answer began."""
    reason = asked.clean(f"{type(cause).__name__}: {cause}".removesuffix(": ")) if cause else "it closed without one"
    return Unreachable(
        f"no answer from {asked.url} ({reason}). Check that the server runs there, that base_url is right "
        "(it usually ends in /v1), and that this machine's network or proxy lets it through."
    )


def patience(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds a service asks to wait (`Retry-After` as seconds or HTTP date), None where it does not say."""
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    asked = headers.get("retry-after")
    if asked is None or (seconds := _number(asked)) is not None:
        return None if asked is None else seconds
    try:
        until = parsedate_to_datetime(asked)
    except (ValueError, OverflowError):
        return None
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - now).total_seconds())


def _number(text: str | None) -> float | None:
    return float(text) if text is not None and re.fullmatch(r"\d+(\.\d+)?", text.strip()) else None


def _cleaned(asked: Asked, read: Refusal) -> Refusal:
    generated = None if read.generated is None else asked.clean(read.generated)
    return replace(read, said=asked.clean(read.said), generated=generated)


def _kind(asked: Asked, status: int | None, read: Refusal) -> _Kind:
    """Choose the error and the advice."""
    found = _by_row(asked, read) or _by_name(read, _PLAIN)
    found = found or _BY_STATUS.get(status or 0)
    if found is None and status is not None and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        found = _BUSY
    found = found or _by_name(read, _VAGUE) or (_LONG if _TOO_LONG.search(read.said) else _BAD)
    kind, advice = found
    return kind, advice.replace("{key}", asked.contract.api_key_env or "the api_key")


def _by_row(asked: Asked, read: Refusal) -> _Kind | None:
    for name, texts in asked.contract.error_match:
        if any(text in read.whole or text in read.said for text in texts):
            return _BY_ROW[name]
    return None


def _by_name(read: Refusal, table: tuple[tuple[re.Pattern[str], _Kind], ...]) -> _Kind | None:
    return next((kind for name in read.names for pattern, kind in table if pattern.search(name)), None)


def _error(asked: Asked, read: Refusal, kind: type[ModelError], text: str, status: int | None) -> ModelError:
    """Make the error; `{where}` in the text becomes the message it is about."""
    if kind is ContractViolation:
        return _violation(asked, status, read.said)
    index = blame.index_in(read.said)
    where = f" (message {index})" if index is not None else ""
    text = f"{asked.url} {text.replace('{where}', where, 1)}"
    error = kind(text, status=status, provider_text=read.said, message_index=index)
    if isinstance(error, AnswerMalformed):
        error.generated = read.generated or ""
    return error


def _violation(asked: Asked, status: int | None, said: str) -> ContractViolation:
    """Name the message the service means: it does not always do so itself (CONTRACTS.md, 2.7)."""
    index, seen = blame.found(asked.messages, asked.contract, said)
    return ContractViolation(
        f"{asked.url} says that reasoning was lost, or that a message is out of place ({status}): {_brief(said)!r}. "
        f"In the request for model {asked.model!r} {seen}.",
        status=status,
        provider_text=said,
        message_index=index,
    )


def _brief(said: str) -> str:
    """Return as much of a service's words as a person reads in an error; `provider_text` holds more."""
    return said if len(said) <= _TOLD else f"{said[:_TOLD]}… (more in provider_text)"
