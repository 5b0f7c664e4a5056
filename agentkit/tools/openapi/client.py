"""`OpenAPITools`: the operations of an API as an agent's own tools."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, get_args

from agentkit.core.spec import Effect
from agentkit.errors import ConfigurationError
from agentkit.tools.context import ToolContext
from agentkit.tools.declared import NeedsApproval
from agentkit.tools.decorator import tool
from agentkit.tools.names import legal
from agentkit.tools.openapi.document import Document, Found
from agentkit.tools.openapi.keys import Key
from agentkit.tools.openapi.plan import Hidden, plan_of
from agentkit.tools.openapi.schemas import shortened
from agentkit.tools.openapi.sending import Sending
from agentkit.tools.tool import Tool

TOLD: Final = 1_000  # characters of a tool's description
_EFFECTS: Mapping[str, Effect] = {
    "GET": "read",
    "HEAD": "read",
    "PUT": "idempotent",
    "DELETE": "idempotent",
    "POST": "once",
    "PATCH": "once",
}  # RFC 9110, section 9.2: what a method promises


@dataclass
class OpenAPITools:
    """The operations of an HTTP API, as an OpenAPI document (3.0 or 3.1) describes them.

    `async with OpenAPITools("shop.json", "https://api.shop.example", auth=Bearer(token)) as shop:` opens the way to the
    API; `Agent(..., tools=[*shop])` takes its operations. Without a further word GET and HEAD are `read`; PUT and
    DELETE are `idempotent` and POST and PATCH `once`, and these four need approval. All return untrusted data.

    Operations are chosen by `operationId`, "tag:orders", "GET", a pattern of paths ("/orders/*", where * also takes /),
    or both ("POST /orders/*"). A choice that means no operation is a mistake.

    Attributes:
        document: a mapping, or the path of a JSON file. Nothing it refers to is fetched.
        base_url: where the API is. It is not taken from the document: that must not say where a key goes.
        auth: what is sent with every request, and never shown: `Bearer`, `Basic`, `ApiKey`, or several.
        prefix: what the tools' names begin with, "shop" giving `shop_createOrder`.
        only: choices of operations; None takes all. without: choices of operations to leave out of them.
        effect: by choice, where it is another than the method's. needs_approval: by choice, likewise.
        untrusted: what the API returns are data, never instructions.
        timeout: seconds that a call may take.
        limit: bytes of a body that the model is shown.
        tools: the operations as tools, in the order of their names.

    Raises:
        ConfigurationError: the document cannot be read or refers to another one; an operation is not as OpenAPI has
            it; a choice means nothing; a key would be sent unencrypted.
    """

    document: Mapping[str, Any] | Path | str = field(repr=False)
    base_url: str
    _: KW_ONLY
    auth: Key | Sequence[Key] = field(default=(), repr=False)
    prefix: str = ""
    only: Sequence[str] | None = None
    without: Sequence[str] = ()
    effect: Mapping[str, Effect] = field(default_factory=dict)
    needs_approval: Mapping[str, NeedsApproval] = field(default_factory=dict)
    untrusted: bool = True
    timeout: float = 30.0
    limit: int = 50_000
    tools: tuple[Tool[object, ..., Any], ...] = field(default=(), init=False)
    _sending: Sending = field(init=False, repr=False)

    def __post_init__(self) -> None:
        keys = (self.auth,) if isinstance(self.auth, Key) else tuple(self.auth)
        self._check(keys)
        self._sending = Sending(self.base_url, keys, self.timeout, self.limit)
        document = Document(self.document)
        self._check_choices(document)
        names = legal(document.operations, self.prefix)
        hidden = document.keys() | {(key.where, key.name.lower()) for key in keys}
        kept = [each for each in document.operations.values() if self._is_kept(each)]
        made = [self._tool(document, each, names[each.key], hidden) for each in kept]
        self.tools = tuple(sorted(made, key=lambda each: each.name))

    def __iter__(self) -> Iterator[Tool[object, ..., Any]]:
        return iter(self.tools)

    async def __aenter__(self) -> Self:
        await self._sending.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._sending.close()

    def _check(self, keys: Sequence[object]) -> None:
        if not all(isinstance(key, Key) for key in keys):
            raise ConfigurationError("auth= takes Bearer(token), Basic(user, password) or ApiKey(name, value)")
        for effect in self.effect.values():
            if effect not in get_args(Effect):
                raise ConfigurationError(f"OpenAPITools: effect={effect!r} is none of {', '.join(get_args(Effect))}")
        if self.limit < 1:
            raise ConfigurationError(f"OpenAPITools: limit={self.limit!r}: give a number of bytes above 0")
        if isinstance(self.only, str) or isinstance(self.without, str):
            raise ConfigurationError('only= and without= are lists of choices, such as ["createOrder", "tag:orders"]')

    def _check_choices(self, document: Document) -> None:
        for choice in {*(self.only or ()), *self.without, *self.effect, *self.needs_approval}:
            if not any(each.chosen(choice) for each in document.operations.values()):
                known = ", ".join(sorted(document.operations)[:20])
                raise ConfigurationError(f"the document has no operation {choice!r}; it has {known or 'none'} …")

    def _is_kept(self, found: Found) -> bool:
        wanted = self.only is None or any(found.chosen(choice) for choice in self.only)
        return wanted and not any(found.chosen(choice) for choice in self.without)

    def _rules(self, found: Found) -> tuple[Effect, NeedsApproval]:
        """Return an operation's effect, and whether it needs approval. The last choice that means it counts."""
        effect = _EFFECTS[found.method]
        for choice, said in self.effect.items():
            effect = said if found.chosen(choice) else effect
        approval: NeedsApproval = effect != "read" or _EFFECTS[found.method] != "read"
        for choice, rule in self.needs_approval.items():
            approval = rule if found.chosen(choice) else approval
        return effect, approval

    def _tool(self, document: Document, found: Found, name: str, hidden: Hidden) -> Tool[object, ..., Any]:
        effect, approval = self._rules(found)
        operation = document.read(found)
        plan = plan_of(document, operation, hidden)

        async def call(arguments: dict[str, Any], context: ToolContext) -> str:
            return await self._sending.answer(plan.request(arguments), effect, context.idempotency_key)

        made: Tool[object, ..., Any] = tool(
            effect=effect,
            needs_approval=approval,
            name=name,
            description=shortened(operation.description, TOLD) or f"{found.method} {found.path}",
            parameters=plan.schema,
            untrusted=self.untrusted,
            timeout=self.timeout,
        )(call)
        return made
