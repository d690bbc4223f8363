"""Which values an integer expression can have at a place in a kernel.

Intervals come from types, loop bounds, table contents, stored values (one interval per local buffer, found by
iteration with widening) and conditions on the path; affine expressions are bounded as well by putting each loop
variable's own affine bounds in its place, innermost first, so that triangular loops are covered. A pass walks the
kernel and keeps a `Ranges` informed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gemel.semantics import intervals, ops
from gemel.semantics.dtypes import FixedType, FloatType, IndexType, is_integer
from gemel.semantics.intervals import Interval
from gemel.semantics.ir import (
    Alloc,
    Apply,
    Assert,
    Assume,
    Buffer,
    Call,
    Const,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Load,
    Reduce,
    Ref,
    Stmt,
    Store,
    Var,
    While,
)
from gemel.semantics.traverse import Body, stored

Form = tuple[frozenset[tuple[Var, int]], bool]
"""The terms of a linear form, and whether it is of type index, whose arithmetic wraps."""

Atom = Var | Buffer | Form
"""What a condition can speak of: a variable, the value of a buffer of rank 0, or a sum of multiples of variables."""

MAX_SIZE = (1 << 48) - 1
"""The largest size of a dimension: no array in memory is larger."""

WIDEN_AFTER = 3

MANY_TERMS = 64
"""A sum of more variables than an index ever has is bounded by the ranges of its parts alone."""


@dataclass(frozen=True)
class Linear:
    """A constant plus multiples of variables."""

    constant: int
    terms: dict[Var, int]

    def scaled(self, k: int) -> Linear:
        """k times this."""
        return Linear(self.constant * k, {v: c * k for v, c in self.terms.items()} if k else {})

    def plus(self, other: Linear) -> Linear:
        """The sum."""
        terms = dict(self.terms)
        for v, c in other.terms.items():
            terms[v] = terms.get(v, 0) + c
        return Linear(self.constant + other.constant, {v: c for v, c in terms.items() if c})


class Ranges:
    """The ranges at the place where a walk of the kernel stands."""

    def __init__(self, kernel: Kernel) -> None:
        self.vars: dict[Var, Interval] = {}
        self.definitions: dict[Var, Linear] = {}
        self.bounds: dict[Var, tuple[Linear | None, Linear | None]] = {}
        self.order: dict[Var, int] = {}
        self.facts: dict[Atom, Interval] = {}
        self.buffers: dict[Buffer, Interval | None] = {}
        self.params = {*kernel.params, *kernel.results}
        self.found: dict[Expr, Interval] = {}
        self.forms: dict[Expr, Linear | None] = {}
        for d in kernel.dims:
            self.vars[d] = (0, MAX_SIZE)
        self._settle_buffers(kernel.body)

    # ----------------------------------------------------------------------------------------------------- questions

    def of(self, e: Expr) -> Interval:
        """The range of an integer, bool or fixed-point (raw) expression."""
        if e not in self.found:
            self.found[e] = self._of(e)
        return self.found[e]

    def _moved(self) -> None:
        """What is known has changed: answers are looked for anew."""
        self.found.clear()
        self.forms.clear()

    def _of(self, e: Expr) -> Interval:
        own = intervals.of_type(e.dtype)
        if own is None:
            raise TypeError(f"{e.dtype} has no range")
        found = self._structural(e, own)
        if is_integer(e.dtype) and isinstance(e, Apply):
            form = self.linear(e)
            if form is not None and form.terms:
                lo, hi = self._extreme(form, False), self._extreme(form, True)
                found = intervals.meet(found, (lo, hi))
                fact = self.facts.get(_key(form, e))
                if fact is not None:
                    found = intervals.meet(found, (fact[0] + form.constant, fact[1] + form.constant))
        if found[0] < own[0] or found[1] > own[1]:
            return own  # the arithmetic of index wraps
        return found

    def _structural(self, e: Expr, own: Interval) -> Interval:
        match e:
            case Const():
                return int(e.value), int(e.value)
            case Ref():
                known = self.vars.get(e.var, own)
                return intervals.meet(known, self.facts[e.var]) if e.var in self.facts else known
            case Load():
                known = self.buffers.get(e.buffer, own) or own
                fact = self.facts.get(e.buffer) if not e.indices else None
                return intervals.meet(known, fact) if fact else known
            case Apply():
                return self._apply(e, own)

    def _apply(self, e: Apply, own: Interval) -> Interval:
        if e.op is ops.SELECT and isinstance(e.dtype, FloatType):
            return own
        if e.op is ops.SELECT:
            return self._choice(e, own)
        if any(isinstance(a.dtype, FloatType | FixedType) for a in e.args) or isinstance(e.dtype, FixedType):
            return own
        args = [self.of(a) for a in e.args]
        if e.op in (*ops.NARROWING, ops.SATURATE):
            return _converted(e, args[0], own)
        rule = intervals.RULES.get(e.op)
        if rule is None:
            return own
        try:
            return rule(*args)
        except OverflowError:
            return own

    def _choice(self, e: Apply, own: Interval) -> Interval:
        cond, then, orelse = e.args
        if any(isinstance(a.dtype, FixedType) for a in (then, orelse)):
            return own
        with self.assuming(cond, True):
            a = self.of(then)
        with self.assuming(cond, False):
            b = self.of(orelse)
        return min(a[0], b[0]), max(a[1], b[1])

    def linear(self, e: Expr) -> Linear | None:
        """The expression as a linear form of variables; None where it is none."""
        match e:
            case Const():
                return Linear(int(e.value), {}) if is_integer(e.dtype) else None
            case Ref():
                if not is_integer(e.dtype):
                    return None
                return self.definitions.get(e.var, Linear(0, {e.var: 1}))
            case Apply():
                if e not in self.forms:
                    form = self._linear_apply(e)
                    self.forms[e] = form if form is None or len(form.terms) <= MANY_TERMS else None
                return self.forms[e]
            case _:
                return None

    def _linear_apply(self, e: Apply) -> Linear | None:
        if e.op in ops.NARROWING and is_integer(e.dtype) and is_integer(e.args[0].dtype):
            return self.linear(e.args[0]) if _keeps(e, self) else None
        if e.op not in (ops.ADD, ops.SUB, ops.MUL, ops.NEG) or not is_integer(e.dtype):
            return None
        forms = [self.linear(a) for a in e.args]
        if any(f is None for f in forms):
            return None
        known = [f for f in forms if f is not None]
        if e.op is ops.NEG:
            return known[0].scaled(-1)
        a, b = known
        if e.op is ops.MUL:
            if a.terms and b.terms:
                return None
            return b.scaled(a.constant) if not a.terms else a.scaled(b.constant)
        return a.plus(b if e.op is ops.ADD else b.scaled(-1))

    def _extreme(self, form: Linear, greatest: bool) -> int:
        """A bound of a linear form: each variable's own bound in its place, the innermost first."""
        for _ in range(64):
            inner = max((v for v in form.terms if v in self.bounds), key=lambda v: self.order[v], default=None)
            if inner is None:
                break
            coefficient = form.terms[inner]
            low, high = self.bounds[inner]
            bound = high if (coefficient > 0) == greatest else low
            rest = Linear(form.constant, {v: c for v, c in form.terms.items() if v is not inner})
            if bound is None:
                interval = self._interval(inner)
                end = interval[1] if (coefficient > 0) == greatest else interval[0]
                form = rest.plus(Linear(coefficient * end, {}))
            else:
                form = rest.plus(bound.scaled(coefficient))
        total = form.constant
        for v, c in form.terms.items():
            interval = self._interval(v)
            total += c * (interval[1] if (c > 0) == greatest else interval[0])
        return total

    def _interval(self, v: Var) -> Interval:
        own = intervals.of_type(v.dtype) or (0, 0)
        known = self.vars.get(v, own)
        return intervals.meet(known, self.facts[v]) if v in self.facts else known

    # --------------------------------------------------------------------------------------------------------- walking

    def pass_by(self, s: Stmt) -> None:
        """Takes in a statement without blocks that the walk has passed, or the effects of one with blocks."""
        match s:
            case Let():
                self._let(s)
            case Assert():
                self._learn(s.cond, True)
            case Assume():
                self._learn(s.cond, True)
            case _:
                for b in stored((s,)):
                    self.facts.pop(b, None)
        self._moved()

    def _let(self, s: Let) -> None:
        if isinstance(s.var.dtype, FloatType):
            return
        self.vars[s.var] = self.of(s.value)
        if is_integer(s.var.dtype):
            form = self._exact_linear(s.value)
            if form is not None:
                self.definitions[s.var] = form
            self._place(s.var)

    def _place(self, v: Var) -> None:
        """Notes that `v` is bound inside of everything bound before."""
        self.order.pop(v, None)
        self.order[v] = next(reversed(self.order.values()), 0) + 1

    def _exact_linear(self, e: Expr) -> Linear | None:
        form = self.linear(e)
        return form if form is not None and self._no_wrap(e, form) else None

    def _no_wrap(self, e: Expr, form: Linear) -> bool:
        if not isinstance(e.dtype, IndexType):
            return True
        return self._extreme(form, False) >= -(1 << 63) and self._extreme(form, True) < 1 << 63

    @contextmanager
    def inside(self, s: For | While) -> Iterator[None]:
        """The body of a loop: facts about what the loop stores to are gone, its bounds or condition hold."""
        saved = dict(self.facts)
        for b in stored(s.body):
            self.facts.pop(b, None)
        self._moved()
        if isinstance(s, For):
            self._bind_loop(s)
            if s.until is not None:
                self._learn(s.until, False)
        else:
            self._learn(s.cond, True)
        self._moved()
        yield
        self.facts = saved
        for b in stored(s.body):
            self.facts.pop(b, None)
        self._moved()

    def _bind_loop(self, s: For) -> None:
        lo, hi, step = self.of(s.lo), self.of(s.hi), self.of(s.step)
        low, high = self._exact_linear(s.lo), self._exact_linear(s.hi)
        self._place(s.var)
        if step[0] > 0:
            last = Linear(high.constant - 1, high.terms) if high else None
            self.vars[s.var] = (lo[0], max(hi[1] - 1, lo[0]))
            self.bounds[s.var] = (low, last)
            for bound in _least(s.hi):
                self._compare_forms(ops.LT, Ref(s.var, s.span), bound)
        elif step[1] < 0:
            last = Linear(high.constant + 1, high.terms) if high else None
            self.vars[s.var] = (min(hi[0] + 1, lo[1]), lo[1])
            self.bounds[s.var] = (last, low)
        else:
            self.vars[s.var] = (min(lo[0], hi[0]), max(lo[1], hi[1]))

    @contextmanager
    def assuming(self, cond: Expr, truth: bool) -> Iterator[None]:
        """A place that is reached only where `cond` is `truth`."""
        saved = dict(self.facts)
        self._learn(cond, truth)
        yield
        self.facts = saved
        self._moved()

    def _learn(self, cond: Expr, truth: bool) -> None:
        if not isinstance(cond, Apply):
            return
        if cond.op is ops.LNOT:
            self._learn(cond.args[0], not truth)
        elif (cond.op in (ops.LAND, ops.AND) and truth) or (cond.op in (ops.LOR, ops.OR) and not truth):
            for a in cond.args:
                self._learn(a, truth)
        elif cond.op in _FLIPPED and all(is_integer(a.dtype) for a in cond.args):
            op = cond.op if truth else _NEGATED[cond.op]
            a, b = cond.args
            self._compare(op, a, b)
            self._compare(_FLIPPED[op], b, a)

    def _compare(self, op: ops.Op, a: Expr, b: Expr) -> None:
        self._compare_forms(op, a, b)
        atom, offset = _atom(a), 0
        form = self.linear(a) if atom is None else None
        if form is not None and form.terms:
            atom, offset = _key(form, a), form.constant
        if atom is None:
            return
        lo, hi = (x - offset for x in self.of(a))
        low, high = (x - offset for x in self.of(b))
        if op in (ops.LT, ops.LE):
            hi = min(hi, high - (op is ops.LT))
        elif op in (ops.GT, ops.GE):
            lo = max(lo, low + (op is ops.GT))
        elif op is ops.EQ:
            lo, hi = max(lo, low), min(hi, high)
        elif low == high:
            lo, hi = lo + (lo == low), hi - (hi == low)
        if lo <= hi:
            self._note(atom, (lo, hi))

    def _compare_forms(self, op: ops.Op, a: Expr, b: Expr) -> None:
        """Notes the range of the difference of two linear forms, as far as the comparison narrows it."""
        x, y = self.linear(a), self.linear(b)
        if x is None or y is None or not (x.terms and y.terms) or op is ops.NE or a.dtype != b.dtype:
            return
        form = x.plus(y.scaled(-1))
        (low, high), (least, most) = self.of(a), self.of(b)
        lo, hi = low - most, high - least
        if op in (ops.LT, ops.LE):
            hi = min(hi, -1 if op is ops.LT else 0)
        elif op in (ops.GT, ops.GE):
            lo = max(lo, 1 if op is ops.GT else 0)
        else:
            lo, hi = max(lo, 0), min(hi, 0)
        if form.terms and -(1 << 63) <= lo <= hi < 1 << 63:
            self._note(_key(form, a), (lo - form.constant, hi - form.constant))

    def _note(self, atom: Atom, interval: Interval) -> None:
        self.facts[atom] = interval
        self._moved()

    # --------------------------------------------------------------------------------------------------------- buffers

    def _settle_buffers(self, body: Body) -> None:
        """One interval for the elements of each local buffer: a fixed point over all stores."""
        locals_ = [s.buffer for s in _allocs(body)]
        for b in locals_:
            if isinstance(b.dtype, FloatType):
                continue
            self.buffers[b] = None if b.data is None else _contents(b)
        for turn in range(WIDEN_AFTER + 2 if self.buffers else 0):
            grown: dict[Buffer, Interval | None] = {b: self.buffers[b] for b in self.buffers}
            self._collect(body, grown)
            self.facts = {}  # what checks on the way taught holds after them only
            self._moved()
            if grown == self.buffers:
                return
            for b, interval in grown.items():
                changed = interval != self.buffers[b]
                self.buffers[b] = intervals.of_type(b.dtype) if changed and turn >= WIDEN_AFTER else interval
        for b in self.buffers:
            if b.data is None:
                self.buffers[b] = intervals.of_type(b.dtype)

    def _collect(self, body: Body, grown: dict[Buffer, Interval | None]) -> None:
        for s in body:
            match s:
                case Store():
                    self._grow(s.buffer, self._stored_range(s), grown)
                case Reduce():
                    self._grow(s.buffer, self._reduced_range(s), grown)
                case For() | While():
                    with self.inside(s):
                        self._collect(s.body, grown)
                case If():
                    for block, truth in ((s.then, True), (s.orelse, False)):
                        with self.assuming(s.cond, truth):
                            self._collect(block, grown)
                case Call():
                    for b in stored((s,)):
                        self._grow(b, intervals.of_type(b.dtype), grown)
                case _:
                    pass
            self.pass_by(s)

    def _stored_range(self, s: Store) -> Interval | None:
        return intervals.of_type(s.buffer.dtype) if isinstance(s.buffer.dtype, FloatType) else self.of(s.value)

    def _reduced_range(self, s: Reduce) -> Interval | None:
        own = intervals.of_type(s.buffer.dtype)
        old = self.buffers.get(s.buffer, own)
        if own is None or old is None or isinstance(s.buffer.dtype, FixedType):
            return own
        rule = intervals.RULES.get(s.op)
        new = rule(old, self.of(s.value)) if rule else own
        return own if new[0] < own[0] or new[1] > own[1] else new

    def _grow(self, b: Buffer, interval: Interval | None, grown: dict[Buffer, Interval | None]) -> None:
        if b in grown:
            grown[b] = intervals.join(grown[b], interval)


def _converted(e: Apply, inner: Interval, own: Interval) -> Interval:
    if own[0] <= inner[0] and inner[1] <= own[1]:
        return inner
    if e.op is ops.SATURATE:
        return max(inner[0], own[0]), min(inner[1], own[1]) if inner[0] <= own[1] else own[1]
    return own


def _keeps(e: Apply, ranges: Ranges) -> bool:
    own = intervals.of_type(e.dtype)
    inner = ranges.of(e.args[0])
    return own is not None and own[0] <= inner[0] and inner[1] <= own[1]


def _allocs(body: Body) -> Iterator[Alloc]:
    from gemel.semantics.traverse import statements

    return (s for s in statements(body) if isinstance(s, Alloc))


def _contents(b: Buffer) -> Interval | None:
    if b.data is None or not b.data.size:
        return None
    return int(b.data.min()), int(b.data.max())


def _least(e: Expr) -> Iterator[Expr]:
    """The expressions that an expression is the least of."""
    if isinstance(e, Apply) and e.op is ops.MIN:
        for a in e.args:
            yield from _least(a)
    elif isinstance(e, Apply):
        yield e


def _key(form: Linear, e: Expr) -> Form:
    return frozenset(form.terms.items()), isinstance(e.dtype, IndexType)


def _atom(e: Expr) -> Atom | None:
    if isinstance(e, Ref):
        return e.var
    if isinstance(e, Load) and not e.indices:
        return e.buffer
    if isinstance(e, Apply) and e.op in ops.NARROWING and is_integer(e.dtype) and is_integer(e.args[0].dtype):
        inner, outer = intervals.of_type(e.args[0].dtype), intervals.of_type(e.dtype)
        if inner and outer and outer[0] <= inner[0] and inner[1] <= outer[1]:
            return _atom(e.args[0])
    return None


_FLIPPED = {ops.LT: ops.GT, ops.GT: ops.LT, ops.LE: ops.GE, ops.GE: ops.LE, ops.EQ: ops.EQ, ops.NE: ops.NE}
_NEGATED = {ops.LT: ops.GE, ops.GE: ops.LT, ops.GT: ops.LE, ops.LE: ops.GT, ops.EQ: ops.NE, ops.NE: ops.EQ}
