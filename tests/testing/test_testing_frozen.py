"""A frozen worker that cannot be frozen says why; the real thing is tests/durable/test_freeze_and_thaw.py."""

import os
import sys

import pytest

from agentkit import MemoryJournal
from agentkit.errors import AgentkitError
from agentkit.events import ToolStarted
from agentkit.testing import FrozenWorker

pytestmark = pytest.mark.anyio


def worker(program: str, seconds: float) -> FrozenWorker:
    return FrozenWorker([sys.executable, "-c", program], MemoryJournal(), "s", at=ToolStarted, seconds=seconds)


async def test_a_worker_that_ends_too_early_is_quoted() -> None:
    with pytest.raises(AgentkitError, match=r"the worker ended before ToolStarted. It said:\nno such agent"):
        async with worker("print('no such agent')", 60):
            pass


async def test_an_event_that_does_not_come_is_named_and_the_worker_is_gone() -> None:
    waiting = worker("import time; time.sleep(600)", 0.3)
    with pytest.raises(AgentkitError, match=r"session 's' had no ToolStarted within 0.3 s"):
        async with waiting:
            pass
    with pytest.raises(ProcessLookupError):
        os.kill(waiting.pid, 0)
