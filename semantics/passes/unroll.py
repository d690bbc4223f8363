"""Loops marked `unroll` become copies of their body, one for each iteration."""

from __future__ import annotations

from dataclasses import replace

from gemel.semantics import build
from gemel.semantics.arguments import value_of
from gemel.semantics.fold import Folding
from gemel.semantics.ir import Expr, For, Kernel, LoopKind, Stmt
from gemel.semantics.traverse import Body, map_body

MOST = 4096
"""Iterations beyond which a loop stays a loop."""


def unroll(kernel: Kernel) -> Kernel:
    """The kernel with loops of kind unroll written out where their bounds are constant."""
    return replace(kernel, body=map_body(kernel.body, stmt=_unrolled))


def unroll_lanes(kernel: Kernel) -> Kernel:
    """The kernel with loops of kind unroll or vector written out: in hardware, lanes are copies too."""

    def marked(s: Stmt) -> Stmt:
        return replace(s, kind=LoopKind.UNROLL) if isinstance(s, For) and s.kind is LoopKind.VECTOR else s

    return unroll(replace(kernel, body=map_body(kernel.body, stmt=marked)))


def _unrolled(s: Stmt) -> Stmt | Body:
    if not isinstance(s, For) or s.kind is not LoopKind.UNROLL or s.until is not None or s.carry:
        return s
    lo, hi, step = (value_of(e, {}) for e in (s.lo, s.hi, s.step))
    if lo is None or hi is None or not step or len(range(lo, hi, step)) > MOST:
        return s
    return tuple(copy for i in range(lo, hi, step) for copy in iteration(s, build.index(i, s.span)))


def iteration(s: For, at: Expr) -> Body:
    """A copy of a loop's body for one value of its variable, folded."""
    return Folding(vars={s.var: at}).body(s.body)
