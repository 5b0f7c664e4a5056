r"""JSON as bytes, strictly: what goes in comes out again, or nothing is written.

Text is UTF-8; only lone surrogates, which UTF-8 cannot hold, are escaped as `\udXXX`. pydantic-core and msgspec refuse
them in a `str`, and models do send them. Halves of one pair side by side are read back as the one character they are.
"""

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from pydantic_core import from_json, to_json

from agentkit.core.messages import Json
from agentkit.errors import JournalError

MAX_DEPTH = 256
"""Levels of nesting. Python's own reader gives up near 1,000 frames, callers included: what is stored is readable."""

MAX_BITS = 14_284
"""Of an integer: Python itself reads no more than 4,300 digits."""

_SCALARS = frozenset({str, bool, type(None)})


def plain(value: object, depth: int = 0) -> Json:
    """Return `value` as dicts with `str` keys, lists and scalars.

    Raises:
        JournalError: it holds something JSON has no word for, or it is nested deeper than `MAX_DEPTH`.
    """
    if type(value) in _SCALARS:
        return value  # type: ignore[return-value] # one of the three types of the line above
    if type(value) is int:
        return readable(value)
    if depth >= MAX_DEPTH:
        raise JournalError(f"a value nested deeper than {MAX_DEPTH} levels cannot be stored")
    if isinstance(value, Mapping):
        return {_key(key): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        return [plain(item, depth + 1) for item in value]
    return _scalar(value)


def encode_json(value: object) -> bytes:
    """Return `value` as compact JSON bytes.

    Raises:
        JournalError: `value` is not JSON: NaN, an infinity, a key that is no `str`, another type; or too deep.
    """
    return dumps(plain(value))


def dumps(value: Json) -> bytes:
    """Return the bytes of a value that is known to be plain JSON.

    Raises:
        JournalError: an integer has more digits than this process converts (`sys.set_int_max_str_digits`).
    """
    try:
        return to_json(value, inf_nan_mode="constants")
    except ValueError:  # half a surrogate pair, or deep: these it refuses
        return _dumped(value)


def _dumped(value: Json) -> bytes:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError as error:
        raise JournalError(f"this cannot be stored as JSON, nothing was written: {error}") from error
    return text.encode("utf-8", "backslashreplace")


def decode_json(data: bytes) -> Any:
    """Return the value of JSON bytes. It builds dicts, lists and scalars, and runs nothing.

    Raises:
        JournalError: not UTF-8, not JSON, a key twice in one object, NaN, an infinity, or nested too deep.
    """
    try:
        value = from_json(data, allow_inf_nan=False, cache_strings="keys")
        if to_json(value) == data:  # as this journal writes it: so no key is there twice, and no NaN
            return value
    except ValueError:  # half a surrogate pair, or deep: these it refuses
        pass
    try:
        return _DECODER.decode(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise JournalError(f"these bytes are not what a journal writes: {error}") from error


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise JournalError(f"a key of a JSON object is a str, not {type(key).__name__}")
    return key


def readable(value: int) -> int:
    """Return an integer. Raises: JournalError: it has more digits than Python would read again."""
    if value.bit_length() > MAX_BITS:
        raise JournalError("an integer of more than 4,300 digits cannot be stored")
    return value


def _scalar(value: object) -> Json:
    if isinstance(value, int):
        return readable(value)
    if isinstance(value, str):
        return value
    if isinstance(value, float) and isfinite(value):
        return value
    shown = repr(value) if isinstance(value, float) else type(value).__name__
    raise JournalError(f"JSON has no word for {shown}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice in one object")
    return found


def _refused(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not isfinite(number):
        raise ValueError(f"{digits} is larger than a float can be")
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refused, parse_float=_finite)
