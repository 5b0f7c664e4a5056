"""Model services: one `Model` for every OpenAI-compatible endpoint, what it demands as data, what it says as values.

Law: a provider's name appears in `contracts.toml` and never in a branch. wire and assemble are pure. Only `openai.py`
talks to the network. It imports core and errors; never tools, journal or driver. What is slow to load (the SDK, the
price table) is loaded when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from agentkit.models import openai as openai
    from agentkit.models import prices as prices
    from agentkit.models.model import Model as Model
    from agentkit.models.model import contract_for as contract_for
    from agentkit.models.model import model_for as model_for
    from agentkit.models.scripted import ScriptedModel as ScriptedModel

_HOMES: Final = {"Model": "model", "model_for": "model", "contract_for": "model", "ScriptedModel": "scripted"}
_SLOW: Final = frozenset({"openai", "prices"})


def __getattr__(name: str) -> Any:
    if name in _SLOW:
        return import_module(f"{__name__}.{name}")
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
