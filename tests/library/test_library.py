"""The ready-made tools as a package: installed by the same wheel, loading nothing early."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import agentkit_tools

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(path.stem for path in (ROOT / "tools/agentkit_tools").glob("*.py") if not path.stem.startswith("_"))


def test_the_same_wheel_installs_it() -> None:
    targets = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]
    assert targets["wheel"]["packages"] == ["agentkit", "tools/agentkit_tools"]
    assert {"agentkit", "tools"} <= set(targets["sdist"]["include"])
    assert Path(agentkit_tools.__file__).parent == ROOT / "tools/agentkit_tools"


def test_the_package_loads_nothing() -> None:
    program = "import sys, agentkit_tools; print([m for m in sys.modules if m.startswith('agentkit')])"
    bare = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=bare)
    assert said.stdout == "['agentkit_tools']\n"
