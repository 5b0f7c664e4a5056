"""The Model Context Protocol: an MCP server's tools for an agent, and an agent's tools for MCP clients.

Law: the only home of the `mcp` SDK. What a server says of itself may make a tool stricter, never looser, unless the
user trusts it; what it returns is data; nothing it names is fetched. `client` is one way, `serve` is the other.
"""

from agentkit.errors import ConfigurationError

try:
    from agentkit.tools.mcp.caller import caller
    from agentkit.tools.mcp.client import MCPTools
    from agentkit.tools.mcp.place import Http, Stdio
except ModuleNotFoundError as missing:
    if missing.name != "mcp":
        raise
    raise ConfigurationError("mcp is not installed: pip install 'agentkit-reasoning[mcp]'") from missing

__all__ = ["Http", "MCPTools", "Stdio", "caller"]
