"""What a terminal may not be told by others: control characters, and characters that turn the direction of reading."""

import re

# C0 and C1 (but line feed and tab); marks, embeddings, overrides and isolates of direction; invisible format characters
# and tags, in which text can hide; line separators of other systems; lone surrogates, which no terminal can be sent.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)
_BREAKS = re.compile("[\n\t]")


def safe(text: str) -> str:
    """Return text with everything that could steer a terminal or mislead a reader written as an escape."""
    return _UNSAFE.sub(_escaped, text.replace("\r\n", "\n"))


def safe_line(text: str) -> str:
    """Return `safe` text in one line."""
    return _BREAKS.sub(_escaped, safe(text))


def _escaped(found: re.Match[str]) -> str:
    return found.group().encode("unicode_escape", "surrogatepass").decode("ascii")
