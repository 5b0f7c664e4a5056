"""Arithmetic: `calculate`, exact where the result is a fraction, and said to be rounded where it is not.

An expression is read by a parser of its own (`_arithmetic`): numbers, operators, a list of functions, and nothing else.
No Python runs, and nothing is reached: no file, no network, no name of the program. Numbers have a limit of length.
"""

from decimal import Context, Decimal
from fractions import Fraction
from typing import Any

from agentkit import Tool, ToolError, tool
from agentkit_tools._arithmetic import DIGITS, Limits, Number, Wrong, evaluated

__all__ = ["Limits", "tools"]

_SHORT = 60  # digits of a decimal or of a fraction that are worth showing whole; whole numbers are shown whole
_SHOWN = 30  # digits of a result that is rounded


def tools(*, limits: Limits | None = None) -> tuple[Tool[object, Any, Any], ...]:
    """Return the tool that calculates.

    Args:
        limits: how much one call may take.
    """
    bounds = limits or Limits()

    def calculate(expression: str) -> str:
        """Calculate exactly: 0.1 + 0.2 is 0.3, and 1/3 stays a fraction. Use it for every sum that matters.

        Operators: + - * / // % ** and parentheses. Functions: abs, ceil, exp, factorial, floor, gcd, lcm, ln, log10,
        max, mean, min, mod, round, sqrt, sum; constants: pi, e. round(x, digits) rounds halves away from zero. A
        percent sign behind a number divides it by 100: write 200 * (1 + 5%) for 200 and 5 percent more.

        Args:
            expression: such as (1250.50 - 3%*1250.50) / 12; a point for decimals, and no separators of thousands.
        """
        try:
            return _shown(evaluated(expression, bounds))
        except Wrong as wrong:
            raise ToolError(f"Error: this cannot be calculated: {wrong}") from None

    return (tool(effect="read")(calculate),)


def _shown(number: Number) -> str:
    value = number.value
    if not number.exact:
        return f"about {_rounded(value)} (rounded to {_SHOWN} digits)"
    if value.denominator == 1:
        return str(value.numerator)
    if (decimal := _decimal(value)) is not None:
        return decimal
    if len(f"{value.numerator}{value.denominator}") <= _SHORT:
        return f"{value.numerator}/{value.denominator}, about {_rounded(value)} (rounded to {_SHOWN} digits)"
    return f"about {_rounded(value)} (rounded to {_SHOWN} digits)"


def _decimal(value: Fraction) -> str | None:
    """Return a fraction as a decimal where it is one of few digits, else None."""
    for places in range(1, _SHORT):
        scaled = value * 10**places
        if scaled.denominator == 1:
            digits = str(abs(scaled.numerator)).rjust(places + 1, "0")
            sign = "-" if value < 0 else ""
            return f"{sign}{digits[:-places]}.{digits[-places:]}" if len(digits) <= _SHORT else None
    return None


def _rounded(value: Fraction) -> str:
    context = Context(prec=_SHOWN, Emax=10 * DIGITS, Emin=-10 * DIGITS)
    return str(context.divide(Decimal(value.numerator), Decimal(value.denominator)))
