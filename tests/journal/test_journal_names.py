"""The folder's names: loaded when they are asked for, and no others."""

import pytest

import agentkit.journal


def test_the_folder_s_names_are_loaded_when_they_are_asked_for() -> None:
    kinds = {"Journal", "KeyFolder", "KeyRing", "MemoryJournal", "PostgresJournal", "SQLiteJournal", "open_journal"}
    assert {getattr(agentkit.journal, name).__name__ for name in agentkit.journal.__all__} == kinds
    with pytest.raises(AttributeError, match="PaperJournal"):
        _ = agentkit.journal.PaperJournal
