"""Arguments as the model wrote them: raw text, read strictly; and the hash that is equal for equal arguments."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Literal, NoReturn

from agentkit.core.messages import Json
from agentkit.core.values import dataclass

SHOWN = 80  # characters of a wrong value that are quoted to the model


@dataclass(frozen=True)
class BadArguments(Exception):  # noqa: N818 - the model's mistake, not a fault of the program: it becomes a result
    """Arguments that cannot be used. `problems` are clauses for the model: argument, rule, value."""

    kind: Literal["malformed", "schema"]
    problems: tuple[str, ...]

    def told(self, tool: str) -> str:
        """Return the result the model gets: what is wrong and what to do."""
        if self.kind == "malformed":
            start, end = "are not usable JSON", "Send exactly one JSON object."
        else:
            start, end = "do not fit its parameters", "Mend the arguments and call it again."
        return f"Error: the arguments for {tool} {start}: {'; '.join(self.problems)}. {end}"


def read(raw: str) -> dict[str, Any]:
    """Read raw arguments; nothing at all means no arguments, as several models write it.

    Raises:
        BadArguments: not JSON, not an object, a key twice, NaN or Infinity, or nested too deep to be read.
    """
    if not raw.strip(" \t\r\n"):
        return {}
    try:
        value = _reader.decode(raw)
    except json.JSONDecodeError as error:
        raise _malformed(f"{error.msg} at character {error.pos}") from None
    except RecursionError:
        raise _malformed("nested too deep") from None
    except ValueError:  # CPython reads integers of at most 4,300 digits
        raise _malformed("a number has too many digits") from None
    if not isinstance(value, dict):
        raise _malformed(f"an object is needed, not {quoted(value)}")
    return value


def fingerprint(value: Mapping[str, Json]) -> str:
    """Return a hash of a JSON object that does not depend on the order of its keys: 128 bit, base64url, 22 characters.

    Raises:
        BadArguments: nested too deep.
    """
    try:
        return _hash(_canonical.encode(value))
    except RecursionError:
        raise _malformed("nested too deep") from None


def equal_hash(arguments: Mapping[str, Json]) -> str:
    """Return the hash by which calls are equal: 100 and 100.0 are one number to JSON Schema and to the tool.

    Raises:
        BadArguments: nested too deep.
    """
    try:
        return _hash(canonical(arguments))
    except RecursionError:
        raise _malformed("nested too deep") from None


def canonical(value: Json) -> str:
    """Return the text that JSON values have in common when they are equal. Raises: RecursionError."""
    return _canonical.encode(_whole(value))


def _hash(text: str) -> str:
    digest = blake2b(text.encode("ascii"), digest_size=16).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


_DEEP = (float, dict, list)


def _whole(value: Any) -> Any:
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, dict):
        return {name: _whole(each) if isinstance(each, _DEEP) else each for name, each in value.items()}
    return [_whole(each) for each in value] if isinstance(value, list) else value


def quoted(value: object) -> str:
    """Return a value as short JSON, for a message to the model; halves of surrogate pairs are escaped."""
    text = json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def _malformed(problem: str) -> BadArguments:
    return BadArguments("malformed", (problem,))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _malformed(f"the key {quoted(twice)} is there twice")
    return result


def _constant(name: str) -> NoReturn:
    raise _malformed(f"{name} is not a JSON number")


def _float(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise _malformed(f"the number {digits[:SHOWN]} is too large")
    return value


# Made once: `json.loads` and `json.dumps` make one of theirs for every call that asks for anything unusual.
_reader = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
