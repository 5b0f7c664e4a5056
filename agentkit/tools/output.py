"""An answer of a type: its schema for the model, the check of what the model gave, and the value made of it.

What is recorded is the text; the value is made of it whenever it is asked for, by the agent of whoever asks.
"""

import json
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, PydanticUserError, create_model

from agentkit.core.commands import Go, Mend
from agentkit.core.events import OutputRefused
from agentkit.core.messages import Json
from agentkit.core.spec import ANSWER
from agentkit.core.values import dataclass
from agentkit.errors import ConfigurationError, OutputInvalid
from agentkit.tools.arguments import BadArguments, read
from agentkit.tools.declared import Declared
from agentkit.tools.generate import schema_of
from agentkit.tools.judged import Judged
from agentkit.tools.raw import RawInputs
from agentkit.tools.schema import validated
from agentkit.tools.tool import Tool

_KEY: Final = "answer"  # holds a value that is no JSON object
_FENCE = re.compile(r"```\w*\n")
_TOOL = "Give the final answer. Call it alone, once, when nothing else is left to do."


class Output:
    """The type of an agent's answer: whatever pydantic makes a TypeAdapter of.

    Attributes:
        schema: JSON Schema of an object. A type that is none is the value of its only key.

    Raises:
        ConfigurationError: the type has no JSON Schema.
    """

    def __init__(self, kind: Any) -> None:
        self.name = getattr(kind, "__name__", str(kind))
        try:
            fields: dict[str, Any] = {_KEY: (kind, ...)}
            self._model: type[BaseModel] = create_model("Answer", __config__=ConfigDict(extra="forbid"), **fields)
        except PydanticUserError as error:
            raise ConfigurationError(f"output_type: {self.name} has no JSON Schema: {error.message}") from error
        whole = schema_of("output_type", self._model)
        plain = _unwrapped(whole)
        self._wrapped = plain is None
        self.schema: dict[str, Json] = whole if plain is None else plain
        self._schema = Judged("the answer", self.schema)

    def check(self, text: str, form: str) -> Go | Mend:
        """Say whether a text is of the type. `form`: how it was to be given."""
        try:
            self._read(text)
        except BadArguments as bad:
            return Mend(OutputRefused(self._told(bad, form)))
        return Go("")

    def decode(self, text: str) -> Any:
        """Return the value of a recorded answer. Raises: OutputInvalid: it is not of the type."""
        try:
            return self._read(text)
        except BadArguments as bad:
            raise OutputInvalid(f"the recorded answer is not of type {self.name}: {'; '.join(bad.problems)}") from None

    def value(self, given: Mapping[str, Any]) -> Any:
        """Return the value of an object that fits the schema. Raises: BadArguments: the type says no."""
        return getattr(validated(self._model, given if self._wrapped else {_KEY: given}), _KEY)

    def _read(self, text: str) -> Any:
        try:
            given = self._schema.compiled.undone(read(_unfenced(text)))
            self._schema.check(given)
        except RecursionError:
            raise BadArguments("malformed", ("nested too deep",)) from None
        return self.value(given)

    def _told(self, bad: BadArguments, form: str) -> str:
        wrong = "; ".join(bad.problems)
        again = f"Call {ANSWER} with the answer." if form == "tool" else "Answer again, with one JSON object only."
        if bad.kind == "malformed" and form != "tool":
            again += f" It has to fit this JSON Schema: {_compact(self.schema)}"
        return f"[Notice, not from the user] The answer is not of the form asked for: {wrong}. {again}"

    @cached_property
    def tool(self) -> Tool[Any, ..., Any]:
        """The tool that gives the answer, where it is asked for by a tool."""
        inputs = _AnswerInputs(("answer",), None, (), _TOOL, self.schema, BaseModel, whole="answer", output=self)
        return Tool(_taken, Declared(name=ANSWER, effect="read"), inputs)


@dataclass(frozen=True)
class _AnswerInputs(RawInputs):
    """What the answer's tool takes: the answer."""

    output: Output | None = None

    def convert(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer. Raises: BadArguments: it is not of the type."""
        return {self.whole: self.output.value(given) if self.output else given}


async def _taken(answer: object) -> str:  # noqa: ARG001 - the answer is the call itself
    return "Taken."


def told(form: str, schema: Mapping[str, Json]) -> str:
    """Return what the instructions end with, where an answer of a type is asked for in this form."""
    if form == "tool":
        return f"When nothing else is left to do, give the final answer by calling {ANSWER}, and in no other way."
    if form == "json_schema":
        return ""
    return f"Answer with one JSON object, and nothing else, that fits this JSON Schema: {_compact(schema)}"


def _unfenced(text: str) -> str:
    """Return what stands in a code fence, where that is all there is.

    No pattern looks for its end: a model that writes line after line would make it stand still.
    """
    inner = text.strip()
    begin = _FENCE.match(inner)
    fenced = begin is not None and inner.endswith("\n```")
    return inner[begin.end() : -3] if begin is not None and fenced else text


def _unwrapped(whole: Mapping[str, Any]) -> dict[str, Json] | None:
    """Return the schema of what the only key holds, where that is an object itself."""
    schema, defs = dict(whole["properties"][_KEY]), dict(whole.get("$defs", {}))
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        schema = defs[name]
        others = {each: told for each, told in defs.items() if each != name}
        defs = defs if f'"#/$defs/{name}"' in _compact(defs) else others
    if schema.get("type") != "object":
        return None
    return schema | {"$defs": defs} if defs else schema


def _compact(schema: Mapping[str, Json]) -> str:
    return json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
