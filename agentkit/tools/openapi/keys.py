"""What proves to an API who asks: put into requests below everything that is told, recorded or logged."""

import base64
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args
from urllib.parse import quote

from agentkit.errors import ConfigurationError

Place: TypeAlias = Literal["header", "query", "cookie"]

HIDDEN = "[key]"
TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, section 5.6.2: how a header is named
_SHORTEST = 4  # characters of a value that is looked for in answers: a shorter one occurs by chance


@dataclass(frozen=True, repr=False)
class Key:
    """A value that goes into every request. `where`: the part of a request, `name`: what it is called there.

    Raises:
        ConfigurationError: it cannot be sent.
    """

    name: str
    value: str
    where: Place = "header"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, …, {self.where!r})"

    def __post_init__(self) -> None:
        if self.where not in get_args(Place):
            raise ConfigurationError(f"{self!r}: where= is one of {', '.join(get_args(Place))}")
        if not self.name or not self.value or not f"{self.name}{self.value}".isascii():
            raise ConfigurationError(f"{self!r}: a key has a name and a value, both of ASCII characters")
        if not f"{self.name}{self.value}".isprintable():
            raise ConfigurationError(f"{self!r}: a key has no line break or other control character in it")
        if self.where == "header" and not TOKEN.fullmatch(self.name):
            raise ConfigurationError(f"{self!r}: that is no name of a header")

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown."""
        return (self.value,)


class ApiKey(Key):
    """A key in a header, a query parameter or a cookie: `ApiKey("X-Api-Key", value)`."""


class Bearer(Key):
    """A token: `Authorization: Bearer …`."""

    def __init__(self, token: str) -> None:
        super().__init__("Authorization", f"Bearer {token}" if token else "")

    @property
    def secrets(self) -> tuple[str, ...]:
        """The token."""
        return (self.value.removeprefix("Bearer "),)


class Basic(Key):
    """A user's name and password: `Authorization: Basic …`. `value` is what is sent."""

    def __init__(self, user: str, password: str) -> None:
        packed = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
        super().__init__("Authorization", f"Basic {packed}")

    @property
    def secrets(self) -> tuple[str, ...]:
        """The password, and what it is packed into."""
        packed = self.value.removeprefix("Basic ")
        return (packed, base64.b64decode(packed).decode().partition(":")[2])


def forms(keys: Iterable[Key]) -> tuple[str, ...]:
    """Return every form in which an answer may show a key, the longest first."""
    found = {
        form
        for key in keys
        for secret in key.secrets
        if len(secret) >= _SHORTEST
        for form in (secret, quote(secret, safe=""), quote(secret), json.dumps(secret)[1:-1])
    }
    return tuple(sorted(found, key=len, reverse=True))


def hidden(text: str, secrets: Iterable[str]) -> str:
    """Return a text without what must not be shown."""
    for each in secrets:
        text = text.replace(each, HIDDEN)
    return text
