"""Conflicts in the interpreter: which iteration of an unordered loop touched which element, and how."""

from __future__ import annotations

from dataclasses import dataclass, field

from gemel.semantics import failures
from gemel.semantics.errors import GemelError
from gemel.semantics.ir import Check
from gemel.semantics.ops import Op
from gemel.semantics.span import Span

Cell = tuple[object, int]
"""A memory and a position in it."""


@dataclass
class Watch:
    """The accesses of one unordered loop: per element the last writer, the last reader, and by which accumulation."""

    span: Span
    iteration: int = 0
    written: dict[Cell, tuple[int, Op | None]] = field(default_factory=dict)
    read: dict[Cell, tuple[int, Op | None]] = field(default_factory=dict)

    def note(self, cell: Cell, name: str, writes: bool, op: Op | None) -> GemelError | None:
        """Takes in an access; the error where it conflicts with one of another iteration."""
        for earlier in (self.written.get(cell), self.read.get(cell) if writes else None):
            if earlier is not None and earlier[0] != self.iteration and (op is None or earlier[1] is not op):
                message = failures.CONFLICT.replace("{name}", name)
                message = message.replace("{0}", str(earlier[0])).replace("{1}", str(self.iteration))
                return failures.raised(Check.CONFLICT, message, self.span)
        (self.written if writes else self.read)[cell] = (self.iteration, op)
        return None
