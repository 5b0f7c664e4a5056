"""Names a provider takes, made of names that others gave: legal, unique, and the same every time."""

import re
from collections import Counter
from collections.abc import Iterable
from hashlib import blake2b

LONGEST = 64  # CONTRACTS.md: what every provider takes: letters, digits, _ and -
_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]")


def legal(names: Iterable[str], prefix: str) -> dict[str, str]:
    """Return a legal name for each name, beginning with `prefix` and `_` where there is one.

    A name that had to be changed, and is then no longer the only one of its kind, ends in a hash of what it was. So a
    name never depends on the order in which they are told.
    """
    plain = {name: _ILLEGAL.sub("_", f"{prefix}_{name}" if prefix else name) for name in names}
    kinds = Counter(each[:LONGEST] for each in plain.values())
    made = {name: _fitting(name, each, kinds[each[:LONGEST]] > 1, prefix) for name, each in plain.items()}
    again = 0
    while twice := {each for each, count in Counter(made.values()).items() if count > 1}:
        again += 1  # whoever chooses names may choose one that ends in the hash of another
        made = {name: _marked(each, f"{name}\0{again}") if each in twice else each for name, each in made.items()}
    return made


def _fitting(name: str, legal_name: str, shared: bool, prefix: str) -> str:  # noqa: FBT001 - one fact of a name
    unchanged = legal_name == (f"{prefix}_{name}" if prefix else name)
    if legal_name and len(legal_name) <= LONGEST and (unchanged or not shared):
        return legal_name
    return _marked(legal_name, name)


def _marked(name: str, by: str) -> str:
    mark = blake2b(by.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return f"{name[: LONGEST - len(mark) - 1]}_{mark}"
