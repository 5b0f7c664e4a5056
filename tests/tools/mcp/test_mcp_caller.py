"""What a tool asks the MCP client it serves, in both families of the protocol: its model, its person; and its log."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from mcp import Client, MCPError, types
from mcp.server import ServerRequestContext

from agentkit import Agent, ScriptedModel, Tool, ToolContext, ToolError, tool
from agentkit.messages import AssistantMessage, ToolCall
from agentkit.tools.mcp import caller
from agentkit.tools.mcp.levels import Levels
from agentkit.tools.mcp.running import Running
from agentkit.tools.mcp.serve import Offer
from tests.tools.mcp.shop import until

pytestmark = pytest.mark.anyio
ERAS = pytest.mark.parametrize("mode", ["legacy", "auto"], ids=["2025-11-25", "2026-07-28"])
FORM = {"type": "object", "properties": {"n": {"type": "integer"}}}
runs: list[str] = []


@pytest.fixture(autouse=True)
def _no_runs() -> None:
    runs.clear()


@tool(effect="read")
async def summarise(text: str) -> str:
    """Say what a text is about."""
    runs.append("summarise")
    return f"It says: {await caller().sample(text, system='Be short.', max_tokens=9)}"


@tool(effect="once")
async def pay() -> str:
    """Pay, and have the client's model write the receipt."""
    runs.append("paid")
    return await caller().sample("Write a receipt.")


@tool(effect="read")
async def both() -> str:
    """Ask two things at once, and then a third."""
    runs.append("both")
    answers: list[Any] = []

    async def one(message: str) -> None:
        answers.append(await caller().ask(message, FORM))

    async with anyio.create_task_group() as group:
        group.start_soon(one, "first")
        group.start_soon(one, "second")
    await one("third")
    return str(answers)


@tool(effect="read")
def in_thread() -> str:
    """Ask from a thread."""
    return anyio.from_thread.run(caller().sample, "Hello?")


@tool(effect="read")
async def leave() -> str:
    """Try to end the process."""
    raise SystemExit(3)


@tool(effect="read")
async def tell(context: ToolContext) -> str:
    """Tell what it does."""
    for text in ("begun", "half", "over"):
        await context.progress(text)
    return "done"


@asynccontextmanager
async def served(*tools: Tool[Any, ..., Any], patience: float = 600, **more: Any) -> AsyncIterator[Client]:
    async with Client(Offer(tools, unasked=True, patience=patience).server, **more) as client:
        yield client


def said(result: types.CallToolResult) -> str:
    (block,) = result.content
    assert isinstance(block, types.TextContent)
    return block.text


class Thinks:
    """A client's model."""

    def __init__(self, answer: Any = None) -> None:
        self.asked: list[types.CreateMessageRequestParams] = []
        self._answer = answer or types.TextContent(text="forty-two")

    async def __call__(self, context: Any, params: types.CreateMessageRequestParams) -> types.CreateMessageResult:  # noqa: ARG002 - the SDK's
        self.asked.append(params)
        if isinstance(self._answer, Exception):
            raise self._answer
        return types.CreateMessageResult(role="assistant", content=self._answer, model="m")


@ERAS
async def test_a_tool_asks_the_clients_model_and_runs_once(mode: str) -> None:
    thinks = Thinks()
    async with served(summarise, in_thread, mode=mode, sampling_callback=thinks) as client:
        assert said(await client.call_tool("summarise", {"text": "long"})) == "It says: forty-two"
        assert said(await client.call_tool("in_thread", {})) == "forty-two"
    asked = thinks.asked[0]
    assert (asked.system_prompt, asked.max_tokens, len(asked.messages)) == ("Be short.", 9, 1)
    assert runs == ["summarise"]


NO_TEXT = types.ImageContent(data="AAAA", mime_type="image/png")


@pytest.mark.parametrize(
    ("mode", "answer", "told"),
    [
        ("legacy", None, "this client offers no model"),
        ("auto", None, "this client offers no model"),
        ("legacy", NO_TEXT, "answered with no text"),
        ("auto", NO_TEXT, "answered with no text"),
        ("legacy", MCPError(types.INVALID_REQUEST, "the person said no"), "gave no answer: the person said no"),
    ],
)
async def test_a_client_that_does_not_answer_is_told_so_and_a_once_call_is_unknown(
    mode: str, answer: Any, told: str
) -> None:
    more: dict[str, Any] = {} if answer is None else {"sampling_callback": Thinks(answer)}
    async with served(summarise, pay, mode=mode, **more) as client:
        failed = await client.call_tool("summarise", {"text": "x"})
        unknown = await client.call_tool("pay", {})
    assert failed.is_error
    assert told in said(failed)
    assert unknown.is_error
    assert "not known what pay did" in said(unknown)
    assert runs == ["summarise", "paid"]


FORTY_TWO = types.CreateMessageResult(role="assistant", content=types.TextContent(text="42"), model="m")


async def test_a_call_that_waits_goes_on_only_for_the_one_who_has_its_state_and_only_once() -> None:
    async with served(pay, tell, sampling_callback=Thinks()) as client:
        asks = await client.session.call_tool("pay", {}, allow_input_required=True)
        assert isinstance(asks, types.InputRequiredResult)
        (key,) = asks.input_requests or {}

        async def again(name: str, state: str | None, answers: dict[str, Any]) -> Any:
            with anyio.fail_after(5):
                return await client.session.call_tool(
                    name, {}, request_state=state, input_responses=answers, allow_input_required=True
                )

        for name, state in (("pay", "guessed"), ("tell", asks.request_state)):
            foreign = await again(name, state, {key: FORTY_TWO})
            assert "no longer waits for this answer" in said(foreign)
        empty = await again("pay", asks.request_state, {})
        assert isinstance(empty, types.InputRequiredResult)  # it is asked again
        assert (empty.input_requests or {}).keys() == {key}
        assert said(await again("pay", empty.request_state, {key: FORTY_TWO})) == "42"
        late = await again("pay", empty.request_state, {key: FORTY_TWO})
        assert "It may have happened: do not repeat it" in said(late)
    assert runs == ["paid"]


async def test_an_answer_of_another_kind_is_no_answer() -> None:
    async with served(summarise, sampling_callback=Thinks()) as client:
        asks: Any = await client.session.call_tool("summarise", {"text": "x"}, allow_input_required=True)
        (key,) = asks.input_requests
        wrong: Any = {key: types.ElicitResult(action="decline")}
        told = await client.session.call_tool(
            "summarise", {"text": "x"}, request_state=asks.request_state, input_responses=wrong
        )
        assert "answered something else (ElicitResult)" in said(told)


async def test_a_client_that_does_not_come_back_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    async with served(pay, patience=0.2, sampling_callback=Thinks()) as client:
        asks: Any = await client.session.call_tool("pay", {}, allow_input_required=True)
        await until(lambda: "pay was given up" in caplog.text)
        late = await client.session.call_tool(
            "pay", {}, request_state=asks.request_state, input_responses={"1": FORTY_TWO}
        )
        assert "not known what pay did" in said(late)


async def test_a_silent_client_of_an_older_protocol_is_given_up() -> None:
    class Silent(Thinks):
        async def __call__(self, context: Any, params: Any) -> types.CreateMessageResult:  # noqa: ARG002 - the SDK's
            await anyio.sleep_forever()
            raise AssertionError

    async with served(summarise, patience=0.2, mode="legacy", sampling_callback=Silent()) as client:
        with anyio.fail_after(10):
            told = await client.call_tool("summarise", {"text": "x"})
        assert "gave no answer" in said(told)


async def test_many_calls_that_wait_do_not_block_the_others() -> None:
    async with served(pay, tell, sampling_callback=Thinks()) as client:
        with anyio.fail_after(10):
            for _ in range(17):
                await client.session.call_tool("pay", {}, allow_input_required=True)
            assert said(await client.call_tool("tell", {})) == "done"


@ERAS
async def test_several_questions_are_asked_and_each_gets_its_answer(mode: str) -> None:
    async def answers(context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:  # noqa: ARG001 - the SDK's
        if params.message == "second":
            return types.ElicitResult(action="decline")
        return types.ElicitResult(action="accept", content={"n": len(params.message)})

    async with served(both, mode=mode, elicitation_callback=answers) as client:
        told = said(await client.call_tool("both", {}))
    assert runs == ["both"]
    assert told.endswith(", {'n': 5}]")
    assert sorted(told.strip("[]").split(", ")) == ["None", "{'n': 5}", "{'n': 5}"]


@ERAS
async def test_an_agent_inside_a_tool_asks_through_it(mode: str) -> None:
    model = ScriptedModel(AssistantMessage(calls=(ToolCall("c1", "summarise", '{"text": "x"}'),)), "done")
    agent = Agent(model, tools=[summarise])

    @tool(effect="read")
    async def desk(question: str) -> str:
        """Answer a question."""
        return (await agent.run(question)).output

    async with served(desk, mode=mode, sampling_callback=Thinks()) as client:
        assert said(await client.call_tool("desk", {"question": "?"})) == "done"
    assert "It says: forty-two" in str(model.requests[1])


async def test_only_a_tool_that_an_mcp_client_called_has_a_caller() -> None:
    with pytest.raises(ToolError, match="only for an MCP client"):
        caller()
    with pytest.raises(ToolError, match="only for an MCP client"):
        await summarise("x")


@ERAS
async def test_a_tool_that_would_end_the_process_has_failed(mode: str) -> None:
    async with served(leave, tell, mode=mode) as client:
        assert (await client.call_tool("leave", {})).is_error
        assert said(await client.call_tool("tell", {})) == "done"


class Hears:
    """A client's window for a server's log."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str | None, Any]] = []

    async def __call__(self, params: types.LoggingMessageNotificationParams) -> None:
        self.lines.append((params.level, params.logger, params.data))


LINES = [("info", "tell", "begun"), ("info", "tell", "half"), ("info", "tell", "over")]


async def test_progress_is_in_the_log_of_a_client_that_set_a_level() -> None:
    hears = Hears()
    async with served(tell, mode="legacy", logging_callback=hears) as client:
        set_level: Any = client.session.send_request
        level: Any
        for level, lines in ((None, []), ("warning", []), ("debug", LINES), ("info", LINES * 2), ("error", LINES * 2)):
            if level:
                params = types.SetLevelRequestParams(level=level)
                await set_level(types.SetLevelRequest(params=params), types.EmptyResult)
            await client.call_tool("tell", {})
            await anyio.wait_all_tasks_blocked()
            assert hears.lines == lines, level


async def test_progress_is_in_the_log_of_a_call_that_asks_for_it() -> None:
    hears = Hears()
    async with served(tell, logging_callback=hears) as client:
        for level, lines in ((None, []), ("warning", []), ("info", LINES)):
            meta: Any = {types.LOG_LEVEL_META_KEY: level} if level else None
            await client.call_tool("tell", {}, meta=meta)
            await anyio.wait_all_tasks_blocked()
            assert hears.lines == lines, level


@ERAS
async def test_a_cancelled_call_reaches_the_tool_and_the_server_goes_on(mode: str) -> None:
    begun, stopped = anyio.Event(), anyio.Event()

    @tool(effect="read")
    async def sleep() -> str:
        """Sleep."""
        begun.set()
        try:
            await anyio.sleep(30)
        finally:
            stopped.set()
        return "awake"

    async with served(sleep, tell, mode=mode) as client:
        async with anyio.create_task_group() as group:
            group.start_soon(client.call_tool, "sleep", {})
            await begun.wait()
            group.cancel_scope.cancel()
        with anyio.fail_after(5):
            await stopped.wait()
        assert said(await client.call_tool("tell", {})) == "done"


async def test_a_server_that_ends_stops_its_tools() -> None:
    stopped = anyio.Event()

    @tool(effect="read")
    async def sleep() -> str:
        """Ask, and wait for ever."""
        try:
            return await caller().sample("?")
        finally:
            stopped.set()

    with anyio.fail_after(5):
        async with served(sleep, sampling_callback=Thinks()) as client:
            await client.session.call_tool("sleep", {}, allow_input_required=True)
    assert stopped.is_set()


async def test_what_goes_wrong_in_the_server_is_told_to_who_asked() -> None:
    async def fails(_: Running) -> types.CallToolResult:
        raise ValueError("no such content")

    running = Running("x", "read", 1)
    await running.go(fails)
    with pytest.raises(ValueError, match="no such content"):
        await running.leg(Any, {}, log=False)  # type: ignore[arg-type]  # nothing is told to it


async def test_only_so_many_clients_levels_are_kept() -> None:
    levels = Levels(most=2)

    def of(client: str) -> Any:
        request = SimpleNamespace(headers={"mcp-session-id": client})
        return ServerRequestContext(session=None, lifespan_context={}, protocol_version="", method="", request=request)  # type: ignore[arg-type]

    for client in "abac":
        await levels.set(of(client), types.SetLevelRequestParams(level="info"))
    assert [levels.info(of(client)) for client in "abc"] == [True, False, True]
