"""Elements of arrays that nobody reads: those at which a condition doesn't hold that all loads are under."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gemel.semantics import ops
from gemel.semantics.ir import Apply, Buffer, Expr, For, If, Kernel, Load, Reduce, Stmt, Store, Var, While
from gemel.semantics.ranges import Linear, Ranges
from gemel.semantics.schedule.arrays import from_linear
from gemel.semantics.schedule.reach import inside
from gemel.semantics.traverse import Body


@dataclass(frozen=True)
class Dead:
    """Elements of an array that nobody reads: where the sum of multiples of the indices and a rest is not below 0."""

    buffer: Buffer
    multiples: tuple[int, ...]
    rest: Linear

    def reaches(self, ranges: Ranges, load: Load) -> bool:
        """Whether a load may read such an element."""
        total = self.rest
        for k, i in zip(self.multiples, load.indices, strict=True):
            form = ranges.linear(i) if k else Linear(0, {})
            if form is None:
                return True
            total = total.plus(form.scaled(k))
        return ranges.of(from_linear(total, load.span))[1] >= 0


def visits(kernel: Kernel, loop: For | None) -> Iterator[tuple[Stmt, Ranges]]:
    """The statements of a loop, or of a kernel, each with what is known where it stands."""

    def walk(body: Body, ranges: Ranges) -> Iterator[tuple[Stmt, Ranges]]:
        for s in body:
            yield s, ranges
            match s:
                case For() | While():
                    with ranges.inside(s):
                        yield from walk(s.body, ranges)
                case If():
                    for block, truth in ((s.then, True), (s.orelse, False)):
                        with ranges.assuming(s.cond, truth):
                            yield from walk(block, ranges)
                case _:
                    pass
            ranges.pass_by(s)

    if loop is None:
        yield from walk(kernel.body, Ranges(kernel))
        return
    with inside(kernel, loop) as (ranges, _):
        yield from walk(loop.body, ranges)


def dead_of(ranges: Ranges, cond: Expr, s: Stmt, inner: set[Var]) -> Dead | None:
    """The elements that a statement stores to where a condition doesn't hold: known from their indices alone."""
    if not isinstance(cond, Apply) or cond.op is not ops.LT or not isinstance(s, Store | Reduce):
        return None
    a, b = (ranges.linear(e) for e in cond.args)
    forms = [ranges.linear(i) for i in s.indices]
    if a is None or b is None or None in forms:
        return None
    rest, multiples = a.plus(b.scaled(-1)), []
    for form in (f for f in forms if f is not None):
        v = next((v for v in form.terms if v in inner and v in rest.terms), None)
        k = 0 if v is None or rest.terms[v] % form.terms[v] else rest.terms[v] // form.terms[v]
        multiples.append(k)
        rest = rest.plus(form.scaled(-k))
    return None if set(rest.terms) & inner else Dead(s.buffer, tuple(multiples), rest)


def read(ranges: Ranges, dead: Dead, loads: Iterable[Load]) -> bool:
    """Whether one of some loads may read an element that nobody should."""
    return any(x.buffer is dead.buffer and dead.reaches(ranges, x) for x in loads)
