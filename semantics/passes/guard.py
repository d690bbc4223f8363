"""Run-time guards: an `Assert` for whatever could go wrong and isn't proved not to.

Covered are indices of loads and stores, divisors, shift amounts and loop steps. What an operand of `and`, `or` or a
choice needs is asserted under the condition on which it is evaluated. Afterwards back ends may load and divide
without a care: the place isn't reached, or the result isn't used.

The verifier asks for the same walk with every site on record, what ranges prove included, and with an `Assert` for
each narrowing that may lose its value.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field, replace

from gemel.semantics import build, failures, intervals, ops
from gemel.semantics.dtypes import BOOL, DType, IntType
from gemel.semantics.ir import (
    Alloc,
    Apply,
    Assert,
    Buffer,
    Check,
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
from gemel.semantics.passes.sums import Sums
from gemel.semantics.ranges import Ranges
from gemel.semantics.span import Span
from gemel.semantics.traverse import Body, map_body, map_own_exprs, subexprs

_DIVIDES = (ops.FLOORDIV, ops.MOD)
_SHIFTS = (ops.SHL, ops.SHR)
UNKNOWN_TURNS = 1 << 64


@dataclass(frozen=True, eq=False)
class Site:
    """A place that could fail: proved by ranges, or checked by `assertion`; `given`: what ranges take for granted."""

    check: Check
    span: Span
    text: str
    assertion: Assert | None
    given: str = ""


def guard(kernel: Kernel) -> Kernel:
    """The kernel with asserts before what may fail; proved places get none. Narrowings become casts."""
    return kernel if kernel.guarded else replace(kernel, body=_Guard(Ranges(kernel)).body(kernel.body), guarded=True)


def with_sites(kernel: Kernel) -> tuple[Kernel, list[Site]]:
    """The guarded kernel, with asserts for narrowings too, and each place that could fail, in program order."""
    sites: list[Site] = []
    return replace(kernel, body=_Guard(Ranges(kernel), sites).body(kernel.body), guarded=True), sites


def guard_windows(kernel: Kernel, windows: Container[Buffer]) -> Body:
    """The body with asserts that accesses of some parameters stay inside: what they are windows of may be larger."""
    return _Guard(Ranges(kernel), windows=windows).body(kernel.body)


def without_narrowings(kernel: Kernel, proved: Container[Assert]) -> Kernel:
    """The kernel without the asserts for narrowings and without those that are `proved`."""

    def keep(s: Stmt) -> Stmt | Body:
        return () if isinstance(s, Assert) and (s.check is Check.NARROWS or s in proved) else s

    return replace(kernel, body=map_body(kernel.body, stmt=keep))


@dataclass
class _Guard:
    ranges: Ranges
    sites: list[Site] | None = None
    out: list[Stmt] = field(default_factory=list)
    windows: Container[Buffer] | None = None
    """The buffers that alone are looked at; None for all, and for what else may fail."""
    sums: Sums = field(default_factory=Sums)

    def body(self, body: Body) -> Body:
        outer, self.out = self.out, []
        for n, s in enumerate(body):
            if isinstance(s, Store) and self.sites is not None and isinstance(s.buffer.dtype, IntType):
                self.sums.start(s, self.ranges.of(s.value), body[n + 1 :])
            self._stmt(s)
        made, self.out = tuple(self.out), outer
        return made

    def _emit(self, s: Stmt) -> None:
        self.out.append(s)
        self.ranges.pass_by(s)

    def _stmt(self, s: Stmt) -> None:
        match s:
            case For():
                self._for(s)
            case While():
                self._while(s)
            case If():
                self._if(s)
            case Store() | Reduce():
                indices = tuple(map(self._checked, s.indices))
                value = self._checked(s.value)
                indices = self._in_range(s.buffer, indices, (), s.span)
                if isinstance(s, Reduce):
                    self._sum_fits(s, indices, value)
                self._emit(replace(s, indices=indices, value=value))
            case Assert():
                made = self._asserted(s)
                self._record(s.check, s.span, s.message, made)
                self._emit(made)
            case _:
                self._emit(map_own_exprs(s, self._checked))

    def _asserted(self, s: Assert) -> Assert:
        """The values of a message are evaluated only where the condition fails."""
        cond = self._checked(s.cond)
        with self.ranges.assuming(cond, False):
            values = tuple(self._check(v, (build.negate(cond),)) for v in s.values)
        return replace(s, cond=cond, values=values)

    def _for(self, s: For) -> None:
        lo, hi, step = (self._checked(e) for e in (s.lo, s.hi, s.step))
        low, high = self.ranges.of(step)
        if not low <= 0 <= high or self.windows is not None:
            if not isinstance(step, Const):
                self._record(Check.STEP, s.span, "step isn't 0", None)
        else:
            step = self._named(step, "step")
            self._assert(
                Check.STEP,
                build.apply(ops.NE, step, build.index(0), span=step.span),
                (),
                (),
                s.span,
                failures.ZERO_STEP,
                "step isn't 0",
            )
        loop = replace(s, lo=lo, hi=hi, step=step)
        if s.until is not None and self._may_fail(loop, s.until):
            loop = self._until_inside(loop, s.until)
        self.sums.trips.append(self._turns(loop))
        with self.ranges.inside(loop):
            until = None if loop.until is None else self._checked(loop.until)
            body = self.body(loop.body)
        self.sums.trips.pop()
        self.out.append(replace(loop, until=until, body=body))
        self.ranges.pass_by(loop)

    def _may_fail(self, loop: For, until: Expr) -> bool:
        """Whether a condition needs an assert before it: tried out, its traces removed."""
        outer, sites = self.out, self.sites and list(self.sites)
        self.out = []
        with self.ranges.inside(loop):
            self._conditions(until)
        needs = bool(self.out)
        self.out = outer
        if self.sites is not None:
            self.sites[:] = sites or []
        return needs

    def _until_inside(self, s: For, until: Expr) -> For:
        """The loop with a condition that may fail as a branch in its body, where asserts can stand before it."""
        flag = Buffer("ends", BOOL, (), s.span)
        self._emit(Alloc(flag, s.span))
        self._emit(Store(flag, (), build.boolean(False), s.span))
        ends = Store(flag, (), build.boolean(True), s.span)
        return replace(s, until=Load(flag, (), s.span), body=(If(until, (ends,), s.body, s.span),))

    def _turns(self, s: For) -> int:
        """How often a loop runs at most."""
        (low, _), (_, high), (least, most) = (self.ranges.of(e) for e in (s.lo, s.hi, s.step))
        if least <= 0 <= most:
            return UNKNOWN_TURNS
        if most < 0:
            (low, _), (_, high), least = self.ranges.of(s.hi), self.ranges.of(s.lo), -most
        return max(high - low + least - 1, 0) // least

    def _while(self, s: While) -> None:
        self._conditions(s.cond)
        with self.ranges.inside(s):
            body = self.body(s.body)
            cond, tail = self._tail(s.cond)
        self.out.append(replace(s, cond=cond, body=(*body, *tail)))
        self.ranges.pass_by(s)

    def _tail(self, cond: Expr) -> tuple[Expr, Body]:
        """A loop's condition and what its next evaluation needs, asserted at the end of the body."""
        outer, self.out = self.out, []
        checked = self._conditions(cond)
        made, self.out = tuple(self.out), outer
        return checked, made

    def _conditions(self, cond: Expr) -> Expr:
        return self._check(cond, (build.boolean(True),))

    def _if(self, s: If) -> None:
        cond = self._checked(s.cond)
        with self.ranges.assuming(cond, True):
            then = self.body(s.then)
        with self.ranges.assuming(cond, False):
            orelse = self.body(s.orelse)
        self.out.append(replace(s, cond=cond, then=then, orelse=orelse))
        self.ranges.pass_by(s)

    # ------------------------------------------------------------------------------------------------- expressions

    def _checked(self, e: Expr) -> Expr:
        return self._check(e, ())

    def _check(self, e: Expr, path: tuple[Expr, ...]) -> Expr:
        """The expression with what it needs asserted; `path` holds the conditions on which it is evaluated."""
        match e:
            case Const() | Ref():
                return e
            case Load():
                indices = tuple(self._check(i, path) for i in e.indices)
                return replace(e, indices=self._in_range(e.buffer, indices, path, e.span))
            case Apply() if e.op.lazy:
                return self._check_lazy(e, path)
            case Apply():
                args = tuple(self._check(a, path) for a in e.args)
                if e.op is ops.NARROW:
                    return self._narrowed(e, args[0], path)
                return replace(e, args=self._operands(e, args, path))

    def _check_lazy(self, e: Apply, path: tuple[Expr, ...]) -> Expr:
        first = self._check(e.args[0], path)
        if e.op is ops.SELECT:
            with self.ranges.assuming(first, True):
                then = self._check(e.args[1], (*path, first))
            with self.ranges.assuming(first, False):
                orelse = self._check(e.args[2], (*path, build.negate(first)))
            return replace(e, args=(first, then, orelse))
        wanted = e.op is ops.LAND
        with self.ranges.assuming(first, wanted):
            second = self._check(e.args[1], (*path, first if wanted else build.negate(first)))
        return replace(e, args=(first, second))

    def _operands(self, e: Apply, args: tuple[Expr, ...], path: tuple[Expr, ...]) -> tuple[Expr, ...]:
        if self.windows is not None:
            return args
        if e.op in _DIVIDES:
            low, high = self.ranges.of(args[1])
            if not low <= 0 <= high:
                self._record(Check.DIVISION, e.span, "divisor isn't 0", None)
            else:
                args = (args[0], self._stable(args[1], "divisor", path))
                cond = build.apply(ops.NE, args[1], build.literal(0, e.span, args[1].dtype), span=e.span)
                self._assert(Check.DIVISION, cond, (), path, e.span, failures.DIVIDED_BY_ZERO, "divisor isn't 0")
        elif e.op in _SHIFTS and self.ranges.of(args[1])[0] >= 0:
            self._record(Check.SHIFT, e.span, "amount isn't negative", None)
        elif e.op in _SHIFTS:
            args = (args[0], self._stable(args[1], "amount", path))
            cond = build.apply(ops.GE, args[1], build.literal(0, e.span, args[1].dtype), span=e.span)
            self._assert(Check.SHIFT, cond, (args[1],), path, e.span, failures.NEGATIVE_SHIFT, "amount isn't negative")
        return args

    def _narrowed(self, e: Apply, inner: Expr, path: tuple[Expr, ...]) -> Expr:
        """The cast that a narrowing is at run time; for the verifier with an assert that nothing is lost."""
        if self.windows is not None:
            return replace(e, args=(inner,))
        if self.sites is not None:
            inner = self._stable(inner, "value", path)
            self._fits(inner, e.dtype, path, e.span)
        return replace(e, op=ops.CAST, args=(inner,))

    def _sum_fits(self, s: Reduce, indices: tuple[Expr, ...], value: Expr) -> None:
        if self.sites is not None and isinstance(s.buffer.dtype, IntType):
            if self._fits_as_sum(s, value):
                return
            exact = build.apply(s.op, Load(s.buffer, indices, s.span), value, span=s.span)
            self._fits(exact, s.buffer.dtype, (), s.span)

    def _fits_as_sum(self, s: Reduce, value: Expr) -> bool:
        found, own = self.sums.extent(s, self.ranges.of(value)), intervals.of_type(s.buffer.dtype)
        if found is None or own is None:
            return False
        (low, high), many = found
        fits = own[0] <= low and high <= own[1]
        if fits:
            given = "a sum has at most 2**32 terms" if many else ""
            self._record(Check.NARROWS, s.span, f"fits {s.buffer.dtype}", None, given)
        return fits

    def _fits(self, e: Expr, dtype: DType, path: tuple[Expr, ...], span: Span) -> None:
        own, (low, high) = intervals.of_type(dtype), self.ranges.of(e)
        if own is None or (own[0] <= low and high <= own[1]):
            self._record(Check.NARROWS, span, f"fits {dtype}", None)
            return
        bounds = [(ops.GE, own[0], low < own[0]), (ops.LE, own[1], high > own[1])]
        conds = [build.apply(op, e, build.literal(end, span, e.dtype), span=span) for op, end, open_ in bounds if open_]
        cond = conds[0] if len(conds) == 1 else build.apply(ops.AND, *conds, span=span)
        self._assert(Check.NARROWS, cond, (e,), path, span, failures.lost(dtype), f"fits {dtype}")

    def _in_range(self, b: Buffer, indices: tuple[Expr, ...], path: tuple[Expr, ...], span: Span) -> tuple[Expr, ...]:
        if self.windows is not None and b not in self.windows:
            return indices
        made = []
        for axis, (i, size) in enumerate(zip(indices, b.shape, strict=True)):
            low, high = self.ranges.of(i)
            room = build.apply(ops.SUB, size, i, span=span)
            above = low >= 0
            below = high < self.ranges.of(size)[0] or self.ranges.of(room)[0] >= 1
            about = f"axis {axis} of {b.hint}"
            if above and below:
                self._record(Check.BOUNDS, span, about, None)
            else:
                i = self._stable(i, "at", path)
                conds = ([] if above else [build.apply(ops.GE, i, build.index(0), span=span)]) + (
                    [] if below else [build.apply(ops.LT, i, size, span=span)]
                )
                cond = conds[0] if len(conds) == 1 else build.apply(ops.AND, *conds, span=span)
                self._assert(Check.BOUNDS, cond, (i, size), path, span, failures.out_of_range(b.hint, axis), about)
            made.append(i)
        return tuple(made)

    def _stable(self, e: Expr, hint: str, path: tuple[Expr, ...]) -> Expr:
        """The expression by name where it is evaluated unconditionally and holds a load."""
        return e if path else self._named(e, hint)

    def _named(self, e: Expr, hint: str) -> Expr:
        if not any(isinstance(x, Load) for x in subexprs(e)):
            return e
        var = Var(hint, e.dtype, e.span)
        self._emit(Let(var, e, e.span))
        return Ref(var, e.span)

    def _assert(
        self,
        check: Check,
        cond: Expr,
        values: tuple[Expr, ...],
        path: tuple[Expr, ...],
        span: Span,
        message: str,
        about: str,
    ) -> None:
        for p in reversed(path):
            if not (isinstance(p, Const) and p.value):
                cond = build.apply(ops.LOR, build.negate(p, span), cond, span=span)
        made = Assert(check, cond, message, values, span)
        self._record(check, span, about, made)
        if check is Check.NARROWS:
            self.out.append(made)  # which the code doesn't have, so nothing is learned from it
        else:
            self._emit(made)

    def _record(self, check: Check, span: Span, text: str, assertion: Assert | None, given: str = "") -> None:
        if self.sites is not None:
            self.sites.append(Site(check, span, text, assertion, given))
