"""`Binding` (everything the model is told and how) to `AgentBound` and its blobs, and back."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from hashlib import blake2b
from typing import Any

from agentkit.core.contract import Contract
from agentkit.core.events import AgentBound, ModelResponded, Prices
from agentkit.core.messages import Producer
from agentkit.core.replacing import replace
from agentkit.core.spec import Binding, BoundTool, OutputSpec, Settings, ToolSpec
from agentkit.core.values import dataclass


@dataclass(frozen=True, slots=True)
class Blob:
    """Contents named by hash. `shared`: tool schemas and static instructions; all else belongs to the session."""

    hash: str
    data: bytes
    shared: bool = False


def hashed(data: bytes) -> str:
    """Return the name of contents: BLAKE2b, 128 bit, 32 hexadecimal digits."""
    return blake2b(data, digest_size=16).hexdigest()


def bind(binding: Binding, host: str, prices: Prices | None, *, static: bool) -> tuple[AgentBound, tuple[Blob, ...]]:
    """Return the event that records a binding, and the contents it names. `static`: the instructions are a constant."""
    instructions = Blob(*_named(binding.instructions.encode("utf-8", "surrogatepass")), shared=static)
    schemas = Blob(*_named(_json([_told(spec) for spec in binding.tools])), shared=True)
    settings = Blob(*_named(_json(_set(binding.settings))), shared=True)
    output = binding.settings.output
    contract = Blob(*_named(_json(binding.contract.model_dump(mode="json"))), shared=True)
    event = AgentBound(
        agent=binding.agent,
        model=binding.model,
        host=host,
        contract_id=binding.contract.id,
        version=binding.version,
        instructions=instructions.hash,
        schemas=schemas.hash,
        settings=settings.hash,
        contract=contract.hash,
        tools=tuple(spec.bound for spec in binding.tools),
        limits=binding.limits,
        bridges=binding.contract.bridges,
        carrier=next(iter(binding.contract.carrier.read), None),
        heft=len(instructions.data) + len(schemas.data) + (len(settings.data) if output else 0),
        max_tokens=binding.settings.max_tokens,
        prices=prices,
        output=output.form if output else "",
    )
    return event, (instructions, schemas, settings, contract)


def unbind(event: AgentBound, contents: Mapping[str, bytes]) -> Binding:
    """Return what `bind` recorded. Raises: KeyError: contents named by the event are not given."""
    told = {spec["name"]: spec for spec in json.loads(contents[event.schemas])}
    return Binding(
        agent=event.agent,
        model=event.model,
        instructions=contents[event.instructions].decode("utf-8", "surrogatepass"),
        tools=tuple(_untold(bound, told[bound.name]) for bound in event.tools),
        settings=_unset(json.loads(contents[event.settings])),
        contract=Contract.model_validate_json(contents[event.contract]),
        limits=event.limits,
        version=event.version,
    )


def unstamped(event: ModelResponded, bound: AgentBound) -> ModelResponded:
    """Return an answer without what its binding tells anyway; folding puts it back (core/turns)."""
    message, prices = event.message, bound.prices
    usual = Producer(bound.model, bound.contract_id, bound.host)
    slim = replace(
        message,
        producer=None if message.producer == usual else message.producer,
        carrier=None if message.carrier == bound.carrier else message.carrier,
    )
    return replace(
        event,
        message=slim,
        finish="" if event.finish == ("tool_calls" if message.calls else "stop") else event.finish,
        prices=None if prices is not None and event.prices == prices.table else event.prices,
    )


def _told(spec: ToolSpec) -> dict[str, Any]:
    told = {"name": spec.bound.name, "description": spec.description, "parameters": spec.parameters}
    return told | {"strict": True} if spec.strict else told


def _untold(bound: BoundTool, told: dict[str, Any]) -> ToolSpec:
    return ToolSpec(bound, told["description"], told["parameters"], told.get("strict", False))


def _set(settings: Settings) -> dict[str, Any]:
    """Return settings as an object; later fields only where they are used, so that old bindings stay equal."""
    told = {each.name: getattr(settings, each.name) for each in fields(settings)}
    told["output"] = asdict(settings.output) if settings.output else None
    return {name: value for name, value in told.items() if value or name not in {"strict_tools", "output"}}


def _unset(given: dict[str, Any]) -> Settings:
    output = given.pop("output", None)
    return Settings(**given, output=OutputSpec(**output) if output else None)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def _named(data: bytes) -> tuple[str, bytes]:
    return hashed(data), data
