"""The command `agentkit worker`, as far as a person can get it wrong."""

import subprocess

import pytest

from tests.workers.staff import Shop

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--concurrency", "0"), "--concurrency and --ttl are numbers above 0"),
        (("--ttl", "0"), "--concurrency and --ttl are numbers above 0"),
        (("--grace", "-1"), "--grace is 0 seconds or more"),
        (("--agent", "tests.workers.shop:FOLDER"), "what is there is PosixPath"),
    ],
)
async def test_wrong_words_are_told_before_anything_is_driven(shop: Shop, words: tuple[str, ...], told: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        shop.command("worker", "--agent", "tests.workers.shop:support", "--once", *words)
    assert failed.value.returncode == 2
    assert told in failed.value.stderr
