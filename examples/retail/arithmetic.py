"""Sums, exactly: decimal arithmetic over a parsed expression, in which nothing can be called or looked up."""

import ast
import operator
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal, DecimalException, localcontext

from agentkit import ToolError

_LONGEST = 500  # characters: far more than a sum needs, far less than the parser's limits
_DIGITS = 50
_BINARY: dict[type[ast.operator], Callable[[Decimal, Decimal], Decimal]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_UNARY: dict[type[ast.unaryop], Callable[[Decimal], Decimal]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}


def evaluate(expression: str) -> Decimal:
    """The value of numbers joined by + - * / and parentheses, rounded half up to two decimals.

    Raises:
        ToolError: It is anything else, or has no value.
    """
    if len(expression) > _LONGEST:
        raise ToolError(f"The expression has more than {_LONGEST} characters. Do it in several smaller ones.")
    try:
        with localcontext(prec=_DIGITS):
            value = _value(ast.parse(expression.strip(), mode="eval").body)
            return value.quantize(Decimal("0.01"), ROUND_HALF_UP) + 0  # no negative zero
    except (SyntaxError, ValueError) as error:
        raise ToolError(
            f"{expression!r} is not a sum. Use numbers, + - * / and parentheses, without currency signs, percent signs "
            "or thousands separators, for example (12.50 + 3) * 2."
        ) from error
    except DecimalException as error:
        raise ToolError(f"{expression!r} has no value: it divides by zero, or is too large.") from error


def _value(node: ast.expr) -> Decimal:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return Decimal(str(number))
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _BINARY:
            return _BINARY[type(sign)](_value(left), _value(right))
        case ast.UnaryOp(op=sign, operand=operand) if type(sign) in _UNARY:
            return _UNARY[type(sign)](_value(operand))
        case _:
            raise ValueError(type(node).__name__)
