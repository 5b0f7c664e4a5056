"""Tools: typed functions a model may call.

Law: arguments are validated raw, before anything runs; a tool declares what it does to the world and is believed;
the model's mistakes are results, never exceptions. It imports core and errors; never models, journal or driver.
"""

# Bound at once and not by a lazy table: the submodule `tool` would else stand where the decorator belongs.
# Neither import loads jsonschema; that comes with the first call that is not seen to fit at a glance.
from agentkit.tools.decorator import tool
from agentkit.tools.rules import above, defer
from agentkit.tools.secrets import Secret
from agentkit.tools.tool import Outcome, Tool, ToolContext

__all__ = ["Outcome", "Secret", "Tool", "ToolContext", "above", "defer", "tool"]
