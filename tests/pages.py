"""Pages of docs/: their blocks of code, and how those are run."""

import re
import sys
from pathlib import Path
from typing import Any, Final

from tests.forked import ROOT, ran

DOCS: Final = ROOT / "docs"


class Page:
    """A page; `name` is its path below docs/, without the ending.

    Attributes:
        text: all of it. programs: its Python blocks. said: its blocks of plain text, which is what programs print.
    """

    def __init__(self, name: str) -> None:
        self.name = f"docs/{name}.md"
        self.text = (DOCS / f"{name}.md").read_text("utf-8")
        self.programs, self.said = self.blocks("python"), self.blocks("text")

    def blocks(self, language: str) -> list[str]:
        """Return the blocks of one language."""
        return re.findall(rf"^```{language}\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL)

    def here(self, program: str, **names: Any) -> dict[str, Any]:
        """Run a program in this process, with `names` defined before; return all that is defined then."""
        found: dict[str, Any] = {"__name__": "docs", **names}
        exec(compile(program, self.name, "exec"), found)  # noqa: S102 - the document's own program
        return found

    def apart(self, program: str, folder: Path) -> str:
        """Run a program as a person does: a file in a folder, in a process of its own. Return what it prints."""
        (folder / "program.py").write_text(program, "utf-8")
        env = {"PYTHONPATH": str(ROOT), "PATH": ""}
        done = ran([sys.executable, "-W", "ignore", folder / "program.py"], cwd=folder, env=env)
        assert done.returncode == 0, done.stderr
        return str(done.stdout)
