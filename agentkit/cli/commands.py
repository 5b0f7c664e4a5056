"""All commands, as data: what they are called, what they take, and which function does the work."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Option:
    """One argument of a command, as `ArgumentParser.add_argument` takes it."""

    flags: tuple[str, ...]
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes:
        run: `module:function` under `agentkit.cli`; the function takes the parsed options and the screen.
        choice: options of which exactly one has to be given.
        own_options: the words after the command are parsed by `run` itself.
        stopped: what Ctrl-C leaves behind, and what the same command does then.
    """

    name: str
    help: str
    example: str
    run: str
    options: tuple[Option, ...] = ()
    choice: tuple[Option, ...] = ()
    about: str = ""
    own_options: bool = False
    stopped: str = "Nothing recorded is lost: the same command goes on."


def _option(*flags: str, **settings: Any) -> Option:
    return Option(flags, settings)


_JOURNAL = _option("--journal", metavar="PATH", help="the journal (default: see `agentkit --help`)")
_VERBOSE = _option("-v", "--verbose", action="store_true", help="log each event to standard error")
_JSON = _option("--json", action="store_true", help="print JSON for a program; progress goes to standard error")
_AGENT = _option("--agent", metavar="MODULE:NAME", help="who answers (default: `[tool.agentkit] agent`)")
_SESSION = _option("id", metavar="ID", help="the session's id")
_QUESTION = _option("question", metavar="ID", help="the question's id, as `agentkit pending` shows it")
_WITHIN = _option("--session", metavar="ID", help="the question's session, where the id alone does not tell")
_BY = _option("--by", metavar="NAME", required=True, help="who decides; recorded")
_ALWAYS = (_JOURNAL, _VERBOSE)
_DECIDING = (_QUESTION, _BY, _WITHIN, *_ALWAYS)

_WHAT_NEXT = "The decision is left in the session's inbox: it takes effect when the session is driven next."

_ALL = (
    Command(
        "chat",
        "talk to an agent, with thinking and tool calls shown as they come",
        "agentkit chat --model qwen3:8b --base-url http://127.0.0.1:11434/v1",
        "chat:chat",
        (
            _AGENT,
            _option("--model", metavar="NAME", help="chat with a bare model, without tools, instead of an agent"),
            _option("--base-url", metavar="URL", help="where --model is served (OpenAI-compatible)"),
            _option("--session", metavar="ID", default="chat", help="the conversation (default: chat)"),
            _JSON,
            *_ALWAYS,
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
            _option("--status", metavar="STATUS", help="only those that rest so: waiting, open, faulted, completed …"),
            _option("--limit", metavar="N", type=int, help="at most so many (default: 50; with --json all)"),
            _JSON,
            *_ALWAYS,
        ),
    ),
    Command(
        "show",
        "show what happened in a session: thinking, calls, decisions, results, cost",
        "agentkit show customer-4711 --full",
        "show:show",
        (
            _SESSION,
            _option("--full", action="store_true", help="shorten nothing"),
            _option("--raw", action="store_true", help="the list of recorded events instead, one line each"),
            _JSON,
            *_ALWAYS,
        ),
    ),
    Command(
        "events",
        "print a session's recorded events, one line each",
        "agentkit events customer-4711 --follow --json",
        "show:events",
        (
            _SESSION,
            _option("--after", metavar="N", type=int, default=0, help="only events behind number N"),
            _option("--follow", action="store_true", help="go on as events come, until Ctrl-C"),
            _JSON,
            *_ALWAYS,
        ),
    ),
    Command(
        "tail",
        "watch a session live, whichever process drives it, told as `show` tells it",
        "agentkit tail customer-4711 --after 12",
        "tail:tail",
        (
            _SESSION,
            _option("--after", metavar="SEQ", type=int, default=0, help="only events behind number SEQ"),
            _option("--once", action="store_true", help="tell what is there and leave"),
            _option("--until-rest", action="store_true", help="leave when the session rests and nobody drives it"),
            _option("--wait", action="store_true", help="wait for a session that does not exist yet"),
            _option("--full", action="store_true", help="shorten nothing"),
            _JSON,
            *_ALWAYS,
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
        (_SESSION, _AGENT, _JSON, *_ALWAYS),
        about="Drive a session until it rests. At rest it shows the last result.",
    ),
    Command(
        "pending",
        "list everything that waits for a person, oldest first",
        "agentkit pending",
        "sessions:pending",
        (_option("--session", metavar="ID", help="only this session"), _JSON, *_ALWAYS),
    ),
    Command(
        "approve",
        "let a held call run, perhaps with other arguments",
        "agentkit approve 1.2.0-14-ab12cd34ef --by ann",
        "decide:approve",
        (
            *_DECIDING,
            _option("--arguments", metavar="JSON", help="run it with these arguments instead"),
            _option("--agent", metavar="MODULE:NAME", help="check --arguments with this agent's tools now"),
        ),
        about=f"{_WHAT_NEXT} Without --agent, --arguments are checked then.",
    ),
    Command(
        "deny",
        "refuse a held call; the model is told the reason",
        'agentkit deny 1.2.0-14-ab12cd34ef --by ann --reason "over the limit"',
        "decide:deny",
        (*_DECIDING, _option("--reason", metavar="TEXT", required=True, help="what the model is told")),
        about=_WHAT_NEXT,
    ),
    Command(
        "answer",
        "answer a question that a tool asked",
        'agentkit answer 1.2.0-14-ab12cd34ef "the blue one" --by ann',
        "decide:answer",
        (_QUESTION, _option("text", metavar="TEXT", help="the answer"), *_DECIDING[1:]),
        about=_WHAT_NEXT,
    ),
    Command(
        "resolve",
        "say what became of a call whose outcome is unknown",
        'agentkit resolve 1.2.0-14-ab12cd34ef --by ann --happened \'{"receipt": "r-9"}\'',
        "decide:resolve",
        _DECIDING,
        choice=(
            _option("--happened", metavar="RESULT", help="it took effect; its result (JSON, else text)"),
            _option("--not-happened", action="store_true", help="it did not, and no longer can: it may run again"),
            _option("--unknown", action="store_true", help="nobody can tell: the model is told not to repeat it"),
        ),
        about=_WHAT_NEXT,
    ),
    Command(
        "cancel",
        "end a session's open turn",
        "agentkit cancel customer-4711 --by ann --agent shop:support",
        "decide:cancel",
        (
            _SESSION,
            _option("--by", metavar="NAME", required=True, help="who cancels; recorded"),
            _option("--agent", metavar="MODULE:NAME", help="end the turn now, with this agent"),
            *_ALWAYS,
        ),
        about="End the open turn: calls that have not started never will. Without --agent the wish is left for the\n"
        "process that drives the session, or for the next `agentkit resume`.",
    ),
    Command(
        "replay",
        "prove offline that today's code would send the same bytes, or show the first that differs",
        "agentkit replay customer-4711 --agent shop:support",
        "proof:replay",
        (_SESSION, _AGENT, _JSON, *_ALWAYS),
    ),
    Command(
        "fork",
        "make a session that shares another's past and takes a step anew",
        'agentkit fork customer-4711 try-2 --before 2.3 --say "the blue one" --agent shop:support',
        "fork:fork",
        (
            _SESSION,
            _option("new_id", metavar="NEW_ID", help="the new session's id"),
            _option("--before", metavar="TURN.STEP", required=True, help="the first model call that is made anew"),
            _option("--say", metavar="TEXT", help="tell the model this first"),
            _option("--no-asking", action="store_true", help="tools that act once need not ask because of the fork"),
            _option("--agent", metavar="MODULE:NAME", help="drive the new session now, with this agent"),
            _JSON,
            *_ALWAYS,
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
        (_SESSION, _option("other", metavar="OTHER", help="the other session's id"), _JSON, *_ALWAYS),
        about="Compared are messages, reasoning, answers, calls with their arguments, results, decisions and how\n"
        "turns ended; not times, cost or ids. The exit code is 0 where nothing differs, 8 where something does.",
    ),
    Command(
        "export",
        "write a session as JSON lines",
        "agentkit export customer-4711 --output customer-4711.jsonl",
        "move:export",
        (_SESSION, _option("-o", "--output", metavar="FILE", help="the file (default: standard output)"), *_ALWAYS),
    ),
    Command(
        "import",
        "take a session from exported lines; approvals given elsewhere do not count here",
        "agentkit import customer-4711.jsonl --as copy-of-4711",
        "move:import_",
        (
            _option("file", metavar="FILE", help="what `export` wrote; - reads standard input"),
            _option("--as", dest="new_id", metavar="ID", help="the session's id here, where the old one is taken"),
            *_ALWAYS,
        ),
    ),
    Command(
        "probe",
        "find out what a live endpoint demands of a client, and write a contract row",
        "agentkit probe --base-url http://127.0.0.1:8000/v1 --model qwen3:8b",
        "probe:probe",
        (
            _option("--base-url", metavar="URL", required=True, help="where the model is served (OpenAI-compatible)"),
            _option("--model", metavar="NAME", required=True, help="what the service calls it"),
            _option("--api-key-env", metavar="NAME", help="the environment variable that holds the key"),
            _option("--contract", metavar="ID", help="compare with this row (default: the one that rules there)"),
            _option("--wire", choices=("chat", "responses"), help="the API to speak (default: the first that answers)"),
            _option(
                "--set",
                metavar="KEY=VALUE",
                action="append",
                default=[],
                help="a field of every request, like thinking.keep=all; may be given more than once",
            ),
            _option("--yes", action="store_true", help="send without asking first"),
            _option("--out", metavar="FILE", help="where the row is written (default: MODEL-probed.toml)"),
            _JSON,
            _VERBOSE,
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
            _AGENT,
            _option("--model", metavar="NAME", help="check this model instead of an agent's"),
            _option("--base-url", metavar="URL", help="where --model is served"),
            _option("--contract", metavar="ID|FILE", help="the row for --model, or a file of rows (default: by host)"),
            _option("--offline", action="store_true", help="ask no endpoint"),
            _JSON,
            *_ALWAYS,
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

COMMANDS: Mapping[str, Command] = {command.name: command for command in _ALL}
