"""What an experiment is judged by: the journal, the service's bill and the world have to tell the same story."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from agentkit import UnknownOutcome
from agentkit.core.record import Record
from agentkit.events import ModelResponded, ModelStarted, RunStarted, ToolFinished, ToolStarted, TurnEnded
from tests.durable.plan import Plan
from tests.durable.world import World


@dataclass
class Killed:
    """What was going on when a worker was killed. `at` in seconds since 1970."""

    pid: int
    at: float
    fraction: float


def check_parked(records: dict[str, list[Record]], unknowns: dict[str, UnknownOutcome], world: World, pid: int) -> None:
    """Exactly the calls that the killed process had started, and whose outcome it had not recorded, are parked."""
    open_at_kill = {key for history in records.values() for key in _started_and_lost(history)}
    assert set(unknowns) == open_at_kill
    began = {line.words[1]: line.words[4] for line in world.lines("effects") if line.words[0] == "began"}
    assert {began[key] for key in unknowns if key in began} <= {str(pid)}, "parked, and not the killed process's"
    finished = {key for history in records.values() for key in _finished(history)}
    lost = {key for key, by in began.items() if by == str(pid)} - finished
    assert lost <= set(unknowns), "begun by the killed process, and neither recorded nor parked"


def _started_and_lost(history: Sequence[Record]) -> set[str]:
    finished = _finished(history)
    return {key for key in _keys(history, ToolStarted) if key not in finished}


def _finished(history: Sequence[Record]) -> set[str]:
    return _keys(history, ToolFinished)


def _keys(history: Sequence[Record], kind: type[ToolStarted | ToolFinished]) -> set[str]:
    uid = next(record.event.uid for record in history if hasattr(record.event, "uid"))
    return {f"{uid}/{record.event.call}" for record in history if isinstance(record.event, kind)}


def check_nothing_lost(plan: Plan, records: dict[str, list[Record]]) -> None:
    """Every session has all its steps and its right answer."""
    for name, history in records.items():
        ended = [record.event for record in history if isinstance(record.event, TurnEnded)]
        assert [event.status for event in ended] == ["completed"], (name, ended)
        said = [record.event.message for record in history if isinstance(record.event, ModelResponded)]
        assert len(said) == plan.steps + 1, (name, len(said))
        assert said[-1].text == f"{name}: all {plan.steps} steps are done"


def check_bill(plan: Plan, records: dict[str, list[Record]], world: World) -> int:
    """No answer that is recorded was paid again; return how many were lost in flight and so asked twice."""
    paid = Counter(line.words[:2] for line in world.lines("paid") if line.words[3] == "asked")
    assert set(paid) == {(name, str(position)) for name in plan.names for position in range(plan.steps + 1)}
    lost = 0
    for name, history in records.items():
        attempts = _attempts(history)
        for position, voided in enumerate(attempts):
            # A request is sent after its ModelStarted is recorded, so there may be fewer requests, never more.
            assert 1 <= paid[name, str(position)] <= 1 + voided, (name, position, paid[name, str(position)], voided)
            lost += paid[name, str(position)] - 1
    return lost


def _attempts(history: Sequence[Record]) -> list[int]:
    """Return, per answer, how many calls before it were under way when their process ended."""
    positions, under_way, voided = [], False, 0
    for record in history:
        match record.event:
            case ModelStarted():
                under_way = True
            case RunStarted():
                voided, under_way = voided + under_way, False
            case ModelResponded():
                positions.append(voided)
                under_way, voided = False, 0
            case _:
                pass
    return positions


def check_effects(plan: Plan, world: World) -> None:
    """Every step took effect once, under one key."""
    did = [line.words for line in world.lines("effects") if line.words[0] == "did"]
    keys = Counter(words[1] for words in did)
    assert [key for key, count in keys.items() if count > 1] == []
    steps = Counter(words[2:4] for words in did)
    assert steps == Counter((name, str(step)) for name in plan.names for step in range(plan.steps))


def resumed_after(killed: Killed, records: dict[str, list[Record]]) -> list[float]:
    """Return, for each session the killed process was driving, seconds until another had taken it up, sorted.

    Who takes a session up in the middle records that first. Nobody but the killed one has left any.
    """
    begun = [
        [each.at.timestamp() for each in found if isinstance(each.event, RunStarted)] for found in records.values()
    ]
    later = [min(at for at in times if at > killed.at) for times in begun if times and times[-1] > killed.at]
    return sorted(at - killed.at for at in later)
