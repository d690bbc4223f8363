"""A page as blocks, and its text in Markdown and in HTML."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Heading:
    """A heading; level 1 is the page's title."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """Text, in which `code` may stand in backquotes."""

    text: str


@dataclass(frozen=True)
class Table:
    """Rows under a head; cells as the text of a paragraph."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Picture:
    """An SVG picture, which Markdown shows from a file."""

    svg: str
    file: str
    text: str


Block = Heading | Paragraph | Table | Picture

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:1080px;margin:2em auto;padding:0 1em;color:#1b1f24}
table{border-collapse:collapse;margin:1em 0}td,th{border:1px solid #d5d9de;padding:.25em .7em}
td,th{text-align:left;vertical-align:top}th{background:#f3f5f7}
code{font:13px ui-monospace,Menlo,Consolas,monospace;background:#f3f5f7;padding:0 .2em}
h1,h2{line-height:1.2}.picture{overflow-x:auto}
"""


def markdown(blocks: Sequence[Block]) -> str:
    """The page in Markdown."""
    return "\n\n".join(_markdown(b) for b in blocks) + "\n"


def _markdown(b: Block) -> str:
    match b:
        case Heading():
            return f"{'#' * b.level} {b.text}"
        case Paragraph():
            return b.text
        case Table():
            rows = [b.head, ["---"] * len(b.head), *b.rows]
            return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)
        case Picture():
            return f"![{b.text}]({b.file})"


def html(title: str, blocks: Sequence[Block]) -> str:
    """The page in HTML, in one file."""
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    body = "\n".join(line for b in blocks for line in _html(b))
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def _html(b: Block) -> Iterator[str]:
    match b:
        case Heading():
            yield f"<h{b.level}>{_inline(b.text)}</h{b.level}>"
        case Paragraph():
            yield f"<p>{_inline(b.text)}</p>"
        case Table():
            yield "<table><tr>" + "".join(f"<th>{_inline(c)}</th>" for c in b.head) + "</tr>"
            yield from ("<tr>" + "".join(f"<td>{_inline(c)}</td>" for c in row) + "</tr>" for row in b.rows)
            yield "</table>"
        case Picture():
            yield f'<div class="picture">{b.svg}</div>'


def _inline(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
