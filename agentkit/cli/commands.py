"""All commands: what they are called, what they take, and which function does the work."""

from collections.abc import Mapping

from agentkit.cli.command import (
    AGENT,
    ALWAYS,
    DECIDING,
    JSON,
    MATCHING,
    QUESTION,
    SESSION,
    STATUSES,
    VERBOSE,
    Command,
    option,
)
from agentkit.cli.commands_durable import DURABLE
from agentkit.cli.commands_mcp import MCP
from agentkit.cli.commands_tools import TOOLS

_WHAT_NEXT = "The decision is left in the session's inbox: it takes effect when the session is driven next."

_ALL = (
    Command(
        "chat",
        "talk to an agent, with thinking and tool calls shown as they come",
        "agentkit chat --model qwen3:8b --base-url http://127.0.0.1:11434/v1",
        "chat:chat",
        (
            AGENT,
            option("--model", metavar="NAME", help="chat with a bare model, without tools, instead of an agent"),
            option("--base-url", metavar="URL", help="where --model is served (OpenAI-compatible)"),
            option("--session", metavar="ID", default="chat", help="the conversation (default: chat)"),
            JSON,
            *ALWAYS,
        ),
        about="Talk to an agent. The same command continues the conversation, also after a crash. Ctrl-C cancels the\n"
        "turn, a second one leaves. From a pipe it reads one message per line and stops when a turn does not complete.",
    ),
    Command(
        "sessions",
        "list the sessions of the journal, newest first",
        "agentkit sessions --status waiting",
        "sessions:sessions",
        (
            option(
                "--status",
                metavar="STATUS",
                choices=STATUSES,
                help="only those that rest so: waiting, open, faulted, dead …",
            ),
            option("--limit", metavar="N", type=int, help="at most so many (default: 50; with --json all)"),
            JSON,
            *ALWAYS,
        ),
    ),
    Command(
        "show",
        "show what happened in a session: thinking, calls, decisions, results, cost",
        "agentkit show customer-4711 --full",
        "show:show",
        (
            SESSION,
            option("--full", action="store_true", help="shorten nothing"),
            option("--raw", action="store_true", help="the list of recorded events instead, one line each"),
            JSON,
            *ALWAYS,
        ),
    ),
    Command(
        "events",
        "print a session's recorded events, one line each",
        "agentkit events customer-4711 --follow --json",
        "show:events",
        (
            SESSION,
            option("--after", metavar="N", type=int, default=0, help="only events behind number N"),
            option("--follow", action="store_true", help="go on as events come, until Ctrl-C"),
            JSON,
            *ALWAYS,
        ),
    ),
    Command(
        "tail",
        "watch a session live, whichever process drives it, told as `show` tells it",
        "agentkit tail customer-4711 --after 12",
        "tail:tail",
        (
            SESSION,
            option("--after", metavar="SEQ", type=int, default=0, help="only events behind number SEQ"),
            option("--once", action="store_true", help="tell what is there and leave"),
            option("--until-rest", action="store_true", help="leave when the session rests and nobody drives it"),
            option("--wait", action="store_true", help="wait for a session that does not exist yet"),
            option("--full", action="store_true", help="shorten nothing"),
            JSON,
            *ALWAYS,
        ),
        about="Watch a session, from the beginning or behind an event, until Ctrl-C. It claims nothing and writes\n"
        "nothing. An answer is told when it is recorded, not word by word: only the process that drives sees that.\n"
        "The last line says how to go on behind the last event; with --json each event is a line with its seq.",
        stopped="The session goes on without it, and nothing is lost: `--after` shows what came since.",
    ),
    Command(
        "resume",
        "go on with a session: what is open, decided or left for it",
        "agentkit resume customer-4711 --agent shop:support",
        "resume:resume",
        (SESSION, AGENT, JSON, *ALWAYS),
        about="Drive a session until it rests. At rest it shows the last result.",
    ),
    Command(
        "pending",
        "list everything that waits for a person, oldest first",
        "agentkit pending",
        "sessions:pending",
        (option("--session", metavar="ID", help="only this session"), JSON, *ALWAYS),
    ),
    Command(
        "approve",
        "let a held call run, perhaps with other arguments",
        "agentkit approve 1.2.0-14-ab12cd34ef --by ann",
        "decide:approve",
        (
            *DECIDING,
            option("--arguments", metavar="JSON", help="run it with these arguments instead"),
            option("--agent", metavar="MODULE:NAME", help="check --arguments with this agent's tools now"),
        ),
        about=f"{_WHAT_NEXT} Without --agent, --arguments are checked then.",
    ),
    Command(
        "deny",
        "refuse a held call; the model is told the reason",
        'agentkit deny 1.2.0-14-ab12cd34ef --by ann --reason "over the limit"',
        "decide:deny",
        (*DECIDING, option("--reason", metavar="TEXT", required=True, help="what the model is told")),
        about=_WHAT_NEXT,
    ),
    Command(
        "answer",
        "answer a question that a tool asked",
        'agentkit answer 1.2.0-14-ab12cd34ef "the blue one" --by ann',
        "decide:answer",
        (QUESTION, option("text", metavar="TEXT", help="the answer"), *DECIDING[1:]),
        about=_WHAT_NEXT,
    ),
    Command(
        "resolve",
        "say what became of a call whose outcome is unknown",
        'agentkit resolve 1.2.0-14-ab12cd34ef --by ann --happened \'{"receipt": "r-9"}\'',
        "decide:resolve",
        (
            *DECIDING,
            option("--agent", metavar="MODULE:NAME", help="check the result with this agent's tools now"),
        ),
        choice=(
            option("--happened", metavar="RESULT", help="it took effect; its result (JSON, else text)"),
            option("--not-happened", action="store_true", help="it did not, and no longer can: it may run again"),
            option("--unknown", action="store_true", help="nobody can tell: the model is told not to repeat it"),
        ),
        about=f"{_WHAT_NEXT}\nWithout --agent, a result that has not the form its tool declares is taken, and the "
        "model is told so.",
    ),
    Command(
        "cancel",
        "end a session's open turn",
        "agentkit cancel customer-4711 --by ann --agent shop:support",
        "decide:cancel",
        (
            SESSION,
            option("--by", metavar="NAME", required=True, help="who cancels; recorded"),
            option("--agent", metavar="MODULE:NAME", help="end the turn now, with this agent"),
            *ALWAYS,
        ),
        about="End the open turn: calls that have not started never will. Without --agent the wish is left for the\n"
        "process that drives the session, or for the next `agentkit resume`.",
    ),
    Command(
        "replay",
        "prove offline that today's code would send the same bytes, or show the first that differs",
        "agentkit replay customer-4711 --agent shop:support",
        "proof:replay",
        (
            SESSION,
            AGENT,
            option(
                "--live",
                choices=("none", "read", "model"),
                default="none",
                help="read: run the `read` tools again; model: ask the model again, which costs (default: none)",
            ),
            option("--yes", action="store_true", help="with --live model: send without asking first"),
            JSON,
            *ALWAYS,
        ),
        about="Nothing is written to the journal. With --live read the tools that only read run again, with the\n"
        "recorded arguments, and each result is compared; nothing else runs. With --live model today's model is asked\n"
        "at each step of the recorded conversation, and its answer compared; no tool runs. It says first how many\n"
        "requests that are, and asks. The exit code is 8 where anything differs.",
    ),
    Command(
        "fork",
        "make a session that shares another's past and takes a step anew",
        'agentkit fork customer-4711 try-2 --before 2.3 --say "the blue one" --agent shop:support',
        "fork:fork",
        (
            SESSION,
            option("new_id", metavar="NEW_ID", help="the new session's id"),
            option("--before", metavar="TURN.STEP", required=True, help="the first model call that is made anew"),
            option("--say", metavar="TEXT", help="tell the model this first"),
            option("--no-asking", action="store_true", help="tools that act once need not ask because of the fork"),
            option("--agent", metavar="MODULE:NAME", help="drive the new session now, with this agent"),
            JSON,
            *ALWAYS,
        ),
        about="The old session stays as it is; what it did before that step is shared, not copied. In the new one\n"
        "every tool that acts once asks a person first. Messages that waited then are dropped.",
        stopped="Where the fork was made, `agentkit resume NEW_ID` goes on with it.",
    ),
    Command(
        "diff",
        "show the first step at which two sessions differ",
        "agentkit diff customer-4711 try-2",
        "diff:diff",
        (SESSION, option("other", metavar="OTHER", help="the other session's id"), JSON, *ALWAYS),
        about="Compared are messages, reasoning, answers, calls with their arguments, results, decisions and how\n"
        "turns ended; not times, cost or ids. The exit code is 0 where nothing differs, 8 where something does.",
    ),
    Command(
        "export",
        "write a session as JSON lines, or everything about one person",
        "agentkit export customer-4711 --output customer-4711.jsonl",
        "move:export",
        (
            option("id", metavar="ID", nargs="?", help="the session's id"),
            MATCHING,
            option("-o", "--output", metavar="FILE", help="the file (default: standard output)"),
            *ALWAYS,
        ),
        about="Write a session as lines that `import` reads. With --matching it is everything about a person: all\n"
        "their sessions, with their inbox and what waits for people, which `import` leaves out.",
    ),
    Command(
        "import",
        "take a session from exported lines; approvals given elsewhere do not count here",
        "agentkit import customer-4711.jsonl --as copy-of-4711",
        "move:import_",
        (
            option("file", metavar="FILE", help="what `export` wrote; - reads standard input"),
            option("--as", dest="new_id", metavar="ID", help="the session's id here, where the old one is taken"),
            *ALWAYS,
        ),
    ),
    Command(
        "probe",
        "find out what a live endpoint demands of a client, and write a contract row",
        "agentkit probe --base-url http://127.0.0.1:8000/v1 --model qwen3:8b",
        "probe:probe",
        (
            option("--base-url", metavar="URL", required=True, help="where the model is served (OpenAI-compatible)"),
            option("--model", metavar="NAME", required=True, help="what the service calls it"),
            option("--api-key-env", metavar="NAME", help="the environment variable that holds the key"),
            option("--contract", metavar="ID", help="compare with this row (default: the one that rules there)"),
            option("--wire", choices=("chat", "responses"), help="the API to speak (default: the first that answers)"),
            option(
                "--set",
                metavar="KEY=VALUE",
                action="append",
                default=[],
                help="a field of every request, like thinking.keep=all; may be given more than once",
            ),
            option("--yes", action="store_true", help="send without asking first"),
            option("--out", metavar="FILE", help="where the row is written (default: MODEL-probed.toml)"),
            JSON,
            VERBOSE,
        ),
        about="Send a short series of requests, and see how the service behaves: how it sends reasoning, where it\n"
        "asks for it again, what it refuses. It says first how much it will send, and asks. The row it writes is for\n"
        'Model(..., contract=Path("FILE")).',
        stopped="No row was written: the same command starts again from the beginning, and spends again.",
    ),
    Command(
        "doctor",
        "check keys, endpoint, contract row, clock, disk and journal; say what to do",
        "agentkit doctor --agent shop:support",
        "doctor:doctor",
        (
            AGENT,
            option("--model", metavar="NAME", help="check this model instead of an agent's"),
            option("--base-url", metavar="URL", help="where --model is served"),
            option("--contract", metavar="ID|FILE", help="the row for --model, or a file of rows (default: by host)"),
            option("--offline", action="store_true", help="ask no endpoint"),
            JSON,
            *ALWAYS,
        ),
        about="One line per check: ok, warn or FAIL, and what to do. The exit code is 1 where one has failed.",
    ),
    Command(
        "emulator",
        "serve a stand-in model that plays a script and enforces a provider's contract",
        "agentkit emulator --script talk.json --port 8123",
        "running:emulator",
        own_options=True,
    ),
)

COMMANDS: Mapping[str, Command] = {command.name: command for command in (*_ALL, *DURABLE, *MCP, *TOOLS)}
