"""114 real customers through real HTTP, the stream and the loop: the shop is right, and the thinking is exact."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest
from anyio.from_thread import start_blocking_portal

from agentkit import Agent, Model, Session, SQLiteJournal, replay
from agentkit.emulator import Emulator, Reply, Seen
from agentkit.events import CallRefused, ToolFinished
from examples.retail.desk import desk
from examples.retail.load import load
from examples.retail.records import Books
from examples.retail.shop import Shop
from tests.examples.retail_tasks import REAL, TASKS, broken_off, expected, left_behind, needs_real, turns

pytestmark = [needs_real, pytest.mark.anyio]

VARIANTS = [(stream, per_step) for stream in (True, False) for per_step in (1, 4)]


def opening(task: dict[str, Any], variant: object) -> str:
    """The first message, which names the conversation in the emulator's script."""
    return f"{task['customer']['reason_for_call']} (task {task['id']}, {variant})"
