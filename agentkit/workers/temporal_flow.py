"""The workflow that Temporal keeps per session: drive it; if somebody woke it meanwhile, drive it again.

Histories of running workflows are replayed against this file by workers of any age: what it asks for, and in which
order, must stay so. All that may change is in the activity, and in the journal. Only the session's id goes through.
"""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

DRIVE = "agentkit.drive"  # the name of the workflow, and of its activity
WAKE = "wake"

_LONGEST = timedelta(days=30)  # one drive; a dead worker is noticed by its heartbeat
_AGAIN = RetryPolicy(initial_interval=timedelta(seconds=0.5), maximum_interval=timedelta(seconds=15))


@workflow.defn(name=DRIVE)
class DriveSession:
    """One session's drives, one at a time. There is no such workflow while a session rests."""

    def __init__(self) -> None:
        self._wakes = 0

    @workflow.signal(name=WAKE)
    def wake(self) -> None:
        """Note that there is something new: the drive under way may have looked already."""
        self._wakes += 1

    @workflow.run
    async def run(self, session_id: str, heartbeat: float) -> str:
        """Drive the session until nobody wakes it any more.

        A worker that is silent for `heartbeat` seconds counts as dead, and another one is asked: there is no last
        attempt, because a drive is safe to repeat and the journal counts those that come to nothing.
        """
        seen = self._wakes
        rest: str = await workflow.execute_activity(
            DRIVE,
            session_id,
            result_type=str,
            start_to_close_timeout=_LONGEST,
            heartbeat_timeout=timedelta(seconds=heartbeat),
            retry_policy=_AGAIN,
        )
        if self._wakes > seen:  # a new run of it: no history grows with the number of wakes
            workflow.continue_as_new(args=[session_id, heartbeat])
        return rest
