"""`probe`: the series of requests, from the first answer to the last fact."""

from collections.abc import Callable
from types import MappingProxyType

from agentkit.errors import ModelError
from agentkit.models.address import checked, host_of
from agentkit.probe.bench import Bench, Target
from agentkit.probe.budget import Plan
from agentkit.probe.facts import Findings, Notes
from agentkit.probe.opening import opened, talked
from agentkit.probe.places import looked
from agentkit.probe.settings import forced, rest, scaled, switched
from agentkit.probe.streams import streamed

__all__ = ["Target", "probe"]


async def probe(target: Target, plan: Plan, show: Callable[[int, str], None] | None = None) -> Findings:
    """Find out what an endpoint demands of a client; it takes up to `plan.requests` requests, one after the other.

    Args:
        target: whom to ask.
        plan: what may be sent, by `plan()`.
        show: is told each request as it goes out: its number, and the step it belongs to.

    Returns:
        What was found; where the endpoint failed on the way, up to there (`Findings.broke`).

    Raises:
        ConfigurationError: the address cannot work.
        ModelError: the endpoint refused every way of asking or the key, or could not be reached.
    """
    checked(target.base_url)
    bench, notes = Bench(target, plan, show), Notes()
    await opened(bench, notes)
    broke = ""
    try:
        await _all(bench, notes, plan)
    except ModelError as error:  # what was paid for is told all the same
        broke = str(error)
    return Findings(
        host=host_of(target.base_url),
        model=target.model,
        facts=notes.all(),
        broke=broke,
        requests=bench.requests,
        tokens=bench.tokens,
        body=MappingProxyType(dict(target.body)),
    )


async def _all(bench: Bench, notes: Notes, plan: Plan) -> None:
    await talked(bench, notes)
    await looked(bench, notes)
    await streamed(bench, notes)
    await switched(bench, notes, plan.switches)
    await scaled(bench, notes, plan.efforts)
    await forced(bench, notes)
    await rest(bench, notes)
