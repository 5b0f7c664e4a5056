"""`Secret`: a value that a tool works with and nobody reads; and how known values are kept out of what is recorded."""

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from html import escape
from types import MemberDescriptorType
from typing import Final, Never
from urllib.parse import quote

from agentkit.errors import ConfigurationError

SHORTEST: Final = 8  # characters: a shorter value would be found, and replaced, where it only happens to stand
_LEGAL = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class Secret:
    """A handle on a secret value. Whatever shows it shows its name; `reveal()` gives the value to whoever needs it.

    Name it in `@tool(..., secrets=(handle,))`, or put it into the deps: then the value is replaced by the name in
    whatever any tool of the agent returns, raises, asks or shows as progress, before it is recorded or shown. It is
    found as it is, as part of base64 or hexadecimal text, and with its characters escaped for URLs, JSON, HTML or
    Python. What a tool does to it beyond that (encrypting, cutting in two) is the tool's responsibility.

    Args:
        name: what is shown: letters, digits, `_`, `.` and `-`, 64 at most.
        value: the secret, at least 8 characters, without white space around it.

    Raises:
        ConfigurationError: a name or a value that cannot work. The text does not show the value.
    """

    __slots__ = ("__value", "__weakref__", "_pattern", "name")

    def __init__(self, name: str, value: str) -> None:
        if not _LEGAL.fullmatch(name):
            raise ConfigurationError(f"Secret({name!r}, …): a name has 1 to 64 letters, digits, _, . or -.")
        given: object = value
        if not isinstance(given, str) or len(given) < SHORTEST:
            raise ConfigurationError(
                f"Secret({name!r}, …): the value is a text of at least {SHORTEST} characters: a shorter one cannot be "
                "told from other text, and a guess finds it."
            )
        if value.strip() != value:
            raise ConfigurationError(f"Secret({name!r}, …): there is white space around the value: strip it first.")
        self.name = name
        self.__value = value
        if value in str(self):
            raise ConfigurationError(f"Secret({name!r}, …): its name holds the value.")
        self._pattern = re.compile("|".join(_forms(value)))

    def reveal(self) -> str:
        """Return the value."""
        return self.__value

    def hidden_in(self, text: str) -> str:
        """Return a text with the handle's name wherever the value stands in it."""
        return self._pattern.sub(str(self), text)

    def __str__(self) -> str:
        return f"[secret {self.name}]"

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: object) -> "Secret":
        return self

    def __reduce__(self) -> Never:
        raise TypeError(f"{self} is not pickled: make it anew from where the value is kept")

    __getstate__ = __reduce__


class Hiding:
    """Keeps the values of secrets out of texts: the longest first, as one may hold another."""

    def __init__(self, secrets: Sequence[Secret]) -> None:
        self._secrets = sorted(set(secrets), key=lambda secret: -len(secret.reveal()))

    def __call__(self, text: str) -> str:
        """Return a text without the values."""
        for secret in self._secrets:
            text = secret.hidden_in(text)
        return text

    def __bool__(self) -> bool:
        return bool(self._secrets)


def held_by(deps: object) -> tuple[Secret, ...]:
    """Return the handles that deps are or hold: as an attribute or one of its own; or, of a mapping, as a value.

    It is asked at every call, so it looks into no other container.
    """
    if deps is None:
        return ()
    if issubclass(type(deps), Mapping):
        return tuple(secret for value in deps.values() for secret in _held(value, depth=1))  # type: ignore[attr-defined]  # it is one
    return tuple(_held(deps, depth=2))


def _held(value: object, depth: int) -> Iterator[Secret]:
    """Yield handles. What an object says of its own class is not asked: a proxy without an object would raise."""
    if issubclass(type(value), Secret):
        yield value  # type: ignore[misc]  # it is one
    elif depth:
        for inner in _attributes(value):
            yield from _held(inner, depth - 1)


def _attributes(value: object) -> Iterator[object]:
    """Yield what an object holds, without running code of its own: no properties."""
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            slot = kind.__dict__.get(name)
            if isinstance(slot, MemberDescriptorType):
                yield from _filled(slot, value)
    with suppress(AttributeError):
        yield from list(object.__getattribute__(value, "__dict__").values())


def _filled(slot: MemberDescriptorType, value: object) -> Iterator[object]:
    with suppress(AttributeError):  # a slot nothing was put into
        yield slot.__get__(value)


def _forms(value: str) -> Iterator[str]:
    """Yield patterns of the forms a value may have in a text; what is more of it stands before what is less."""
    data = value.encode("utf-8", "surrogatepass")
    yield from dict.fromkeys(re.escape(form) for start in range(3) for form in _base64(data, start))
    yield f"(?i:{data.hex()})"
    yield _character(value[0], 1) + "".join(_character(one, 16) for one in value[1:])


def _base64(data: bytes, start: int) -> Iterator[str]:
    """Yield what base64 makes of data that stands `start` bytes behind the begin of a group of three."""
    filled = b"\0" * start + data
    sure = slice((0, 2, 3)[start], len(filled) * 8 // 6)  # the characters that no neighbour has a part in
    for encoded in (b64encode(filled).decode("ascii"), urlsafe_b64encode(filled).decode("ascii")):
        if not start:
            yield encoded  # with its end, where nothing follows
            yield encoded.rstrip("=")
        yield encoded[sure]


def _character(one: str, most: int) -> str:
    """Return a pattern of a character, as it is or escaped; letters and digits of ASCII are escaped by nobody.

    `most`: how many backslashes may escape it; more than one where it was escaped again. Without a bound, a text of
    nothing but backslashes would take for ever; before the first character none but one is part of the value.
    """
    escaped, maybe = rf"\\{{1,{most}}}", rf"\\{{0,{most}}}"
    if one.isascii() and one.isalnum():
        return one
    code = ord(one)
    units = one.encode("utf-16-be", "surrogatepass").hex()
    in_json = "".join(rf"{escaped}u{units[at : at + 4]}" for at in range(0, len(units), 4))
    in_url = re.escape(quote(one, safe="", errors="surrogatepass"))
    in_html = f"&#(?:x0*{code:x}|0*{code});"
    in_python = rf"{escaped}(?:x{code:02x}|u{code:04x}|U{code:08x})"
    in_bytes = "".join(rf"{escaped}x{byte:02x}" for byte in one.encode("utf-8", "surrogatepass"))
    forms = [
        rf"{maybe}{re.escape(one)}",
        f"(?i:{in_json}|{in_url}|%{code:02x}|{in_html}|{in_python}|{in_bytes})",
        re.escape(escape(one)),
    ]
    short = {"\n": "n", "\r": "r", "\t": "t", "\\": r"\\", " ": r"\+"}.get(one)
    if short is not None:
        forms.append(short if one == " " else rf"{escaped}{short}" if one != "\\" else escaped)
    return f"(?:{'|'.join(forms)})"
