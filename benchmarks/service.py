"""The model service: the emulator, in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import urlopen


@contextmanager
def emulator(script: str, contract: str = "deepseek-v4") -> Iterator[str]:
    """Serve a script under a contract for as long as the context lasts. Yields the base URL.

    Raises:
        RuntimeError: it did not start; what it said is on standard error.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder, "script.json")
        path.write_text(script, "utf-8")
        options = ["--script", str(path), "--contract", contract, "--keep", "1"]
        with serving([sys.executable, "-m", "agentkit.emulator", *options]) as url:
            yield url


@contextmanager
def serving(command: list[str]) -> Iterator[str]:
    """Run a service that prints its base URL, for as long as the context lasts. Yields the base URL.

    Raises:
        RuntimeError: it did not start; what it said is on standard error.
    """
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own program
        try:
            url = process.stdout.readline().strip() if process.stdout else ""
            if not url:
                raise RuntimeError(f"the service did not start: {command}")
            yield url
        finally:
            process.terminate()


def seen(url: str) -> dict[str, Any]:
    """Return the sums of the emulator's side log."""
    with urlopen(f"{url.removesuffix('/v1')}/emulator/counts", timeout=60) as answer:  # noqa: S310 - loopback
        told: dict[str, Any] = json.load(answer)
    return told
