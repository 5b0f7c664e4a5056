"""Environments of the sides: made from the package registry once, in a folder that git ignores, and used again."""

import json
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.sides import Home

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".venv-peers"


@dataclass(frozen=True, slots=True)
class Environment:
    """A Python, and the versions of what is installed beside it. `failed`: why there is none."""

    python: Path
    versions: dict[str, str] = field(default_factory=dict)
    failed: str = ""


def this() -> Environment:
    """Return the environment that this runs in."""
    return Environment(Path(sys.executable), _versions(Path(sys.executable)))


def made(home: Home, within: Path = FOLDER) -> Environment:
    """Return an environment, which is made if it is not there or if what it needs has changed."""
    folder = within / home.name
    python, ready = folder / "bin/python", folder / "ready.json"
    wanted = [*_own(home), *home.requires]
    if ready.exists():
        told = json.loads(ready.read_text("utf-8"))
        if told["wanted"] == wanted:
            return Environment(python, told["versions"])
    print(f"making {within.name}/{home.name}: {', '.join(home.requires)}", file=sys.stderr)
    try:
        _run(sys.executable, "-m", "venv", "--clear", str(folder))
        _run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted)
    except subprocess.CalledProcessError as error:
        told = [line for line in error.stderr.splitlines() if "ERROR" in line]
        return Environment(python, failed=(told or [f"pip ended with {error.returncode}"])[-1][:300])
    found = _versions(python)
    ready.write_text(json.dumps({"wanted": wanted, "versions": found}, indent=1), "utf-8")
    return Environment(python, found)


def _own(home: Home) -> list[str]:
    """Return what this project needs itself: agentkit runs from the checkout."""
    if home.own is None:
        return []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return [*project["dependencies"], *project["optional-dependencies"].get(home.own, [])]


def _versions(python: Path) -> dict[str, str]:
    listed = _run(str(python), "-m", "pip", "list", "--format", "json", "--disable-pip-version-check")
    return {each["name"].lower(): each["version"] for each in json.loads(listed)}


def _run(*command: str) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - our own program
    return done.stdout
