"""What every test shares."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# On a machine that does other things too, how long an example takes says nothing of the code.
settings.register_profile("few", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("full", settings.get_profile("few"), max_examples=600)

# Volumes, repeats and whole processes, by folder and by file: what they run of agentkit is counted where its own room
# tests it, and counting costs as much again.
UNCOUNTED = {
    *("benchmarks", "contracts", "durable", "examples", "typing", "test_crash.py"),
    *("emulator/test_emulator_prefix.py", "emulator/test_emulator_rows.py"),
    *("journal/test_postgres_size.py", "journal/test_sqlite_crowd.py", "journal/test_sqlite_size.py"),
    *("journal/test_stored_journals.py", "library/test_gigabytes.py", "session/test_session_races.py"),
    *("session/test_session_crowd.py", "session/test_session_same_program.py", "tools/test_bfcl.py"),
    *("tools/openapi/test_openapi_github.py", "tools/test_schema_suite.py"),
}
TESTS = Path(__file__).parent
COUNTING = "COVERAGE_PROCESS_CONFIG"  # coverage's own, which makes the processes that a test starts count


def pytest_configure(config: pytest.Config) -> None:
    """The long form of the suite is also long in examples. Ctrl-C works in what tests start, whoever started them."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as of all that `nohup` or a script's `&` starts
        signal.signal(signal.SIGINT, signal.default_int_handler)
    settings.load_profile("few" if config.option.markexpr == "not full" else "full")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With coverage on, leave those uncounted that need not be."""
    if config.pluginmanager.hasplugin("_cov"):
        for item in items:
            place = item.path.relative_to(TESTS)
            if {place.parts[0], place.as_posix()} & UNCOUNTED:
                item.add_marker("no_cover")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Processes count as the test does that starts them."""
    kept = os.environ.pop(COUNTING, None) if item.get_closest_marker("no_cover") else None
    try:
        return (yield)
    finally:
        if kept is not None:
            os.environ[COUNTING] = kept


@pytest.fixture(params=["asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)
