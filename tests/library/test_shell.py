"""The shell tool: what it does, and the list of attacks on it, in the box and without."""

import contextlib
import os
import shutil
import socket
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentkit import ToolError
from agentkit.errors import ConfigurationError
from agentkit_tools import shell

pytestmark = pytest.mark.anyio
NO_BOX = "bubblewrap (`bwrap`) is not here, or user namespaces are switched off; .ci/run installs it"
QUICK = shell.Limits(seconds=0.7)
LONG = str(100_000 + os.getpid())  # seconds that no other test run on this machine sleeps
FREE = shell.Box(required=False)


@pytest.fixture
def room(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text("the plans of the shop")
    inside = tmp_path / "work"
    inside.mkdir()
    (inside / "a.txt").write_text("hello\n")
    return inside


@pytest.fixture(params=["boxed", "free"])
def box(request: pytest.FixtureRequest, tmp_path: Path) -> shell.Box:
    if request.param == "free":
        return FREE
    try:
        shell.tools(["true"], tmp_path, box=shell.Box(required=True))
    except ConfigurationError:
        pytest.skip(NO_BOX)
    return shell.Box(required=True)


@pytest.fixture
def boxed(tmp_path: Path) -> shell.Box:
    try:
        shell.tools(["true"], tmp_path, box=shell.Box(required=True))
    except ConfigurationError:
        pytest.skip(NO_BOX)
    return shell.Box(required=True)


def names_in(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def made(folder: Path, box: shell.Box, allow: tuple[str, ...] = ("cat", "echo", "sh", "ls"), **options: Any) -> Any:
    (run,) = shell.tools(allow, folder, box=box, **options)
    return run


async def test_it_does_its_work(room: Path, box: shell.Box) -> None:
    run = made(room, box)
    assert await run("cat", ["a.txt"]) == "(exit code 0)\nhello\n"
    assert (await run("cat", ["none.txt"])).endswith("cat: none.txt: No such file or directory\n")
    assert await run("sh", ["-c", "kill -TERM $$"]) in {"(ended by signal 15)\n", "(exit code 143)\n"}
    assert await run("cat", []) == "(exit code 0)\n"  # no input: it does not wait for one


async def test_effect_and_approval_are_as_declared(room: Path) -> None:
    (asking,) = shell.tools(["ls", "git log"], room)
    (free,) = shell.tools(["ls"], room, ask=False)
    assert (asking.effect, asking.declared.needs_approval, asking.declared.untrusted) == ("once", True, True)
    assert free.declared.needs_approval is False
    assert asking.inputs.description.endswith("Allowed: `ls`, `git log`.")


LETTERS = [
    "; rm -rf .",
    "$(touch owned)",
    "`touch owned`",
    "| touch owned",
    "&& touch owned",
    "> owned",
    "*",
    "$HOME",
    "~",
]


async def test_there_is_no_shell(room: Path, box: shell.Box) -> None:
    run = made(room, box, write=True)
    assert await run("echo", LETTERS) == f"(exit code 0)\n{' '.join(LETTERS)}\n"
    assert names_in(room) == ["a.txt"]


NOT_ALLOWED = [
    "rm",
    "ls; rm -rf .",
    "ls ",
    " ls",
    "/bin/ls",
    "./ls",
    "../ls",
    "LS",
    "",
    "\0",
    "ls\0",
    "ls\n",
    "-c",
    "bash",
    "$SHELL",
]


@pytest.mark.parametrize("program", NOT_ALLOWED)
async def test_only_programs_of_the_allow_list_run(room: Path, program: str) -> None:
    (room / "ls").write_text("#!/bin/sh\ntouch owned\n")
    (room / "ls").chmod(0o755)
    with pytest.raises(ToolError, match=r"is not allowed\. Allowed are: ls, git log\."):
        await made(room, FREE, ("ls", "git log"))(program, [])
    assert not (room / "owned").exists()


@pytest.mark.parametrize(
    "arguments", [[], ["status"], ["-c", "alias.log=!touch owned", "log"], ["logs"], ["--help", "log"], ["log "]]
)
async def test_arguments_have_to_begin_as_said(room: Path, arguments: list[str]) -> None:
    with pytest.raises(ToolError, match="Allowed are: ls, git log"):
        await made(room, FREE, ("ls", "git log"))("git", arguments)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(program=st.one_of(st.text(), st.sampled_from(NOT_ALLOWED)), arguments=st.lists(st.text(), max_size=3))
def test_only_programs_of_the_allow_list_run_by_fuzzing(room: Path, program: str, arguments: list[str]) -> None:
    with pytest.raises(ToolError, match="is not allowed"):
        anyio.run(made(room, FREE, ("true never",)), program, arguments)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    arguments=st.lists(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1, max_size=3
    )
)
def test_arguments_arrive_as_they_are(room: Path, arguments: list[str]) -> None:
    run = made(room, FREE, ("printf %s\\n",))
    said = anyio.run(run, "printf", ["%s\\n", *arguments])
    assert said.removeprefix("(exit code 0)\n") == "".join(f"{each}\n" for each in arguments)


async def test_arguments_that_cannot_be_are_refused(room: Path) -> None:
    run = made(room, FREE)
    for wrong in (["a\0b"], ["x" * 100_001], ["\ud800"]):
        with pytest.raises(ToolError, match=r"at most 100000 bytes together|system's encoding"):
            await run("echo", wrong)


async def test_output_without_an_end_is_cut_and_the_program_ended(room: Path, box: shell.Box) -> None:
    run = made(room, box, ("yes", "cat", "head"))
    tracemalloc.start()
    try:
        said = await run("yes", ["a gigabyte of this"])
        zeros = await run("head", ["-c", "1000000000", "/dev/zero"])
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()
    assert said.startswith(
        "(stopped: it said more than the 50000 bytes allowed; what it did until then is done)\na gig"
    )
    assert len(said) < 50_100
    assert len(zeros) < 50_100


async def test_a_program_that_does_not_end_is_ended_with_all_it_started(room: Path, box: shell.Box) -> None:
    run = made(room, box, limits=QUICK, write=True)
    begun = time.monotonic()
    said = await run("sh", ["-c", f"sleep {LONG} & sleep {LONG} & wait"])
    assert said.startswith("(stopped: it ran longer than the 0.7 s allowed")
    assert time.monotonic() - begun < 10
    assert "(exit code 0)" in await run(
        "sh", ["-c", f"sleep {LONG} & echo gone"]
    )  # nor is one that it leaves behind waited for
    assert not running(f"sleep\0{LONG}")


def running(words: str) -> bool:
    """Tell whether a process of this machine has these words in its command; what has just been killed may linger."""
    for _ in range(50):
        found = False
        for each in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                found |= words in each.read_text("utf-8", "replace")
        if not found:
            return False
        time.sleep(0.02)
    return True


async def test_a_cancelled_call_leaves_nothing_running(room: Path, box: shell.Box) -> None:
    with anyio.move_on_after(0.5) as scope:
        await made(room, box)("sh", ["-c", f"sleep {LONG} & wait"])
    assert scope.cancelled_caught
    assert not running(f"sleep\0{LONG}")


async def test_memory_and_files_have_limits(room: Path, box: shell.Box) -> None:
    limits = shell.Limits(memory=200_000_000, file=10_000)
    run = made(room, box, ("head", "sh", "tail"), limits=limits, write=True)
    said = await run("tail", ["-c", "900000000", "/dev/zero"])  # it keeps what it may have to show
    assert "exit code 0" not in said
    await run("sh", ["-c", "head -c 50000 /dev/zero > big"])
    assert (room / "big").stat().st_size == 10_000


async def test_the_environment_is_empty(room: Path, box: shell.Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-plans")
    monkeypatch.setenv("LD_PRELOAD", "")
    said = await made(room, box, ("env",))("env", [])
    names = {line.partition("=")[0] for line in said.splitlines()[1:]}
    assert names <= {"PATH", "HOME", "LANG", "PWD"}
    assert "sk-plans" not in said


async def test_the_box_shows_the_folder_and_the_system_only(room: Path, boxed: shell.Box) -> None:
    run = made(room, boxed, ("cat", "ls", "sh"))
    for path in (
        "../secret.txt",
        str(room.parent / "secret.txt"),
        __file__,
        "/etc/shadow",
        str(Path.home()),
    ):
        assert "No such file" in await run("cat", [path])
    (room / "link").symlink_to(room.parent / "secret.txt")
    assert "No such file" in await run("cat", ["link"])
    assert "secret" not in await run("ls", ["-a", ".."])
    seen = await run("sh", ["-c", "ls /proc | grep -c '^[0-9]'"])
    assert int(seen.split()[-1]) < 10  # its own processes only


async def test_the_box_is_read_only_unless_said(room: Path, boxed: shell.Box) -> None:
    attack = ["-c", "echo x > mine; rm -f a.txt; touch /usr/owned /etc/owned; echo x > /tmp/mine && cat /tmp/mine"]
    said = await made(room, boxed)("sh", attack)
    assert said.count("Read-only file system") >= 3
    assert said.endswith("\nx\n")  # a /tmp of its own
    assert names_in(room) == ["a.txt"]
    await made(room, boxed, write=True)("sh", attack)
    assert names_in(room) == ["mine"]
    assert "owned" not in names_in(Path("/usr"))
    assert "mine" not in names_in(Path("/tmp"))  # noqa: S108 - where the attack would make it


async def test_the_box_has_no_network(room: Path, boxed: shell.Box) -> None:
    program = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])), 2).send(b'x')"
    python = shutil.which("python3", path="/usr/bin:/bin")
    allow, box = (python or sys.executable,), boxed
    if python is None:
        box = shell.Box(required=True, see=(sys.prefix, sys.base_prefix))
    name = Path(allow[0]).name
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.2)
        port = str(listening.getsockname()[1])
        said = await made(room, box, allow)(name, ["-S", "-c", program, port])
        assert "ConnectionRefusedError" in said or "Network is unreachable" in said
        with pytest.raises(TimeoutError):
            listening.accept()
        open_box = shell.Box(required=True, see=box.see, network=True)
        listening.settimeout(20)
        said = await made(room, open_box, allow)(name, ["-S", "-c", program, port])
        assert said.startswith("(exit code 0)")
        listening.accept()[0].close()


async def test_what_the_person_says_has_to_be_there(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cases: list[tuple[tuple[Any, Any, shell.Box], str]] = [
        (("ls", room, FREE), "a list of programs"),
        (([], room, FREE), "a list of programs"),
        (([""], room, FREE), "there is no such program"),
        ((["no-such-program"], room, FREE), "there is no such program"),
        ((["ls"], room / "none", FREE), "make it first"),
        ((["ls"], room, shell.Box(see=("/nowhere",))), "the folder '/nowhere' is not there"),
    ]
    for (allow, folder, box), words in cases:
        with pytest.raises(ConfigurationError, match=words):
            shell.tools(allow, folder, box=box)
    monkeypatch.setenv("PATH", os.fspath(room))
    (room / "tool").write_text("#!/bin/sh\n")
    (room / "tool").chmod(0o755)
    with pytest.raises(ConfigurationError, match="needs bubblewrap"):
        shell.tools(["tool"], room, box=shell.Box(required=True))


async def test_a_program_outside_the_box_is_named(room: Path, boxed: shell.Box, tmp_path: Path) -> None:
    own = tmp_path / "bin"
    own.mkdir()
    (own / "tool").write_text("#!/bin/sh\necho mine\n")
    (own / "tool").chmod(0o755)
    with pytest.raises(ConfigurationError, match=r"is not in the box: add its folder to Box\(see"):
        made(room, boxed, (str(own / "tool"),))
    run = made(room, shell.Box(required=True, see=(str(own),)), (str(own / "tool"),))
    assert await run("tool", []) == "(exit code 0)\nmine\n"
