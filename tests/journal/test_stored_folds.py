"""A fact changes a draft of the state in place (core/replacing.py): it comes to the same as changing values."""

from pathlib import Path

import pytest

from agentkit import SQLiteJournal
from agentkit.core.loop import TABLE, apply
from agentkit.core.replacing import replace
from agentkit.core.state import State
from tests.journal.test_stored_journals import copied, each_file, sessions

pytestmark = pytest.mark.anyio


@each_file
async def test_what_a_fact_does_to_a_draft_it_does_to_a_value(number: int, file: str, tmp_path: Path) -> None:
    folded = 0
    async with SQLiteJournal(copied(number, file, tmp_path), create=False) as journal:
        for name, _, _ in sessions(number, file):
            state = State()
            async for record in journal.read(name):
                before = dict(vars(state))
                _, move = TABLE[type(record.event)]
                plain = move(replace(state, seq=state.seq + 1), record.event)
                after = apply(state, record.event)
                assert after == plain, (name, record.seq, record.event)
                assert vars(state) == before
                state, folded = after, folded + 1
    assert folded > 100
