"""The command that looks at tools and tries them."""

from agentkit.cli.command import VERBOSE, Command, option

TOOLS: tuple[Command, ...] = (
    Command(
        "tools",
        "list tools, check what a model is told of them, or try one",
        "agentkit tools check shop:agent",
        "tools:tools",
        (
            option("what", choices=("list", "check", "try"), help="list; check: find what is wrong; try: run one once"),
            option("tools", metavar="MODULE:NAME", help="an agent, a tool, a list of tools, or a function of them"),
            option("name", metavar="NAME", nargs="?", help="of the tool to try"),
            option("arguments", metavar="JSON", nargs="?", default="{}", help="its arguments, a JSON object"),
            option("--model", metavar="NAME", help="check for this model (default: the agent's)"),
            option("--yes", action="store_true", help="try without asking first"),
            VERBOSE,
        ),
        about="check tells how long each tool is in tokens (an estimate: bytes / 4), descriptions that are missing,\n"
        "names that are easily confused, what the model's service would refuse, and which schemas it could not be\n"
        "asked to keep to (strict), with the reason; the exit code is 1 where something is wrong, or where the agent\n"
        "asks for strict_tools and a schema has no strict form. try checks the arguments as in a session, and asks\n"
        "before a tool that is not `read` runs.",
        stopped="What was running was cut off.",
    ),
)
