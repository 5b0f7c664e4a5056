"""Every error agentkit raises, split by whose fault it is.

AgentkitError
├── ToolError             a tool says: it failed, and nothing happened. The model is told; it is never raised to you
├── NeedsAnswer           a tool says: a person has to answer this first
├── the caller's
│   ├── ConfigurationError     an agent, model, tool or setting that cannot work
│   │   └── AgentChanged           an open turn of an agent that was another one, which must not go on
│   ├── NotCompleted           `Result.output` of a turn that did not complete
│   ├── MessageIdReused        one message id, two texts
│   ├── AlreadyDecided         the opposite decision was made before
│   ├── ApprovalVoid           what was to be approved is no longer what would run
│   ├── NoSuchSession          the journal holds no session of this id
│   │   └── SessionErased          it was erased, and its id stays closed
│   └── NothingToResume        the session has no turn yet
├── ModelError            the model service's. (r): asked again at once, some times; (n): the agent's next model, if any
│   ├── Unreachable            no connection, or it broke before an answer began (r) (n)
│   ├── RateLimited            429 (r) (n)
│   ├── Overloaded             5xx, 408, 409 (r) (n)
│   ├── AuthenticationFailed   401, 403 (n)
│   ├── BalanceExhausted       402 (n)
│   ├── BadRequest             400, 404, 422 and the like: repeating it never helps, and it is ours or yours to mend
│   │   ├── ContextTooLong         the conversation does not fit (n)
│   │   ├── ContentFiltered        a filter refused what was asked
│   │   └── ContractViolation      the provider says reasoning was lost, or a message is out of place
│   ├── AnswerRejected         empty, or held back by a filter, as often as we were ready to ask (r) (n)
│   │   ├── OutputInvalid          or not of the agent's output type (r) (n)
│   │   ├── AnswerMalformed        or not readable, for us or for the service itself (r) (n)
│   │   └── AnswerCutOff           or cut off at the limit of output tokens (r) (n)
│   └── AnswerInterrupted      the stream broke, as often as we were ready to ask (r) (n)
├── JournalError          the journal's
│   ├── SessionBusy            another live process drives this session
│   ├── Fenced                 another process took the session over; nothing was written
│   ├── AppendUncertain        the connection broke at commit: written or not, nobody knows yet
│   ├── SessionHasForks        it cannot be erased without those that share its past
│   ├── ErasureUnfinished      nobody can read it through agentkit any more, but bytes of it are left in a file
│   ├── KeyMissing             what is stored cannot be opened without a key that is not there
│   ├── RedactionFailed        a rule of redaction raised: nothing was written
│   └── ForeignJournal         not a journal, or one of a format this version cannot read
└── ProtocolError         ours: a fact that cannot follow from the state. Nothing was written
"""

from collections.abc import Sequence
from datetime import datetime


class AgentkitError(Exception):
    """The root of every error of agentkit."""


class ToolError(AgentkitError):
    """Raised by a tool: it failed and nothing happened. The text goes to the model, so say what to do instead."""


class NeedsAnswer(AgentkitError):
    """Raised by a tool: a person has to answer `text` first; the answer becomes the call's result."""


class ConfigurationError(AgentkitError):
    """An agent, model, tool or setting that cannot work. The text says what to change."""


class AgentChanged(ConfigurationError):
    """A turn is open, and the agent is not as it was when it was driven last; its `Upgrades` refuse to go on.

    Attributes:
        changes: what changed, one sentence each. Nothing was recorded.
    """

    def __init__(self, text: str, *, changes: tuple[str, ...]) -> None:
        super().__init__(text)
        self.changes = changes


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


class SessionErased(NoSuchSession):
    """The session was erased; its id is not given out again.

    Attributes:
        at: when, by the journal's clock.
    """

    def __init__(self, session_id: str, at: datetime) -> None:
        super().__init__(
            f"session {session_id!r} was erased at {at:%Y-%m-%d %H:%M:%S} UTC: what was said in it is gone, and its id "
            "stays closed. Begin a session under another id"
        )
        self.at = at


class NothingToResume(AgentkitError):
    """The session has no turn yet: there is nothing to resume."""


class ModelError(AgentkitError):
    """The model service failed.

    Attributes:
        kind: the class in one word, as recorded in `ModelFailed.kind`.
        status: HTTP status, None where there was none.
        provider_text: the service's own words, unchanged.
        message_index: index of the offending message in the request (for Responses: of the item), None where none is
            to blame.
        falls_back: of the class: whether an agent with several models goes on with the next one. It does where another
            service may do better, and not where the request itself has to be mended, by us or by you.
    """

    kind = "model"
    falls_back = False

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
    falls_back = True


class RateLimited(ModelError):
    """429, and waiting did not help."""

    kind = "rate_limited"
    falls_back = True


class Overloaded(ModelError):
    """The service answered 5xx, and waiting did not help."""

    kind = "overloaded"
    falls_back = True


class AuthenticationFailed(ModelError):
    """401 or 403."""

    kind = "authentication"
    falls_back = True


class BalanceExhausted(ModelError):
    """402."""

    kind = "balance"
    falls_back = True


class BadRequest(ModelError):
    """The request was refused; repeating it never helps."""

    kind = "bad_request"


class ContextTooLong(BadRequest):
    """The conversation no longer fits the model's context."""

    kind = "context_too_long"
    falls_back = True


class ContentFiltered(BadRequest):
    """A filter refused the request. The words have to change: no other attempt, and no other model, is tried."""

    kind = "content_filter"


class ContractViolation(BadRequest):
    """The provider says that reasoning was lost or a message is out of place."""

    kind = "contract"


class AnswerRejected(ModelError):
    """Of no use (empty, filtered), as often as we were ready to ask."""

    kind = "rejected"
    falls_back = True


class OutputInvalid(AnswerRejected):
    """Not of the agent's `output_type`, as often as we were ready to ask; or a person answered in the agent's place."""

    kind = "output"


class AnswerMalformed(AnswerRejected):
    """Not readable, as often as we were ready to ask; `generated` is what the service says that the model wrote."""

    kind = "malformed"
    generated = ""


class AnswerCutOff(AnswerRejected):
    """Cut off at the limit of output tokens, as often as we were ready to ask."""

    kind = "cut_off"


class AnswerInterrupted(ModelError):
    """The stream broke, as often as we were ready to ask."""

    kind = "interrupted"
    falls_back = True


class JournalError(AgentkitError):
    """The journal could not do what was asked.

    Attributes:
        passing: the fault lies with the place (a full disk, a held lock), not with what was to be written: the same
            works when the place is well again, and no session is to blame.
    """

    passing = False


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


class SessionHasForks(JournalError):
    """Forks share the session's past, so they would have to go with it. Nothing was erased.

    Attributes:
        forks: their ids.
    """

    def __init__(self, session_id: str, forks: Sequence[str]) -> None:
        super().__init__(
            f"session {session_id!r} shares its past with its forks {', '.join(map(repr, forks))}: nothing was erased. "
            "Erase them with it (forks=True), or leave it"
        )
        self.forks = tuple(forks)


class ErasureUnfinished(JournalError):
    """What was erased can no longer be read through agentkit, but bytes of it are left in a file: `vacuum` finishes."""


class KeyMissing(JournalError):
    """What is stored is sealed, and its key is not there, or not the right one. The text says which."""


class RedactionFailed(JournalError):
    """A rule of redaction raised or does not settle: nothing was written, the fact is kept in hand."""


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
        ContentFiltered,
        ContractViolation,
        AnswerRejected,
        OutputInvalid,
        AnswerMalformed,
        AnswerCutOff,
        AnswerInterrupted,
    )
}


def model_error(kind: str) -> type[ModelError]:
    """Return the class recorded as `kind` in `ModelFailed`; `ModelError` for a kind of a later version."""
    return _MODEL_ERRORS.get(kind, ModelError)
