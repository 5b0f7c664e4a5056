"""`Tool`: a typed function a model may call, with what it declares; `Outcome`: what became of a call."""

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import cached_property, update_wrapper
from typing import Any, Generic, Literal, overload

from typing_extensions import ParamSpec, TypeVar

from agentkit.core.messages import Json
from agentkit.core.spec import BoundTool, Effect, ToolSpec
from agentkit.core.values import dataclass
from agentkit.errors import ConfigurationError
from agentkit.tools.arguments import fingerprint
from agentkit.tools.context import ToolContext
from agentkit.tools.declared import Declared, NeedsApproval
from agentkit.tools.schema import Inputs, difference, inputs_of

__all__ = ["Declared", "NeedsApproval", "Outcome", "Tool", "ToolContext"]

DepsT = TypeVar("DepsT", contravariant=True, default=object)
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
P = ParamSpec("P", default=...)
R_co = TypeVar("R_co", covariant=True, default=Any)


@dataclass(frozen=True)
class Outcome(Generic[T_co]):
    """What became of a `once` call that was cut off: what a tool's `reconcile` returns, or a person decides.

    `not_happened` is a promise: it did not and no longer can, so it may run again.
    """

    kind: Literal["happened", "not_happened", "unknown"]
    result: T_co | None

    @staticmethod
    def happened(result: T) -> "Outcome[T]":
        """It took effect, and this is what the tool would have returned."""
        return Outcome("happened", result)

    @staticmethod
    def not_happened() -> "Outcome[Any]":
        """It did not take effect, and no longer can: agentkit may run it again."""
        return Outcome("not_happened", None)

    @staticmethod
    def unknown() -> "Outcome[Any]":
        """Nobody can tell; a person has to decide."""
        return Outcome("unknown", None)


class Tool(Generic[DepsT, P, R_co]):
    """A function a model may call; made by `@tool(...)`, and called like the function it wraps.

    Attributes:
        name: what the model calls it.
        effect: what it does to the world: `read`, `idempotent` or `once`.
        function: the function itself.
        declared: everything it says of itself.
        inputs: its parameters: the schema for the model, and the way from JSON to Python.
        threaded: whether the function is a plain one, which runs in a thread.
        check: the function given to `reconcile`, None without one.
    """

    def __init__(self, function: Callable[..., R_co], declared: Declared, inputs: Inputs) -> None:
        update_wrapper(self, function, updated=())
        self.name = declared.name
        self.effect: Effect = declared.effect
        self.function = function
        self.declared = declared
        self.inputs = inputs
        self.threaded = not inspect.iscoroutinefunction(function)
        self.check: Callable[..., Awaitable[Outcome[Any]]] | None = None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function, as if it were not a tool: nothing is checked, nothing is recorded."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Tool {self.name} ({self.effect})>"

    @overload
    def reconcile(
        self: "Tool[Any, P, Coroutine[Any, Any, T]]", check: Callable[P, Awaitable[Outcome[T]]], /
    ) -> None: ...
    @overload
    def reconcile(self: "Tool[Any, P, T]", check: Callable[P, Awaitable[Outcome[T]]], /) -> None: ...
    def reconcile(self, check: Callable[..., Awaitable[Outcome[Any]]], /) -> None:
        """Decorate the function that finds out what became of a call of this tool that was cut off.

        It is asynchronous, has exactly the tool's parameters, changes nothing, and returns an `Outcome`. Raising means
        that it could not tell.

        Raises:
            ConfigurationError: the tool is not a `once` tool, has a reconcile already, or the function does not fit.
        """
        if self.effect != "once":
            raise ConfigurationError(
                f"@{self.name}.reconcile: only a tool with effect='once' has outcomes to find out; "
                f"a {self.effect!r} tool is simply run again. Remove the reconcile, or declare effect='once'."
            )
        if self.check is not None:
            raise ConfigurationError(f"@{self.name}.reconcile was given twice; keep one of the two functions.")
        if not inspect.iscoroutinefunction(check):
            raise ConfigurationError(f"@{self.name}.reconcile decorates an async function: write `async def`.")
        if problem := difference(self.inputs, inputs_of(check)):
            raise ConfigurationError(
                f"@{self.name}.reconcile: the function must have exactly the parameters of {self.name}: {problem}."
            )
        self.check = check

    @cached_property
    def digest(self) -> str:
        """A hash of everything the model is told of the tool and everything a person's approval relies on."""
        rule = self.declared.needs_approval
        return fingerprint(
            {
                "name": self.name,
                "description": self.inputs.description,
                "parameters": self.inputs.schema,
                "effect": self.effect,
                "exclusive": self.declared.exclusive,
                "needs_approval": _qualified(rule) if callable(rule) else rule,
            }
        )

    @property
    def spec(self) -> ToolSpec:
        """The tool as the model is told of it and as it is recorded."""
        said = self.declared
        bound = BoundTool(
            self.name, self.digest, said.effect, said.exclusive, self.check is not None, untrusted=said.untrusted
        )
        parameters: Mapping[str, Json] = self.inputs.schema
        return ToolSpec(bound, self.inputs.description, parameters)


def _qualified(rule: Callable[..., Any]) -> str:
    kind = rule if hasattr(rule, "__qualname__") else type(rule)
    return f"{kind.__module__}.{kind.__qualname__}"
