"""A model good for probing, as a script of the emulator: it always thinks, and calls the tool it is asked to call."""

import json
from typing import Any

from agentkit.emulator import Call, Reply

THOUGHT = "The user asks about a city. I have a tool for that, and I had better think twice before I use it."


def play(body: dict[str, Any]) -> Reply:
    """Answer a request by what its last message asks for."""
    lines = body.get("messages") or body.get("input") or []
    last = lines[-1]
    said = last.get("content") or "" if last.get("role") == "user" else ""
    offered = bool(body.get("tools"))
    forced = body.get("tool_choice") not in (None, "auto", "none")
    if offered and ("lookup" in said or forced):
        cities = [city for city in ("Oslo", "Bergen") if city in said] or ["Oslo"]
        calls = [Call("lookup", {"city": city}) for city in cities]
        return Reply(reasoning=f"{THOUGHT} {len(lines)}", calls=calls)
    content = json.dumps({"n": 391}) if body.get("response_format") else "391"
    return Reply(content, reasoning=f"{THOUGHT} {len(lines)} It is 391.")
