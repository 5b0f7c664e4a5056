"""What nearly every chunk of a stream is, told at a glance, pure.

That is one choice with a bit of text, of thinking, or of a call's arguments. No rule stands here. A chunk that may say
anything else goes through `Assembly.add`, where the rules are; one that is plain would come to the same there, and the
bits of one network read are taken together.
"""

from collections.abc import Mapping
from typing import Any, Final

from agentkit.core.contract import Contract
from agentkit.models.calls import Calls
from agentkit.models.text import Track

NOTHING: Final = ("", "")
FIRST: Final = (None, 0, "0")  # the index of the only choice that is read
_ODD: Final = {"refusal": True}
_OFTEN_EMPTY: Final = frozenset({"tool_calls", "function_call"})  # empty, they are as good as absent


class Plain:
    """Knows plain chunks of one answer. `text`, `reasoning` and `calls` tell how far it has come."""

    def __init__(self, contract: Contract, text: Track, reasoning: Track, calls: Calls) -> None:
        carrier = contract.carrier
        self._calls = calls
        self._tracks: dict[str, Track | None] = {  # of the fields that are read; None: what it says is not plain
            "content": text,
            **dict.fromkeys(carrier.read, reasoning),
            **dict.fromkeys(("refusal", "tool_calls", "function_call", *carrier.opaque)),
        }

    def said(self, value: Any) -> tuple[str, str] | None:
        """Return the field and the text of a plain chunk, `NOTHING` where it says nothing; None: it is not plain.

        More of the last call's arguments have been added to it then, and what is returned is what there is to show.
        """
        found: tuple[str, Any] = NOTHING
        for name, text in _delta(value).items():
            if text is None or name not in self._tracks or (not text and self._hollow(name, text)):
                continue
            if not text or found is not NOTHING:
                return None
            found = (name, text)
        name, text = found
        if type(text) is str:
            return found if found is NOTHING or self._tracks[name] is not None else None
        more = self._calls.more(text[0]) if name == "tool_calls" and type(text) is list and len(text) == 1 else None
        return None if more is None else (name, more)

    def _hollow(self, name: str, text: object) -> bool:
        track = self._tracks[name]
        return name in _OFTEN_EMPTY or (text == "" and track is not None and track.seen)


def _delta(value: Any) -> dict[str, Any]:
    """Return the delta of a chunk that holds nothing else; of any other one that is not plain."""
    if type(value) is not dict or value.get("usage") or value.get("error"):
        return _ODD
    choices = value.get("choices")
    if type(choices) is not list or len(choices) != 1 or type(choices[0]) is not dict:
        return _ODD
    choice = choices[0]
    delta = choice.get("delta")
    return delta if type(delta) is dict and choice.get("index") in FIRST and not _more(choice) else _ODD


def _more(choice: Mapping[str, Any]) -> bool:
    return bool(choice.get("finish_reason") or choice.get("usage") or choice.get("error"))
