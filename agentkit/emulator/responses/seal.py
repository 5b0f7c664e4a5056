"""Reasoning sealed into a blob, and ids that say what an item came with. Pure: a restarted emulator reads its own.

Not a cipher, and none is needed: it only has to be opaque, the same in every run, and to break when it is touched.
`realm` keeps services apart: one cannot read what another has sealed, and takes its ids for foreign ones.
"""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Hashable
from functools import lru_cache
from typing import Literal

from agentkit.emulator.prompt import octets

_HEAD = "gAAAA"
_TAG = 16
_DIGEST = 24
_CHECK = 8

Kind = Literal["rs", "msg", "fc"]


def seal(reasoning: str, realm: str) -> str:
    """Return the blob that stands for a text."""
    plain = octets(reasoning)
    tag = hashlib.blake2b(plain, digest_size=_TAG, key=realm.encode()[:64]).digest()
    return _HEAD + urlsafe_b64encode(tag + _masked(plain, tag, realm)).decode()


@lru_cache(maxsize=4096)
def unseal(blob: str, realm: str) -> str | None:
    """Return the text a blob stands for, or None where it is not one that `seal` made here."""
    try:
        data = urlsafe_b64decode(blob.removeprefix(_HEAD).encode())
        reasoning = _masked(data[_TAG:], data[:_TAG], realm).decode("utf-8", "surrogatepass")
    except ValueError:
        return None
    # Sealed anew, because base64 has more than one writing of the same bytes.
    return reasoning if seal(reasoning, realm) == blob else None


def _masked(data: bytes, tag: bytes, realm: str) -> bytes:
    mask = hashlib.shake_256(tag + realm.encode()).digest(len(data))
    return bytes(one ^ other for one, other in zip(data, mask, strict=True))


def item_id(kind: Kind, realm: str, answer: Hashable, at: int = 0, *, thought: bool = True) -> str:
    """Return the id of an item.

    Args:
        kind: its prefix: reasoning, message or function call.
        realm: the service.
        answer: what tells its answer from all others; its `repr` counts.
        at: which item of its kind it is in the answer.
        thought: it comes with a reasoning item.
    """
    digest = hashlib.blake2b(repr(answer).encode("utf-8", "backslashreplace"), digest_size=_DIGEST // 2).hexdigest()
    return _checked(kind, realm, f"{digest}{at:03x}{int(thought)}")


def reasoning_of(id: str, realm: str) -> str | None:
    """Return the id of the reasoning item that an item was sent with; None where there was none, or it is foreign."""
    kind, _, body = id.partition("_")
    plain = body[:-_CHECK]
    if kind not in {"msg", "fc"} or len(plain) != _DIGEST + 4 or plain[-1] != "1" or _checked(kind, realm, plain) != id:
        return None
    return _checked("rs", realm, f"{plain[:_DIGEST]}0001")


def _checked(kind: str, realm: str, body: str) -> str:
    check = hashlib.blake2b(f"{kind}_{body}".encode(), digest_size=_CHECK // 2, key=realm.encode()[:64]).hexdigest()
    return f"{kind}_{body}{check}"
