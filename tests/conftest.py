"""What every test shares."""

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("few", max_examples=60)
settings.register_profile("full", max_examples=600)

# Volumes, repeats and whole processes: what they run of agentkit is counted where its own room tests it, and counting
# costs two thirds more time.
UNCOUNTED = {"benchmarks", "contracts", "durable", "examples", "typing"}
TESTS = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    """The long form of the suite is also long in examples."""
    settings.load_profile("few" if config.option.markexpr == "not full" else "full")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With coverage on, leave those uncounted that need not be."""
    if config.pluginmanager.hasplugin("_cov"):
        for item in items:
            if item.path.relative_to(TESTS).parts[0] in UNCOUNTED:
                item.add_marker("no_cover")


@pytest.fixture(params=["asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)
