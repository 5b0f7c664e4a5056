"""The command that offers tools to MCP clients."""

from agentkit.cli.command import VERBOSE, Command, option

MCP: tuple[Command, ...] = (
    Command(
        "mcp",
        "offer tools to MCP clients, over standard input and output or HTTP",
        "agentkit mcp serve shop:tools",
        "mcp:mcp",
        (
            option("what", choices=("serve",), help="serve: be an MCP server"),
            option("tools", metavar="MODULE:NAME", help="a tool, a list of tools, or an agent, as for --agent"),
            option("--http", metavar="PORT", type=int, help="serve HTTP on this port of 127.0.0.1; 0 takes a free one"),
            option(
                "--unasked",
                action="store_true",
                help="offer tools that need approval, too: every client has to ask its own person",
            ),
            VERBOSE,
        ),
        about="Be an MCP server: over standard input and output, as a client starts it, or with --http at /mcp of the\n"
        "URL that it prints. Arguments are checked as in a session; nothing is recorded. Tools that need approval are\n"
        "refused without --unasked, because nobody can be asked.",
        stopped="What was running was cut off.",
    ),
)
