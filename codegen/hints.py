"""What LLVM is told about a loop, and why.

LLVM unrolls short inner loops of constant length before it vectorises; then it vectorises the loop around them with
gathers and scatters. So an inner loop that walks memory in unit steps is kept a loop until it has been vectorised.
"""

from __future__ import annotations

from gemel.semantics import ops
from gemel.semantics.arguments import value_of
from gemel.semantics.dtypes import FloatType
from gemel.semantics.ir import Apply, Assert, Expr, For, LoopKind, Reduce, Ref, Stmt, Store, Var, While
from gemel.semantics.traverse import statements, subexprs

METADATA = (
    '!{!"branch_weights", i32 2000, i32 1}',
    '!{!"llvm.loop.mustprogress"}',
    '!{!"llvm.loop.unroll.disable"}',
    '!{!"llvm.loop.unroll.full"}',
    '!{!"llvm.loop.vectorize.enable", i1 true}',
    "!{i32 1}",
)
"""Nodes that loops refer to by their position."""

STREAMS = ", !nontemporal !5"
"""On a store: its place in a cache is better used for something else."""

RARE = ", !prof !0"
"""On a branch: the second way is hardly ever taken."""

SHORTEST = 8
"""Iterations from which on a loop is worth keeping for the vectoriser."""


def properties(s: For, around: Var | None) -> list[int]:
    """The metadata nodes of a counted loop; that it ends is one. `around` is the variable of the loop that it is in."""
    match s.kind:
        case LoopKind.UNROLL:
            return [1, 3]
        case LoopKind.VECTOR:
            return [1, 2, 4] if streams(s, around) else [1]  # told to do what it can't, LLVM complains aloud
        case _:
            return [1, 2] if streams(s, around) else [1]


def streams(s: For, around: Var | None) -> bool:
    """Whether a loop has known length, is left nowhere, and stores in unit steps only or carries integers only.

    Where the loop around it comes back to the same elements, as in a matrix product, it doesn't count: unrolled, these
    elements stay in registers.
    """
    trips = _trips(s)
    inner = list(statements(s.body))
    if trips is None or trips < SHORTEST or s.until is not None or any(map(_breaks, inner)):
        return False
    places = [t.indices for t in inner if isinstance(t, Store | Reduce)]
    if places:
        returns = around is not None and not all(any(_has(i, around) for i in place) for place in places)
        return not s.carry and not returns and all(place and unit(place[-1], s.var) for place in places)
    return bool(s.carry) and not any(isinstance(c.var.dtype, FloatType) for c in s.carry)


def _trips(s: For) -> int | None:
    lo, hi, step = (value_of(e, {}) for e in (s.lo, s.hi, s.step))
    return None if lo is None or hi is None or step != 1 else hi - lo


def _breaks(s: Stmt) -> bool:
    return isinstance(s, For | While | Assert)


def unit(e: Expr, v: Var) -> bool:
    """Whether an index is the variable plus something that it isn't in."""
    if isinstance(e, Ref):
        return e.var is v
    if isinstance(e, Apply) and e.op in (ops.ADD, ops.SUB):
        a, b = e.args
        return (unit(a, v) and not _has(b, v)) or (e.op is ops.ADD and unit(b, v) and not _has(a, v))
    return False


def _has(e: Expr, v: Var) -> bool:
    return any(isinstance(x, Ref) and x.var is v for x in subexprs(e))
