"""What docs/ says is true: its programs run, its files are read, its commands parse, and its names are there."""

import argparse
import dataclasses
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import httpx2
import pytest

from agentkit import Agent, Model, tool
from agentkit.cli.commands import COMMANDS
from agentkit.cli.parser import parser
from agentkit.core import contract as fields
from agentkit.core import request
from agentkit.emulator import CONTRACTS, Emulator, Reply, read_script
from agentkit.emulator.command import add_arguments
from agentkit.models import contracts

ROOT = Path(__file__).resolve().parent.parent
DOCS = {path.name: path.read_text("utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
USER = {"role": "user", "content": "Where is order 7?"}
FIND = {"type": "function", "function": {"name": "find_order", "parameters": {"type": "object"}}}


def blocks(name: str, language: str) -> list[str]:
    """Return the blocks of one language in a document."""
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCS[name], re.MULTILINE | re.DOTALL)


def prose(name: str) -> str:
    """Return a document without its blocks."""
    return re.sub(r"^```.*?^```$", "", DOCS[name], flags=re.MULTILINE | re.DOTALL)


def commands() -> Iterator[list[str]]:
    for name in DOCS:
        for block in blocks(name, "bash"):
            yield from (shlex.split(line, comments=True) for line in block.splitlines())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with no key in reach."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.endswith("_API_KEY")]:
        monkeypatch.delenv(name)
    return tmp_path


@tool(effect="read")
async def find_order(order_id: str) -> str:
    """Look up an order."""
    return f"Order {order_id} left."


class Ours:
    """The agent of the example: one that gives the reasoning back."""

    def __init__(self, base_url: str) -> None:
        self._agent = Agent(Model("kimi-k2.6", base_url=base_url, contract="kimi-k2.6"), tools=[find_order])

    async def ask(self, question: str) -> str:
        return (await self._agent.run(question)).output


class Plain:
    """A client of another make, which gives back what `_kept` leaves of an answer."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url

    async def ask(self, question: str) -> None:
        messages: list[dict[str, Any]] = [{"role": "user", "content": question}]
        async with httpx2.AsyncClient(base_url=self._base_url) as http:
            for _ in range(2):
                body = {"model": "kimi-k2.6", "messages": messages, "tools": [FIND]}
                choices = (await http.post("/chat/completions", json=body)).json().get("choices")
                if choices is None:  # refused
                    return
                message = self._kept(choices[0]["message"])
                results = [
                    {"role": "tool", "tool_call_id": c["id"], "content": "x"} for c in message["tool_calls"] or ()
                ]
                messages += [message, *results]

    def _kept(self, message: dict[str, Any]) -> dict[str, Any]:
        return {"role": "assistant", "content": message["content"], "tool_calls": message.get("tool_calls")}


class Changing(Plain):
    """One that gives the reasoning back, but not byte for byte."""

    def _kept(self, message: dict[str, Any]) -> dict[str, Any]:
        return {**super()._kept(message), "reasoning_content": message["reasoning_content"].rstrip(".")}


def example(agent: type) -> Any:
    """Return the test in docs/emulator.md, of an agent."""
    (code,) = blocks("emulator.md", "python")
    names: dict[str, Any] = {"my_agent": agent}
    exec(compile(code, "docs/emulator.md", "exec"), names)  # noqa: S102 - the document's own program
    return names


@pytest.mark.anyio
async def test_the_example_of_the_emulator_passes_an_agent_that_gives_the_reasoning_back() -> None:
    await example(Ours)["test_my_agent_gives_the_reasoning_back"]()


@pytest.mark.anyio
@pytest.mark.parametrize(("agent", "count"), [(Plain, "reasoning_missing"), (Changing, "reasoning_altered")])
async def test_the_example_of_the_emulator_fails_one_that_loses_or_changes_it(agent: type, count: str) -> None:
    with pytest.raises(AssertionError):
        await example(agent)["test_my_agent_gives_the_reasoning_back"]()
    async with Emulator(example(agent)["script"], contract="kimi-k2.6") as server, httpx2.AsyncClient() as http:
        await agent(server.base_url).ask("Where is order 7?")
        (place,) = re.findall(r"`GET (/emulator/\w+)`", DOCS["emulator.md"])
        told = (await http.get(server.base_url.removesuffix("/v1") + place)).json()
    assert {name: told[name] for name in ("reasoning_missing", "reasoning_altered")} == {
        "reasoning_missing": 0,
        "reasoning_altered": 0,
        count: 1,
    }


def test_the_script_as_a_file_is_the_script_of_the_example() -> None:
    (text,) = blocks("emulator.md", "json")
    assert {first: list(turns) for first, turns in read_script(text).items()} == example(Ours)["script"]


def test_the_names_of_the_emulator_are_there() -> None:
    (travel,) = re.findall(r"`Reply\(([^)]*)\)`", DOCS["emulator.md"])
    named = {pair.partition("=")[0] for pair in travel.split(", ")}
    assert named <= {field.name for field in dataclasses.fields(Reply)}
    assert len(named) > 5
    emulator = Emulator(contract=dataclasses.replace(CONTRACTS["generic"], name="mine"), warm=True)
    for name in re.findall(r"`(?:server\.)?(requests|counts|go_cold)(?:\(\))?`", DOCS["emulator.md"]):
        assert getattr(emulator, name) is not None


def test_the_row_of_ones_own_is_read_and_rules_where_it_says(folder: Path) -> None:
    (row,) = blocks("contracts.md", "toml")
    (folder / "our-contracts.toml").write_text(row, "utf-8")
    code, fallback = blocks("contracts.md", "python")
    names: dict[str, Any] = {}
    exec(compile(code, "docs/contracts.md", "exec"), names)  # noqa: S102 - the document's own program
    found = names["model"].resolve()
    assert (found.id, found.repairs) == ("our-vllm", ("dsml",))
    assert found.thinking.off == {"chat_template_kwargs": {"thinking": False}}
    shipped = Model("m", base_url="http://127.0.0.1/v1", contract="vllm").resolve()
    assert (found.carrier, found.retention) == (shipped.carrier, shipped.retention)
    elsewhere = Model("m", base_url="http://gpu-8.internal:8000/v1", contract=folder / "our-contracts.toml")
    assert elsewhere.resolve().id == "generic"
    exec(compile(fallback, "docs/contracts.md", "exec"), names)  # noqa: S102 - the document's own program
    assert [model.name for model in names["agent"].endpoints] == ["deepseek-flash", "kimi-k2.6"]


def test_the_table_of_rows_is_the_table() -> None:
    told = [
        row
        for line in DOCS["contracts.md"].splitlines()
        if line.startswith("| `")
        for row in re.findall(r"`([^`]+)`", line.split("|")[1])
    ]
    assert sorted([*told, "generic"]) == sorted({row.id for row in contracts.rows()})
    assert "`generic`" in prose("contracts.md")


def test_the_retentions_are_those_of_a_row() -> None:
    (line,) = re.findall(r"\*\*Retention\*\*: (.*)\.", DOCS["contracts.md"])
    assert set(re.findall(r"`([^`]+)`", line)) == set(get_args(fields.Retention))


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_each_command_parses(words: list[str]) -> None:
    name, command, *rest = words
    assert name == "agentkit"
    known = parser()
    if command == "emulator":  # it parses its own
        known = argparse.ArgumentParser()
        known.set_defaults(command=command)
        add_arguments(known)
    else:
        rest = [command, *rest]
    assert known.parse_args(rest).command == command


def test_every_option_and_file_it_names_is_there() -> None:
    emulator = argparse.ArgumentParser()
    add_arguments(emulator)
    known = {flag for command in COMMANDS.values() for option in command.options for flag in option.flags}
    for name, text in DOCS.items():
        options = re.findall(r"`[^`\n]*?(--[a-z-]+)[^`\n]*`", prose(name))
        assert [each for each in options if each not in known and each not in emulator.format_help()] == []
        links = re.findall(r"\]\(([\w./-]+)\)", text)
        assert [each for each in links if not (ROOT / "docs" / each).exists()] == []
        files = re.findall(r"`(agentkit/[\w/.]+)`", text)
        assert [each for each in files if not (ROOT / each).exists()] == []
    assert callable(request.project)  # contracts.md says that it is there
