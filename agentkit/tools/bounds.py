"""Whether what a tool declares of how it is run can work: seen when it is declared, not at the first call."""

import math
from typing import Final

from agentkit.errors import ConfigurationError
from agentkit.tools.declared import Declared

MOST: Final = 1_000_000  # characters that a tool may ask to be shown: more than most models can read at all


def check_bounds(declared: Declared) -> None:
    """Check retries, concurrency, rate and result_limit. Raises: ConfigurationError: the text says what to write."""
    _check_retries(declared)
    _check_count("concurrency", declared.concurrency, None)
    _check_count("result_limit", declared.result_limit, MOST)
    rate = declared.rate
    if rate is not None and (isinstance(rate, bool) or not (rate > 0 and math.isfinite(rate))):
        raise ConfigurationError(
            f"rate={rate!r}: give how many calls may start in a second, above 0; 0.1 is one in ten."
        )


def _check_retries(declared: Declared) -> None:
    retries = declared.retries
    if not _is_count(retries) or retries < 0:
        raise ConfigurationError(f"retries={retries!r}: give how often a failed call is tried again, 0 or more.")
    if retries and declared.effect == "once":
        raise ConfigurationError(
            f"retries={retries}: a tool with effect='once' is never tried again, since a failed attempt may have taken "
            "effect. Drop retries, or declare effect='idempotent' if the service takes the idempotency key."
        )


def _check_count(name: str, value: int | None, most: int | None) -> None:
    if value is None or (_is_count(value) and 1 <= value <= (most or math.inf)):
        return
    upto = f" up to {most}" if most else ", 1 or more"
    raise ConfigurationError(f"{name}={value!r}: give a whole number{upto}, or None.")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
