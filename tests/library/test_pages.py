"""docs/tools/ has a page for each module, its program runs, and what it says of tools and defaults is so."""

import re
import sqlite3
from dataclasses import astuple
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from agentkit_tools import ask_person, calculator, clock, email, files, http, knowledge, shell, sql, todo
from tests.pages import Page

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(path.stem for path in (ROOT / "tools/agentkit_tools").glob("*.py") if not path.stem.startswith("_"))
PAGES = {path.stem: Page(f"tools/{path.stem}") for path in sorted((ROOT / "docs/tools").glob("*.md"))}
PLAIN = ("ask_person", "calculator", "email", "knowledge", "todo")
OURS = ("ask_person", "calculator", "email", "files", "http", "knowledge", "shell", "sql", "todo")


def test_each_module_has_a_page_and_says_what_it_reaches() -> None:
    assert set(MODULES) <= set(PAGES)
    for each in MODULES:
        module = import_module(f"agentkit_tools.{each}")
        assert callable(module.tools)
        assert len(str(module.__doc__)) > 100


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_program_of_the_page_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes").mkdir()
    sqlite3.connect("shop.db").close()
    for program in PAGES[name].programs:
        PAGES[name].here(program)


def test_the_tables_name_the_tools_and_their_effects(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "shop.db").close()
    made: dict[str, tuple[Any, ...]] = {
        "files": files.tools(tmp_path, write=True),
        "http": http.tools(["x"], write=["POST", "PUT", "DELETE"]),
        "sql": sql.tools(f"sqlite:///{tmp_path}/shop.db", write=True),
        "clock": clock.tools(),
        "knowledge": knowledge.tools(tmp_path),
    }
    for page, tools in made.items():
        rows = dict(re.findall(r"^\| `(\w+)\([^|]*\| `(\w+)`", PAGES[page].text, re.MULTILINE))
        assert rows == {each.name: each.effect for each in tools}
    alone = {
        "ask_person": ask_person.tools(),
        "calculator": calculator.tools(),
        "email": email.tools(tmp_path),
        "shell": shell.tools(["ls"], tmp_path),
        "todo": todo.tools(),
    }
    for page, (each,) in alone.items():
        schema: Any = each.inputs.schema
        named = ", ".join(schema["properties"])
        assert f"`{each.name}({named})` is `{each.effect}`" in PAGES[page].text
    assert {*made, *alone} == set(MODULES)


def test_the_defaults_are_those_of_the_pages() -> None:
    defaults = {
        "files": (files.Limits().characters, 1000, files.Limits().depth, files.Limits().entries),
        "http": (http.Limits().bytes, int(http.Limits().seconds), http.Limits().redirects),
        "sql": (int(sql.Limits().seconds), sql.Limits().rows, sql.Limits().characters),
        "shell": (int(shell.Limits().seconds), shell.Limits().output),
        **{name: astuple(import_module(f"agentkit_tools.{name}").Limits()) for name in PLAIN},
    }
    for page in OURS:
        (line,) = re.findall(r"`limits=\w+\.Limits\(\.\.\.\)`: (.*?)by default", PAGES[page].text, re.DOTALL)
        assert [each for each in defaults[page] if f"{each:,}" not in line] == [], page
