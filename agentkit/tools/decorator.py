"""`@tool(...)`: from a typed function to a `Tool`."""

import inspect
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from importlib.util import find_spec
from typing import Any, Concatenate, Literal, Never, get_args, overload

from pydantic import BaseModel
from typing_extensions import ParamSpec, TypeVar

from agentkit.core.messages import Json
from agentkit.core.spec import Effect
from agentkit.errors import ConfigurationError
from agentkit.tools.annotations import code_of, name_of, parameters_of, returned_by
from agentkit.tools.bounds import check_bounds
from agentkit.tools.context import ToolContext
from agentkit.tools.declared import Declared, NeedsApproval
from agentkit.tools.generate import schema_of_result
from agentkit.tools.process import check_importable
from agentkit.tools.raw import raw_inputs
from agentkit.tools.schema import Inputs, inputs_of
from agentkit.tools.secrets import Secret
from agentkit.tools.tool import Tool

D = TypeVar("D", default=object)
P = ParamSpec("P", default=...)
T = TypeVar("T")

_LEGAL = re.compile(r"[A-Za-z0-9_-]{1,64}")  # CONTRACTS.md: what every provider takes
_HOW = 'write `@tool(effect="read")`, or "idempotent" or "once", whichever tells what it does to the world'


class _Decorator:
    """What `tool(...)` returns: takes the function, gives the tool."""

    def __init__(self, declare: Callable[[Callable[..., Any]], tuple[Declared, Inputs]]) -> None:
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
        if isinstance(function, staticmethod):
            function = function.__func__
        if isinstance(function, classmethod):
            raise ConfigurationError(
                f"@tool cannot stand above @classmethod: make the tool of the method that the class has in the end, as "
                f'in `tool(effect="read")(Shop.{name_of(function)})`.'
            )
        if not callable(function):
            raise ConfigurationError(f"@tool decorates a function, not {function!r}.")
        code = code_of(function)
        if inspect.isgeneratorfunction(code) or inspect.isasyncgenfunction(code):
            raise ConfigurationError(
                f"{name_of(function)} yields; a tool returns its result once. To show how far it is, "
                "`await context.progress(text)`."
            )
        return Tool(function, *self._declare(function))


@overload
def tool(
    *,
    effect: Effect,
    needs_approval: NeedsApproval = False,
    exclusive: bool | None = None,
    no_effect: tuple[type[Exception], ...] = (),
    timeout: float | None = None,
    name: str | None = None,
    description: str | None = None,
    parameters: Mapping[str, Json] | type[BaseModel] | None = None,
    returns: Mapping[str, Json] | Literal[True] | None = None,
    untrusted: bool = False,
    secrets: tuple[Secret, ...] = (),
    retries: int = 0,
    concurrency: int | None = None,
    rate: float | None = None,
    result_limit: int | None = None,
    process: bool = False,
    nulls: Literal["absent", "reject"] = "reject",
    extras: Literal["reject", "drop"] = "reject",
    repair: bool = False,
) -> _Decorator: ...
@overload
def tool(function: Never, /) -> Never: ...  # `@tool` without parentheses: explained at run time
def tool(*bare: object, effect: Effect | None = None, **options: Any) -> _Decorator:
    """Make a typed function a tool: its name, hints and docstring are what the model is told.

    Args:
        *bare: nothing: here only to explain `@tool` without parentheses.
        effect: `read` changes nothing; `idempotent` may be repeated; `once` must not be: agentkit never repeats a call
            of it whose outcome is not known.
        **options: `name` and `description`, by default the function's; `exclusive`, by default True for `once`;
            `parameters`, a JSON Schema or pydantic model of the arguments where they are not the function's own
            parameters (it then takes all of them as one mapping or model, and a `ToolContext` if it wants one);
            `returns`, the JSON Schema of results, True for that of the return annotation; and every other field of
            `Declared`, which tells what each means.

    Raises:
        TypeError: used without parentheses or without `effect`, or with a word that is not known.
        ConfigurationError: a value that cannot work; the text says what to write.
    """
    if bare or effect is None:
        raise TypeError(f"a tool has to declare its effect: {_HOW}.")
    if effect not in get_args(Effect):
        raise ConfigurationError(f"effect={effect!r} is not known: {_HOW}.")
    if strange := options.keys() - _OPTIONS:
        raise TypeError(f"tool() knows no {', '.join(sorted(strange))}; it knows {', '.join(sorted(_OPTIONS))}.")
    told = {each: options.pop(each, None) for each in ("name", "description", "parameters", "returns")}
    alone = options.pop("exclusive", None)
    said = Declared("", effect, exclusive=effect == "once" if alone is None else alone, **options)
    _check(said)
    return _Decorator(partial(_declared, said, told))


_OPTIONS = frozenset({"description", "parameters", *(each.name for each in fields(Declared))} - {"effect"})


def _declared(said: Declared, told: Mapping[str, Any], function: Callable[..., Any]) -> tuple[Declared, Inputs]:
    parameters, description = told["parameters"], told["description"]
    inputs = inputs_of(function) if parameters is None else raw_inputs(function, parameters)
    if description is not None:
        inputs = replace(inputs, description=description)
    if callable(said.needs_approval):
        _check_rule(said.needs_approval, inputs)
    if said.process:
        check_importable(function, inputs)
    return replace(said, name=_name(function, told["name"]), returns=_returns(function, told["returns"])), inputs


def _returns(function: Callable[..., Any], given: object) -> Mapping[str, Json] | None:
    if given is True:
        return schema_of_result(name_of(function), returned_by(function))
    if given is not None and not isinstance(given, Mapping):
        raise ConfigurationError(
            f"returns={given!r:.80}: give a JSON Schema as a mapping, or True to take it from the return annotation."
        )
    return given


def _check(declared: Declared) -> None:
    _check_approval(declared.needs_approval)
    _check_classes(declared.no_effect)
    _check_timeout(declared.timeout)
    _check_secrets(declared.secrets)
    check_bounds(declared)
    _check_policies(declared)


def _check_approval(value: object) -> None:
    if value == "defer":
        return
    if isinstance(value, str) or (not callable(value) and not isinstance(value, bool)):
        raise ConfigurationError(f"needs_approval={value!r}: use True, False, 'defer', or a function of the call.")
    if inspect.iscoroutinefunction(value):
        raise ConfigurationError("needs_approval must be a plain function: it is asked between two writes. Drop async.")


def _check_timeout(seconds: float | None) -> None:
    if seconds is not None and not (seconds > 0 and math.isfinite(seconds)):
        raise ConfigurationError(f"timeout={seconds!r}: give a number of seconds above 0, or None for no time-out.")


def _check_policies(declared: Declared) -> None:
    if declared.nulls not in {"absent", "reject"}:
        raise ConfigurationError(f'nulls={declared.nulls!r}: use "absent" or "reject".')
    if declared.extras not in {"drop", "reject"}:
        raise ConfigurationError(f'extras={declared.extras!r}: use "drop" or "reject".')
    if declared.repair and find_spec("json_repair") is None:
        raise ConfigurationError("repair=True needs a package: pip install 'agentkit-reasoning[repair]'.")


def _check_classes(classes: Sequence[type[Exception]]) -> None:
    fits = isinstance(classes, tuple) and all(
        isinstance(each, type) and issubclass(each, Exception) for each in classes
    )
    if not fits:
        raise ConfigurationError(f"no_effect={classes!r}: give a tuple of exception classes, as in (ValueError,).")


def _check_secrets(secrets: object) -> None:
    if not isinstance(secrets, tuple) or not all(isinstance(each, Secret) for each in secrets):
        raise ConfigurationError('secrets: give a tuple of handles, as in (Secret("stripe", value),).')


def _check_rule(rule: Callable[..., bool | str], inputs: Inputs) -> None:
    for each in parameters_of(rule):
        if each.kind is each.VAR_KEYWORD or each.name in inputs.known or each.default is not each.empty:
            continue
        raise ConfigurationError(
            f"needs_approval: its parameter `{each.name}` is none of the tool's ({', '.join(inputs.known) or 'none'})."
        )


def _name(function: Callable[..., Any], given: str | None) -> str:
    name = given if given is not None else getattr(function, "__name__", "")
    if not _LEGAL.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} cannot be a tool's name: use 1 to 64 letters, digits, _ and -, for example "
            '`@tool(effect="read", name="find_order")`.'
        )
    return name
