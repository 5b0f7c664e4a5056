"""Ready-made rules for `needs_approval`."""

import inspect
from collections.abc import Callable, Mapping
from decimal import Decimal

from agentkit.errors import ConfigurationError

Number = int | float | Decimal


class Above:
    """What `above` returns: asks where an argument is above its limit, and says which and by what."""

    def __init__(self, limits: Mapping[str, Number]) -> None:
        self._limits = dict(limits)
        named = ", ".join(f"{name}={limit}" for name, limit in self._limits.items())
        self.__qualname__ = f"above({named})"  # the tool's digest names the rule: another limit is another rule
        keyword = inspect.Parameter.KEYWORD_ONLY
        self.__signature__ = inspect.Signature([inspect.Parameter(name, keyword) for name in self._limits])

    def __call__(self, **given: object) -> bool | str:
        """Return the reasons to ask, or False."""
        reasons = [reason for name, limit in self._limits.items() if (reason := _reason(name, given.get(name), limit))]
        return "; ".join(reasons) or False


def above(**limits: Number) -> Above:
    """Return a rule for `needs_approval`: a person has to agree where an argument is above its limit.

    `needs_approval=above(amount=100)` asks at 100.01, and where the amount is missing or is no number, because it may
    be anything then. It does not ask at 100.

    Raises:
        ConfigurationError: no limit, or one that is no finite number.
    """
    if not limits:
        raise ConfigurationError("above(): name a parameter and its limit, as in above(amount=100).")
    for name, limit in limits.items():
        if not _is_number(limit) or not _exact(limit).is_finite():
            raise ConfigurationError(f"above({name}={limit!r}): the limit is a number.")
    return Above(limits)


class Deferring:
    """What `defer` returns: asks as its rule does, and lets the talk go on meanwhile."""

    def __init__(self, rule: Callable[..., bool | str]) -> None:
        self._rule = rule
        self.__module__ = rule.__module__
        self.__qualname__ = f"defer({getattr(rule, '__qualname__', type(rule).__qualname__)})"
        self.__signature__ = inspect.signature(rule)

    def __call__(self, **given: object) -> bool | str:
        """Return what the rule says."""
        return self._rule(**given)


def defer(rule: Callable[..., bool | str], /) -> Deferring:
    """Return a rule that asks where `rule` asks, as `needs_approval="defer"` does: the outcome follows later.

    Raises:
        ConfigurationError: it is no plain function.
    """
    given: object = rule
    if not callable(given) or inspect.iscoroutinefunction(given):
        raise ConfigurationError("defer(rule) takes a plain function of the call; to defer every call, write 'defer'.")
    return Deferring(rule)


def defers(rule: object) -> bool:
    """Tell whether a rule lets the talk go on while people decide."""
    return rule == "defer" or isinstance(rule, Deferring)


def _is_number(value: object) -> bool:
    return isinstance(value, Number) and not isinstance(value, bool)


def _exact(value: Number) -> Decimal:
    """Return what was written: 0.1 is 0.1, not the nearest number a float can hold."""
    return Decimal(str(value))


def _reason(name: str, value: object, limit: Number) -> str:
    if not isinstance(value, Number) or isinstance(value, bool) or _exact(value).is_nan():
        return f"{name} is not known, and may be above {limit}"
    given = _exact(value)  # a float parameter has made 101.0 of the model's 101
    return f"{name} is {given.normalize():f}, above {limit}" if given > _exact(limit) else ""
