"""The model service: the emulator, in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def emulator(script: str) -> Iterator[str]:
    """Serve a script for as long as the context lasts. Yields the base URL.

    Raises:
        RuntimeError: it did not start; what it said is on standard error.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder, "script.json")
        path.write_text(script, "utf-8")
        command = [sys.executable, "-m", "agentkit.emulator", "--script", str(path), "--keep", "1"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own program
            try:
                url = process.stdout.readline().strip() if process.stdout else ""
                if not url:
                    raise RuntimeError("the emulator did not start")
                yield url
            finally:
                process.terminate()
