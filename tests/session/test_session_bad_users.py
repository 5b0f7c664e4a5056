"""Bad user input: the error says what to do."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import create_server
from typing import Any

import pytest

from agentkit import Agent, MemoryJournal, Model, ScriptedModel, Session, SQLiteJournal, tool
from agentkit.errors import (
    AuthenticationFailed,
    BadRequest,
    BalanceExhausted,
    ConfigurationError,
    ForeignJournal,
    JournalError,
    Unreachable,
)
from agentkit.events import ModelFailed
from agentkit.messages import AssistantMessage, ToolCall
from tests.session.desk import Till, facts_of, look, refund, session_of, told

pytestmark = pytest.mark.anyio


def test_an_unknown_model_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="deepseek") as raised:
        Agent("deepsek-flash")
    assert "base_url" in str(raised.value)


async def test_a_missing_key_names_the_variable_and_the_turn_can_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEEPSEEK_API_KEY", raising=False)
    journal = MemoryJournal()
    async with Session(Agent("deepseek-flash"), "s", journal=journal) as session:
        with pytest.raises(ConfigurationError, match="DEEPSEEK_API_KEY"):
            await session.run("hi", id="m1")
        assert (await facts_of(session, ModelFailed))[0].kind == "configuration"
    async with Session(Agent(ScriptedModel("hello")), "s", journal=journal) as session:
        assert (await session.run("hi", id="m1")).output == "hello"


async def test_an_unreachable_address_is_named() -> None:
    with create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    model = Model("m", base_url=f"http://127.0.0.1:{port}/v1")
    with pytest.raises(Unreachable, match=f"127.0.0.1:{port}.*Check that the server runs"):
        await Agent(model).run("hi")


async def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("dear diary, " * 500)
    with pytest.raises(ForeignJournal, match=r"notes\.txt"):
        async with Session(Agent(ScriptedModel("hi")), "s", journal=SQLiteJournal(path)) as session:
            await session.run("hi")
    assert path.read_text().startswith("dear diary")


async def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as db:
        db.execute("create table event (id integer)")
    db.close()
    with pytest.raises(ForeignJournal, match=r"other\.db"):
        async with Session(Agent(ScriptedModel("hi")), "s", journal=SQLiteJournal(path)) as session:
            await session.run("hi")


async def test_a_path_that_cannot_be_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="nowhere"):
        async with Session(Agent(ScriptedModel("hi")), "s", journal=SQLiteJournal(tmp_path / "nowhere" / "x.db")):
            pass


async def test_a_session_that_was_not_entered_says_how(tmp_path: Path) -> None:
    session = Session(Agent(ScriptedModel("hi")), "s", journal=SQLiteJournal(tmp_path / "x.db"))
    with pytest.raises(JournalError, match="async with"):
        await session.run("hi")


def test_two_tools_of_one_name_are_named() -> None:
    with pytest.raises(ConfigurationError, match="two tools are named 'refund'"):
        Agent(ScriptedModel(), tools=[refund(), refund()], deps_type=Till)


def test_a_parameter_without_annotation_is_named() -> None:
    with pytest.raises(ConfigurationError, match="order"):

        @tool(effect="read")
        async def find(order) -> str:  # type: ignore[no-untyped-def]  # noqa: ANN001 - that is the point
            return str(order)


def test_the_decorator_without_parentheses_shows_how() -> None:
    with pytest.raises(TypeError, match=r'@tool\(effect="read"\)'):

        @tool  # type: ignore[call-overload]  # that is the point
        async def find(order: str) -> str:
            return order


def test_a_plain_function_as_tool_shows_how() -> None:
    async def find(order: str) -> str:
        return order

    with pytest.raises(ConfigurationError, match=r'find is not a tool. Write `@tool\(effect="read"\)`'):
        Agent(ScriptedModel(), tools=[find])  # type: ignore[list-item]  # that is the point


def test_a_session_without_an_id_says_so() -> None:
    with pytest.raises(ConfigurationError, match="needs an id"):
        Session(Agent(ScriptedModel()), "", journal=MemoryJournal())


def test_an_unknown_setting_lists_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"no temprature; there are .*temperature"):
        Agent(ScriptedModel(), settings={"temprature": 1})  # type: ignore[typeddict-unknown-key]


async def test_a_message_that_is_neither_text_nor_parts_says_so() -> None:
    async with Session(Agent(ScriptedModel()), "s", journal=MemoryJournal()) as session:
        with pytest.raises(TypeError, match="Text, Image, File"):
            await session.run([{"type": "text", "text": "hi"}])  # type: ignore[list-item]


# --- Agent.run -------------------------------------------------------------------------------------------------------


async def test_agent_run_refuses_tools_that_may_wait_before_the_first_request() -> None:
    model = ScriptedModel("hi")
    with pytest.raises(ConfigurationError, match=r"refund may need approval.*Session"):
        await Agent(model, tools=[look, refund(needs_approval=True)], deps_type=Till).run("hi", deps=Till())
    assert not model.requests


async def broken_line(_: Till, __: str) -> None:
    raise ConnectionError


async def test_agent_run_gives_an_unknown_outcome_up_at_once() -> None:
    till, pay = Till(trouble=broken_line), ToolCall("a", "refund", '{"order": "7"}')
    with ScriptedModel(AssistantMessage(None, calls=(pay,)), "sorry") as model:
        result = await Agent(model, tools=[refund()], deps_type=Till).run("hi", deps=till)
    assert result.output == "sorry"
    assert "Do not repeat it" in told(model.requests[-1])[0]


async def test_agent_run_does_not_wait_for_a_twin_that_nobody_can_approve() -> None:
    till, pay = Till(trouble=broken_line), AssistantMessage(None, calls=(ToolCall("a", "refund", '{"order": "7"}'),))
    with ScriptedModel(pay, pay, "sorry") as model:
        result = await Agent(model, tools=[refund()], deps_type=Till).run("hi", deps=till)
    assert result.output == "sorry"
    assert till.done == ["7"]


# --- the service refuses ---------------------------------------------------------------------------------------------


class Refusing(BaseHTTPRequestHandler):
    """Answers each request with the status that the script holds next; 200: a whole answer."""

    statuses: list[int]
    asked: list[dict[str, Any]]

    def do_POST(self) -> None:
        self.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        status = self.statuses[min(len(self.asked), len(self.statuses)) - 1]
        said: dict[str, Any] = {"error": {"message": f"refused with {status}"}}
        if status == 200:
            said = {"choices": [{"message": {"role": "assistant", "content": "done"}, "finish_reason": "stop"}]}
        data = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def service() -> Iterator[tuple[str, type[Refusing]]]:
    handler = type("Here", (Refusing,), {"statuses": [200], "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1", handler
    server.shutdown()
    thread.join()
    server.server_close()


FINAL = {400: BadRequest, 401: AuthenticationFailed, 402: BalanceExhausted, 404: BadRequest, 422: BadRequest}


@pytest.mark.parametrize("status", FINAL)
async def test_what_cannot_be_healed_is_asked_once_and_raised_typed(status: int, service: Any) -> None:
    url, handler = service
    handler.statuses = [status, 200]
    async with session_of(Model("m", base_url=url, contract="generic"), MemoryJournal()) as session:
        with pytest.raises(FINAL[status], match=f"refused with {status}") as raised:
            await session.run("poison", id="m1")
        assert raised.value.status == status
        assert len(handler.asked) == 1
        assert (await session.run("hi", id="m2")).output == "done"
        assert told(handler.asked[-1], "user") == ["hi"], "the poison is off the wire"


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_what_may_heal_is_asked_again_inside_one_attempt(status: int, service: Any) -> None:
    url, handler = service
    handler.statuses = [status, 200]
    async with session_of(Model("m", base_url=url, contract="generic"), MemoryJournal()) as session:
        assert (await session.run("hi")).output == "done"
        assert not await facts_of(session, ModelFailed)
    assert len(handler.asked) == 2
