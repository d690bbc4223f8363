"""What the text of a netlist in the making will say: which part each net is in, notes, vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from gemel.hwsynth.netlist import Layout, Part, Row
from gemel.semantics.ir import Expr, Ref, Var
from gemel.semantics.span import Span


@dataclass
class Telling:
    """New nets go to the part that is open; a part's title may be given when more is known."""

    titles: list[tuple[str, Span]] = field(default_factory=list)
    place: dict[Var, int] = field(default_factory=dict)
    notes: dict[Var, str] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    open: list[int] = field(default_factory=list)

    @contextmanager
    def part(self, title: str, span: Span) -> Iterator[None]:
        """A new part of the text; parts inside it are parts of their own."""
        self.titles.append((title, span))
        with self.reopened(len(self.titles) - 1):
            yield

    @contextmanager
    def reopened(self, part: int) -> Iterator[None]:
        """A part that there is already, by its number."""
        self.open.append(part)
        yield
        self.open.pop()

    def title(self, text: str) -> None:
        """Another title for the open part."""
        self.titles[self.open[-1]] = (text, self.titles[self.open[-1]][1])

    def add(self, v: Var, note: str = "") -> Var:
        """Notes a new net."""
        if self.open:
            self.place[v] = self.open[-1]
        if note:
            self.notes[v] = note
        return v

    def row(self, hint: str, low: int, bits: Sequence[Expr], note: str) -> None:
        """Bits that are shown as one vector."""
        nets = tuple(e.var for e in bits if isinstance(e, Ref))
        if nets:
            self.rows.append(Row(hint, low, nets))
            self.notes[nets[0]] = note

    def layout(self, ports: tuple[tuple[str, tuple[str, ...]], ...]) -> Layout:
        """All of it."""
        parts = [Part(*t) for t in self.titles]
        order = sorted(self.place.items(), key=lambda item: item[1])
        return Layout({v: parts[n] for v, n in order}, self.notes, tuple(self.rows), ports)
