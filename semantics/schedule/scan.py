"""The step that scans: running sums and their kin, all of a block's in as many steps as its length has bits.

Each step adds to an element what stands one, two, four, ... places before it (Hillis and Steele, "Data parallel
algorithms"): the elements of a step don't depend on each other, so that they may be in vector lanes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import takewhile

from gemel.semantics import build, ops
from gemel.semantics.arguments import value_of
from gemel.semantics.dtypes import INDEX, FloatType, IntType
from gemel.semantics.fold import Folding
from gemel.semantics.ir import (
    Alloc,
    Apply,
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
from gemel.semantics.ops import Op
from gemel.semantics.ranges import Linear
from gemel.semantics.schedule.fusion import in_order
from gemel.semantics.schedule.names import find, find_buffer, names, refuse, rewritten, unused
from gemel.semantics.schedule.partial import neutral
from gemel.semantics.schedule.reach import inside
from gemel.semantics.schedule.windows import alike, variables
from gemel.semantics.traverse import Body, all_exprs, map_body, stored, subexprs

MODULAR = (ops.ADD, ops.MUL, ops.AND, ops.OR, ops.XOR)
MAY_SCAN = (ops.ADD, ops.MUL, ops.MIN, ops.MAX, ops.AND, ops.OR, ops.XOR)


def scan(kernel: Kernel, buffer: str, loop: str, name: str = "") -> Kernel:
    """The running values that `loop` keeps in `buffer` are made in logarithmically many steps, each in vector lanes.

    The buffer has one place for the running value, or one for each iteration as in `y[i] = y[i - 1] + x[i]`. The loop,
    of a known number of iterations (split before), becomes two: `{loop}_in` computes what each iteration adds, `loop`
    does what follows. That is another order of the accumulation: it is refused for floats of a strict kernel, minima
    and maxima apart. Raises ScheduleError where the buffer is used in another way, or where what an iteration adds
    depends on what an earlier one stores.
    """
    b, s = find_buffer(kernel, buffer), find(kernel, loop).loop
    count, span = value_of(s.hi, {}), s.span
    plain = value_of(s.lo, {}) == 0 and value_of(s.step, {}) == 1 and s.until is None and s.kind is LoopKind.SERIAL
    if count is None or not plain:
        raise refuse(f"{loop} is no serial loop of known length from 0", span, "split it by a number")
    running = _Reader(kernel, s, b).running()
    if kernel.strict and running.op in (ops.ADD, ops.MUL) and isinstance(b.dtype, FloatType):
        raise refuse(f"{kernel.name} is strict: the order of its sums stays", span, code="K02")
    made = _Maker(s, running, count, b, names(kernel), name or f"{buffer}_{loop}")
    _may_come_first(kernel, s, made)
    return rewritten(kernel, s, lambda _: made.body())


@dataclass(frozen=True)
class _Running:
    """What a loop accumulates: `now` = op(`old`, `value`), then `rest`.

    `old` is where the value before the loop's first iteration lies; `kept`: that is its place in all iterations.
    """

    op: Op
    now: Var
    old: Load
    kept: bool
    value: Expr
    rest: Body


@dataclass
class _Reader:
    """Reads a loop's body: names, then the accumulation, then what follows."""

    kernel: Kernel
    loop: For
    buffer: Buffer
    now: Var = field(init=False)
    found: tuple[Op, tuple[Expr, Expr]] | None = None

    def __post_init__(self) -> None:
        self.now = Var(unused(f"{self.buffer.hint}_now", names(self.kernel)), self.buffer.dtype, self.loop.span)

    def running(self) -> _Running:
        """Raises ScheduleError where the loop keeps no running value in the buffer."""
        copier, body = Folding(), list(self.loop.body)
        lets = list(takewhile(lambda s: isinstance(s, Let), body))
        update, rest = (body[len(lets)] if len(lets) < len(body) else None), tuple(body[len(lets) + 1 :])
        for let in lets:
            if isinstance(let, Let):
                copier.vars[let.var] = self._named(copier.expr(let.value))
                self._stays(let, rest)
        if not isinstance(update, Store | Reduce) or update.buffer is not self.buffer:
            raise self._no("doesn't begin with an accumulation into it")
        indices, value = tuple(map(copier.expr, update.indices)), copier.expr(update.value)
        if isinstance(update, Reduce):
            self.found = (update.op, (Load(self.buffer, indices, update.span), value))
        elif self.found is None and not isinstance(self._named(value), Ref):
            raise self._no("stores something else than a running value to it")
        return self._taken(indices, copier.body(rest))

    def _stays(self, let: Let, rest: Body) -> None:
        """Raises ScheduleError where a name means another value once what follows has stored something."""
        used = any(isinstance(x, Ref) and x.var is let.var for e in all_exprs(rest) for x in subexprs(e))
        changed = {x.buffer for x in subexprs(let.value) if isinstance(x, Load)} & (stored(rest) - {self.buffer})
        if used and changed:
            other = min(b.hint for b in changed)
            raise self._no(f"is left with {let.var.hint}, which is used after {other} may have changed")

    def _no(self, what: str) -> Exception:
        return refuse(f"{self.loop.var.hint} keeps no running value in {self.buffer.hint}: it {what}", self.loop.span)

    def _named(self, e: Expr) -> Expr:
        """An expression, or the running value's name where it makes that."""
        made = _narrowed(e)
        if self.found is not None or not isinstance(made, Apply) or made.op not in MAY_SCAN:
            return e
        if e.dtype != self.buffer.dtype or not any(isinstance(x, Load) and x.buffer is self.buffer for x in made.args):
            return e
        self.found = (made.op, (made.args[0], made.args[1]))
        return Ref(self.now, e.span)

    def _taken(self, indices: tuple[Expr, ...], rest: Body) -> _Running:
        op, old, value, kept = self._roles(indices)
        now = Ref(self.now, old.span)
        if kept:
            rest = map_body(rest, expr=lambda e: now if isinstance(e, Load) and alike(e, old) else e)
        self._only_here(value, rest, None if kept else indices)
        if not kept:
            rest = (Store(self.buffer, indices, now, old.span), *rest)
        first = Folding(vars={self.loop.var: build.index(0, old.span)})
        begin = Load(old.buffer, tuple(map(first.expr, old.indices)), old.span)
        return _Running(op, self.now, begin, kept, build.convert(value, self.buffer.dtype, old.span), rest)

    def _roles(self, indices: tuple[Expr, ...]) -> tuple[Op, Load, Expr, bool]:
        """The op, the value before, what is added to it, whether its place is kept."""
        op, (a, b) = self.found or (ops.SUB, (build.index(0), build.index(0)))
        moving = any(self.loop.var in variables(i) for i in indices)
        for old, value in ((a, b), (b, a)):
            if op in MAY_SCAN and isinstance(old, Load) and old.buffer is self.buffer:
                if all(map(alike, old.indices, indices)) and not moving:
                    return op, old, value, True
                if moving and self._follows(indices, old.indices):
                    return op, old, value, False
        raise self._no("accumulates into places that don't follow each other")

    def _only_here(self, value: Expr, rest: Body, own: tuple[Expr, ...] | None) -> None:
        """Raises ScheduleError for other uses of the buffer; what an iteration adds may be its `own` element."""
        read = [x for e in all_exprs(rest) for x in subexprs(e) if isinstance(x, Load) and x.buffer is self.buffer]
        for x in subexprs(value):
            if isinstance(x, Load) and x.buffer is self.buffer and not (own and all(map(alike, x.indices, own))):
                read.append(x)
        if read or self.buffer in stored(rest):
            raise self._no("uses it in another way too")

    def _follows(self, indices: tuple[Expr, ...], old: tuple[Expr, ...]) -> bool:
        """Whether an iteration's old place is the one before's new place."""
        with inside(self.kernel, self.loop) as (ranges, _):
            pairs = [(ranges.linear(a), ranges.linear(b)) for a, b in zip(indices, old, strict=True)]
        return bool(pairs) and all(_shifted(a, b, self.loop.var) for a, b in pairs)


def _narrowed(e: Expr) -> Expr:
    """What an integer is narrowed from, where narrowing each part gives the same."""
    inner = e.args[0] if isinstance(e, Apply) and e.op is ops.CAST and isinstance(e.dtype, IntType) else None
    wraps = isinstance(inner, Apply) and inner.op in MODULAR and isinstance(inner.dtype, IntType)
    return inner if wraps and inner is not None else e


def _shifted(new: Linear | None, old: Linear | None, v: Var) -> bool:
    if new is None or old is None or new.terms != old.terms:
        return False
    return new.constant - new.terms.get(v, 0) == old.constant


@dataclass
class _Maker:
    """The loops of a scan: what is added, the steps, what follows."""

    loop: For
    running: _Running
    count: int
    buffer: Buffer
    taken: set[str]
    name: str
    arrays: list[Buffer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.taken.add(self.running.now.hint)
        self.arrays.append(self._array())

    def body(self) -> Body:
        """What the loop becomes."""
        distance = 1
        made: list[Stmt] = [self.first()]
        while distance < self.count:
            made += self._step(distance)
            distance *= 2
        allocs = [Alloc(a, self.loop.span, filled=True) for a in self.arrays]
        return (*allocs, *made, self.last(), *self._carried())

    def head(self) -> Body:
        """What an iteration adds goes to the array's upper half."""
        r, span = self.running, self.loop.span
        return (Store(self.arrays[0], (self._upper(Ref(self.loop.var, span)),), r.value, span),)

    def first(self) -> For:
        """The loop of what is added."""
        v = self._var("in")
        return replace(self.loop, var=v, body=Folding(vars={self.loop.var: Ref(v, v.span)}).body(self.head()))

    def last(self) -> For:
        """The loop of what follows: the running value is that of the block before and of the block's own elements."""
        r, span = self.running, self.loop.span
        own = Load(self.arrays[-1], (self._upper(Ref(self.loop.var, span)),), span)
        return replace(self.loop, body=(Let(r.now, self._applied(r.old, own), span), *r.rest))

    def _carried(self) -> Body:
        r, span = self.running, self.loop.span
        if not r.kept:
            return ()
        end = Load(self.arrays[-1], (build.index(2 * self.count - 1, span),), span)
        return (Reduce(r.op, self.buffer, r.old.indices, end, span),)

    def _step(self, distance: int) -> Body:
        begun, old, new, span = self._neutral(), self.arrays[-1], self._array(), self.loop.span
        self.arrays.append(new)

        def added(at: Expr) -> Stmt:
            here = self._upper(at)
            before = build.sub(here, build.index(distance, span), span)
            return Store(new, (here,), self._applied(Load(old, (before,), span), Load(old, (here,), span)), span)

        return (begun, self._lanes(added))

    def _neutral(self) -> For:
        """Neutral values in the lower half of the last array, for what has no element so far before it."""
        array, value = self.arrays[-1], neutral(self.running.op, self.buffer.dtype, self.loop.span)
        return self._lanes(lambda at: Store(array, (at,), value, self.loop.span))

    def _lanes(self, inner: Callable[[Expr], Stmt]) -> For:
        v, span = self._var("l"), self.loop.span
        zero, one = build.index(0, span), build.index(1, span)
        return For(v, zero, build.index(self.count, span), one, LoopKind.VECTOR, (inner(Ref(v, span)),), span)

    def _applied(self, a: Expr, b: Expr) -> Expr:
        span = self.loop.span
        return build.convert(build.apply(self.running.op, a, b, span=span), self.buffer.dtype, span)

    def _upper(self, at: Expr) -> Expr:
        return build.add(at, build.index(self.count, self.loop.span), self.loop.span)

    def _array(self) -> Buffer:
        hint = unused(self.name, self.taken)
        self.taken.add(hint)
        return Buffer(hint, self.buffer.dtype, (build.index(2 * self.count),), self.loop.span)

    def _var(self, suffix: str) -> Var:
        v = Var(unused(f"{self.loop.var.hint}_{suffix}", self.taken), INDEX, self.loop.span)
        self.taken.add(v.hint)
        return v


def _may_come_first(kernel: Kernel, s: For, made: _Maker) -> None:
    """Raises ScheduleError where what an iteration adds depends on what an earlier one stores in the loop."""
    head, rest = made.head(), made.running.rest
    both = replace(s, body=(*head, *rest))
    array = Alloc(made.arrays[0], s.span, filled=True)
    in_order(rewritten(kernel, s, lambda _: (array, both)), [both], len(head))
