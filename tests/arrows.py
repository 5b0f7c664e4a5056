"""Who may import whom in agentkit, and where each third-party package is at home. `test_architecture.py` reads it."""

ARROWS = {  # what a module or folder of agentkit may import of it, beside its own; "*": anything
    **dict.fromkeys(("clock", "lates", "observe", "prefix"), "core"),
    **dict.fromkeys(("journal", "models", "tools"), "core errors"),
    **dict.fromkeys(("cli", "testing"), "*"),
    **dict.fromkeys(("__init__", "apart", "emulator", "errors", "ids"), ""),
    "agent": "core errors journal.memory models result session tools",
    "answering": "core errors models.base prefix recorder",
    "core": "errors",
    "decisions": "core errors inbox journal.base questions",
    "driver": "answering apart core errors inbox journal.base lates models.base patience questions recorder "
    "tools.dispatch upgrades",
    "events": "core.events",
    "forks": "core errors ids journal.base redaction",
    "inbox": "core errors journal.base journal.codec",
    "ledger": "core errors journal.base",
    "means": "answering core driver errors ids models.base prefix recorder",
    "messages": "core.messages",
    "patience": "core journal.base questions",
    "probe": "core errors models",
    "proof": "agent core errors journal.base models.base prefix tools.dispatch",
    "questions": "core journal.base",
    "recorder": "clock ids core errors inbox journal.base lates questions redaction",
    "redaction": "core errors",
    "result": "core errors questions",
    "session": "apart core decisions driver errors forks ids inbox journal.base journal.watch "
    "means observe questions recorder redaction result stream upgrades",
    "stream": "core recorder result",
    "upgrades": "answering core errors recorder",
    "workers": "agent apart errors events ids journal.address journal.base redaction session tools.running",
}
# What only a type checker sees.
TYPING_ARROWS = {"__init__": "*", "journal": "redaction", "means": "agent", "session": "agent tools"}

HOMES = {  # where in agentkit a third-party package is at home; "*" is everywhere but the core
    "anyio": "*",
    "cryptography": "agentkit/journal/keys.py",
    "dbos": "agentkit/workers/dbos.py",
    "docstring_parser": "agentkit/tools/schema.py",
    "genai_prices": "agentkit/models/prices.py",
    "httpx2": "agentkit/models/openai.py",
    "jsonschema": "agentkit/tools/validate.py",
    "openai": "agentkit/models/openai.py",
    "psycopg": "agentkit/journal/postgres/",
    "pydantic": "agentkit/core/contract.py agentkit/tools/schema.py",  # a table's row; a tool's arguments
    "pydantic_core": "agentkit/tools/results.py",
    "referencing": "agentkit/tools/validate.py",
    "rich": "agentkit/cli/",
    "sqlalchemy": "agentkit/workers/dbos.py",  # comes with DBOS: one pool for both
    "starlette": "agentkit/emulator/",
    "structlog": "agentkit/observe.py",
    "temporalio": "agentkit/workers/temporal.py agentkit/workers/temporal_flow.py",
    "tenacity": "agentkit/models/retry.py agentkit/journal/postgres/link.py",
    "typing_extensions": "*",
    "uvicorn": "agentkit/emulator/server.py",
}
