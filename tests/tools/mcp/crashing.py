"""An MCP server of a few lines, which starts at once and does what a test needs: dies in mid-call, changes its tools.

Every call is a line in the file that is its first argument. A second one, "frail": started again after a call, it dies
while it is asked for its tools.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

LOG = Path(sys.argv[1])
TOOLS = ["die", "note", "grow"]


def answer(asked: dict[str, Any]) -> dict[str, Any] | None:
    match asked["method"]:
        case "initialize":
            info = {"name": "crashing", "version": "1"}
            capabilities = {"tools": {"listChanged": True}}
            return {"protocolVersion": "2025-06-18", "capabilities": capabilities, "serverInfo": info}
        case "tools/list":
            if "frail" in sys.argv and LOG.exists():
                os._exit(1)
            return {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS]}
        case "tools/call":
            return call(asked["params"])
    return None


def call(params: dict[str, Any]) -> dict[str, Any]:
    name = params["name"]
    with LOG.open("a") as log:
        log.write(f"{name}\n")
    if name == "die" and len(LOG.read_text().split()) == int(params["arguments"].get("at", 1)):
        os._exit(1)
    if name == "grow":
        TOOLS.append("grown")
        say({"method": "notifications/tools/list_changed"})
    return {"content": [{"type": "text", "text": f"{name} done"}]}


def say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


for line in sys.stdin:
    asked = json.loads(line)
    if "id" in asked and "method" in asked:
        result = answer(asked)
        unknown = {"error": {"code": -32601, "message": "Method not found"}}
        say({"id": asked["id"], **(unknown if result is None else {"result": result})})
