"""Agent: who answers. Frozen configuration; a conversation is a `Session`, and loaded when there is one."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, field
from functools import cached_property
from importlib import import_module
from typing import Any, Generic, TypeAlias, overload

from typing_extensions import TypeVar

from agentkit.core.binding import Blob
from agentkit.core.contract import Contract
from agentkit.core.events import AgentBound, Prices
from agentkit.core.messages import Content
from agentkit.core.policy import Approvals, Upgrades
from agentkit.core.settings import ModelSettings
from agentkit.core.spec import VERSION, Binding, Limits, Settings
from agentkit.core.values import dataclass
from agentkit.errors import ConfigurationError
from agentkit.models import Model
from agentkit.models.asking import unsent
from agentkit.models.base import Endpoint
from agentkit.result import Result
from agentkit.tools import Tool
from agentkit.tools.dispatch import Dispatch
from agentkit.tools.forms import Asked, asked_for
from agentkit.tools.output import Output
from agentkit.tools.tool import NeedsApproval

DepsT = TypeVar("DepsT", contravariant=True, default=object)
OutT = TypeVar("OutT", covariant=True, default=str)
P = TypeVar("P")
O = TypeVar("O", default=str)  # noqa: E741 - the public surface's name


Bound: TypeAlias = tuple[Binding, AgentBound, tuple[Blob, ...]]


@dataclass(frozen=True)
class Agent(Generic[DepsT, OutT]):
    """Who answers: a model, what it is told, which tools it has, and what one turn may use.

    Args:
        model: a `Model`, or a name from the contract table ("deepseek-flash"); or several of them, in the order they
            are tried: where a call of one fails for a reason that another may not share (`ModelError.falls_back`),
            the turn goes on with the next one, and the next turn begins with the first again.
        instructions: a text, or a function of the deps; it is evaluated once per session and recorded.
        tools: functions decorated with `@tool`, in the order the model is told of them.
        deps_type: the type of what tools get as `ctx.deps`.
        output_type: what `Result.output` is: anything pydantic has a JSON Schema for. The answer is asked for as the
            contract row allows, checked, and asked for again, at most three times, where it does not fit.
        approvals: which tools it may use, and which by itself behind data from outside; how long people are waited
            for, and who is told then.
        upgrades: what happens to an open turn of an agent that was not as this one is.

    Raises:
        ConfigurationError: no model or an unknown name, two tools of one name, something that is no tool, approvals
            for a tool that is not there; an output type without a JSON Schema.
    """

    model: Model | str | Sequence[Model | str]
    _: KW_ONLY
    name: str = "agent"
    instructions: str | Callable[[DepsT], str] = ""
    tools: Sequence[Tool[DepsT, ..., Any]] = ()
    deps_type: type[DepsT] = object  # type: ignore[assignment]  # the default of a type variable
    output_type: type[OutT] = str  # type: ignore[assignment]  # the default of a type variable
    limits: Limits = field(default_factory=Limits)
    settings: ModelSettings = field(default_factory=ModelSettings)
    approvals: Approvals = field(default_factory=Approvals)
    upgrades: Upgrades = field(default_factory=Upgrades)

    def __post_init__(self) -> None:
        unknown = set(self.settings) - set(ModelSettings.__annotations__)
        if unknown:
            known = ", ".join(ModelSettings.__annotations__)
            raise ConfigurationError(f"settings: there is no {', '.join(sorted(unknown))}; there are {known}")
        for endpoint in self.endpoints:
            self._say_what_is_left(endpoint)
        if strange := self.approvals.named - {spec.bound.name for spec in self.dispatch.specs}:
            known = ", ".join(spec.bound.name for spec in self.dispatch.specs) or "no tools"
            raise ConfigurationError(f"approvals: there is no tool {', '.join(sorted(strange))}; there are {known}")

    def _say_what_is_left(self, endpoint: Endpoint) -> None:
        """Log what of the settings this model's service is not asked for; nobody asked for a strict answer: INFO."""
        contract, log = endpoint.resolve(), logging.getLogger("agentkit")
        asked, named = self._asked(contract), (self.name, endpoint.name, contract.id)
        if left := [*unsent(self.settings, contract), *(f"strict ({why})" for why in asked.loose)]:
            log.warning("agent %r: not sent to %r (contract %r): %s", *named, "; ".join(left))
        if asked.answer:
            log.info("agent %r: its answer's schema is sent to %r (contract %r) non-strict: %s", *named, asked.answer)

    @cached_property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The models as endpoints, in the order they are tried, looked up by name where only a name is given."""
        models = self.model if isinstance(self.model, Sequence) and not isinstance(self.model, str) else [self.model]
        if not models:
            raise ConfigurationError("model: name at least one model")
        return tuple(_endpoint(model) for model in models)

    @cached_property
    def dispatch(self) -> Dispatch:
        """The tools, ready to be checked and run."""
        output = None if self.output_type is str else Output(self.output_type)
        return Dispatch(self.tools, output=output, strict=self.settings.get("strict_tools", False))

    @cached_property
    def bindings(self) -> dict[tuple[int, str, Prices | None], Bound]:
        """What sessions were bound to lately, by model, instructions and prices: the next one need not make it anew."""
        return {}

    def binding(self, instructions: str, endpoint: Endpoint) -> Binding:
        """Return everything one of the models is told and how, with these instructions."""
        contract = endpoint.resolve()
        asked = self._asked(contract)
        return Binding(
            agent=self.name,
            model=endpoint.name,
            instructions=instructions,
            tools=tuple(self.approvals.applied(spec) for spec in asked.tools),
            settings=Settings(**self.settings, output=asked.output),
            contract=contract,
            limits=self.limits,
            version=VERSION,
        )

    def _asked(self, contract: Contract) -> Asked:
        return asked_for(self.dispatch, contract, strict_tools=self.settings.get("strict_tools", False))

    def told(self, deps: Any) -> str:
        """Return the instructions for these deps."""
        return self.instructions if isinstance(self.instructions, str) else self.instructions(deps)

    @overload
    def as_tool(
        self,
        *,
        name: str | None = None,
        description: str | None = None,
        needs_approval: NeedsApproval = False,
        result_limit: int | None = None,
    ) -> Tool[DepsT, ..., Any]: ...
    @overload
    def as_tool(
        self,
        *,
        name: str | None = None,
        description: str | None = None,
        deps: Callable[[P], DepsT],
        needs_approval: NeedsApproval = False,
        result_limit: int | None = None,
    ) -> Tool[P, ..., Any]: ...
    def as_tool(
        self,
        *,
        name: str | None = None,
        description: str | None = None,
        deps: Callable[[Any], DepsT] | None = None,
        needs_approval: NeedsApproval = False,
        result_limit: int | None = None,
    ) -> Tool[Any, ..., Any]:
        """Return this agent as a tool of another one: the model gives it one text, `task`, and gets its answer.

        A call is a session of its own in the caller's journal, with the call's idempotency key as its id. What it uses
        counts as the caller's; who it waits for is who the caller waits for.

        Args:
            name: what the model calls it, by default the agent's name.
            description: what the model is told of it.
            deps: makes this agent's deps of the caller's; by default they are the caller's.
            needs_approval: as of `@tool`; its function gets `task`.
            result_limit: as of `@tool`.

        Raises:
            ConfigurationError: its name cannot be a tool's, or agents are nested more than five deep.
        """
        made: Tool[Any, ..., Any] = import_module("agentkit.subagent").tool_of(
            self, (name, description), deps, needs_approval, result_limit
        )
        return made

    @overload
    async def run(self: "Agent[None, O]", message: Content) -> Result[O]: ...
    @overload
    async def run(self, message: Content, *, deps: DepsT) -> Result[OutT]: ...
    async def run(self, message: Content, *, deps: Any = None) -> Result[Any]:
        """Run one turn with a journal in memory: for what need not survive the process.

        Raises:
            ConfigurationError: a tool may wait for a person, and nobody could answer: use `Session`.
            ModelError: the model service failed.
        """
        result: Result[Any] = await import_module("agentkit.alone").run(self, message, deps)
        return result


def _endpoint(model: object) -> Model:
    if isinstance(model, str):
        return Model(model)
    if not isinstance(model, Model):
        raise ConfigurationError(f"model: {model!r} is neither a Model nor a name from the contract table")
    return model
