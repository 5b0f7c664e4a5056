"""Reads the syntax trees and enforces the design: who imports whom, what the core may not do, how big things may get.

A rule takes a source and yields what is wrong with it, as (line, text). `architecture_red.md` beside this file holds
sources that break each rule and must be found wrong, so that a rule which has stopped looking goes red too.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.arrows import ARROWS, HOMES, TYPING_ARROWS

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("agentkit", "benchmarks", "examples", "tests", "tools")

Finding: TypeAlias = tuple[int, str]
Function = ast.FunctionDef | ast.AsyncFunctionDef

CORE_MAY_IMPORT = frozenset(
    {"agentkit.core", "agentkit.errors", "pydantic", "typing_extensions"}
    | {
        "collections",
        "dataclasses",
        "datetime",
        "decimal",
        "enum",
        "functools",
        "hashlib",
        "json",
        "operator",
        "re",
        "typing",
    }
)
CORE_MAY_NOT_CALL = frozenset({"open", "print", "input", "now", "utcnow", "today"})
PUBLIC_FACES = (
    "agentkit",
    "agentkit.emulator",
    "agentkit.errors",
    "agentkit.events",
    "agentkit.journal",
    "agentkit.messages",
    "agentkit.tools",
)
REFUSED = re.compile(r"(^|_)(utils?|helpers?|common|managers?|handlers?|processors?)(_|$)")

MAX_FILE, MAX_FUNCTION, MAX_PARAMETERS, MAX_COMPLEXITY, MAX_AGENT_FIELDS = 400, 40, 6, 8, 10

WAIVERS = {  # rule and path, and the reason
    "lazy_imports agentkit/cli/named.py": "--agent names a module",
    "lazy_imports agentkit/cli/asking.py": "not every system has readline",
    "lazy_imports agentkit/cli/parser.py": "--help loads argparse and nothing else, says the folder's law",
    "lazy_imports agentkit/cli/running.py": "a command's module is loaded when it is used, says the folder's law",
    "lazy_imports agentkit/tools/worker.py": "a process imports the module whose function it is to run",
    "pure_core agentkit/core/values.py": "a class's methods are compiled in its own module, which `sys` knows",
    "lazy_imports agentkit/agent.py": "an agent is made without what drives it, a quarter of all modules",
    "lazy_imports agentkit/tools/attempts.py": "tenacity takes 10 ms to load, and most tools try once",
    "lazy_imports agentkit/tools/judged.py": "jsonschema takes 0.1 s to load, and an agent is made without it",
    "lazy_imports agentkit/tools/plain.py": "regex takes 20 ms to load, and few schemas hold a pattern",
    "lazy_imports agentkit/tools/mend.py": "json-repair is an extra, imported where a tool asks for it",
    "parameters agentkit/tools/decorator.py": "what a tool declares are keywords of one decorator, none by position",
    "lazy_imports agentkit/session.py": "structlog takes 0.1 s to load, and most programs log nothing of sessions",
    "lazy_imports agentkit/models/sdk.py": "the SDK's HTTP library has another name in each major version of it",
    "lazy_imports agentkit/models/endpoint.py": "aiohttp is an extra, used by itself where it is installed",
}


@dataclass(frozen=True)
class Import:
    """One imported module or name; `module` is as precise as the tree tells."""

    line: int
    module: str
    name: str
    typing: bool
    hidden: bool

    @property
    def target(self) -> str:
        """The module as ARROWS names it."""
        return self.module.removeprefix("agentkit").removeprefix(".") or "__init__"


@dataclass(frozen=True)
class Source:
    """A file: its path from the root, and its text."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def module(self) -> str:
        inside = self.path.removeprefix("tools/")  # installed as `agentkit_tools`, beside agentkit
        return inside.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def unit(self) -> str:
        """What ARROWS speaks of: a folder or a module right under agentkit."""
        return "".join(self.module.split(".")[1:2]) or "__init__"

    @cached_property
    def imports(self) -> list[Import]:
        return list(_imports(self.tree.body, typing=False, hidden=False))

    def within(self, *places: str) -> bool:
        return any(self.path == place or (place.endswith("/") and self.path.startswith(place)) for place in places)


def _statements(node: ast.AST) -> list[ast.AST]:
    """Return what stands right under a node and can hold statements: an expression, and a lambda, cannot."""
    return [each for each in ast.iter_child_nodes(node) if not isinstance(each, ast.expr)]


def _imports(body: Sequence[ast.AST], *, typing: bool, hidden: bool) -> Iterator[Import]:
    for node in body:
        if isinstance(node, ast.Import):
            yield from (Import(node.lineno, alias.name, "", typing, hidden) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = "." * node.level + (node.module or "")
            yield from (_resolved(node.lineno, source, alias.name, typing, hidden) for alias in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from _imports(node.body, typing=True, hidden=hidden)
            yield from _imports(node.orelse, typing=typing, hidden=hidden)
        else:
            yield from _imports(_statements(node), typing=typing, hidden=hidden or isinstance(node, Function))


def _resolved(line: int, source: str, name: str, typing: bool, hidden: bool) -> Import:  # noqa: FBT001 - two flags of one value
    submodule = f"{source}.{name}"
    if source.split(".", maxsplit=1)[0] in {*ROOMS, "agentkit_tools"} and _exists(submodule):
        return Import(line, submodule, "", typing, hidden)
    return Import(line, source, name, typing, hidden)


@cache
def _exists(module: str) -> bool:
    paths = (ROOT.joinpath(*module.split(".")), ROOT.joinpath("tools", *module.split(".")))
    return any(path.with_suffix(".py").exists() or (path / "__init__.py").exists() for path in paths)


def _functions(tree: ast.AST, owner: str = "") -> Iterator[tuple[str, Function]]:
    for node in _statements(tree):
        name = f"{owner}{node.name}" if isinstance(node, Function | ast.ClassDef) else owner
        if isinstance(node, Function):
            yield name, node
        yield from _functions(node, f"{name}." if isinstance(node, Function | ast.ClassDef) else owner)


def arrows(source: Source) -> Iterator[Finding]:
    for each in source.imports:
        if not source.within("agentkit/") or each.module.split(".")[0] != "agentkit":
            continue
        told = ARROWS.get(source.unit, "") + (" " + TYPING_ARROWS.get(source.unit, "") if each.typing else "")
        if not any(_under(each.target, place) for place in (*told.split(), source.unit)):
            yield each.line, f"{source.unit} must not import {each.target}"


def _under(target: str, place: str) -> bool:
    return place in {"*", target} or target.startswith(f"{place}.")


def no_relative_imports(source: Source) -> Iterator[Finding]:
    yield from ((each.line, "say the whole path") for each in source.imports if each.module.startswith("."))


def one_home(source: Source) -> Iterator[Finding]:
    if not source.within("agentkit/", "tools/"):
        return
    for each in source.imports:
        package = each.module.split(".")[0]
        if package in {*sys.stdlib_module_names, "agentkit", "agentkit_tools"} or each.module.startswith("."):
            continue
        if package not in HOMES:
            yield each.line, f"{package} has no home in HOMES"
        elif HOMES[package] != "*" and not source.within(*HOMES[package].split()):
            yield each.line, f"{package} lives in {HOMES[package]}"


def pure_core(source: Source) -> Iterator[Finding]:
    if not source.within("agentkit/core/"):
        return
    for each in source.imports:
        if not any(_under(each.module, allowed) for allowed in CORE_MAY_IMPORT):
            yield each.line, f"the core must not import {each.module}"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith | ast.Await):
            yield node.lineno, "the core does not wait"
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in CORE_MAY_NOT_CALL:
            yield node.lineno, f"the core must not call {ast.unparse(node.func)}"


def no_asyncio(source: Source) -> Iterator[Finding]:
    if not source.within("tests/"):
        yield from ((i.line, "anyio, not asyncio") for i in source.imports if _under(i.module, "asyncio"))


def imports_at_the_top(source: Source) -> Iterator[Finding]:
    yield from (
        (each.line, f"the import of {each.module} is hidden in a function") for each in source.imports if each.hidden
    )


def lazy_imports(source: Source) -> Iterator[Finding]:
    if source.path.endswith("/__init__.py") or source.within("tests/"):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in {"import_module", "__import__"}:
            yield node.lineno, "only the lazy table of an __init__ imports by name"


def no_side_effects(source: Source) -> Iterator[Finding]:
    if source.within("tests/") or source.path.endswith("/__main__.py"):
        return
    for node in source.tree.body:
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        started = isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)
        refused = ast.Expr | ast.For | ast.While | ast.With | ast.Delete | ast.Assert | ast.Raise
        if isinstance(node, refused) and not docstring and not started:
            yield node.lineno, "importing this module does something"


def public_names(source: Source) -> Iterator[Finding]:
    if not source.within("benchmarks/", "examples/", "tools/"):
        return
    for each in source.imports:
        if not _under(each.module, "agentkit"):
            continue
        if each.module not in PUBLIC_FACES or each.name.startswith("_"):
            yield each.line, f"{each.module}.{each.name} is no public name"
        elif each.module == "agentkit" and each.name not in _all_names():
            yield each.line, f"{each.name or 'a bare import'} is not in agentkit.__all__"


def _all_names() -> frozenset[str]:
    tree = ast.parse((ROOT / "agentkit/__init__.py").read_text("utf-8"))
    lists = (
        node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    return frozenset(ast.literal_eval(next(lists)))


def file_size(source: Source) -> Iterator[Finding]:
    lines = source.text.count("\n")
    if lines > MAX_FILE:
        yield lines, f"{lines} lines, at most {MAX_FILE}"


def function_size(source: Source) -> Iterator[Finding]:
    for name, node in _functions(source.tree):
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines > MAX_FUNCTION:
            yield node.lineno, f"{name} has {lines} lines, at most {MAX_FUNCTION}"


def parameters(source: Source) -> Iterator[Finding]:
    """A tool's parameters are the model's arguments, so how many there are is not up to the code."""
    for name, node in () if source.within("tests/") else _functions(source.tree):
        decorators = " ".join(ast.unparse(each) for each in node.decorator_list)
        if re.search(r"\btool\(|\.reconcile\b", decorators):
            continue
        names = [each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        taken = len([each for each in names if each not in {"self", "cls"}])
        if taken > MAX_PARAMETERS:
            yield node.lineno, f"{name} takes {taken} parameters, at most {MAX_PARAMETERS}"


def agent_fields(source: Source) -> Iterator[Finding]:
    for node in source.tree.body:
        if source.path == "agentkit/agent.py" and isinstance(node, ast.ClassDef) and node.name == "Agent":
            fields = [each for each in node.body if isinstance(each, ast.AnnAssign) and ast.unparse(each.target) != "_"]
            if len(fields) > MAX_AGENT_FIELDS:
                yield node.lineno, f"Agent has {len(fields)} fields, at most {MAX_AGENT_FIELDS}"


def no_complexity_waived(source: Source) -> Iterator[Finding]:
    """Only ruff measures complexity; the other budgets are measured here, whatever ruff is told."""
    for number, line in enumerate(source.text.splitlines(), 1):
        if re.search(r"#\s*(ruff: )?noqa:.*\b(C901|PLR0912|PLR0915)\b", line):
            yield number, "complexity is not waived"


def refused_names(source: Source) -> Iterator[Finding]:
    stem = source.module.split(".")[-1]
    if REFUSED.search(stem) or stem.startswith("base_"):
        yield 1, f"{stem} says nothing"
    named = ast.ClassDef if source.within("tests/") else Function | ast.ClassDef
    for node in ast.walk(source.tree):
        if isinstance(node, named):
            snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", node.name).lower()
            if REFUSED.search(snake) or (isinstance(node, ast.ClassDef) and re.match(r"_*(abstract|base)_", snake)):
                yield node.lineno, f"{node.name} says nothing"


def folder_law(source: Source) -> Iterator[Finding]:
    if source.path.endswith("/__init__.py") and not (ast.get_docstring(source.tree) or "").strip():
        yield 1, "a folder opens with a docstring that is its law"


Rule: TypeAlias = Callable[[Source], Iterator[Finding]]

RULES: tuple[Rule, ...] = (
    *(arrows, no_relative_imports, one_home, pure_core, no_asyncio, imports_at_the_top, lazy_imports),
    *(no_side_effects, public_names, file_size, function_size, parameters, agent_fields, no_complexity_waived),
    *(refused_names, folder_law),
)


def cycles(sources: Sequence[Source]) -> str:
    """Return a cycle of imports as they happen when a program runs; an empty text where there is none."""
    graph = {each.module: {i.module for i in each.imports if not i.typing and not i.hidden} for each in sources}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return " -> ".join(reversed(error.args[1]))
    return ""


@cache
def project() -> list[Source]:
    paths = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    return [Source(path.relative_to(ROOT).as_posix(), path.read_text("utf-8")) for path in paths]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_project_keeps_the_rule(rule: Rule) -> None:
    broken = [(source.path, f"{source.path}:{line}: {text}") for source in project() for line, text in rule(source)]
    waived = {path for name, path in map(str.split, WAIVERS) if name == rule.__name__}
    assert "\n".join(shown for path, shown in broken if path not in waived) == ""
    assert waived <= {path for path, _ in broken}, "a waiver that nothing needs"


def test_no_imports_in_a_circle() -> None:
    assert cycles(project()) == ""


def test_every_arrow_and_every_home_is_used() -> None:
    used = {(source.unit, each.target) for source in project() if source.within("agentkit/") for each in source.imports}
    for unit, told in ARROWS.items():
        for place in told.replace("*", "").split():
            assert any(_under(target, place) for by, target in used if by == unit), f"{unit} no longer imports {place}"
    packages = {(each.module.split(".")[0], source.path) for source in project() for each in source.imports}
    for package, told in HOMES.items():
        for place in told.split():
            used_there = any(name == package and (place == "*" or path.startswith(place)) for name, path in packages)
            assert used_there, f"{package} no longer lives in {place}"


def test_complexity_is_measured_by_ruff() -> None:
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["ruff"]["lint"]
    assert lint["select"] == ["ALL"]
    assert lint["mccabe"]["max-complexity"] <= MAX_COMPLEXITY
    ignored = [*lint["ignore"], *(code for codes in lint["per-file-ignores"].values() for code in codes)]
    assert not [code for code in ignored if code.startswith(("C90", "PLR09"))]


def red() -> list[tuple[str, Source]]:
    """Return (rule, source that breaks it) from the file beside this one, and those that are only long."""
    text = (ROOT / "tests/architecture_red.md").read_text("utf-8")
    samples = re.findall(r"^## (\w+) `([^`]+)`\n```python\n(.*?)```", text, re.MULTILINE | re.DOTALL)
    long = [
        ("file_size", "agentkit/long.py", "x = 1\n" * 401),
        ("function_size", "tests/x.py", "def f():\n" + " x\n" * 40),
    ]
    return [(rule, Source(path, code)) for rule, path, code in [*samples, *long]]


@pytest.mark.parametrize(("name", "source"), red(), ids=lambda value: getattr(value, "path", value))
def test_a_broken_rule_is_seen(name: str, source: Source) -> None:
    if name == "cycles":
        assert cycles([source]) == "agentkit.x -> agentkit.x"
    else:
        assert list(next(rule for rule in RULES if rule.__name__ == name)(source)) != []


def test_every_rule_has_a_sample_that_breaks_it() -> None:
    assert {rule.__name__ for rule in RULES} | {"cycles"} == {name for name, _ in red()}
