"""`import agentkit` is cheap: it loads no service's client, and its names are looked up when they are first used."""

import json
import os
import subprocess
import sys
from statistics import median

SLOW = ("openai", "jsonschema", "structlog", "httpx", "httpx2", "genai_prices", "rich", "starlette", "sqlite3")
BUDGET = 0.25  # seconds of CPU
RUNS = 5

REPORT = "import json, sys, time; print(json.dumps([time.process_time(), sorted(sys.modules)]))"


def fresh(code: str) -> tuple[float, set[str]]:
    """Return the CPU time in seconds and the loaded modules of a new interpreter that has run `code`."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    run = subprocess.run([sys.executable, "-c", f"{code}\n{REPORT}"], capture_output=True, check=True, env=bare)
    seconds, modules = json.loads(run.stdout)
    return seconds, set(modules)


def test_import_loads_no_service_client() -> None:
    _, modules = fresh("import agentkit")
    assert "agentkit" in modules
    assert {name for name in SLOW if name in modules} == set()


def test_the_public_names_load_neither_client_nor_validator() -> None:
    _, modules = fresh("from agentkit import Model, Outcome, SQLiteJournal, ToolContext, tool")
    assert {"openai", "jsonschema", "structlog"} & modules == set()


BUILT = """
from agentkit import Agent, Model, tool
@tool(effect="read")
async def look(number: int) -> str:
    'Look.'
    return ""
model = Model("m", base_url="http://127.0.0.1:9/v1", api_key="k", contract="deepseek-v4")
assert type(Agent(model, tools=[look]).dispatch.check("1.1.0", "look", '{"number": 7}', None)).__name__ == "Go"
"""


def test_an_agent_is_built_and_sees_that_a_call_fits_without_what_drives_it_and_judges_calls() -> None:
    _, modules = fresh(BUILT)
    late = {
        "agentkit.session",
        "agentkit.driver",
        "agentkit.journal.memory",
        "agentkit.subagent",
        "agentkit.tools.validate",
    }
    assert "agentkit.tools.dispatch" in modules
    assert {*SLOW, *late, "regex", "referencing", "tenacity", "asyncio"} & modules == set()


def test_import_takes_at_most_250_ms_of_cpu() -> None:
    def cost() -> float:
        """Measured in turns with a bare interpreter: what else the machine does then weighs on both."""
        bare, _ = fresh("")
        full, _ = fresh("import agentkit")
        return full - bare

    assert median(cost() for _ in range(RUNS)) <= BUDGET


def test_a_service_client_is_loaded_when_it_is_asked_for() -> None:
    _, modules = fresh("import agentkit.models\nagentkit.models.openai")
    assert "openai" in modules


FIRST_REQUEST = """
import os, sys, threading, anyio
from agentkit import Model
from agentkit.errors import ConfigurationError
from agentkit.models.base import Body
main = []
def told(event, args):
    if event == "import" and args[0] == "openai":
        main.append(threading.current_thread() is threading.main_thread())
sys.addaudithook(told)
os.environ["AGENTKIT_TRANSPORT"] = "none"  # refused once the client is loaded
model = Model("m", base_url="http://127.0.0.1:9/v1")
try:
    anyio.run(model.call, Body(b"{}", []), model.resolve(), None)
except ConfigurationError:
    assert main == [False], main
"""


def test_the_first_request_loads_the_client_in_a_thread_so_that_others_need_not_wait() -> None:
    _, modules = fresh(FIRST_REQUEST)
    assert "openai" in modules
