"""The service without its sockets: one request in, an answer or a fault out, and everything written into the log."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from agentkit.emulator import prompt
from agentkit.emulator.asked import Asked
from agentkit.emulator.cache import PrefixCache, Stored
from agentkit.emulator.log import Log, Seen, Tokens
from agentkit.emulator.memory import Memory, emission
from agentkit.emulator.responses.items import Conversation
from agentkit.emulator.responses.read import read as read_items
from agentkit.emulator.responses.rows import ItemContract
from agentkit.emulator.responses.rules import refusal as refusal_of_items
from agentkit.emulator.responses.shelf import Shelf
from agentkit.emulator.responses.wire import PATH, located, shelve
from agentkit.emulator.returned import Emitted
from agentkit.emulator.rules import refusal
from agentkit.emulator.script import Fault, Reply, attempts
from agentkit.emulator.stream import Answer
from agentkit.emulator.table import FAULT_TEXTS, Contract
from agentkit.emulator.wellformed import read

COLD_HEADER = "x-emulator-cold"
"""A request that bears it is judged as if another process had minted its calls."""

CREATED = 1_790_000_000
"""Every answer's `created`: with a clock, two runs would differ."""


@dataclass(frozen=True, slots=True)
class Request:
    """One POST, undecoded: its path, headers (names in lower case) and body."""

    path: str
    headers: Mapping[str, str]
    raw: bytes

    @property
    def key(self) -> str:
        """The API key, or `""`."""
        return self.headers.get("authorization", "").removeprefix("Bearer ").strip()


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer to send, and what is to be remembered once it was sent."""

    asked: Asked
    answer: Answer
    prompt: Stored

    @property
    def emitted(self) -> Emitted:
        """What it says."""
        return self.answer.emitted


@dataclass
class Service:
    """A provider, judging.

    Attributes:
        contract: what it demands.
        memory: what it has emitted.
        cache: which prefixes it has seen.
        log: the side log.
        api_key: the only key it takes; None takes all, and none.
        models: the only models it knows; None knows all.
        warm: missing reasoning is tolerated for calls minted in this process.
        shelf: what it has stored, on the Responses wire.
    """

    contract: Contract
    memory: Memory
    cache: PrefixCache
    log: Log
    api_key: str | None = None
    models: Collection[str] | None = None
    warm: bool = False
    shelf: Shelf = field(default_factory=Shelf)

    def serve(self, request: Request) -> Answered | Fault:
        """Judge a request, play its turn, and log both."""
        number = len(self.log.requests) + 1
        seen = Seen(number=number, path=request.path, headers=request.headers, raw=request.raw)
        asked = self._stranger(request) or self._read(request)
        if isinstance(asked, Fault):
            return self._refuse(seen, replace(asked, gateway=True))
        seen = replace(
            seen,
            body=asked.body,
            conversation=asked.conversation,
            position=asked.position,
            returned=located(asked, self.memory.look(asked)),
        )
        text = prompt.render(asked)
        if fault := self._refusal(request, asked, prompt.tokens(len(text))):
            return self._refuse(seen, fault)
        seen = replace(seen, attempt=self.memory.attempt(asked))
        try:
            turn = self._turn(asked, seen.attempt)
        except Exception as error:
            self._refuse(seen, Fault(500, repr(error)))
            raise
        if isinstance(turn, Fault):
            return self._refuse(seen, turn)
        return self._answer(seen, asked, turn, text)

    def finish(self, done: Answered) -> None:
        """Take note that an answer was sent to its end: it may come back, and the next prompt begins with it."""
        self.memory.finish(done.asked, done.emitted)
        shelve(self.shelf, done.asked, done.answer)
        self.cache.extend(done.prompt, prompt.rendered_answer(done.asked, done.emitted))

    def _stranger(self, request: Request) -> Fault | None:
        if self.api_key is None or request.key == self.api_key:
            return None
        shown = request.key[-4:]
        return Fault(401, FAULT_TEXTS[401].message.replace("abcd", shown), gateway=True)

    def _read(self, request: Request) -> Asked | Fault:
        items = self.contract if isinstance(self.contract, ItemContract) else None
        if request.path.endswith(PATH) != (items is not None):
            return Fault(404, f"Invalid URL (POST {request.path})", type="invalid_request_error")
        if items:
            return read_items(request.raw, items, self.shelf)
        return read(request.raw, self.contract, beta=request.path.startswith("/beta"))

    def _refusal(self, request: Request, asked: Asked, tokens: int) -> Fault | None:
        if self.models is not None and asked.body["model"] not in self.models:
            return Fault(400, "Model Not Exist", gateway=True)
        warm = self.warm and COLD_HEADER not in request.headers
        minted = self.memory.minted if warm else ()
        if isinstance(asked, Conversation):
            return refusal_of_items(asked, minted=minted, tokens=tokens)
        return refusal(asked, minted=minted, tokens=tokens)

    def _turn(self, asked: Asked, attempt: int) -> Reply | Fault:
        script = self.memory.script
        if callable(script):
            return script(asked.body)
        turns = attempts(script, asked.conversation, asked.position)
        if not turns:
            return Fault(
                400,
                f"The emulator's script has no turn {asked.position} for {asked.conversation!r}.",
                type="emulator_error",
                code="script_ended",
                form="object",
            )
        return turns[min(attempt, len(turns) - 1)]

    def _refuse(self, seen: Seen, fault: Fault) -> Fault:
        self.log.add(replace(seen, status=fault.status, error=fault.text))
        return fault.of(self.contract)

    def _answer(self, seen: Seen, asked: Asked, reply: Reply, text: bytes) -> Answered:
        emitted = emission(reply, asked.contract, (asked.conversation, asked.position), thinks=asked.thinks)
        self.memory.begin(asked, emitted)
        user = asked.body.get("user_id") or asked.body.get("user") or ""
        owner = (Request(seen.path, seen.headers, b"").key, str(user), asked.body["model"])
        stored = self.cache.store(owner, text)
        output, reasoning = prompt.generated(emitted)
        tokens = Tokens(stored.hit, prompt.tokens(len(text)) - stored.hit, output, reasoning)
        self.log.add(replace(seen, tokens=tokens))
        head = {
            "id": f"emulated-{seen.number}",
            "created": CREATED,
            "model": asked.body["model"],
            "system_fingerprint": f"fp_emulator_{self.contract.name}",
        }
        answer = Answer(reply, emitted, tokens.usage(self.contract), asked.usage_wanted, asked.contract, head)
        return Answered(asked, answer, stored)
