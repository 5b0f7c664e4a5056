import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from agentkit.journal.owner import Owner


def test_an_owner_is_read_back_as_it_was() -> None:
    here = Owner.this_process('a "worker" \u2028')
    assert Owner.parse(here.text()) == here
    assert str(here) == f'a "worker" \u2028 (process {os.getpid()} on {here.host})'
    assert here.is_same_process(replace(here, name="another"))
    assert not here.is_same_process(replace(here, pid=here.pid + 1))


def linux() -> Owner:
    here = Owner.this_process("test")
    if here.boot is None:
        pytest.skip("death is proven by /proc, and this system has none")
    return here


def test_the_living_are_not_dead() -> None:
    assert not linux().is_dead()
    assert not replace(linux(), pid=os.getppid(), started=started(os.getppid())).is_dead()


def started(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


def ended() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_pid_that_is_gone_or_was_given_to_another_is_proof() -> None:
    assert replace(linux(), pid=ended()).is_dead()
    assert replace(linux(), started="1").is_dead()


@pytest.mark.parametrize("differs", [{"boot": "another"}, {"namespace": "pid:[1]"}, {"boot": None, "started": None}])
def test_another_machine_boot_or_container_is_no_proof(differs: dict[str, str | None]) -> None:
    there = replace(linux(), pid=ended(), **differs)  # type: ignore[arg-type] # all three are text or None
    assert not there.is_dead()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_process_of_another_user_is_alive() -> None:
    first = replace(linux(), pid=1, started=started(1))
    os.setresuid(65534, 65534, 0)
    try:
        assert not first.is_dead()
        assert replace(first, started="1").is_dead()
    finally:
        os.setresuid(0, 0, 0)
