"""Three workers, one killed at a random moment: nothing lost, nothing twice, on every engine.

`SEED=… pytest …` runs one again. The full size is `make crash`.
"""

from pathlib import Path

import pytest

from tests.durable.crash import experiment
from tests.durable.engines import ENGINES, ground
from tests.durable.plan import Plan

pytestmark = [pytest.mark.anyio, pytest.mark.crash]


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_killed_worker_costs_nothing(engine: str, tmp_path: Path) -> None:
    plan = Plan(ground(engine, tmp_path), tmp_path, sessions=12, steps=5)
    print(await experiment(plan))  # noqa: T201 - the figures


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("engine", ENGINES)
async def test_a_killed_worker_costs_nothing_in_full(engine: str, tmp_path: Path) -> None:
    # Two workers have room for all sessions: where there is none, who is resumed when is a matter of the queue.
    plan = Plan(ground(engine, tmp_path), tmp_path, sessions=200, steps=20, concurrency=100)
    print(await experiment(plan))  # noqa: T201 - the figures
