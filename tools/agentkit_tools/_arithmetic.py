"""Expressions of arithmetic: read by precedence climbing, calculated in fractions as they are read.

Each number on the way is bounded before it is made: a power, a factorial or a literal that would be too long is refused
and not tried. So no expression takes longer than its characters allow.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from math import ceil, factorial, floor, gcd, isqrt, lcm
from operator import add

DIGITS = 4000  # of a whole number: CPython writes no more than 4,300
_PRECISE = Context(prec=80, Emax=10 * DIGITS, Emin=-10 * DIGITS)  # of what is irrational: more than is ever shown
_PI = "3.14159265358979323846264338327950288419716939937510582097494459230781640628620899"
_BITS = 3.3219280948873626  # of a digit
_MOST_BITS = DIGITS * _BITS
_LARGEST_EXP = 5000
_LARGEST_FACTORIAL = 1000
_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d*)?|\.\d+)([eE][+-]?\d+)?|([A-Za-z_]\w*)|(\*\*|//|[-+*/%(),^])|(\S))", re.ASCII)
_SAME = str.maketrans({"\u00d7": "*", "\u00b7": "*", "\u00f7": "/", "\u2212": "-", "\u2013": "-"})  # signs of print
_STARTS = re.compile(r"[\w.(]")  # how an operand starts that is no sign


class Wrong(Exception):  # noqa: N818 - the model's mistake, told to it
    """An expression that cannot be calculated; the text says why and what to write."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much one expression may take.

    Attributes:
        characters: of an expression. digits: of any number on the way, at most 4000. depth: of parentheses and powers.
    """

    characters: int = 1000
    digits: int = DIGITS
    depth: int = 50


@dataclass(frozen=True)
class Number:
    """A value, and whether it is exact: what is irrational was rounded."""

    value: Fraction
    exact: bool = True


def evaluated(expression: str, limits: Limits) -> Number:
    """Return what an expression comes to. Raises: Wrong: it cannot be read, or a number on the way is too long."""
    if len(expression) > limits.characters:
        raise Wrong(f"it has {len(expression)} characters, and {limits.characters} are allowed. Do it in parts.")
    reading = _Reading(list(_tokens(expression.translate(_SAME))), limits)
    result = reading.sum()
    if reading.next:
        raise Wrong(_unexpected(reading.next))
    return result


def _tokens(text: str) -> Iterator[str]:
    place = 0
    while found := _TOKEN.match(text, place):
        place = found.end()
        if found[5]:
            raise Wrong(f"{found[5]!r} is nothing it knows: numbers, + - * / // % ** ( ) and functions are.")
        yield found[0].strip().replace("^", "**")


def _unexpected(token: str) -> str:
    hint = " Write numbers without separators of thousands." if token == "," else ""  # noqa: S105 - a comma
    return f"{token!r} stands where it cannot.{hint}"


class _Reading:
    """One expression being read from left to right. Each method reads one level of precedence and returns its value."""

    def __init__(self, tokens: list[str], limits: Limits) -> None:
        self._tokens = tokens[::-1]
        self._limits = limits
        self._depth = 0

    @property
    def next(self) -> str:
        return self._tokens[-1] if self._tokens else ""

    def _take(self) -> str:
        if not self._tokens:
            raise Wrong("it ends too early.")
        return self._tokens.pop()

    def sum(self) -> Number:
        left = self._product()
        while self.next in {"+", "-"}:
            sign = 1 if self._take() == "+" else -1
            right = self._product()
            left = self._bounded(left.value + sign * right.value, left.exact and right.exact)
        return left

    def _product(self) -> Number:
        left = self._signed()
        while self.next in {"*", "/", "//", "%"}:
            operator = self._take()
            right = self._signed()
            left = self._bounded(_PRODUCTS[operator](left.value, right.value), left.exact and right.exact)
        return left

    def _signed(self) -> Number:
        sign = 1
        while self.next in {"+", "-"}:
            sign *= 1 if self._take() == "+" else -1
        found = self._power()
        return Number(sign * found.value, found.exact)

    def _power(self) -> Number:
        base = self._percent()
        if self.next != "**":
            return base
        self._take()
        with_depth = self._deeper(self._signed)
        return self._raised(base, with_depth)

    def _percent(self) -> Number:
        found = self._operand()
        while self.next == "%":
            after = self._tokens[-2] if len(self._tokens) > 1 else ""
            if _STARTS.match(after):
                break  # what is left over of a division
            if after in {"+", "-"}:
                raise Wrong(f"'% {after}' can be read in two ways: write mod(x, y), or put (x%) in parentheses.")
            self._take()
            found = self._bounded(found.value / 100, found.exact)
        return found

    def _operand(self) -> Number:
        token = self._take()
        if token == "(":  # noqa: S105 - a parenthesis
            inside = self._deeper(self.sum)
            self._close()
            return inside
        if token[0].isdigit() or token[0] == ".":
            return self._literal(token)
        if token[0].isalpha() or token[0] == "_":
            return self._named(token)
        raise Wrong(_unexpected(token))

    def _close(self) -> None:
        if (token := self._take()) != ")":
            raise Wrong(_unexpected(token))

    def _deeper(self, read: Callable[[], Number]) -> Number:
        self._depth += 1
        if self._depth > self._limits.depth:
            raise Wrong(f"it is nested deeper than {self._limits.depth}. Do it in parts.")
        found = read()
        self._depth -= 1
        return found

    def _literal(self, token: str) -> Number:
        digits, _, exponent = token.lower().partition("e")
        if re.match(r"0\d", digits):
            raise Wrong(f"{digits} begins with a zero. Write numbers without separators of thousands: 1000, not 1,000.")
        if len(exponent) > len(str(DIGITS)) + 1 or abs(int(exponent or 0)) > self._limits.digits:
            raise Wrong(self._too_long())
        return self._bounded(Fraction(token), exact=True)

    def _named(self, name: str) -> Number:
        if self.next != "(":
            if (constant := _CONSTANTS.get(name)) is None:
                raise Wrong(f"{name!r} is no constant it knows: {', '.join(_CONSTANTS)}. Functions need parentheses.")
            return constant
        if name not in _FUNCTIONS:
            raise Wrong(f"{name!r} is no function it knows: {', '.join(_FUNCTIONS)}.")
        self._take()
        arguments = [self._deeper(self.sum)]
        while self.next == ",":
            self._take()
            arguments.append(self._deeper(self.sum))
        self._close()
        least, most, function = _FUNCTIONS[name]
        if not least <= len(arguments) <= most:
            raise Wrong(f"{name} takes {least if least == most else f'{least} or more'} values, not {len(arguments)}.")
        found = function([each.value for each in arguments])
        return self._bounded(found.value, found.exact and all(each.exact for each in arguments))

    def _raised(self, base: Number, exponent: Number) -> Number:
        exact = base.exact and exponent.exact
        if exponent.value.denominator != 1:
            return self._bounded(_root(base.value, exponent.value), exact=False)
        power = exponent.value.numerator
        if power < 0 and base.value == 0:
            raise Wrong("zero has no negative power.")
        if abs(power) * max(_bits(base.value) - 1, 0) > self._most_bits:
            raise Wrong(self._too_long())
        if abs(base.value) == 1:
            power %= 2
        return self._bounded(base.value**power, exact)

    @property
    def _most_bits(self) -> float:
        return min(self._limits.digits * _BITS, _MOST_BITS)

    def _bounded(self, value: Fraction, exact: bool) -> Number:  # noqa: FBT001 - the pair is a Number
        if _bits(value) > self._most_bits:
            raise Wrong(self._too_long())
        return Number(value, exact)

    def _too_long(self) -> str:
        return f"a number on the way has more than {min(self._limits.digits, DIGITS)} digits."


def _gathered(join: Callable[[Fraction, Fraction], Fraction | int], values: list[Fraction]) -> Fraction:
    """Join values one by one, each result bounded: a hundred long fractions have a denominator of them all."""
    whole = values[0]
    for each in values[1:]:
        whole = Fraction(join(whole, each))
        if _bits(whole) > _MOST_BITS:
            raise Wrong(f"a number on the way has more than {DIGITS} digits.")
    return whole


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def _divided(left: Fraction, right: Fraction) -> Fraction:
    _check_divisor(right)
    return left / right


def _whole(left: Fraction, right: Fraction) -> Fraction:
    _check_divisor(right)
    return Fraction(left // right)


def _rest(left: Fraction, right: Fraction) -> Fraction:
    _check_divisor(right)
    return left % right


def _check_divisor(value: Fraction) -> None:
    if value == 0:
        raise Wrong("it divides by zero.")


def _precise(value: Fraction) -> Decimal:
    return _PRECISE.divide(Decimal(value.numerator), Decimal(value.denominator))


def _root(base: Fraction, exponent: Fraction) -> Fraction:
    if base < 0:
        raise Wrong("a negative number has no such power among the real numbers.")
    if base == 0:
        if exponent < 0:
            raise Wrong("zero has no negative power.")
        return base
    if abs(exponent) * _bits(base) > _LARGEST_EXP:
        raise Wrong("a power with a fraction in its exponent is too large.")
    return Fraction(_PRECISE.power(_precise(base), _precise(exponent)))


def _sqrt(values: list[Fraction]) -> Number:
    (value,) = values
    if value < 0:
        raise Wrong("a negative number has no square root among the real numbers.")
    root = Fraction(isqrt(value.numerator), isqrt(value.denominator))
    if root * root == value:
        return Number(root)
    return Number(Fraction(_PRECISE.sqrt(_precise(value))), exact=False)


def _exp(values: list[Fraction]) -> Number:
    if abs(values[0]) > _LARGEST_EXP:
        raise Wrong(f"exp takes numbers up to {_LARGEST_EXP}.")
    return Number(Fraction(_PRECISE.exp(_precise(values[0]))), exact=values[0] == 0)


def _logarithm(name: str) -> Callable[[list[Fraction]], Number]:
    def calculated(values: list[Fraction]) -> Number:
        if values[0] <= 0:
            raise Wrong(f"{name} takes numbers above zero.")
        found: Decimal = getattr(_PRECISE, name)(_precise(values[0]))
        whole = name == "log10" and found == found.to_integral_value() and Fraction(10) ** int(found) == values[0]
        return Number(Fraction(found), exact=whole or values[0] == 1)

    return calculated


def _round(values: list[Fraction]) -> Number:
    value, places = values[0], _integer(values[1]) if len(values) > 1 else 0
    if abs(places) > _LARGEST_FACTORIAL:
        raise Wrong(f"round takes up to {_LARGEST_FACTORIAL} digits.")
    scaled = abs(value) * Fraction(10) ** places
    whole = floor(scaled + Fraction(1, 2))
    return Number((-whole if value < 0 else whole) / Fraction(10) ** places)


def _factorial(values: list[Fraction]) -> Number:
    if not 0 <= (number := _integer(values[0])) <= _LARGEST_FACTORIAL:
        raise Wrong(f"factorial takes whole numbers from 0 to {_LARGEST_FACTORIAL}.")
    return Number(Fraction(factorial(number)))


def _integer(value: Fraction) -> int:
    if value.denominator != 1:
        raise Wrong("a whole number is needed.")
    return value.numerator


def _exactly(function: Callable[[list[Fraction]], Fraction | int]) -> Callable[[list[Fraction]], Number]:
    return lambda values: Number(Fraction(function(values)))


_PRODUCTS: Mapping[str, Callable[[Fraction, Fraction], Fraction]] = {
    "*": lambda left, right: left * right,
    "/": _divided,
    "//": _whole,
    "%": _rest,
}
_MANY = 10**6
_FUNCTIONS: Mapping[str, tuple[int, int, Callable[[list[Fraction]], Number]]] = {  # fewest and most values
    "abs": (1, 1, _exactly(lambda values: abs(values[0]))),
    "ceil": (1, 1, _exactly(lambda values: ceil(values[0]))),
    "exp": (1, 1, _exp),
    "factorial": (1, 1, _factorial),
    "floor": (1, 1, _exactly(lambda values: floor(values[0]))),
    "gcd": (1, _MANY, _exactly(lambda values: gcd(*map(_integer, values)))),
    "lcm": (
        1,
        _MANY,
        _exactly(lambda values: _gathered(lambda a, b: lcm(_integer(a), _integer(b)), [Fraction(1), *values])),
    ),
    "ln": (1, 1, _logarithm("ln")),
    "log10": (1, 1, _logarithm("log10")),
    "max": (1, _MANY, _exactly(max)),
    "mean": (1, _MANY, _exactly(lambda values: _gathered(add, values) / len(values))),
    "min": (1, _MANY, _exactly(min)),
    "mod": (2, 2, _exactly(lambda values: _rest(*values))),
    "round": (1, 2, _round),
    "sqrt": (1, 1, _sqrt),
    "sum": (1, _MANY, _exactly(lambda values: _gathered(add, values))),
}
_CONSTANTS: Mapping[str, Number] = {
    "pi": Number(Fraction(_PI), exact=False),
    "e": Number(Fraction(_PRECISE.exp(Decimal(1))), exact=False),
}
