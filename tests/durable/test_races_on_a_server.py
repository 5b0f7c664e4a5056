"""People and time race about one call on a server, as tests/session/test_session_races.py lets them in a file."""

from collections import Counter
from pathlib import Path

import anyio
import pytest

from agentkit import Session
from agentkit.events import CallClosed, CallDenied, ToolFinished
from agentkit.journal import PostgresJournal
from tests import postgres
from tests.session.desk import Till, facts
from tests.session.test_session_races import Race

pytestmark = [pytest.mark.anyio, pytest.mark.crash]

SETTLED = (ToolFinished, CallDenied, CallClosed)


class PostgresRace(Race):
    """The same race, on a journal that is open already."""

    journal: PostgresJournal

    def session(self, path: Path) -> Session[Till, str]:
        made = super().session(path)
        return type(made)(made._agent, self.name, journal=self.journal, deps=self.till)  # noqa: SLF001 - whose agent it is


@pytest.mark.parametrize("races", [60, pytest.param(1000, marks=[pytest.mark.full, pytest.mark.timeout(900)])])
async def test_people_and_time_race_on_a_server_as_in_a_file(races: int, tmp_path: Path) -> None:
    async with PostgresJournal(postgres.server().fresh()) as journal:
        PostgresRace.journal = journal
        outcomes: Counter[str] = Counter()
        for number in range(races):
            race = PostgresRace(tmp_path, number)
            with anyio.fail_after(60):
                await race.run()
            async with race.session(tmp_path) as session:
                (end,) = [event for event in await facts(session) if isinstance(event, SETTLED)]
            outcomes[type(end).__name__] += 1
        assert set(outcomes) == {each.__name__ for each in SETTLED}, outcomes
