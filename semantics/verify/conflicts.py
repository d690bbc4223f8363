"""Loops whose iterations may run in any order or at once: no two of them may touch an element that one writes.

Two accumulations by the same op are no conflict: their order is free.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import z3

from gemel.semantics.ir import Buffer, For
from gemel.semantics.ops import Op
from gemel.semantics.verify.facts import Facts
from gemel.semantics.verify.relevant import UNORDERED
from gemel.semantics.verify.state import Place, State, symbols
from gemel.semantics.verify.terms import Bool
from gemel.semantics.verify.unknowns import serial_of

if TYPE_CHECKING:
    from gemel.semantics.verify.loops import Loop
    from gemel.semantics.verify.walk import Walk


@dataclass(frozen=True)
class Access:
    """A read, a write, or an accumulation by `op`, and the facts where it happens."""

    buffer: Buffer
    place: Place
    writes: bool
    op: Op | None
    facts: tuple[Bool, ...]


def examine(walk: Walk, s: For, loop: Loop, start: State) -> None:
    """Decides whether iterations of an unordered loop conflict; `start` is the head of any iteration."""
    if s.kind not in UNORDERED:
        return
    outer, walk.accesses = walk.accesses, []
    deciding, walk.deciding = walk.deciding, False
    walk.block(s.body, start.copy())
    found, walk.accesses, walk.deciding = walk.accesses or [], outer, deciding
    shared = [a for a in found if a.buffer in start.arrays]
    for a, b in _pairs(shared):
        facts, goal = _apart(loop, a, b)
        after = State(facts=Facts(facts))
        walk.decide(s, after, goal)
    walk.status.setdefault(s, "proved")


def _pairs(found: Sequence[Access]) -> Iterator[tuple[Access, Access]]:
    for n, a in enumerate(found):
        for b in found[n:]:
            if a.buffer is b.buffer and (a.writes or b.writes) and not (a.op is not None and a.op is b.op):
                yield a, b


def _apart(loop: Loop, a: Access, b: Access) -> tuple[list[Bool], Bool]:
    """The facts of two iterations, and that the two accesses are of different elements."""
    rename = _Renaming(loop.start)
    facts = [*a.facts, *map(rename, b.facts), loop.var != rename(loop.var)]
    same = z3.And(*(x == rename(y) for x, y in zip(a.place, b.place, strict=True)))
    return facts, z3.Not(same)


class _Renaming:
    """Gives what an iteration brings in new names: another iteration's."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.constants: dict[str, tuple[Any, Any]] = {}
        self.functions: dict[str, tuple[Any, Any]] = {}

    def __call__(self, term: Any) -> Any:
        for name, one in symbols(term).items():
            if serial_of(name) < self.start or name in self.constants or name in self.functions:
                continue
            if one.num_args():
                self.functions[name] = one.decl(), _renamed(one.decl())
            else:
                self.constants[name] = one, z3.Const(f"{name}'", one.sort())
        term = z3.substitute(term, *self.constants.values()) if self.constants else term
        return z3.substitute_funs(term, *self.functions.values()) if self.functions else term


def _renamed(decl: Any) -> Any:
    sorts = [decl.domain(n) for n in range(decl.arity())]
    other = z3.Function(f"{decl.name()}'", *sorts, decl.range())
    return other(*(z3.Var(n, sort) for n, sort in enumerate(sorts)))
