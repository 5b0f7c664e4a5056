"""One worker of DBOS: `python -m benchmarks.recording_dbos URL WORKER SESSIONS STEPS`.

The same rounds as `recording`, as its documented workflows: per step of the session one DBOS step for the model's
answer and one for the tool's result. DBOS records a step's result when it has ended, nothing before.
"""

import json
import sys
import time
from typing import Any

from dbos import DBOS, DBOSConfig, SetWorkflowID

from benchmarks.work import THINKING, page_text

SIZE = 1_000  # bytes of a tool's result


@DBOS.step()
def answer(page: int, steps: int) -> dict[str, Any]:
    """Answer as the model does."""
    if page == steps:
        return {"reasoning_content": THINKING, "content": "Done."}
    call = {"id": f"call_00_{page:022d}", "name": "look_up", "arguments": f'{{"page":{page},"size":{SIZE}}}'}
    return {"reasoning_content": THINKING, "tool_calls": [call]}


@DBOS.step()
def look_up(page: int) -> str:
    """Answer as the tool does."""
    return page_text(page, SIZE)


@DBOS.workflow()
def hold(steps: int) -> int:
    """Hold a session."""
    page = 1
    while answer(page, steps).get("tool_calls"):
        look_up(page)
        page += 1
    return page


def main() -> None:
    """Hold that many sessions in each round, one behind the other."""
    url, worker, *numbers = sys.argv[1:]
    sessions, steps = map(int, numbers)
    config: DBOSConfig = {
        "name": "benchmark",
        "system_database_url": url,
        "executor_id": worker,
        "log_level": "ERROR",
    }
    DBOS(config=config)
    DBOS.launch()
    _one(f"{worker}.warm", steps)
    print("ready", flush=True)
    for line in sys.stdin:
        names = [f"{worker}.{line.strip()}.{n}" for n in range(sessions)]
        start, cpu = time.monotonic(), time.process_time()
        for name in names:
            _one(name, steps)
        told = [start, time.monotonic(), time.process_time() - cpu]
        if any(len(DBOS.list_workflow_steps(name)) != 2 * steps - 1 for name in names):
            raise RuntimeError(f"{worker}: steps are missing")
        print(json.dumps(told), flush=True)
    DBOS.destroy()


def _one(name: str, steps: int) -> None:
    with SetWorkflowID(name):
        took = hold(steps)
    if took != steps:
        raise RuntimeError(f"{name} took {took} steps of {steps}")


if __name__ == "__main__":
    main()
