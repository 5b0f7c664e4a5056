"""Agent: who answers. Frozen configuration; a conversation is a `Session`."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cached_property
from typing import Any, Generic, overload

from typing_extensions import TypeVar

from agentkit.core.messages import Content
from agentkit.core.policy import Approvals, Upgrades
from agentkit.core.settings import ModelSettings
from agentkit.core.spec import VERSION, Binding, Limits, Settings, ToolSpec
from agentkit.errors import ConfigurationError
from agentkit.journal.memory import MemoryJournal
from agentkit.models import Model
from agentkit.models.asking import unsent
from agentkit.models.base import Endpoint
from agentkit.result import Result
from agentkit.session import Session
from agentkit.tools import Tool
from agentkit.tools.dispatch import Dispatch
from agentkit.tools.tool import Outcome

DepsT = TypeVar("DepsT", contravariant=True, default=object)
OutT = TypeVar("OutT", covariant=True, default=str)
O = TypeVar("O", default=str)  # noqa: E741 - the public surface's name


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
        approvals: how long people are waited for, and who is told then; without it for ever.
        upgrades: what happens to an open turn of an agent that was not as this one is.

    Raises:
        ConfigurationError: no model or an unknown name, two tools of one name, something that is no tool, approvals
            for a tool that is not there.
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
        if self.output_type is not str:
            raise ConfigurationError(f"output_type={self.output_type!r}: only str is possible in this version")
        unknown = set(self.settings) - set(Settings.__dataclass_fields__)
        if unknown:
            known = ", ".join(Settings.__dataclass_fields__)
            raise ConfigurationError(f"settings: there is no {', '.join(sorted(unknown))}; there are {known}")
        for endpoint in self.endpoints:
            if left := unsent(self.settings, contract := endpoint.resolve()):
                text = "agent %r: not sent to %r (contract %r): %s"
                logging.getLogger("agentkit").warning(text, self.name, endpoint.name, contract.id, "; ".join(left))
        if strange := set(self.approvals.tools) - {spec.bound.name for spec in self.dispatch.specs}:
            known = ", ".join(spec.bound.name for spec in self.dispatch.specs) or "no tools"
            raise ConfigurationError(f"approvals: there is no tool {', '.join(sorted(strange))}; there are {known}")

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
        return Dispatch(self.tools)

    def binding(self, instructions: str, endpoint: Endpoint) -> Binding:
        """Return everything one of the models is told and how, with these instructions."""
        return Binding(
            agent=self.name,
            model=endpoint.name,
            instructions=instructions,
            tools=tuple(self._patient(spec) for spec in self.dispatch.specs),
            settings=Settings(**self.settings),
            contract=endpoint.resolve(),
            limits=self.limits,
            version=VERSION,
        )

    def _patient(self, spec: ToolSpec) -> ToolSpec:
        return replace(spec, bound=replace(spec.bound, patience=self.approvals.of_tool(spec.bound.name)))

    def told(self, deps: Any) -> str:
        """Return the instructions for these deps."""
        return self.instructions if isinstance(self.instructions, str) else self.instructions(deps)

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
        asking = [tool.name for tool in self.tools if tool.declared.needs_approval is not False]
        if asking:
            raise ConfigurationError(
                f"{', '.join(asking)} may need approval, which Agent.run cannot wait for. Use "
                "`async with Session(agent, id, journal=…) as session: await session.run(…)`."
            )
        async with Session[Any, Any](self, "run", journal=MemoryJournal(), deps=deps) as session:
            result = await session.run(message)
            while result.unknowns or result.approvals:
                for twin in result.approvals:
                    await session.deny(twin, by="agentkit", reason="nobody can be asked here")
                for unknown in result.unknowns:
                    await session.resolve(unknown, Outcome.unknown(), by="agentkit")
                result = await session.resume()
            return result


def _endpoint(model: object) -> Model:
    if isinstance(model, str):
        return Model(model)
    if not isinstance(model, Model):
        raise ConfigurationError(f"model: {model!r} is neither a Model nor a name from the contract table")
    return model
