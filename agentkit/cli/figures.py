"""Numbers for people's eyes: tokens, money, time."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from agentkit.core.spec import Usage

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def usage_line(usage: Usage) -> str:
    """Return what model calls consumed, in one line."""
    cached = f" ({_percent(usage.cached_tokens, usage.input_tokens)} cached)" if usage.input_tokens else ""
    thinking = f" ({usage.reasoning_tokens:,} thinking)" if usage.reasoning_tokens else ""
    return f"{usage.input_tokens:,} in{cached} · {usage.output_tokens:,} out{thinking} · {money(usage.cost)}"


def money(cost: Decimal | None) -> str:
    """Return USD, with as many digits as say something."""
    if cost is None:
        return "cost unknown"
    if cost == 0:
        return "$0"
    return f"${cost:.2f}" if cost >= 1 else f"${cost:.4f}" if cost >= Decimal("0.001") else f"${cost:.6f}"


def duration(span: timedelta) -> str:
    """Return a time span, in the two units that matter."""
    seconds = span.total_seconds()
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def moment(at: datetime) -> str:
    """Return a time, in UTC as the journal keeps it."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def count(number: int, noun: str) -> str:
    """Return how many, in words."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def size(number: int) -> str:
    """Return bytes, in the unit that fits."""
    scaled = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if scaled < 1000:  # noqa: PLR2004 - units of SI
            return f"{scaled:.0f} {unit}" if unit == "B" or scaled >= 100 else f"{scaled:.1f} {unit}"  # noqa: PLR2004
        scaled /= 1000
    return f"{scaled:,.1f} TB"


def runs(numbers: Iterable[int]) -> str:
    """Return numbers in order, runs drawn together: 5-8, 12."""
    found: list[list[int]] = []
    for number in sorted(set(numbers)):
        if found and number == found[-1][-1] + 1:
            found[-1].append(number)
        else:
            found.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in found)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %"
