"""A stand-in model service over real HTTP that plays a script and enforces a provider's contract.

It is the judge, so it shares nothing with the rest of agentkit: its table of what a provider checks is its own.
It answers what the provider would answer, compares byte for byte what comes back with what it sent, counts the
provider's context cache and the cost, and keeps a side log, so that silent losses can be asserted too.

It serves any client that speaks Chat Completions (or, for the rows `…-responses`, the Responses API), in any language
and of any framework. In Python, inside a test:

    from agentkit.emulator import Call, Emulator, Reply

    script = {"*": [
        Reply("I look.", reasoning="Which order?", calls=[Call("find", {"order": 7})]),
        Reply("It is on its way.", reasoning="Found."),
    ]}
    async with Emulator(script, contract="kimi-k2.6") as server:
        ...                                  # point your agent at server.base_url, with any key, and run it
        assert server.counts.by_status == {200: 2}      # nothing was refused
        assert server.counts.losses == 0                # and nothing was lost in silence
        server.requests[-1].returned                    # what was seen of each assistant message, one by one

A reply's reasoning is plain text: the contract decides how it travels (a field, signed details, thinking parts, tags,
a signature beside the first call, or not at all) and how it must come back. `CONTRACTS` names all rows; a row of your
own is `dataclasses.replace(CONTRACTS["generic"], name="mine", …)`. Quirks of streams are asked for by reply, faults are
played by `Fault`. From a shell: `python -m agentkit.emulator --contract glm-keep --script script.json` prints its base
URL, and `/emulator/counts` and `/emulator/requests` at that address are the side log.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentkit.emulator.command import run, serve
    from agentkit.emulator.log import Counts, Seen
    from agentkit.emulator.responses.rows import ItemContract
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
    "ItemContract": "responses.rows",
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
    "ItemContract",
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
