"""A text that grows by deltas, pure: collected in a list, joined once."""

import re

_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_HIGH = re.compile("[\ud800-\udbff]\\Z")


def joined(text: str) -> str:
    """Join halves of a surrogate pair that came apart; what has no other half stays alone (law 7)."""
    return (
        text
        if text.isascii()
        else _PAIR.sub(lambda pair: pair.group().encode("utf-16-le", "surrogatepass").decode("utf-16-le"), text)
    )


class Track:
    """One of an answer's texts. `seen` tells an empty one from one that never came; `filled`, that it is not empty."""

    def __init__(self) -> None:
        self.seen = self.filled = False
        self._parts: list[str] = []
        self._half = ""

    def add(self, part: str) -> str:
        """Take a delta. Returns what can be shown of it now: the first half of a pair waits for the second."""
        self.seen, self.filled = True, self.filled or bool(part)
        self._parts.append(part)
        if part.isascii() and not self._half:
            return part
        shown = self._half + part
        self._half = shown[-1:] if _HIGH.search(shown) else ""
        return joined(shown.removesuffix(self._half))

    def text(self) -> str:
        """Return all of it."""
        self._parts = [joined("".join(self._parts))]
        return self._parts[0]
