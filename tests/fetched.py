"""Data of others that the suite runs against: read where it lies in their packages, never copied into the project.

`make` and `.ci/run` fetch the packages once, with pip, into a folder that git ignores; nothing of them is installed.
Where they are absent, because there was no network, the tests that need them are skipped and say so.
"""

import json
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent.parent / ".venv-data"
SUITE = "jsonschema-4.26.0.tar.gz"  # JSON-Schema-Test-Suite lies in its source distribution
BFCL = "bfcl_eval-2026.3.23-py3-none-any.whl"
WANTED = {SUITE: ("jsonschema==4.26.0", "--no-binary=jsonschema"), BFCL: ("bfcl-eval==2026.3.23",)}


def fetch() -> None:
    """Fetch what is not there yet."""
    FOLDER.mkdir(exist_ok=True)
    for file, wanted in WANTED.items():
        if not (FOLDER / file).exists():
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
            subprocess.run([*pip, "--dest", str(FOLDER), *wanted], check=True)
    (FOLDER / "ready").touch()


def _path(name: str) -> Path:
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"{name} is not there: `make .venv-data/ready` fetches it")
    return path


def suite(draft: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the files of a draft's folder in JSON-Schema-Test-Suite, by name, and their groups."""
    with tarfile.open(_path(SUITE)) as sdist:
        inside = f"{SUITE.removesuffix('.tar.gz')}/json/tests/{draft}/"
        for member in sdist:
            if member.name.startswith(inside) and member.name.endswith(".json"):
                content = sdist.extractfile(member)
                assert content is not None
                yield member.name.removeprefix(inside), json.load(content)


def bfcl(folder: str = "") -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the files of questions (or, of `possible_answer/`, of answers) in BFCL's data, by name, and their lines."""
    with zipfile.ZipFile(_path(BFCL)) as wheel:
        for name in sorted(wheel.namelist()):
            file = name.removeprefix(f"bfcl_eval/data/{folder}")
            if file.startswith("BFCL_v4_") and file != "BFCL_v4_format_sensitivity.json":
                lines = wheel.read(name).decode("utf-8").split("\n")
                yield file, [json.loads(line) for line in lines if line.strip()]


if __name__ == "__main__":
    fetch()
