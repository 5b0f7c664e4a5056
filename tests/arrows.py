"""Who may import whom in agentkit, and where each third-party package is at home. `test_architecture.py` reads it."""

ARROWS = {  # what a module or folder of agentkit may import of it, beside its own; "*": anything
    **dict.fromkeys(("clock", "lates", "observe", "prefix"), "core"),
    **dict.fromkeys(("journal", "models", "tools"), "core errors"),
    **dict.fromkeys(("cli", "testing"), "*"),
    **dict.fromkeys(("__init__", "apart", "emulator", "errors", "ids"), ""),
    "agent": "core errors models result tools",
    "alone": "core errors journal.memory result session subagent tools",
    "answering": "core errors models.base prefix recorder",
    "children": "core errors inbox journal.base journal.calls questions recorder",
    "core": "errors",
    "decisions": "core errors inbox journal.base questions",
    "desk": "children core decisions errors ids inbox journal.base questions recorder redaction",
    "driver": "apart children core errors hands inbox journal.base lates means models.base patience questions recorder "
    "tools.dispatch tray undone upgrades",
    "events": "core.cutting core.events core.events_people",
    "forks": "core errors ids journal.base redaction",
    "hands": "tray",
    "inbox": "core errors journal.base journal.codec",
    "ledger": "core errors events journal.base",
    "means": "answering core errors ids models.base prefix recorder tools.dispatch",
    "messages": "core.messages",
    "patience": "core journal.base questions",
    "probe": "core errors models",
    "proof": "agent core errors journal.base models.base prefix tools.dispatch",
    "questions": "core journal.base",
    "recorder": "clock ids core errors inbox journal.base lates questions redaction slimming",
    "slimming": "core",
    "redaction": "core errors",
    "result": "core errors questions",
    "session": "apart children core decisions desk driver errors forks ids inbox journal.base journal.watch "
    "means questions recorder redaction result stream upgrades",
    "subagent": "core errors recorder result session tools",
    "stream": "core recorder result",
    "undone": "core models.base",
    "upgrades": "answering core errors recorder",
    "workers": "agent apart errors events ids journal.address journal.base journal.calls redaction session "
    "tools.running",
}
# What only a type checker sees.
TYPING_ARROWS = {
    "__init__": "*",
    "journal": "redaction",
    "alone": "agent",
    "children": "agent",
    "desk": "agent",
    "means": "agent",
    "session": "agent tools",
    "subagent": "agent",
}

HOMES = {  # where in agentkit a third-party package is at home; "*" is everywhere but the core
    "aiohttp": "agentkit/models/aio.py",
    "anyio": "*",
    "cryptography": "agentkit/journal/keys.py",
    "dbos": "agentkit/workers/dbos.py",
    "docstring_parser": "agentkit/tools/docstrings.py",
    "genai_prices": "agentkit/models/prices.py",
    "httpx2": "agentkit/models/sdk.py agentkit/tools/mcp/place.py agentkit/tools/openapi/sending.py "
    "tools/agentkit_tools/http.py tools/agentkit_tools/_connecting.py",
    "json_repair": "agentkit/tools/repair.py",
    "jsonschema": "agentkit/tools/validate.py agentkit/tools/keywords.py",
    "jsonschema_specifications": "agentkit/tools/validate.py",
    "mcp": "agentkit/tools/mcp/",
    "openai": "agentkit/models/sdk.py agentkit/models/openai.py",
    "openapi_pydantic": "agentkit/tools/openapi/document.py",
    "psycopg": "agentkit/journal/postgres/ tools/agentkit_tools/_postgres.py",
    "pydantic": "agentkit/core/contract.py "  # a table's row
    "agentkit/tools/annotations.py agentkit/tools/generate.py agentkit/tools/schema.py agentkit/tools/raw.py "
    "agentkit/tools/decorator.py agentkit/tools/reading.py tools/agentkit_tools/files.py "
    "agentkit/subagent.py tools/agentkit_tools/knowledge.py "  # a tool's arguments
    "agentkit/tools/output.py "  # an answer's type
    "agentkit/tools/mcp/link.py agentkit/tools/openapi/document.py",  # what a library raises
    "pydantic_core": "agentkit/tools/glance.py agentkit/tools/results.py agentkit/tools/returned.py "
    "agentkit/journal/jsonbytes.py agentkit/journal/quick.py agentkit/models/sse.py",
    "referencing": "agentkit/tools/validate.py agentkit/tools/keywords.py agentkit/tools/openapi/document.py",
    "regex": "agentkit/tools/patterns.py",
    "rich": "agentkit/cli/",
    "sqlalchemy": "agentkit/workers/dbos.py",  # comes with DBOS: one pool for both
    "starlette": "agentkit/emulator/",
    "structlog": "agentkit/observe.py",
    "temporalio": "agentkit/workers/temporal.py agentkit/workers/temporal_flow.py",
    "tenacity": "agentkit/models/retry.py agentkit/journal/postgres/link.py agentkit/tools/retrying.py",
    "typing_extensions": "*",
    "uvicorn": "agentkit/emulator/server.py agentkit/tools/mcp/serve.py",
}
