"""A hundred documented functions in three styles, made from one list of descriptions: what each says is known."""

import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

SAYINGS: Final = (
    "which order, as printed on the parcel",
    "the amount: in cents, never below 0",
    "one of `a`, `b` (see https://example.org/x?y=z#t)",
    "the first line\nand the second, which goes on",
    "how it is written::\n\n    {'a': 1, 'b': [2]}\n\nand in no other way",
    "how many (at most 7). Defaults to 3.",
    "a text -- with dashes -- and *stars* and 50 %",
    "one of these:\n\n- one: the first\n- two: the second",
    'what people call "it": é, 你好, 😀',
    "x",
    "ends with a colon:\nand goes on below",
    "a path such as C:\\temp or /var/tmp\n\nA second paragraph about it.",
)
TYPES: Final = ((str, "str"), (int, "int"), (dict[str, int], "dict[str, int]"), (list[str] | None, "list[str] | None"))
NAMES: Final = ("order_id", "amount", "note", "x", "args_", "returns", "name2", "key")


@dataclass(frozen=True)
class Function:
    """A function, and what its docstring says of each parameter, blanks aside."""

    style: str
    doc: str
    call: Callable[..., Any]
    said: Mapping[str, str]


def functions(count: int = 100) -> Iterator[Function]:
    """Yield functions, each with another mix of parameters, sayings and habits of writing."""
    styles = (("google", _google), ("numpy", _numpy), ("rest", _rest))
    for n in range(count):
        style, write = styles[n % 3]
        given = {
            name: (TYPES[(n + i) % len(TYPES)], SAYINGS[(n * 5 + i * 7 + n // 24) % len(SAYINGS)])
            for i, name in enumerate(NAMES[: 1 + n % len(NAMES)])
        }
        head = "Do it." if n % 2 else "Do it.\n\nIt is done: at once.\n\n    >>> it(1)\n    2"
        doc = f"{head}{chr(10) if n % 5 == 0 else chr(10) * 2}{write(given, n)}"
        said = {name: " ".join(saying.split()) for name, (_, saying) in given.items()}
        yield Function(style, doc, _made(given, doc if n % 7 else textwrap.indent(doc, "    ").lstrip()), said)


def _made(given: Mapping[str, Any], doc: str) -> Callable[..., Any]:
    def function(**values: Any) -> None: ...

    kind = inspect.Parameter.KEYWORD_ONLY
    taken = [inspect.Parameter(name, kind, annotation=hint) for name, ((hint, _), _) in given.items()]
    function.__signature__ = inspect.Signature(taken)  # type: ignore[attr-defined]  # what `inspect` asks for first
    function.__doc__ = doc
    return function


def _below(text: str, indent: int) -> str:
    return textwrap.indent(text, " " * indent)


def _google(given: Mapping[str, Any], n: int) -> str:
    title = ("Args", "Arguments", "Parameters", "Params")[n % 4]
    step = 2 if n % 8 == 3 else 4
    lines = [f"{title}:"]
    for i, (name, ((_, kind), saying)) in enumerate(given.items()):
        if n % 9 == 6 and i == 2:
            lines += ["", "Keyword Args:"]
        shown = f"{name} ({kind}, optional)" if (n + i) % 3 == 0 else f"{name} ({kind})" if (n + i) % 3 == 1 else name
        first, _, rest = saying.partition("\n")
        if (n + i) % 4 == 2:
            lines += [_below(f"{shown}:", step), _below(saying, 2 * step)]
        else:
            lines += [_below(f"{shown}: {first}", step), *([_below(rest, 2 * step)] if rest else [])]
    if n % 3 == 0:
        lines += ["", "Returns:", "    dict: what became of it: all of it.", "", "Raises:", "    ValueError: never."]
    return "\n".join(lines)


def _numpy(given: Mapping[str, Any], n: int) -> str:
    lines = ["Parameters", "----------"]
    items = list(given.items())
    for i, (name, ((_, kind), saying)) in enumerate(items):
        if n % 9 == 7 and i == 2:
            lines += ["", "Other Parameters", "----------------"]
        shown = f"{name} : {kind}, optional" if (n + i) % 3 == 0 else f"{name} : {kind}" if (n + i) % 3 == 1 else name
        lines += [shown, _below(saying, 4), *([""] if n % 4 == 1 else [])]
    if n % 2:
        lines += ["", "Returns", "-------", "dict", "    what became of it", "", "Notes", "-----", "None."]
    return "\n".join(lines)


def _rest(given: Mapping[str, Any], n: int) -> str:
    lines = []
    for i, (name, ((_, kind), saying)) in enumerate(given.items()):
        word = ("param", "parameter", "arg", "key")[(n + i) % 4]
        typed = f"{kind} " if (n + i) % 5 == 1 and " " not in kind else ""
        first, _, rest = saying.partition("\n")
        lines += [f":{word} {typed}{name}: {first}", *([_below(rest, 4)] if rest else [])]
        lines += [f":type {name}: {kind}"] if (n + i) % 5 == 2 else []
    if n % 2:
        lines += [":returns: what became of it: all of it", ":rtype: dict", ":raises ValueError: never"]
    return "\n".join(lines)
