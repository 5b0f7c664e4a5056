"""The address of a journal on a server, and how it may be shown: without what is secret in it."""

import re
from urllib.parse import unquote

SCHEMES = ("postgresql://", "postgres://")
_OPTION = re.compile(r"((?:^|[?&\s])(?:ssl)?password\s*=\s*)('(?:[^'\\]|\\.)*'|[^&\s#]*)", re.IGNORECASE)
_OPTIONS = re.compile(r"\?\w+=")
_HIDDEN = "***"


def is_address(place: str) -> bool:
    """Tell whether a place is an address (`postgresql://…`), not a path."""
    return "://" in place


def redacted(address: str) -> str:
    """Return an address with its passwords as `***`, be they before the host or among the options."""
    scheme, name, password, rest = _parts(address)
    shown = scheme + name + (":" + _HIDDEN if password is not None else "") + rest
    return _OPTION.sub(rf"\g<1>{_HIDDEN}", shown)


def scrubbed(text: str, address: str) -> str:
    """Return somebody else's text, in which an address may be quoted, without that address's secrets."""
    text = text.replace(address, redacted(address))
    for secret in _secrets(address):
        text = text.replace(secret, _HIDDEN)
    return text


def _parts(address: str) -> tuple[str, str, str | None, str]:
    """Split an address into scheme, user, password, and the rest from the `@` on.

    What Postgres would not even accept (a password with a bare `@` or `/`) is hidden, too: it is shown in an error.
    """
    scheme, mark, rest = address.partition("://")
    first = rest.find("@")
    if not mark or first < 0:
        return "", "", None, address
    options = _OPTIONS.search(rest, first)
    cut = rest.rfind("@", 0, options.start() if options else len(rest))
    name, colon, password = rest[:cut].partition(":")
    return scheme + mark, name, password if colon else None, rest[cut:]


def _secrets(address: str) -> list[str]:
    """Return the passwords in an address, as they are written and as they are meant, the longest first."""
    found = [match[2].strip("'") for match in _OPTION.finditer(address)]
    found.append(_parts(address)[2] or "")
    return sorted({form for each in found for form in (each, unquote(each)) if form}, key=len, reverse=True)
