"""Where output goes: colours and wrapping on a terminal, plain lines anywhere else, JSON for programs.

Everything that is written passes `escape.safe`, so no command can forget to.
"""

import json
from collections.abc import Sequence
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Column, Table
from rich.text import Text

from agentkit.cli.escape import safe, safe_line

DIM, BOLD, GOOD, BAD, ASK = "dim", "bold", "green", "red", "yellow"


class Screen:
    """One command's output.

    Args:
        json: standard output is for a program and holds only `result`; people read on standard error.
    """

    def __init__(self, *, json: bool = False) -> None:
        self.json = json
        self._err = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._out = self._err if json else Console(highlight=False, markup=False, emoji=False)
        self._program = Console(highlight=False, markup=False, emoji=False)
        self._at_start = True
        self._passing = False

    @property
    def terminal(self) -> bool:
        """Whether a person sees this on a terminal."""
        return self._out.is_terminal

    @property
    def at_start(self) -> bool:
        """Whether the cursor is at the start of a line."""
        return self._at_start

    def write(self, text: str, style: str = "") -> None:
        """Write a piece of a line, as it comes."""
        if not text:
            return
        self._forget_passing()
        self._out.print(Text(safe(text), style), end="", soft_wrap=True)
        self._at_start = text.endswith("\n")

    def fresh(self) -> None:
        """Go to a new line, if the cursor is not at the start of one."""
        self._forget_passing()
        if not self._at_start:
            self._out.print()
            self._at_start = True

    def line(self, *pieces: str | tuple[str, str], indent: int = 0) -> None:
        """Write one line of its own: texts, or (text, style)."""
        self.fresh()
        line = Text(" " * indent)
        for piece in pieces:
            text, style = (piece, "") if isinstance(piece, str) else piece
            line.append(safe_line(text), style)
        self._out.print(line, soft_wrap=True)

    def block(self, text: str, style: str = "", *, indent: int = 0) -> None:
        """Write a text of many lines, indented; on a terminal, wrapped between words."""
        self.fresh()
        lines = Text(safe(text).strip("\n"), style)
        if self.terminal:
            self._out.print(Padding(lines, (0, 0, 0, indent)))
        else:
            for line in lines.split(allow_blank=True):
                self._out.print(Text(" " * indent) + line, soft_wrap=True)

    def rule(self, title: str, style: str = BOLD) -> None:
        """Begin a part."""
        self.fresh()
        if self.terminal:
            self._out.print(Rule(Text(safe_line(title), style), align="left", style=DIM))
        else:
            self._out.print(Text(f"=== {safe_line(title)}"), soft_wrap=True)

    def table(self, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
        """Write rows under their heads, in columns."""
        cells = [[safe_line(cell) for cell in row] for row in (head, *rows)]
        widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
        for row, style in zip(cells, (DIM, *("" for _ in rows)), strict=True):
            padded = (set_cell_size(cell, width) for cell, width in zip(row, widths, strict=True))
            self.line(("  ".join(padded).rstrip(), style))

    def entry(self, marks: Sequence[tuple[str, str, int]], text: str, style: str = "") -> None:
        """Write (text, style, width) marks and a text behind them; on a terminal, its further lines stand below it."""
        pieces = [Text(set_cell_size(safe_line(mark), width), style) for mark, style, width in marks]
        self.fresh()
        if not self.terminal:
            self._out.print(Text.assemble(*pieces, Text(safe_line(text), style)), soft_wrap=True)
            return
        table = Table.grid()
        for _, _, width in marks:
            table.add_column(width=width, no_wrap=True)
        table.add_column(overflow="fold")
        table.add_row(*pieces, Text(safe(text).strip("\n"), style))
        self._out.print(table)

    def grid(self, head: tuple[str, ...], rows: list[tuple[str, ...]], styles: list[str]) -> None:
        """Write rows in columns that wrap, each row in its style: for cells that are longer than a line has room."""
        self.fresh()
        columns = [Column(Text(safe_line(cell), DIM), overflow="fold") for cell in head]
        table = Table(*columns, box=None, pad_edge=False, padding=(0, 1, 0, 0))
        for row, style in zip(rows, styles, strict=True):
            table.add_row(*(Text(safe_line(cell), style) for cell in row))
        self._out.print(table)

    def passing(self, text: str) -> None:
        """Show what is being waited for: on a terminal a line that the next output replaces, else a line that stays."""
        if not self.terminal:
            self.line((text, DIM))
            return
        if not self._passing:
            self.fresh()
        self._rewind()
        self._out.print(Text(safe_line(text), DIM, no_wrap=True, overflow="ellipsis"), end="")
        self._passing = True

    def fault(self, text: str) -> None:
        """Tell an error, on standard error."""
        self.fresh()
        self._err.print(Text(safe(text), BAD), soft_wrap=True)

    def result(self, value: Any) -> None:
        """Print a value for a program, as one line of ASCII: no character of it can steer a terminal."""
        self._program.print(Text(json.dumps(value, default=str)), soft_wrap=True)

    def _forget_passing(self) -> None:
        if self._passing:
            self._rewind()
            self._passing = False

    def _rewind(self) -> None:
        """Empty the current line. Only a terminal gets here."""
        self._out.file.write("\r\x1b[2K")
        self._out.file.flush()
