"""The side log: every request with what was seen in it, and the sums. Silent losses show here and nowhere else."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from agentkit.emulator.returned import Returned
from agentkit.emulator.row import Contract, Price


@dataclass(frozen=True, slots=True)
class Tokens:
    """What one answer cost, in tokens: the prompt from the cache and not, and the answer with its reasoning."""

    hit: int
    miss: int
    output: int
    reasoning: int

    def usage(self, contract: Contract) -> dict[str, Any]:
        """Return the `usage` object of an answer, as a service of that contract tells it."""
        prompt = self.hit + self.miss
        told: dict[str, Any] = {
            "prompt_tokens": prompt,
            "completion_tokens": self.output,
            "total_tokens": prompt + self.output,
        }
        if contract.usage == "bare":
            return told
        told |= {"completion_tokens_details": {"reasoning_tokens": self.reasoning}}
        if contract.usage == "cached":
            return told | {"cached_tokens": self.hit}
        told |= {"prompt_tokens_details": {"cached_tokens": self.hit}}
        if contract.usage == "details":
            return told
        if contract.usage == "cost":
            return told | {"cost": float(contract.price.cost(self.hit, self.miss, self.output))}
        return told | {"prompt_cache_hit_tokens": self.hit, "prompt_cache_miss_tokens": self.miss}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request, and what became of it.

    Attributes:
        number: from 1, in the order of arrival.
        path: the URL's path.
        headers: the request's headers, names in lower case.
        raw: the body's bytes; empty where the log keeps fewer.
        body: the body decoded; None where it could not be, or where the log keeps fewer.
        status: the HTTP status answered.
        error: the text of the error answered, or None.
        conversation: the text of the first user message.
        position: the number of assistant messages.
        attempt: from 0, how often that position had been asked for before.
        returned: what was seen of each assistant message; empty where the log keeps fewer.
        tokens: of an answer with status 200.
    """

    number: int
    path: str
    headers: Mapping[str, str]
    raw: bytes
    body: dict[str, Any] | None = None
    status: int = 200
    error: str | None = None
    conversation: str | None = None
    position: int = 0
    attempt: int = 0
    returned: tuple[Returned, ...] = ()
    tokens: Tokens | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """Sums over all requests; a message is counted in every request that holds it.

    Attributes:
        requests: all of them.
        by_status: by HTTP status answered.
        reasoning_missing: messages without reasoning that was demanded, or that was sent and is wanted back.
        reasoning_altered: messages whose reasoning is not what was sent.
        reasoning_unread: messages whose reasoning is wanted and came, to a service that was not asked to read it.
        content_altered: messages whose text is not what was sent.
        arguments_altered: messages whose tool calls are not what was sent.
        ids_altered: messages whose call ids were changed without need.
        cache_hit_tokens: of prompts answered with 200.
        cache_miss_tokens: likewise.
        output_tokens: generated, reasoning included.
        cost: in USD.
    """

    requests: int = 0
    by_status: Mapping[int, int] = field(default_factory=dict)
    reasoning_missing: int = 0
    reasoning_altered: int = 0
    reasoning_unread: int = 0
    content_altered: int = 0
    arguments_altered: int = 0
    ids_altered: int = 0
    cache_hit_tokens: int = 0
    cache_miss_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = Decimal(0)

    @property
    def losses(self) -> int:
        """All that did not come back as it was sent and is wanted: zero for a client that loses nothing."""
        reasoning = self.reasoning_missing + self.reasoning_altered + self.reasoning_unread
        return reasoning + self.content_altered + self.arguments_altered + self.ids_altered


class Log:
    """The requests so far, of which the last `keep` are kept whole (None: all), and their sums."""

    def __init__(self, price: Price, keep: int | None = None) -> None:
        self.requests: list[Seen] = []
        self._price = price
        self._keep = keep
        self._sums: Counter[str] = Counter()
        self._statuses: Counter[int] = Counter()

    def add(self, seen: Seen) -> None:
        """Take one request, and let go of the body that is now too old."""
        self.requests.append(seen)
        old = -1 if self._keep is None else len(self.requests) - 1 - self._keep
        if old >= 0:
            self.requests[old] = replace(self.requests[old], raw=b"", body=None, returned=())
        self._statuses[seen.status] += 1
        self._sums += Counter(_sums(seen))

    @property
    def counts(self) -> Counts:
        """The sums as they are now."""
        prompt_and_output = [self._sums[name] for name in ("cache_hit_tokens", "cache_miss_tokens", "output_tokens")]
        return Counts(
            requests=len(self.requests),
            by_status=dict(self._statuses),
            **self._sums,
            cost=self._price.cost(*prompt_and_output),
        )


_AS_SENT = ("exact", "exact", "exact", "exact", False, False)


def _sums(seen: Seen) -> dict[str, int]:
    tokens = seen.tokens or Tokens(0, 0, 0, 0)
    other = [message for message in seen.returned if message[3:9] != _AS_SENT]
    return {
        "reasoning_missing": sum(message.missing for message in other),
        "reasoning_altered": sum(message.reasoning_altered for message in other),
        "reasoning_unread": sum(message.unread for message in other),
        "content_altered": sum(message.content == "altered" for message in other),
        "arguments_altered": sum(message.arguments == "altered" for message in other),
        "ids_altered": sum(message.ids == "altered" for message in other),
        "cache_hit_tokens": tokens.hit,
        "cache_miss_tokens": tokens.miss,
        "output_tokens": tokens.output,
    }
