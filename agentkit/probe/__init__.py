"""Finding out what a live endpoint demands of a client: a short series of requests, and a contract row from it.

Law: what is found is found by behaviour (a status, a text, a count of tokens) and names the requests it follows from;
what is not found is unknown, and why is said: nothing is guessed. Requests are raw JSON, built from the endpoint's own
earlier answers, so that services that check signatures can be probed too. No more is sent than `plan` says.
It imports core, errors and models.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from agentkit.probe.agreement import compare as compare
    from agentkit.probe.budget import Plan as Plan
    from agentkit.probe.budget import plan as plan
    from agentkit.probe.facts import Fact as Fact
    from agentkit.probe.facts import Findings as Findings
    from agentkit.probe.rows import row_of as row_of
    from agentkit.probe.rows import toml_of as toml_of
    from agentkit.probe.series import Target as Target
    from agentkit.probe.series import probe as probe

_HOMES: Final = {
    "Fact": "facts",
    "Findings": "facts",
    "Plan": "budget",
    "Target": "series",
    "compare": "agreement",
    "plan": "budget",
    "probe": "series",
    "row_of": "rows",
    "toml_of": "rows",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
