"""What a session is driven with today: the agent's parts, and the binding they make with what was recorded."""

import logging
from typing import TYPE_CHECKING, Any

from agentkit.core.binding import bind
from agentkit.driver import Means
from agentkit.errors import ConfigurationError
from agentkit.ids import process_name
from agentkit.prefix import Prefix
from agentkit.recorder import Recorder

if TYPE_CHECKING:
    from agentkit.agent import Agent


async def means_for(agent: "Agent[Any, Any]", deps: Any, recorder: Recorder) -> Means:
    """Return the means to drive a loaded session with.

    Instructions are evaluated once per session: an old one keeps what it recorded, and says so where they differ.

    Raises:
        ConfigurationError: a limit on cost, and no price is known for the model.
    """
    bound = recorder.state.bound
    if bound is None:
        instructions = agent.told(deps)
    else:
        data = await recorder.journal.blob(recorder.session_id, bound.instructions)
        instructions = data.decode("utf-8", "surrogatepass")
        if isinstance(agent.instructions, str) and agent.instructions != instructions:
            logging.getLogger("agentkit").warning(
                "session %r keeps the instructions it recorded; agent %r has others now",
                recorder.session_id,
                agent.name,
            )
    binding, endpoint = agent.binding(instructions), agent.endpoint
    prices = endpoint.prices()
    if agent.limits.cost is not None and prices is None:
        raise ConfigurationError(
            f"limits: cost={agent.limits.cost} USD cannot be kept, no price is known for {endpoint.name!r}. "
            "Limit tokens or steps instead."
        )
    event, blobs = bind(binding, endpoint.host, prices, static=isinstance(agent.instructions, str))
    prefix = Prefix(endpoint.head, endpoint.encode)
    return Means(endpoint, agent.dispatch, deps, binding, event, blobs, prefix, process_name())
