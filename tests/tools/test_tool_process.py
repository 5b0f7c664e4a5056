"""A tool in a process of its own: real processes, how they end, and what is known then."""

import os
import runpy
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from agentkit.core.events import ToolFinished, ToolUnknown
from agentkit.core.messages import text_of
from agentkit.core.spec import Effect
from agentkit.tools.dispatch import Dispatch, Job
from tests.tools import crunching

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not hasattr(os, "killpg"), reason="process groups are POSIX's"),
]

MakeJob = Callable[..., Job]
ROOT = Path(__file__).resolve().parent.parent.parent


async def run(make_job: MakeJob, how: str, effect: Effect = "read", **declared: Any) -> ToolFinished | ToolUnknown:
    made = crunching.declared(effect, **declared)
    event = await Dispatch([made], first_wait=0.01).run(make_job("crunch", {"how": how}))
    assert isinstance(event, ToolFinished | ToolUnknown)
    return event


def gone(pid: int) -> bool:
    """Tell whether a process no longer runs; one that nobody has waited for yet does not run either."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


async def until(condition: Callable[[], object]) -> None:
    with anyio.fail_after(20):
        while True:
            if condition():
                return
            await anyio.sleep(0.01)


async def test_the_body_runs_elsewhere_and_its_value_comes_back(make_job: MakeJob) -> None:
    said: dict[str, str] = {}

    async def one(how: str) -> None:
        event = await run(make_job, how)
        assert isinstance(event, ToolFinished)
        said[how] = text_of(event.parts)

    async with anyio.create_task_group() as group:
        for how in ("count", "pid", "printed"):
            group.start_soon(one, how)
    assert said["count"] == "499500"
    assert int(said["pid"]) not in {os.getpid(), os.getppid()}
    assert said["printed"] == "read ''"


async def test_a_decorated_function_is_found_by_its_name(make_job: MakeJob) -> None:
    event = await Dispatch([crunching.decorated]).run(make_job("decorated", {"n": 21}))
    assert isinstance(event, ToolFinished)
    assert text_of(event.parts) == "42"
    assert crunching.decorated(4) == 8


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("tool error", "No such number."),
        ("value error", "Error: crunch failed (ValueError); nothing was changed."),
    ],
)
async def test_what_the_tool_raises_is_what_it_raised(make_job: MakeJob, how: str, told: str) -> None:
    event = await run(make_job, how, "once", no_effect=(ValueError,))
    assert isinstance(event, ToolFinished)
    assert (text_of(event.parts), event.failed) == (told, True)
    assert "In the tool's process" in str(event.detail)
    assert "crunching.py" in str(event.detail)


DEATHS = {
    "killed": "its process ended with signal SIGKILL before it had answered",
    "leave": "its process ended with exit code 3 before it had answered",
    "exit": "it tried to end the process: SystemExit(3)",
    "odd": "Odd: one and other",
    "unread": "its answer cannot be read in this process (ValueError",
    "large error": "ValueError, with 1363",
    "interrupted": "KeyboardInterrupt: ",
}


@pytest.mark.parametrize(
    ("how", "effect"),
    [("killed", "idempotent"), *((how, "once") for how in DEATHS)],
)
async def test_a_process_that_dies_has_failed_and_for_once_nobody_knows(
    make_job: MakeJob, how: str, effect: Effect
) -> None:
    """Also where the tool says that whatever it raises, nothing happened: it raised none of this."""
    event = await run(make_job, how, effect, **({"no_effect": (Exception,)} if effect == "once" else {}))
    assert isinstance(event, ToolUnknown if effect == "once" else ToolFinished)
    assert getattr(event, "failed", True)
    assert DEATHS[how] in str(event.detail)


@pytest.mark.parametrize("effect", ["read", "once"])
async def test_its_time_kills_it(make_job: MakeJob, tmp_path: Path, effect: Effect) -> None:
    made, path = crunching.declared(effect, timeout=0.2), tmp_path / "pid"
    job = make_job("crunch", {"how": "spin", "path": str(path)})
    event = await Dispatch([made]).run(job)
    told = event.why if isinstance(event, ToolUnknown) else text_of(getattr(event, "parts", ()))
    assert "timed out after 0.2 s" in told
    assert isinstance(event, ToolUnknown) == (effect == "once")
    assert gone(int(path.read_text()))
    assert not Dispatch([made]).alive(job.idempotency_key)  # nothing of it lives on: it may be reconciled at once


async def test_a_cancel_kills_it_and_what_it_has_started(make_job: MakeJob, tmp_path: Path) -> None:
    made, path = crunching.declared("read"), tmp_path / "pid"
    async with anyio.create_task_group() as group:
        group.start_soon(Dispatch([made]).run, make_job("crunch", {"how": "child", "path": str(path)}))
        await until(lambda: path.exists() and path.read_text())
        worker = int(path.read_text())
        read_children = partial(children_of, worker)
        await until(read_children)
        child = int(read_children()[0])
        group.cancel_scope.cancel()
    await until(lambda: gone(worker) and gone(child))


async def test_a_process_that_died_is_tried_again_where_that_is_allowed(make_job: MakeJob) -> None:
    event = await run(make_job, "killed", "idempotent", retries=1)
    assert "attempt 2 of 2" in str(event.detail)
    assert str(event.detail).count("SIGKILL") == 2


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("unsendable", "(it is done; its result cannot be sent to this process: function"),
        ("large", "(it is done; its result takes 681574"),
    ],
)
async def test_a_result_that_cannot_come_back_happened_all_the_same(make_job: MakeJob, how: str, told: str) -> None:
    event = await run(make_job, how, "once")
    assert isinstance(event, ToolFinished)
    assert not event.failed
    assert text_of(event.parts).startswith(told)


async def test_a_function_that_cannot_be_imported_has_not_run(make_job: MakeJob, tmp_path: Path) -> None:
    """The module could be read here, and lies where the process does not look for it."""
    module = tmp_path / "short_lived.py"
    module.write_text("from agentkit import tool\n\n@tool(effect='once', process=True)\ndef work() -> str:\n    ...\n")
    work = runpy.run_path(str(module), run_name="short_lived")["work"]
    event = await Dispatch([work]).run(make_job("work"))
    assert isinstance(event, ToolFinished)
    assert event.failed
    assert text_of(event.parts) == (
        "Error: work was not run, nothing happened: its process cannot import short_lived.work "
        "(ModuleNotFoundError: No module named 'short_lived')."
    )


def test_it_ends_with_the_program_however_that_ends(tmp_path: Path) -> None:
    """After a crash a person may be told that a call did not happen: then it must not be happening still."""
    path = tmp_path / "pid"
    program = textwrap.dedent(f"""
        import anyio
        from agentkit.tools.dispatch import Dispatch, Job
        from tests.tools import crunching

        arguments = '{{"how": "spin", "path": "{path}"}}'
        job = Job("1.1.0", "crunch", arguments, False, "u/1.1.0", "s", None, print, print)
        anyio.run(Dispatch([crunching.declared("once")]).run, job)
        """)
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        anyio.run(until, lambda: path.exists() and path.read_text())
    finally:
        parent.kill()
        parent.wait()
    anyio.run(until, lambda: gone(int(path.read_text())))


def test_a_program_without_a_guard_is_not_run_again(tmp_path: Path) -> None:
    """`multiprocessing` would import the program in the new process, and hold the conversation there once more."""
    (tmp_path / "numbers_tool.py").write_text(
        "from agentkit import tool\n\n"
        "@tool(effect='read', process=True)\ndef double(n: int) -> int:\n    return 2 * n\n"
    )
    (tmp_path / "program.py").write_text(
        textwrap.dedent("""
            import anyio
            from agentkit.tools.dispatch import Dispatch, Job
            from numbers_tool import double

            print("program", flush=True)
            job = Job("1.1.0", "double", '{"n": 21}', False, "u/1.1.0", "s", None, print, print)
            print(anyio.run(Dispatch([double]).run, job).parts[0].text)
            """)
    )
    ended = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stdout.split() == ["program", "42"]


async def test_starting_is_not_the_tools_time(make_job: MakeJob) -> None:
    began = time.monotonic()
    event = await run(make_job, "count", timeout=0.1)
    assert isinstance(event, ToolFinished)
    assert text_of(event.parts) == "499500"
    assert time.monotonic() - began > 0.1  # else this machine starts a Python in less, and nothing was shown
