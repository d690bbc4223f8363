"""What the pages share: tables, and the line that says where a page comes from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

MADE = "<!-- made by `make pages`; change what it is made from -->\n"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; pipes in cells are escaped."""
    lines = [_row(head), _row(["---"] * len(head)), *map(_row, rows)]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(str(c).replace("|", "\\|").replace("\n", " ") for c in cells) + " |"


def code(text: object) -> str:
    """`text` as code in a line, also in a table: Markdown dialects differ about pipes in code there."""
    if "|" not in str(text):
        return f"`{text}`"
    return f"<code>{escape(str(text), quote=False).replace('|', '&#124;')}</code>"


def page(title: str, *parts: str) -> str:
    """A page of parts, each followed by an empty line."""
    return "\n".join([f"# {title}\n", *(p.strip("\n") + "\n" for p in parts), MADE])
