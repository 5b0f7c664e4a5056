"""`@tool(...)`: from a typed function to a `Tool`."""

import inspect
import math
import re
from collections.abc import Callable, Sequence
from typing import Any, Concatenate, Literal, Never, get_args, overload

from typing_extensions import ParamSpec, TypeVar

from agentkit.core.spec import Effect
from agentkit.errors import ConfigurationError
from agentkit.tools.context import ToolContext
from agentkit.tools.schema import Inputs, inputs_of, parameters_of
from agentkit.tools.tool import Declared, NeedsApproval, Tool

D = TypeVar("D", default=object)
P = ParamSpec("P", default=...)
T = TypeVar("T")

_LEGAL = re.compile(r"[A-Za-z0-9_-]{1,64}")  # CONTRACTS.md: what every provider takes
_HOW = 'write `@tool(effect="read")`, or "idempotent" or "once", whichever tells what it does to the world'


class _Decorator:
    """What `tool(...)` returns: takes the function, gives the tool."""

    def __init__(self, declare: Callable[[Callable[..., Any], Inputs], Declared]) -> None:
        self._declare = declare

    @overload
    def __call__(
        self, function: Callable[Concatenate[ToolContext[D], P], T], /
    ) -> Tool[D, Concatenate[ToolContext[D], P], T]: ...
    @overload
    def __call__(self, function: Callable[P, T], /) -> Tool[object, P, T]: ...
    def __call__(self, function: Callable[..., Any], /) -> Tool[Any, ..., Any]:
        """Make a tool of a function.

        Raises:
            ConfigurationError: its name or its parameters cannot be told to a model; the text says what to write.
        """
        if not callable(function):
            raise ConfigurationError(f"@tool decorates a function, not {function!r}.")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise ConfigurationError(
                f"{function.__name__} yields; a tool returns its result once. To show how far it is, "
                "`await context.progress(text)`."
            )
        inputs = inputs_of(function)
        return Tool(function, self._declare(function, inputs), inputs)


@overload
def tool(
    *,
    effect: Effect,
    needs_approval: bool | Literal["defer"] | Callable[..., bool] = False,
    exclusive: bool | None = None,
    no_effect: tuple[type[Exception], ...] = (),
    timeout: float | None = None,
    name: str | None = None,
) -> _Decorator: ...
@overload
def tool(function: Never, /) -> Never: ...  # `@tool` without parentheses: explained at run time
def tool(
    *bare: object,
    effect: Effect | None = None,
    needs_approval: bool | Literal["defer"] | Callable[..., bool] = False,
    exclusive: bool | None = None,
    no_effect: tuple[type[Exception], ...] = (),
    timeout: float | None = None,
    name: str | None = None,
) -> _Decorator:
    """Make a typed function a tool: its name, hints and docstring are what the model is told.

    Args:
        *bare: nothing: here only to explain `@tool` without parentheses.
        effect: `read` changes nothing; `idempotent` may be repeated; `once` must not be: agentkit never repeats a call
            of it whose outcome is not known.
        needs_approval: whether a person has to agree first. A function is asked with the parameters it names.
        exclusive: whether it runs alone, in the order the model asked. By default True for `once`.
        no_effect: exception classes by which a `once` tool proves that nothing happened.
        timeout: seconds its body may take; None: as long as it likes.
        name: what the model calls it, by default the function's name.

    Raises:
        TypeError: used without parentheses or without `effect`.
        ConfigurationError: a value that cannot work; the text says what to write.
    """
    if bare or effect is None:
        raise TypeError(f"a tool has to declare its effect: {_HOW}.")
    if effect not in get_args(Effect):
        raise ConfigurationError(f"effect={effect!r} is not known: {_HOW}.")
    rule = _rule(needs_approval)
    _check_classes(no_effect)
    _check_timeout(timeout)
    alone = effect == "once" if exclusive is None else exclusive

    def declare(function: Callable[..., Any], inputs: Inputs) -> Declared:
        if not isinstance(rule, bool):
            _check_rule(rule, inputs)
        return Declared(_name(function, name), effect, rule, alone, no_effect, timeout)

    return _Decorator(declare)


def _rule(value: str | NeedsApproval) -> NeedsApproval:
    if value == "defer":
        raise ConfigurationError('needs_approval="defer" is not available yet: use True, or a function.')
    if isinstance(value, str) or (not callable(value) and not isinstance(value, bool)):
        raise ConfigurationError(f"needs_approval={value!r}: use True, False, or a function that returns one of them.")
    if inspect.iscoroutinefunction(value):
        raise ConfigurationError("needs_approval must be a plain function: it is asked between two writes. Drop async.")
    return value


def _check_timeout(seconds: float | None) -> None:
    if seconds is not None and not (seconds > 0 and math.isfinite(seconds)):
        raise ConfigurationError(f"timeout={seconds!r}: give a number of seconds above 0, or None for no time-out.")


def _check_classes(classes: Sequence[type[Exception]]) -> None:
    fits = isinstance(classes, tuple) and all(
        isinstance(each, type) and issubclass(each, Exception) for each in classes
    )
    if not fits:
        raise ConfigurationError(f"no_effect={classes!r}: give a tuple of exception classes, as in (ValueError,).")


def _check_rule(rule: Callable[..., bool], inputs: Inputs) -> None:
    for each in parameters_of(rule):
        if each.kind is each.VAR_KEYWORD or each.name in inputs.order or each.default is not each.empty:
            continue
        raise ConfigurationError(
            f"needs_approval: its parameter `{each.name}` is none of the tool's ({', '.join(inputs.order) or 'none'})."
        )


def _name(function: Callable[..., Any], given: str | None) -> str:
    name = given if given is not None else getattr(function, "__name__", "")
    if not _LEGAL.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} cannot be a tool's name: use 1 to 64 letters, digits, _ and -, for example "
            '`@tool(effect="read", name="find_order")`.'
        )
    return name
