"""Every error agentkit raises, split by whose fault it is.

AgentkitError
├── ToolError             a tool says: it failed, and nothing happened. The model is told; it is never raised to you
├── NeedsAnswer           a tool says: a person has to answer this first
├── the caller's
│   ├── ConfigurationError     an agent, model, tool or setting that cannot work
│   ├── NotCompleted           `Result.output` of a turn that did not complete
│   ├── MessageIdReused        one message id, two texts
│   ├── AlreadyDecided         the opposite decision was made before
│   ├── ApprovalVoid           what was to be approved is no longer what would run
│   ├── NoSuchSession          the journal holds no session of this id
│   └── NothingToResume        the session has no turn yet
├── ModelError            the model service's
│   ├── Unreachable            no connection, or it broke before an answer began
│   ├── RateLimited            429
│   ├── Overloaded             5xx
│   ├── AuthenticationFailed   401, 403
│   ├── BalanceExhausted       402
│   ├── BadRequest             400, 404, 422 and the like: repeating it never helps
│   │   ├── ContextTooLong
│   │   └── ContractViolation  the provider says reasoning was lost, or a message is out of place
│   ├── AnswerRejected         empty, cut off or filtered, as often as we were ready to ask
│   └── AnswerInterrupted      the stream broke, as often as we were ready to ask
├── JournalError          the journal's
│   ├── SessionBusy            another live process drives this session
│   ├── Fenced                 another process took the session over; nothing was written
│   ├── AppendUncertain        the connection broke at commit: written or not, nobody knows yet
│   └── ForeignJournal         not a journal, or one of a format this version cannot read
└── ProtocolError         ours: a fact that cannot follow from the state. Nothing was written
"""

from datetime import datetime


class AgentkitError(Exception):
    """The root of every error of agentkit."""


class ToolError(AgentkitError):
    """Raised by a tool: it failed and nothing happened. The text goes to the model, so say what to do instead."""


class NeedsAnswer(AgentkitError):
    """Raised by a tool: a person has to answer `text` first; the answer becomes the call's result."""


class ConfigurationError(AgentkitError):
    """An agent, model, tool or setting that cannot work. The text says what to change."""


class NotCompleted(AgentkitError):
    """`Result.output` was asked of a turn that did not complete."""


class MessageIdReused(AgentkitError):
    """A message id was used before in this session, with another text."""


class AlreadyDecided(AgentkitError):
    """The opposite decision was made before.

    Attributes:
        by: who decided. at: when.
    """

    def __init__(self, text: str, *, by: str, at: datetime | None) -> None:
        super().__init__(text)
        self.by = by
        self.at = at


class ApprovalVoid(AgentkitError):
    """What was to be decided is no longer what would run; `why` says what changed. Nothing was run."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class NoSuchSession(AgentkitError):
    """The journal holds no session of this id."""


class NothingToResume(AgentkitError):
    """The session has no turn yet: there is nothing to resume."""


class ModelError(AgentkitError):
    """The model service failed.

    Attributes:
        kind: the class in one word, as recorded in `ModelFailed.kind`.
        status: HTTP status, None where there was none.
        provider_text: the service's own words, unchanged.
        message_index: index of the offending message in the request, None where no message is to blame.
    """

    kind = "model"

    def __init__(
        self,
        text: str,
        *,
        status: int | None = None,
        provider_text: str = "",
        message_index: int | None = None,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.provider_text = provider_text
        self.message_index = message_index


class Unreachable(ModelError):
    """No connection, or it broke before an answer began."""

    kind = "unreachable"


class RateLimited(ModelError):
    """429, and waiting did not help."""

    kind = "rate_limited"


class Overloaded(ModelError):
    """The service answered 5xx, and waiting did not help."""

    kind = "overloaded"


class AuthenticationFailed(ModelError):
    """401 or 403."""

    kind = "authentication"


class BalanceExhausted(ModelError):
    """402."""

    kind = "balance"


class BadRequest(ModelError):
    """The request was refused; repeating it never helps."""

    kind = "bad_request"


class ContextTooLong(BadRequest):
    """The conversation no longer fits the model's context."""

    kind = "context_too_long"


class ContractViolation(BadRequest):
    """The provider says that reasoning was lost or a message is out of place."""

    kind = "contract"


class AnswerRejected(ModelError):
    """Empty, cut off or filtered, as often as we were ready to ask."""

    kind = "rejected"


class AnswerInterrupted(ModelError):
    """The stream broke, as often as we were ready to ask."""

    kind = "interrupted"


class JournalError(AgentkitError):
    """The journal could not do what was asked."""


class SessionBusy(JournalError):
    """Another live process drives this session.

    Attributes:
        owner: who. until: when its lease ends, by the journal's clock.
    """

    def __init__(self, session_id: str, *, owner: str, until: datetime | None) -> None:
        super().__init__(
            f"session {session_id!r} is driven by {owner} (lease until {until}). "
            "Its work is not lost: wait for that process, or end it and run again."
        )
        self.owner = owner
        self.until = until


class Fenced(JournalError):
    """Another process took the session over while this one was away. Nothing was written."""


class AppendUncertain(JournalError):
    """The journal broke at commit: whether the facts were written is not known until the session is loaded again."""


class ForeignJournal(JournalError):
    """Not a journal of agentkit, or of a format this version cannot read."""


class ProtocolError(AgentkitError):
    """A fact that cannot follow from the state. Nothing was written; this is a defect of agentkit or of the journal."""


_MODEL_ERRORS: dict[str, type[ModelError]] = {
    error.kind: error
    for error in (
        ModelError,
        Unreachable,
        RateLimited,
        Overloaded,
        AuthenticationFailed,
        BalanceExhausted,
        BadRequest,
        ContextTooLong,
        ContractViolation,
        AnswerRejected,
        AnswerInterrupted,
    )
}


def model_error(kind: str) -> type[ModelError]:
    """Return the class recorded as `kind` in `ModelFailed`; `ModelError` for a kind of a later version."""
    return _MODEL_ERRORS.get(kind, ModelError)
