"""The commands that prove something of what is recorded: as a test, and as a ledger for an auditor."""

from agentkit.cli.command import ALWAYS, JSON, SESSION, Command, option

PROOF: tuple[Command, ...] = (
    Command(
        "case",
        "make a recorded session a test: a file for `agentkit.testing.replay_case`",
        "agentkit case customer-4711",
        "case:case",
        (
            SESSION,
            option("-o", "--output", metavar="FILE", help="the file (default: tests/cases/ID.jsonl)"),
            JSON,
            *ALWAYS,
        ),
        about="Write a session, of a fork with all it shares, to a file, and say how a test uses it. The test replays\n"
        "it offline and fails, with the first byte and the reason, where today's code would send or record anything\n"
        "else. A case holds the whole conversation: look at it before you share it.",
    ),
    Command(
        "ledger",
        "list every effect that was started, with what can be proven of it: once, never, unknown, twice",
        "agentkit ledger --since 2026-11-01 --tool refund --csv > november.csv",
        "ledger:ledger",
        (
            option("--since", metavar="DATE", help="only what was started from then on (2026-11-01, or with a time)"),
            option("--until", metavar="DATE", help="only what was started before then"),
            option("--tool", metavar="NAME", help="only calls of this tool"),
            option("--session", metavar="ID", help="only this session"),
            option("--csv", action="store_true", help="print a table for a spreadsheet"),
            JSON,
            *ALWAYS,
        ),
        about="Every started call of a tool that is `once` or `idempotent`, in all sessions, with its key, its\n"
        "starts, who decided what, and a verdict. The verdicts follow from the recorded events alone; their rules are\n"
        "told below. Times without a zone are UTC. The exit code is 8 where anything might have run twice.",
    ),
)
