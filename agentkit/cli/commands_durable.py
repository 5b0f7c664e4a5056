"""The commands for keeping sessions and for working on them with many processes."""

from agentkit.cli.command import AGENT, ALWAYS, JSON, MATCHING, SESSION, STATUSES, Command, option
from agentkit.cli.commands_proof import PROOF

WORKERS: tuple[Command, ...] = (
    Command(
        "worker",
        "drive whatever session has something to do, until told to stop",
        "agentkit worker --agent shop:support --concurrency 20",
        "worker:worker",
        (
            AGENT,
            option(
                "--queue",
                metavar="NAME",
                action="append",
                default=[],
                help="only sessions of the agent of this name; may be given more than once; '*': all (default: the "
                "agent's own; where --agent is a function, all)",
            ),
            option("--concurrency", metavar="N", type=int, default=10, help="sessions driven at once (default: 10)"),
            option(
                "--grace",
                metavar="S",
                type=float,
                default=30.0,
                help="seconds that driven sessions may take when the worker is told to stop (default: 30)",
            ),
            option(
                "--ttl",
                metavar="S",
                type=float,
                default=15.0,
                help="seconds after which others take over what a frozen or unreachable worker drives (default: 15)",
            ),
            option("--once", action="store_true", help="drive what is ready, and leave"),
            option(
                "--engine",
                choices=("embedded", "dbos", "temporal"),
                default="embedded",
                help="what says which session to drive: the journal itself (default), DBOS on the journal's Postgres, "
                "or a Temporal server",
            ),
            option("--temporal", metavar="HOST:PORT", help="the Temporal server (default: 127.0.0.1:7233)"),
            option("--namespace", metavar="NAME", help="its namespace (default: default)"),
            *ALWAYS,
        ),
        about="Drive sessions that have a message, a decision or unfinished work, many at once. Start as many workers\n"
        "as you like, on one machine with SQLite, on many with Postgres. What a worker that died was doing is taken\n"
        "over by another. Ctrl-C or SIGTERM: it takes no new session, and hands back what does not end in time.",
    ),
    Command(
        "say",
        "leave a message for a session, without driving it",
        'agentkit say customer-4711 "Where is order 7?" --agent-name support',
        "hand:say",
        (
            SESSION,
            option("text", metavar="TEXT", help="the message"),
            option("--id", dest="id_of_message", metavar="MESSAGE_ID", help="said twice under one id, it is said once"),
            option(
                "--agent-name",
                metavar="NAME",
                default="",
                help="who answers in a new session: the queue of a worker (default: any worker)",
            ),
            option("--now", action="store_true", help="enter the open turn, instead of waiting for its end"),
            option(
                "--as", dest="person", metavar="NAME", help="answer in the agent's place, who is silent until hand-back"
            ),
            *ALWAYS,
        ),
        about="Leave a message in the session's inbox. It makes the session where there is none. A worker drives it.\n"
        "With --as, a person of that name answers the customer: what the agent is at is cut off, and messages wait\n"
        "for a person until `agentkit hand-back`.",
    ),
    Command(
        "hand-back",
        "let the agent answer again after a person answered in its place",
        "agentkit hand-back customer-4711 --by ann",
        "hand:hand_back",
        (SESSION, option("--by", metavar="NAME", required=True, help="who hands back"), *ALWAYS),
        about="Messages that came in meanwhile, and that nobody has answered, are answered by the agent.",
    ),
    Command(
        "revive",
        "let workers drive a session again: a dead letter, or one whose turn failed",
        "agentkit revive customer-4711",
        "hand:revive",
        (SESSION, *ALWAYS),
        about="A session that was driven in vain three times in a row, without anything new recorded, is a dead\n"
        "letter: no worker drives it. `agentkit sessions --status dead` lists them with their reasons.",
    ),
)

DB = Command(
    "db",
    "show the format of the journal's tables, or bring them to this version's",
    "agentkit db upgrade --journal postgresql://agentkit@db.example.org/agentkit",
    "db:db",
    (option("what", choices=("status", "upgrade"), help="look, or run what is missing"), JSON, *ALWAYS),
    about="A new journal is made by the first session. A file of an older format is upgraded when it is opened; on a\n"
    "server you say when: stop what uses it, then `agentkit db upgrade`. Several at once do no harm.\n"
    "`status` ends with code 1 where an upgrade is needed.",
    stopped="An upgrade is one transaction: it is done, or nothing was changed.",
)

KEEPING: tuple[Command, ...] = (
    Command(
        "erase",
        "erase sessions for good: what was said goes, its structure and cost may stay",
        "agentkit erase customer-4711 --forks",
        "keep:erase",
        (
            option("ids", metavar="ID", nargs="*", help="the sessions"),
            MATCHING,
            option("--forks", action="store_true", help="their forks, which share what was said, go with them"),
            option("--no-structure", action="store_true", help="leave nothing, and the id free for a new session"),
            option("--yes", action="store_true", help="do not ask"),
            JSON,
            *ALWAYS,
        ),
        about="Erase sessions: bodies, contents, inbox, questions, data keys and the id, in whose place a hash of it\n"
        "stays with types, turns, usage and times. A session that a live process drives is refused. On SQLite no byte\n"
        "of it is left in the files; on Postgres it says what remains in its log and in backups.",
        stopped="All of them are erased, or none; then `agentkit vacuum` finishes what was begun.",
    ),
    Command(
        "vacuum",
        "erase sessions that are older than they may be kept, and give back free space",
        "agentkit vacuum --older-than 90d --dry-run",
        "keep:vacuum",
        (
            option("--older-than", metavar="AGE", help="erase sessions whose last event is older: 90d, 12h, 30m"),
            option(
                "--status",
                metavar="STATUS",
                action="append",
                choices=STATUSES,
                help="which of them; may be given more than once (default: completed, cancelled, limit, failed, idle)",
            ),
            option(
                "--structure",
                choices=("keep", "drop"),
                default="keep",
                help="whether types, turns, usage and times stay (default: keep)",
            ),
            option("--dry-run", action="store_true", help="only tell what would be erased"),
            JSON,
            *ALWAYS,
        ),
        about="Without --older-than, free space is given back and nothing else happens. A session that is driven, has\n"
        "mail, or shares its past with a fork that stays, is left alone.",
    ),
    Command(
        "sizes",
        "show what each session takes, largest first, and the journal as a whole",
        "agentkit sizes --limit 50",
        "keep:sizes",
        (option("--limit", metavar="N", type=int, help="at most so many (default: 20)"), JSON, *ALWAYS),
    ),
)

DURABLE: tuple[Command, ...] = (*WORKERS, DB, *PROOF, *KEEPING)
