"""What a session is driven with today: the agent's parts, and the binding they make with what was recorded."""

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from agentkit.answering import Answering, Candidate
from agentkit.core.binding import Blob, bind, hashed
from agentkit.errors import ConfigurationError
from agentkit.ids import process_name
from agentkit.models.base import Endpoint
from agentkit.prefix import Prefix
from agentkit.recorder import Recorder
from agentkit.tools.dispatch import Dispatch

if TYPE_CHECKING:
    from agentkit.agent import Agent, Bound

_ENCODING = ("utf-8", "surrogatepass")
MOST = 16  # bindings an agent keeps in mind: a server makes the same one for every session


@dataclass(frozen=True, slots=True)
class Means:
    """What a driver performs with: who answers, which tools there are, and how that is recorded."""

    answering: Answering
    dispatch: Dispatch
    deps: object
    process: str


async def means_for(agent: "Agent[Any, Any]", deps: Any, recorder: Recorder) -> Means:
    """Return the means to drive a loaded session with.

    Instructions are evaluated once per session: an old one keeps what it recorded, and says so where they differ. A new
    fork has recorded none of its own.

    Raises:
        ConfigurationError: a limit on cost, and no price is known for one of the models.
    """
    told = await _told(agent, deps, recorder)
    unpriced = [repr(endpoint.name) for endpoint in agent.endpoints if endpoint.prices() is None]
    if agent.limits.cost is not None and unpriced:
        raise ConfigurationError(
            f"limits: cost={agent.limits.cost} USD cannot be kept, no price is known for {', '.join(unpriced)}. "
            "Limit tokens or steps instead."
        )
    candidates = tuple(_candidate(agent, endpoint, told) for endpoint in agent.endpoints)
    return Means(Answering(candidates), agent.dispatch, deps, process_name())


async def _told(agent: "Agent[Any, Any]", deps: Any, recorder: Recorder) -> str:
    """Return the instructions that count for the session."""
    bound = recorder.state.bound
    if bound is None or recorder.state.rebind:
        return agent.told(deps)
    instructions = (await recorder.journal.blob(recorder.session_id, bound.instructions)).decode(*_ENCODING)
    if isinstance(agent.instructions, str) and agent.instructions != instructions:
        logging.getLogger("agentkit").warning(
            "session %r keeps the instructions it recorded; agent %r has others now", recorder.session_id, agent.name
        )
    return instructions


def _candidate(agent: "Agent[Any, Any]", endpoint: Endpoint, instructions: str) -> Candidate:
    told, known = (id(endpoint), instructions, endpoint.prices()), agent.bindings
    bound = known.get(told)
    if bound is None or bound[0].contract is not endpoint.resolve():
        if len(known) >= MOST:
            known.clear()
        bound = known[told] = _bound(agent, endpoint, instructions)
    return Candidate(endpoint, *bound, Prefix(endpoint.head, endpoint.encode))


def _bound(agent: "Agent[Any, Any]", endpoint: Endpoint, instructions: str) -> "Bound":
    binding = agent.binding(instructions, endpoint)
    # What a session has recorded may have been told to it alone, whatever its agent has today.
    static = agent.instructions == instructions
    event, blobs = bind(binding, endpoint.host, endpoint.prices(), static=static)
    if isinstance(agent.instructions, str) and agent.instructions != instructions:
        data = agent.instructions.encode(*_ENCODING)
        own = Blob(hashed(data), data, shared=True)
        event, blobs = replace(event, declared=own.hash), (*blobs, own)
    return binding, event, blobs
