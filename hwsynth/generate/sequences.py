"""Regions one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from gemel.hwsynth.generate.blocks import block
from gemel.hwsynth.generate.branches import branch
from gemel.hwsynth.generate.loops import loop
from gemel.hwsynth.generate.pieces import Generator
from gemel.hwsynth.generate.pipes import pipe
from gemel.hwsynth.generate.repeats import repeat
from gemel.hwsynth.regions import (
    Block,
    Branch,
    Loop,
    Pipe,
    Region,
    Repeat,
    label,
)
from gemel.semantics.ir import Expr


def sequence(gen: Generator, regions: Sequence[Region], start: Expr) -> tuple[Expr, int | None]:
    """Regions one after the other: the last one's done pulse, and the cycles of all where they are constant."""
    total: int | None = 0
    for r in regions:
        start, cycles = _region(gen, r, start)
        total = None if total is None or cycles is None else total + cycles
    return start, total


def _region(gen: Generator, r: Region, start: Expr) -> tuple[Expr, int | None]:
    """A region's done pulse and its cycles."""
    with gen.telling.part(_title(r), r.span):
        start = gen.named(f"start_{label(r)}", start, r.span)
        match r:
            case Block():
                return block(gen, r, start)
            case Pipe():
                return pipe(gen, r, start)
            case Repeat():
                return repeat(gen, r, start), None
            case Loop():
                return loop(gen, r, start, sequence)
            case Branch():
                return branch(gen, r, start, sequence), None


def _title(r: Region) -> str:
    match r:
        case Block():
            return "straight-line code"
        case Pipe():
            return f"loop {', '.join(s.var.hint for s in r.loops)}"
        case Repeat():
            return "while"
        case Loop():
            return f"loop {r.counter.var.hint}, around what follows" if r.counter else "while, around what follows"
        case Branch():
            return "if, around what follows"
