"""Where a piece of a program was written: file, line and column, and how to show it."""

from __future__ import annotations

import linecache
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """A range of source text; lines and columns count from 1, the end column is one past the last character."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file

    def source_line(self) -> str:
        """The first source line of the span, or "" where the text is not to be had."""
        return linecache.getline(self.file, self.line).rstrip("\n") if self.line else ""

    def text(self) -> str:
        """What the span covers, "" where that is not to be had or not on one line."""
        return self.source_line()[self.column - 1 : self.end_column - 1] if self.line == self.end_line else ""

    def snippet(self) -> str:
        """The source line with a caret line under it; "" where the text is not to be had."""
        text = self.source_line()
        if not text.strip():
            return ""
        last = self.end_column if self.end_line == self.line else len(text) + 1
        width = max(1, min(last, len(text) + 1) - self.column)
        gutter = f"{self.line:5d} | "
        pad = "".join("\t" if c == "\t" else " " for c in text[: self.column - 1])
        return f"{gutter}{text}\n{' ' * (len(gutter) - 2)}| {pad}{'^' * width}"


BUILTIN = Span("<gemel>", 0, 0, 0, 0)
"""The span of code that Gemel itself adds and that no source line stands for."""
