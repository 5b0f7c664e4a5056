"""The public surface: the names, and how they are called. `API` is a copy of API.pyi, compared with it where it is."""

import ast
import dataclasses
import inspect
import typing
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import agentkit

ROOT = Path(__file__).resolve().parent.parent
API_PYI = ROOT.parent / "shared" / "API.pyi"

NAMES = [
    *("Agent", "AgentkitError", "Approval", "Delta", "Journal", "Limits", "MemoryJournal", "Model", "ModelSettings"),
    *("Outcome", "Question", "Record", "Result", "SQLiteJournal", "ScriptedModel", "Session", "Stream", "Tool"),
    *("ToolContext", "ToolError", "UnknownOutcome", "Usage", "replay", "tool"),
]

BEYOND = [  # names that API.pyi does not have
    "Approvals",  # what an agent says about people who do not decide
    "Contract",  # who writes a row in code needs its type
    "Upgrades",  # what an agent says about paused work of an earlier one
]

CALLABLES = {  # "*": what follows is given by name
    "Agent.run": "async message * deps",
    "Journal.__aenter__": "async",
    "Journal.__aexit__": "async t e tb",
    "Journal.pending": "",
    "Journal.sessions": "* status",
    "MemoryJournal.__init__": "",
    "Model.__init__": "name * base_url api_key contract headers timeout",
    "Outcome.happened": "result",
    "Outcome.not_happened": "",
    "Outcome.unknown": "",
    "SQLiteJournal.__init__": "path",
    "ScriptedModel.__init__": "*",
    "Session.__aenter__": "async",
    "Session.__aexit__": "async t e tb",
    "Session.__init__": "agent id * journal deps",
    "Session.answer": "async question text * by",
    "Session.approve": "async approval * by arguments",
    "Session.cancel": "async * by",
    "Session.deny": "async approval * by reason",
    "Session.events": "* after follow",
    "Session.fork": "async id * before",
    "Session.messages": "async",
    "Session.resolve": "async unknown outcome * by",
    "Session.resume": "async",
    "Session.run": "async message * id now",
    "Session.say": "async message * id now",
    "Session.status": "async",
    "Session.stream": "message * id",
    "Stream.__aenter__": "async",
    "Stream.__aexit__": "async t e tb",
    "Stream.__aiter__": "",
    "Stream.result": "async",
    "Tool.__call__": "* **",
    "Tool.reconcile": "check",
    "ToolContext.progress": "async text",
    "replay": "async journal session_id agent",
    "tool": "* effect needs_approval exclusive no_effect timeout name",
}
MORE = {  # parameters beyond it, each with a default
    "MemoryJournal.__init__": {"redaction"},
    "SQLiteJournal.__init__": {"ttl", "create", "keys", "redaction", "wait"},
    "Session.fork": {"say", "asks"},
    "replay": {"live", "deps"},
    "tool": {
        *("description", "parameters", "returns", "untrusted", "secrets", "retries", "concurrency", "rate"),
        *("result_limit", "process", "nulls", "extras", "repair"),
    },
}

FIELDS = {  # of values and of descriptions, in order
    "Agent": "model name instructions tools deps_type output_type limits settings",
    "Approval": "id session_id tool arguments asked_at expires_at",
    "Delta": "kind text step attempt",
    "Limits": "steps tool_calls tokens seconds cost",
    "ModelSettings": "temperature max_tokens effort parallel_calls extra",
    "Outcome": "kind result",
    "Question": "id session_id text asked_at",
    "Record": "seq at turn step event",
    "Result": "status output text reason approvals questions unknowns usage steps session_id turn",
    "ToolContext": "deps idempotency_key session_id",
    "UnknownOutcome": "id session_id tool arguments idempotency_key started_at why",
    "Usage": "input_tokens cached_tokens output_tokens reasoning_tokens cost",
}


def pyi() -> ast.Module:
    if not API_PYI.exists():
        pytest.skip("../shared/API.pyi is not here: nothing to compare the copy with")
    return ast.parse(API_PYI.read_text("utf-8"))


def test_all_is_the_list_of_public_names() -> None:
    assert sorted(agentkit.__all__) == sorted(NAMES + BEYOND)


def test_the_copy_of_the_names_is_that_of_the_api() -> None:
    lists = [node.value for node in pyi().body if isinstance(node, ast.Assign) and "__all__" in ast.unparse(node)]
    assert sorted(ast.literal_eval(lists[0])) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES + BEYOND)
def test_each_name_is_there_and_listed(name: str) -> None:
    assert getattr(agentkit, name).__name__ == name
    assert name in dir(agentkit)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Driver'"):
        _ = agentkit.Driver  # type: ignore[attr-defined]  # that is what is tested


@pytest.mark.parametrize(
    ("face", "name"), [("errors", "NotCompleted"), ("events", "AnyEvent"), ("messages", "Message")]
)
def test_the_faces_of_errors_events_and_messages(face: str, name: str) -> None:
    module = import_module(f"agentkit.{face}")
    assert getattr(agentkit, face) is module
    assert hasattr(module, name)
    missing = [each for each in getattr(module, "__all__", ()) if not hasattr(module, each)]
    assert missing == []


def test_the_copy_of_the_signatures_is_that_of_the_api() -> None:
    classes = {node.name: node for node in pyi().body if isinstance(node, ast.ClassDef)}
    told = {name: _told(node) for name, node in _functions(pyi()) if name.split(".")[0] in NAMES}
    assert {name: each for name, each in told.items() if name not in _properties(pyi())} == CALLABLES
    assert {name: " ".join(_fields(classes[name])) for name in FIELDS} == FIELDS


@pytest.mark.parametrize("name", sorted(CALLABLES))
def test_each_is_called_as_the_api_says(name: str) -> None:
    function: Any = agentkit
    for part in name.split("."):
        function = getattr(function, part)
    assert _spoken(function, MORE.get(name, set())) == CALLABLES[name]


@pytest.mark.parametrize("name", FIELDS)
def test_each_value_has_the_fields_of_the_api(name: str) -> None:
    kind, wanted = getattr(agentkit, name), FIELDS[name].split()
    if not dataclasses.is_dataclass(kind):
        assert list(inspect.get_annotations(kind))[: len(wanted)] == wanted  # what came later may be left out, too
        return
    fields = {each.name: each for each in dataclasses.fields(kind)}
    assert [each for each in wanted if each not in fields and not isinstance(vars(kind)[each], property)] == []
    given = [each for each in fields if each in wanted]
    assert name == "Result" or given == [each for each in wanted if each in fields]  # nobody makes a Result by hand
    assert [each for each in fields.values() if each.name not in wanted and _needed(each)] == []


def _needed(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def test_the_attributes_of_sessions_and_tools() -> None:
    @agentkit.tool(effect="idempotent")
    def save() -> None:
        """Save it."""

    agent: agentkit.Agent[None] = agentkit.Agent(agentkit.ScriptedModel())
    assert agentkit.Session(agent, "s-1", journal=agentkit.MemoryJournal()).id == "s-1"
    assert (save.name, save.effect) == ("save", "idempotent")


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield functions and methods; of overloads the last one, which has all the parameters."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            methods = (each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
            yield from ((f"{node.name}.{each.name}", each) for each in methods)


def _properties(tree: ast.Module) -> set[str]:
    return {name for name, node in _functions(tree) if "property" in map(ast.unparse, node.decorator_list)}


def _fields(node: ast.ClassDef) -> list[str]:
    names = []
    for each in node.body:
        if isinstance(each, ast.AnnAssign) and ast.unparse(each.target) != "_":
            names.append(ast.unparse(each.target))
        elif isinstance(each, ast.FunctionDef) and "property" in map(ast.unparse, each.decorator_list):
            names.append(each.name)
    return names


def _told(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    words = ["async"] if isinstance(node, ast.AsyncFunctionDef) else []
    words += [each.arg for each in (*node.args.posonlyargs, *node.args.args) if each.arg != "self"]
    words += ["*"] if node.args.vararg or node.args.kwonlyargs else []
    words += [each.arg for each in node.args.kwonlyargs]
    return " ".join([*words, "**"] if node.args.kwarg else words)


def _spoken(function: Callable[..., Any], more: set[str]) -> str:
    words = ["async"] if inspect.iscoroutinefunction(function) else []
    told = typing.get_overloads(function)[0] if function is agentkit.tool else function  # its options are keywords
    for name, each in inspect.signature(told).parameters.items():
        if name == "self":
            continue
        if name in more:
            assert each.default is not each.empty
            continue
        if each.kind in {each.KEYWORD_ONLY, each.VAR_POSITIONAL} and "*" not in words:
            words.append("*")
        if each.kind is each.VAR_KEYWORD:
            words.append("**")
        elif each.kind is not each.VAR_POSITIONAL:
            words.append(name)
    return " ".join(words)
