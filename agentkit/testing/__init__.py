"""For tests, yours included: what breaks a program on purpose, and what proves that it does not matter.

`crash_everywhere` kills, freezes and cuts off one call of a tool wherever that can happen, and reports what became of
it. `FrozenWorker` freezes a real process. `FaultyJournal` lets one append fail; `PositionedModel` goes on where a
killed program was; `ill_formed` judges what a model gets to see. `replay_case` makes a recorded session a test.
"""

from agentkit.testing.cases import replay_case
from agentkit.testing.everywhere import EVERYTHING, crash_everywhere
from agentkit.testing.faulty import Died, Fault, FaultyJournal, until_death
from agentkit.testing.frozen import FrozenWorker
from agentkit.testing.judge import ill_formed
from agentkit.testing.positioned import PositionedModel
from agentkit.testing.report import Accident, CrashReport, Run

__all__ = [
    "EVERYTHING",
    "Accident",
    "CrashReport",
    "Died",
    "Fault",
    "FaultyJournal",
    "FrozenWorker",
    "PositionedModel",
    "Run",
    "crash_everywhere",
    "ill_formed",
    "replay_case",
    "until_death",
]
