"""A stand-in model service over real HTTP that plays a script and enforces a provider's contract.

It is the judge, so it shares nothing with the rest of agentkit: its table of what a provider checks is its own.
It answers what the provider would answer, compares byte for byte what comes back with what it sent, counts the
provider's context cache and the cost, and keeps a side log, so that silent losses can be asserted too.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentkit.emulator.command import run, serve
    from agentkit.emulator.log import Counts, Seen
    from agentkit.emulator.returned import Returned
    from agentkit.emulator.script import Call, Fault, Reply, Script, ScriptError, read_script
    from agentkit.emulator.server import Emulator
    from agentkit.emulator.table import CONTRACTS, Contract

_HOMES = {
    "CONTRACTS": "table",
    "Call": "script",
    "Contract": "table",
    "Counts": "log",
    "Emulator": "server",
    "Fault": "script",
    "Reply": "script",
    "Returned": "returned",
    "Script": "script",
    "ScriptError": "script",
    "Seen": "log",
    "read_script": "script",
    "run": "command",
    "serve": "command",
}

__all__ = [
    "CONTRACTS",
    "Call",
    "Contract",
    "Counts",
    "Emulator",
    "Fault",
    "Reply",
    "Returned",
    "Script",
    "ScriptError",
    "Seen",
    "read_script",
    "run",
    "serve",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
