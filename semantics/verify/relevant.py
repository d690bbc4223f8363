"""Which values a verification needs to know: those that decide where a kernel goes and what its checks say.

Of the others, a cipher's bytes or an image's points, a proof needs no more than that they are initialised.
"""

from __future__ import annotations

from collections.abc import Iterator

from gemel.semantics.ir import (
    Alloc,
    Apply,
    Assert,
    Buffer,
    Expr,
    For,
    Kernel,
    Let,
    Load,
    LoopKind,
    Reduce,
    Ref,
    Stmt,
    Store,
    Var,
)
from gemel.semantics.traverse import exprs_of, statements, subexprs

Name = Var | Buffer
UNORDERED = (LoopKind.PARALLEL, LoopKind.VECTOR)


class Relevance:
    """The variables and buffers whose values flow into checks, conditions, loop bounds or places that matter.

    `tracked` are the kernel's own buffers, of which it matters which elements are initialised. With an unordered loop
    every place matters.
    """

    def __init__(self, kernel: Kernel) -> None:
        body = list(statements(kernel.body))
        self.tracked = {s.buffer for s in body if isinstance(s, Alloc) and s.buffer.data is None} | set(kernel.results)
        self.unordered = any(isinstance(s, For) and s.kind in UNORDERED for s in body)
        self.names: set[Name] = set()
        sources: dict[Name, list[Expr]] = {}
        for s in body:
            if isinstance(s, Let):
                sources.setdefault(s.var, []).append(s.value)
            elif isinstance(s, Store | Reduce):
                sources.setdefault(s.buffer, []).extend((s.value, *s.indices))
        self._close([e for s in body for e in self._asked(s)], sources)

    def place_of(self, b: Buffer) -> bool:
        """Whether it matters which element of a buffer is looked at."""
        return self.unordered or b in self.tracked or b in self.names

    def branches(self, e: Apply) -> bool:
        """Whether it matters which operand of a lazy op is evaluated: one is initialised on that path only."""
        return any(isinstance(x, Load) and self.place_of(x.buffer) for a in e.args[1:] for x in subexprs(a))

    def _asked(self, s: Stmt) -> Iterator[Expr]:
        """The expressions of a statement whose values decide something."""
        match s:
            case Let():
                pass
            case Store() | Reduce():
                yield from s.indices if self.place_of(s.buffer) else ()
            case Assert():
                yield s.cond
            case _:
                yield from exprs_of(s)
        for e in exprs_of(s):
            for x in subexprs(e):
                if isinstance(x, Load) and self.place_of(x.buffer):
                    yield from x.indices
                elif isinstance(x, Apply) and x.op.lazy and self.branches(x):
                    yield x.args[0]

    def _close(self, wanted: list[Expr], sources: dict[Name, list[Expr]]) -> None:
        while wanted:
            for x in subexprs(wanted.pop()):
                name = x.var if isinstance(x, Ref) else x.buffer if isinstance(x, Load) else None
                if name is not None and name not in self.names:
                    self.names.add(name)
                    wanted += sources.get(name, ())
