"""An answer of a type: asked for as the contract row allows, checked, repaired, and typed in `Result.output`."""

import dataclasses
import time
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field, field_validator
from typing_extensions import TypedDict

from agentkit import Agent, Limits, MemoryJournal, ScriptedModel, Session, replay, tool
from agentkit.core.commands import Mend
from agentkit.core.contract import Contract
from agentkit.emulator import Call, Emulator, Reply
from agentkit.errors import ConfigurationError, NotCompleted, OutputInvalid
from agentkit.events import AgentBound, CallRefused, ModelFailed, OutputRefused, TurnEnded
from agentkit.models import Model
from agentkit.proof.rerun import Rerun
from agentkit.tools.output import Output
from tests.session.desk import Played, asks, facts_of, file, told

pytestmark = pytest.mark.anyio


class City(BaseModel):
    """A city."""

    name: str = Field(min_length=2)
    people: int = 0

    @field_validator("name")
    @classmethod
    def _is_real(cls, name: str) -> str:
        if name == "Atlantis":
            raise ValueError("there is no such city")
        return name


class Node(BaseModel):
    value: int
    next: "Node | None" = None


@dataclasses.dataclass
class Point:
    x: int
    y: int


class Pair(TypedDict):
    one: str
    two: list[int]


@tool(effect="read")
async def weather(city: str) -> str:
    """Tell the weather."""
    return f"{city}: rain"


ROWS: dict[str, dict[str, Any]] = {
    "json_schema": {},
    "json_object": {"json_mode": ("json_object",)},
    "tool": {"typed_output": "tool"},
    "text": {"typed_output": "text"},
}
RIGHT = '{"name":"Ulm","people":126000}'
ULM = City(name="Ulm", people=126000)


class Under(Played):
    """A model that plays, under a contract row of its own."""

    def __init__(self, *turns: Any, row: dict[str, Any]) -> None:
        super().__init__(*turns)
        self.row = Contract.model_validate({"id": "mine", **row})

    def resolve(self) -> Contract:
        return getattr(self, "row", None) or super().resolve()


def gives(form: str, text: str) -> Any:
    return asks(("final_answer", text)) if form == "tool" else text


@pytest.mark.parametrize("form", ROWS)
async def test_each_form_asks_checks_repairs_and_types(form: str) -> None:
    wrong = ["no JSON", '{"name":"U"}', '{"name":"Atlantis","people":1}']
    model = Under(*(gives(form, text) for text in (*wrong, RIGHT)), row=ROWS[form])
    agent = Agent(model, output_type=City, instructions="Be brief.")
    journal = MemoryJournal()
    async with Session(agent, "s", journal=journal) as session:
        result = await session.run("Which?")
        assert (result.output, result.text, result.steps) == (ULM, RIGHT, 4)
        refused = await facts_of(session, CallRefused if form == "tool" else OutputRefused)
        assert len(refused) == 3
        (bound,) = await facts_of(session, AgentBound)
        assert bound.output == form
        proven = await replay(journal, "s", agent)
        assert (proven.same, proven.requests) == (True, 4)
        rerun = Rerun(journal, "s", agent, None)
        await rerun.go()
        assert rerun.difference is None
    said = told(model.requests[-1], "tool" if form == "tool" else "user")[-3:]
    assert "at character 0" in said[0]
    assert "`name` must have at least 2 characters" in said[1]
    assert "there is no such city" in said[2]


SHAPES: list[tuple[Any, str, Any]] = [
    (int, '{"answer": 7}', 7),
    (list[City], '{"answer": [{"name": "Ulm"}]}', [City(name="Ulm")]),
    (int | Point, '{"answer": {"x": 1, "y": 2}}', Point(1, 2)),
    (Literal["a", "b"], '{"answer": "b"}', "b"),
    (Point, '{"x": 1, "y": 2}', Point(1, 2)),
    (Pair, '{"one": "a", "two": [1]}', {"one": "a", "two": [1]}),
    (dict[str, int], '{"k": 1}', {"k": 1}),
    (Node, '{"value": 1, "next": {"value": 2, "next": null}}', Node(value=1, next=Node(value=2))),
    (City, '```json\n{"name": "Ulm", "people": null}\n```', City(name="Ulm")),
]


@pytest.mark.parametrize(("kind", "text", "value"), SHAPES)
async def test_types_of_every_shape(kind: Any, text: str, value: Any) -> None:
    result = await Agent(ScriptedModel(text), output_type=kind).run("?")
    assert result.output == value


def test_a_fence_that_never_ends_does_not_stop_the_loop() -> None:
    begun = time.thread_time()
    assert isinstance(Output(City).check("```json\n" + "\n" * 100_000, "json_object"), Mend)
    assert time.thread_time() - begun < 2


def test_a_type_without_a_schema_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"output_type.*no JSON Schema"):
        Agent("deepseek-flash", output_type=object.__subclasses__)  # type: ignore[arg-type]  # that is what is tested


def test_the_form_of_the_answer_is_not_asked_for_twice() -> None:
    agent = Agent(Played(), output_type=City, settings={"extra": {"response_format": {"type": "json_object"}}})
    binding = agent.binding("", agent.endpoints[0])
    with pytest.raises(ConfigurationError, match="leave it out"):
        agent.endpoints[0].head(binding)


@pytest.mark.parametrize("form", ROWS)
async def test_a_model_that_never_mends_it_is_a_fault_that_can_be_resumed(form: str) -> None:
    model = Under(*[gives(form, "{}")] * 4, gives(form, RIGHT), row=ROWS[form])
    async with Session(Agent(model, output_type=City), "s", journal=MemoryJournal()) as session:
        with pytest.raises(OutputInvalid, match=r"4 answers were not of the type asked for.*`name` is missing"):
            await session.run("Which?")
        assert len(model.requests) == 4
        (failed,) = await facts_of(session, ModelFailed)
        assert failed.kind == "output"
        assert (await session.resume()).output == ULM


async def test_beside_tools_the_answer_is_a_tool_that_is_called_alone() -> None:
    both = asks(("weather", {"city": "Ulm"}), ("final_answer", RIGHT))
    model = Played(both, "Ulm, I think.", asks(("final_answer", RIGHT), text="Done."), "You are welcome.")
    agent = Agent(model, tools=[weather], output_type=City, limits=Limits(tool_calls=1))
    async with Session(agent, "s", journal=MemoryJournal()) as session:
        result = await session.run("Which?")
        assert (result.output, result.steps) == (ULM, 3)
        (again,) = await facts_of(session, OutputRefused)
        assert "Call final_answer" in again.text
        assert told(model.requests[1])[1].startswith("Not taken: call final_answer alone")
        assert [message.__class__.__name__ for message in await session.messages()][-1] == "ToolMessage"
        with pytest.raises(OutputInvalid):
            await session.run("Thanks")
    assert "response_format" not in model.requests[0]


async def test_another_process_checks_and_types_what_was_recorded(tmp_path: Path) -> None:
    agent = Agent(Played(RIGHT), output_type=City)
    async with Session(agent, "s", journal=file(tmp_path)) as session:
        await session.run("Which?", id="m")
    async with Session(agent, "s", journal=file(tmp_path)) as session:
        assert (await session.run("Which?", id="m")).output == ULM
        rest = await session.status()
        assert rest is not None
        assert rest.output == ULM
    async with Session(Agent(Played(), output_type=Point), "s", journal=file(tmp_path)) as session:
        other = await session.status()
        assert other is not None
        with pytest.raises(OutputInvalid, match="not of type Point"):
            _ = other.output


async def test_a_person_answers_in_words_and_the_output_says_so() -> None:
    async with Session(Agent(Played(RIGHT), output_type=City), "s", journal=MemoryJournal()) as session:
        await session.run("Which?")
        await session.say_as("Ask me tomorrow.", by="ann")
        result = await session.resume()
        assert result.text == "Ask me tomorrow."
        with pytest.raises(OutputInvalid):
            _ = result.output


async def test_a_stream_gives_the_typed_result() -> None:
    async with (
        Session(Agent(ScriptedModel("no", RIGHT), output_type=City), "s", journal=MemoryJournal()) as session,
        session.stream("Which?") as stream,
    ):
        kinds = [type(getattr(news, "event", news)).__name__ async for news in stream]
        assert (await stream.result()).output == ULM
    assert kinds.count("OutputRefused") == 1


async def test_a_limit_ends_the_repair() -> None:
    result = await Agent(Played("no", "no"), output_type=City, limits=Limits(steps=2)).run("Which?")
    assert result.status == "limit"
    with pytest.raises(NotCompleted):
        _ = result.output


@pytest.mark.parametrize("contract", ["deepseek-v4", "openai", "kimi-k2.6", "glm", "generic", "mistral"])
@pytest.mark.parametrize("tools", [(), (weather,)])
async def test_services_take_what_is_asked_for(contract: str, tools: Any) -> None:
    right = Reply("", None, [Call("final_answer", RIGHT)]) if tools else Reply(RIGHT)
    wrong = Reply("", None, [Call("final_answer", "{}")]) if tools else Reply("{}")
    async with Emulator({"*": [wrong, right, Reply("no"), right]}, contract=contract) as server:
        model = Model("m", base_url=server.base_url, contract=contract, api_key="k")
        async with Session(Agent(model, output_type=City, tools=tools), "s", journal=MemoryJournal()) as session:
            assert (await session.run("Which?")).output == ULM
            assert (await session.run("And now?")).output == ULM
            assert len(await facts_of(session, TurnEnded)) == 2
        bodies = [seen.body or {} for seen in server.requests]
    assert len(bodies) == 3 + (contract != "mistral" or not tools)  # its bridge stands for an answer in the script
    assert all(("response_format" in body) is not bool(tools) for body in bodies)
