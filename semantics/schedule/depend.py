"""Which iterations of a nest depend on each other: what a step that changes their order has to keep.

Two accesses of a buffer, one of them a write, meet where their indices are equal. For affine indices that is a system
of linear equations in the distances between two iterations; bounds of the distances are narrowed by each equation in
turn until nothing changes (bounds consistency), which also takes apart the mixed-radix sums that splitting a loop
makes. Where that leaves an order in doubt, inequalities between the bounds of loops may settle it; else z3 looks for
two iterations that meet. Accumulations by the same op don't
depend on each other, except in a strict kernel's floats.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product

from gemel.semantics.arguments import value_of
from gemel.semantics.dtypes import FloatType
from gemel.semantics.ir import (
    Alloc,
    Assert,
    Buffer,
    Call,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Load,
    LoopKind,
    Reduce,
    Ref,
    Stmt,
    Store,
    Var,
    View,
    While,
)
from gemel.semantics.ops import Op
from gemel.semantics.ranges import Linear
from gemel.semantics.schedule.instances import Instances, at_least_0
from gemel.semantics.schedule.names import Found, loops, refuse
from gemel.semantics.schedule.reach import inside
from gemel.semantics.schedule.windows import conjuncts
from gemel.semantics.span import Span
from gemel.semantics.traverse import Body, exprs_of, statements, subexprs

Interval = tuple[float, float]
UNORDERED = (LoopKind.PARALLEL, LoopKind.VECTOR)


@dataclass(frozen=True)
class Access:
    """One place in the text where an element is read or written; `forms` are its indices where they are affine,
    `facts` what is at least 0 where it happens."""

    buffer: Buffer
    forms: tuple[Linear | None, ...]
    writes: bool
    op: Op | None
    span: Span
    facts: tuple[Linear, ...] = ()


@dataclass(frozen=True)
class Meeting:
    """Two accesses that meet in two iterations; the values are of the loops that were asked about."""

    first: Access
    second: Access
    before: dict[str, int]
    after: dict[str, int]

    def __str__(self) -> str:
        def told(a: Access, at: dict[str, int]) -> str:
            where = ", ".join(f"{name}={value}" for name, value in at.items()) or "(z3 doesn't say which)"
            what = "accumulates into" if a.op is not None else "stores to" if a.writes else "reads"
            return f"iteration {where} {what} {a.buffer.hint} (line {a.span.line})"

        return f"{told(self.first, self.before)}, {told(self.second, self.after)} the same element"


class Dependences:
    """The accesses of a loop's body, or of a part of it, and the ranges of what their indices are made of."""

    def __init__(self, kernel: Kernel, found: Found, part: slice = slice(None)) -> None:
        self.strict = kernel.strict
        self.accesses: list[Access] = []
        self.intervals: dict[Var, Interval] = {}
        self.private: set[Var] = set()
        self.facts: tuple[Linear, ...] = ()
        with inside(kernel, found.loop) as (self.ranges, path):
            for s in path:
                self._note(s)
            self._gather(found.loop.body[part])

    # ---------------------------------------------------------------------------------------------------- gathering

    def _note(self, s: For | While) -> None:
        if isinstance(s, For):
            low, high = self.ranges.of(Ref(s.var, s.span))
            self.intervals[s.var] = (low, high)

    def _gather(self, body: Body) -> None:
        for s in body:
            self._accesses(s)
            match s:
                case For() | While():
                    with self.ranges.inside(s):
                        self._note(s)
                        if isinstance(s, For):
                            self.private.add(s.var)
                        self._gather(s.body)
                case If():
                    for block, truth in ((s.then, True), (s.orelse, False)):
                        with self._under(s.cond, truth):
                            self._gather(block)
                case Let():
                    self.private.add(s.var)
                case _:
                    pass
            self.ranges.pass_by(s)

    @contextmanager
    def _under(self, cond: Expr, truth: bool) -> Iterator[None]:
        """A place that is reached only where a condition holds, or doesn't."""
        before = self.facts
        forms = (at_least_0(self.ranges, c) for c in conjuncts(cond)) if truth else ()
        self.facts = (*before, *(f for f in forms if f is not None))
        with self.ranges.assuming(cond, truth):
            yield
        self.facts = before

    def _accesses(self, s: Stmt) -> None:
        for e in exprs_of(s):
            for x in subexprs(e):
                if isinstance(x, Load):
                    self._access(x.buffer, x.indices, False, None, x.span)
        if isinstance(s, Store):
            self._access(s.buffer, s.indices, True, None, s.span)
        elif isinstance(s, Reduce):
            free = not (self.strict and isinstance(s.buffer.dtype, FloatType))
            self._access(s.buffer, s.indices, True, s.op if free else None, s.span)
            if not free:
                self._access(s.buffer, s.indices, False, None, s.span)
        elif isinstance(s, Call):
            for a in s.args:
                if isinstance(a, View):
                    self.accesses.append(Access(a.buffer, (None,) * a.buffer.rank, True, None, s.span))
            self.accesses += [Access(b, (None,) * b.rank, True, None, s.span) for b in s.results]

    def _access(self, b: Buffer, indices: tuple[Expr, ...], writes: bool, op: Op | None, span: Span) -> None:
        forms = tuple(self.ranges.linear(i) for i in indices)
        self.accesses.append(Access(b, forms, writes, op, span, self.facts))

    # ---------------------------------------------------------------------------------------------------- questions

    def of(self, s: Stmt) -> list[Access]:
        """The accesses of one statement of what has been gathered, with those of statements in it."""
        before, self.accesses = self.accesses, []
        for x in statements((s,)):
            self._accesses(x)
        found, self.accesses = self.accesses, before
        return found

    def apart(self, a: Access, b: Access, loops: Sequence[Var]) -> bool:
        """Whether the accesses never meet, in whatever iterations of the loops."""
        return not self.instances(a, b, loops).any_of([[]])

    def pairs(self, local: set[Buffer]) -> Iterator[tuple[Access, Access]]:
        """The accesses that may depend on each other, either way round."""
        for a in self.accesses:
            for b in self.accesses:
                if a.buffer is not b.buffer or a.buffer in local or not (a.writes or b.writes):
                    continue
                if a.op is None or a.op is not b.op:
                    yield a, b

    def distances(
        self, a: Access, b: Access, loops: Sequence[Var], direction: dict[Var, int] | None = None
    ) -> dict[Var, Interval] | None:
        """Bounds of how far apart, in each loop, iterations can be in which the accesses meet; None: they never do.

        With a direction only iterations that lie in that one count.
        """
        equations = [
            self._equation(x, y, loops)
            for x, y in zip(a.forms, b.forms, strict=True)
            if x is not None and y is not None
        ]
        spans = {v: self.length(v) for v in loops}
        bounds = {v: _towards(spans[v], direction[v] if direction is not None else None) for v in loops}
        if any(low > high for low, high in bounds.values()):
            return None
        for _ in range(8):
            before = dict(bounds)
            for constant, terms in equations:
                if not _narrow(bounds, constant, terms):
                    return None
            if bounds == before:
                break
        return bounds

    def instances(self, a: Access, b: Access, loops: Sequence[Var]) -> Instances:
        """Two iterations in which the accesses meet, the loops having values of their own in each."""
        found = Instances(self._interval, self.ranges.bounds, {*loops, *self.private})
        for x, y in zip(a.forms, b.forms, strict=True):
            if x is not None and y is not None:
                found.equal(x, y)
        for access, which in ((a, "a"), (b, "b")):
            for fact in access.facts:
                found.holds(fact, which)
        return found

    def length(self, v: Var) -> float:
        """How far apart two iterations of a loop can be."""
        low, high = self.intervals[v]
        return max(high - low, 0)

    def _equation(self, x: Linear, y: Linear, loops: Sequence[Var]) -> tuple[Interval, dict[Var, int]]:
        """y - x = 0 as constant + sum of coefficient * distance = 0, everything else bounded into the constant."""
        low = high = float(y.constant - x.constant)
        terms: dict[Var, int] = {}
        for v in {*x.terms, *y.terms}:
            cx, cy = x.terms.get(v, 0), y.terms.get(v, 0)
            if v in loops:
                terms[v] = cy
                spread = [(cy - cx) * end for end in self._interval(v)]
            elif v in self.private:
                own, other = self._interval(v), self._interval(v)
                spread = [cy * p - cx * q for p in own for q in other]
            else:
                spread = [(cy - cx) * end for end in self._interval(v)] if cy != cx else [0.0]
            low, high = low + min(spread), high + max(spread)
        return (low, high), {v: c for v, c in terms.items() if c}

    def _interval(self, v: Var) -> Interval:
        if v not in self.intervals:
            self.intervals[v] = self.ranges.of(Ref(v, v.span))
        return self.intervals[v]


def _towards(span: float, sign: int | None) -> Interval:
    """The distances of a sign that a loop of a span has."""
    return {None: (-span, span), -1: (-span, -1.0), 0: (0.0, 0.0), 1: (1.0, span)}[sign]


def _narrow(bounds: dict[Var, Interval], constant: Interval, terms: dict[Var, int]) -> bool:
    """Narrows the distances by one equation; False where it has no solution."""
    if not terms:
        return constant[0] <= 0 <= constant[1]
    for v, c in terms.items():
        low, high = constant
        for other, k in terms.items():
            if other is not v:
                ends = [k * end for end in bounds[other]]
                low, high = low + min(ends), high + max(ends)
        quotients = [-low / c, -high / c]
        least, most = math.ceil(min(quotients)), math.floor(max(quotients))
        new = max(bounds[v][0], least), min(bounds[v][1], most)
        if new[0] > new[1]:
            return False
        bounds[v] = new
    return True


def signs(bounds: dict[Var, Interval], loops: Sequence[Var]) -> Iterator[dict[Var, int]]:
    """The directions that distances may have."""
    choices = [
        [
            s
            for s, possible in ((-1, bounds[v][0] < 0), (0, bounds[v][0] <= 0 <= bounds[v][1]), (1, bounds[v][1] > 0))
            if possible
        ]
        for v in loops
    ]
    for combination in product(*choices):
        yield dict(zip(loops, combination, strict=True))


def leading(direction: dict[Var, int], order: Iterable[Var]) -> int:
    """The sign of the first loop, outermost first, in which two iterations differ."""
    return next((direction[v] for v in order if direction[v]), 0)


def locals_of(body: Body) -> set[Buffer]:
    """The buffers that each run of a block makes anew."""
    return {s.buffer for s in statements(body) if isinstance(s, Alloc)}


CHECKED = "call verify() before schedule(): what is proved needs no check"


def effects_in_order(loop: For) -> None:
    """Raises ScheduleError where a loop's iterations can't change places at all: checks, early ends."""
    for s in effects((loop,)):
        if isinstance(s, Assert):
            what = f"a check in the loop {loop.var.hint} has to come in order"
            raise refuse(what, s.span, CHECKED, "K02")
        raise refuse(f"the loop {loop.var.hint} holds one that may end early", s.span, code="K02")


def effects(body: Body) -> Iterator[Stmt]:
    """What has to come in order, whatever it computes: checks and loops that may end early, those of calls too."""
    for s in statements(body):
        if isinstance(s, Assert | While) or (isinstance(s, For) and s.until is not None):
            yield s
        elif isinstance(s, Call):
            yield from effects(s.kernel.body)


def upwards(loops: Iterable[For]) -> None:
    """Raises ScheduleError where a loop's variable doesn't grow: what comes before what is told for those that do."""
    for s in loops:
        step = value_of(s.step, {})
        if step is None or step < 0:
            raise refuse(f"the loop {s.var.hint} doesn't run upwards", s.span, "let it run upwards")


def independent(kernel: Kernel, found: Found) -> None:
    """Raises ScheduleError unless no two iterations of a loop depend on each other."""
    loop = found.loop
    effects_in_order(loop)
    known = Dependences(kernel, found)
    for a, b in known.pairs(locals_of(loop.body)):
        bounds = known.distances(a, b, [loop.var])
        if bounds is None or bounds[loop.var] == (0, 0):
            continue
        meeting = meet(known, a, b, [loop.var], [loop.var], [loop.var])
        if meeting is not None:
            raise refuse(
                f"the iterations of {loop.var.hint} depend on each other: {meeting}", loop.span, _mend(a, b), "K02"
            )
    for a in known.accesses:
        if a.op is not None and a.buffer not in locals_of(loop.body):
            bounds = known.distances(a, a, [loop.var])
            if bounds is not None and bounds[loop.var] != (0, 0):
                meeting = meet(known, a, a, [loop.var], [loop.var], [loop.var])
                if meeting is not None:
                    raise refuse(
                        f"the iterations of {loop.var.hint} accumulate into one element: {meeting}",
                        loop.span,
                        "split the reduction over several accumulators first",
                        "K02",
                    )


def each_its_own(kernel: Kernel, reduces: Sequence[Reduce]) -> None:
    """Raises ScheduleError where iterations of an unordered loop around accumulate into one element.

    An accumulation may do that; a load and a store in its place may not.
    """
    for found in loops(kernel.body):
        inside = {s.buffer for s in statements(found.loop.body) if any(s is r for r in reduces)}  # type: ignore[union-attr]
        shared = inside - locals_of(found.loop.body)
        if found.loop.kind not in UNORDERED or not shared:
            continue
        known, v = Dependences(kernel, found), found.loop.var
        for a in known.accesses:
            bounds = known.distances(a, a, [v]) if a.op is not None and a.buffer in shared else None
            if bounds is not None and bounds[v] != (0, 0):
                raise refuse(
                    f"iterations of {v.hint} accumulate into one element of {a.buffer.hint} in any order",
                    a.span,
                    "take this step before the loop is made parallel or a vector one",
                    "K02",
                )


def _mend(a: Access, b: Access) -> str:
    return f"keep the loop serial, or let each iteration have elements of {a.buffer.hint} of its own"


def order_kept(kernel: Kernel, found: Found, old: Sequence[For], new: Sequence[For]) -> None:
    """Raises ScheduleError unless a nest's iterations may come in the order of `new`; `found` is its outermost loop."""
    effects_in_order(old[0])
    upwards(old)
    inner = Found(old[-1], (*found.around, *old[:-1]))
    known = Dependences(kernel, inner)
    before, after = [x.var for x in old], [x.var for x in new]
    for a, b in known.pairs(locals_of(old[-1].body)):
        bounds = known.distances(a, b, before)
        if bounds is None:
            continue
        swapped = [d for d in signs(bounds, before) if leading(d, before) > 0 > leading(d, after)]
        possible = any(known.distances(a, b, before, d) is not None for d in swapped)
        meeting = meet(known, a, b, before, before, after) if possible else None
        if meeting is not None:
            names = ", ".join(x.var.hint for x in new)
            raise refuse(f"the order {names} would swap iterations: {meeting}", old[0].span, code="K02")


def meet(
    known: Dependences, a: Access, b: Access, loops: Sequence[Var], old: Sequence[Var], new: Sequence[Var]
) -> Meeting | None:
    """Two iterations, in this order now and not so in the new one, in which accesses meet; by z3.

    Where old and new order are the same, any two different iterations.
    """
    both = known.instances(a, b, loops)
    orders = [both.before(old)]
    if list(old) != list(new):
        orders.append(both.before(new, "b", "a"))
    if not both.any_of(*orders):
        return None
    values = both.example(*orders)
    if values is None:
        return None

    def of(which: str) -> dict[str, int]:
        return {v.hint: values[both.name(v, which)] for v in loops if both.name(v, which) in values}

    return Meeting(a, b, of("a"), of("b"))
