"""What remains of two blocks as kernels of their own: their parameters are the values and arrays in reach."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gemel.semantics import build, ops
from gemel.semantics.ir import (
    Alloc,
    Assert,
    Assume,
    Buffer,
    Check,
    Const,
    Expr,
    For,
    Kernel,
    Let,
    Load,
    Ref,
    Stmt,
    Var,
)
from gemel.semantics.traverse import Body, all_exprs, loaded, statements, stored, subexprs

if TYPE_CHECKING:
    from gemel.semantics.schedule.lockstep import Side


def remaining(
    bodies: tuple[Body, Body], sides: tuple[Side, Side], first: Kernel, second: Kernel
) -> tuple[Kernel, Kernel]:
    """Kernels of blocks at a place of two others: values of one number, and arrays of one, are one parameter.

    The loops around say in which range their variables are. An array that only one of the two has is its own: what it
    held before isn't known.
    """
    needs = [_Needs(body, side, k) for body, side, k in zip(bodies, sides, (first, second), strict=True)]
    arrays = sorted({side.arrays[b] for need, side in zip(needs, sides, strict=True) for b in need.shared})
    for need, side in zip(needs, sides, strict=True):
        need.share({n: b for b, n in side.arrays.items()}[n] for n in arrays)
    numbers = {side.values[v]: v for need, side in zip(needs, sides, strict=True) for v in need.given}
    made = []
    for need, k in zip(needs, (first, second), strict=True):
        params, same = need.params(numbers)
        made.append(Kernel(k.name, k.dims, (*params, *need.shared), (), (*same, *need.facts(), *need.body), k.span))
    return made[0], made[1]


@dataclass
class _Needs:
    """What a block takes from around it: variables that are given and those made of them, arrays it shares or owns."""

    body: Body
    side: Side
    kernel: Kernel
    given: dict[Var, None] = field(default_factory=dict)
    named: set[Var] = field(default_factory=set)
    shared: dict[Buffer, None] = field(default_factory=dict)
    own: dict[Buffer, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        inner = list(statements(self.body))
        bound = {s.var for s in inner if isinstance(s, For | Let)}
        local = {s.buffer for s in inner if isinstance(s, Alloc)}
        self._need(e.var for e in all_exprs(self.body) if isinstance(e, Ref) and e.var not in bound)
        for b in sorted((loaded(self.body) | stored(self.body)) - local, key=lambda b: b.hint):
            if b.data is None:
                (self.shared if b in self.side.arrays else self.own)[b] = None
                self._need(_vars(b.shape))
        for s in reversed(self.side.loops):
            if s.var in self.given:
                self._need(_vars(s.lo, s.hi) if _plain(s.lo) and _plain(s.hi) else ())

    def share(self, arrays: Iterable[Buffer]) -> None:
        """All arrays that one of the two has, in the order of their numbers."""
        self.shared = dict.fromkeys(arrays)
        for b in self.shared:
            self._need(_vars(b.shape))

    def _need(self, found: Iterable[Var]) -> None:
        for v in found:
            if v in self.kernel.dims or v in self.named or v in self.given:
                continue
            value = self.side.named.get(v)
            if value is None or not _plain(value):
                self.given[v] = None
            else:
                self.named.add(v)
                self._need(_vars(value))

    def params(self, numbers: dict[int, Var]) -> tuple[list[Var], list[Stmt]]:
        """A parameter for each number, and names for what has the number of another."""
        by_number: dict[int, Var] = {}
        same: list[Stmt] = []
        for v in self.given:
            first = by_number.setdefault(self.side.values[v], v)
            if first is not v:
                same.append(Let(v, Ref(first, v.span), v.span))
        return [by_number.get(n) or Var(v.hint, v.dtype, v.span) for n, v in numbers.items()], same

    def facts(self) -> Iterator[Stmt]:
        """What is required of sizes, names that stood before the block, arrays of its own, and the ranges of loops."""
        yield from (Assume(s.cond, s.span) for s in self.kernel.body if isinstance(s, Assert) and self._of_sizes(s))
        yield from (Let(v, e, v.span) for v, e in self.side.named.items() if v in self.named)
        yield from (Alloc(b, b.span) for b in self.own)
        for s in self.side.loops:
            if s.var in self.given and isinstance(s.step, Const) and _plain(s.lo) and _plain(s.hi):
                v, up = Ref(s.var, s.span), s.step.value > 0
                yield _known(s, ops.LE if up else ops.GE, s.lo, v)
                yield _known(s, ops.LT if up else ops.GT, v, s.hi)

    def _of_sizes(self, s: Assert) -> bool:
        return s.check is Check.REQUIRES and _plain(s.cond) and set(_vars(s.cond)) <= set(self.kernel.dims)


def _known(s: For, op: ops.Op, a: Expr, b: Expr) -> Assume:
    return Assume(build.apply(op, a, b, span=s.span), s.span)


def _vars(*roots: Expr | tuple[Expr, ...]) -> Iterator[Var]:
    flat = [e for r in roots for e in (r if isinstance(r, tuple) else (r,))]
    return (x.var for e in flat for x in subexprs(e) if isinstance(x, Ref))


def _plain(e: Expr) -> bool:
    """Whether an expression reads no array."""
    return not any(isinstance(x, Load) for x in subexprs(e))
