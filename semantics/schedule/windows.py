"""Windows of buffers: what a loop uses of one, and the nest that copies it to or from a local array."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from gemel.semantics import build, ops
from gemel.semantics.arguments import value_of
from gemel.semantics.dtypes import BOOL, DType, FloatType, is_integer
from gemel.semantics.fold import Folding
from gemel.semantics.ir import (
    Apply,
    Buffer,
    Call,
    Const,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Load,
    Ref,
    Stmt,
    Store,
    Var,
    While,
)
from gemel.semantics.ranges import Ranges
from gemel.semantics.schedule.names import Found, find, find_buffer, names, refuse, unused
from gemel.semantics.schedule.reach import inside
from gemel.semantics.span import Span
from gemel.semantics.traverse import Body, accesses, loaded, statements, stored, subexprs
from gemel.semantics.typerules import holds

Conditions = tuple[Expr, ...]


@dataclass(frozen=True)
class Use:
    """An access of a buffer: its indices, the conditions that it is under, the loops around it, the statement."""

    indices: tuple[Expr, ...]
    conditions: Conditions
    loops: tuple[For, ...]
    stmt: Stmt


def uses(body: Body, b: Buffer, conditions: Conditions = (), around: tuple[For, ...] = ()) -> Iterator[Use]:
    """The accesses of a buffer in a block.

    Raises ScheduleError where it is passed to a call.
    """
    for s in body:
        if isinstance(s, Call) and b in loaded((s,)) | stored((s,)):
            raise refuse(f"{b.hint} is passed to {s.kernel.name}", s.span, f'inline("{s.kernel.name}") first', "K02")
        for buffer, indices in accesses(s):
            if buffer is b:
                yield Use(indices, conditions, around, s)
        match s:
            case For():
                yield from uses(s.body, b, conditions, (*around, s))
            case While():
                yield from uses(s.body, b, conditions, around)
            case If():
                yield from uses(s.then, b, (*conditions, *conjuncts(s.cond)), around)
                yield from uses(s.orelse, b, (*conditions, build.negate(s.cond, s.span)), around)
            case _:
                pass


def conjuncts(cond: Expr) -> Conditions:
    """A condition as the conditions that it is the conjunction of."""
    if isinstance(cond, Apply) and cond.op is ops.LAND:
        return (*conjuncts(cond.args[0]), *conjuncts(cond.args[1]))
    return (cond,)


def without(s: If, dropped: Callable[[Expr], bool]) -> Body:
    """A guarded block without some of its conditions."""
    kept = [c for c in conjuncts(s.cond) if not dropped(c)]
    return (replace(s, cond=build.all_of(kept, s.span)),) if kept else s.then


def alike(a: object, b: object) -> bool:
    """Whether two expressions are the same computation on the same names."""
    match a, b:
        case Const(), Const():
            return a.value == b.value and a.dtype == b.dtype
        case Ref(), Ref():
            return a.var is b.var
        case Load(), Load():
            return a.buffer is b.buffer and all(map(alike, a.indices, b.indices))
        case Apply(), Apply():
            return a.op is b.op and a.dtype == b.dtype and all(map(alike, a.args, b.args))
        case _:
            return False


def matches(pattern: Expr, e: Expr, free: set[Var], at: dict[Var, Expr]) -> bool:
    """Whether an expression is a pattern with something in place of its free variables, which `at` then has."""
    match pattern, e:
        case Ref(), _ if pattern.var in free:
            return e.dtype == pattern.dtype and alike(at.setdefault(pattern.var, e), e)
        case Load(), Load():
            pairs = zip(pattern.indices, e.indices, strict=True)
            return pattern.buffer is e.buffer and all(matches(p, x, free, at) for p, x in pairs)
        case Apply(), Apply():
            same = pattern.op is e.op and pattern.dtype == e.dtype and len(pattern.args) == len(e.args)
            return same and all(matches(p, x, free, at) for p, x in zip(pattern.args, e.args, strict=True))
        case _:
            return alike(pattern, e)


def bare(e: Expr) -> Expr:
    """An integer before it was made one of a wider type."""
    while isinstance(e, Apply) and e.op is ops.CAST and is_integer(e.args[0].dtype) and holds(e.dtype, e.args[0].dtype):
        e = e.args[0]
    return e


def variables(e: Expr) -> set[Var]:
    """The names in an expression."""
    return {x.var for x in subexprs(e) if isinstance(x, Ref)}


def offset(e: Expr) -> tuple[Expr | None, int]:
    """An index as something and a number."""
    if isinstance(e, Const):
        return None, int(e.value)
    if isinstance(e, Apply) and e.op is ops.ADD:
        for n, x in enumerate(e.args):
            if isinstance(x, Const):
                base, more = offset(e.args[1 - n])
                return base, more + int(x.value)
    return e, 0


@dataclass(frozen=True)
class Window:
    """What a step keeps locally: one element for each value of the variables of `order`."""

    found: Found
    buffer: Buffer
    order: tuple[For, ...]
    indices: tuple[Expr, ...]
    cond: Expr
    local: Buffer

    def place(self, at: Callable[[For], Expr]) -> tuple[Expr, ...]:
        """The indices of the local array; `at` gives a loop's variable."""
        return tuple(build.sub(at(s), s.lo, s.span) for s in self.order)

    def own(self) -> tuple[Expr, ...]:
        """The indices at the loops' own variables."""
        return self.place(lambda s: Ref(s.var, s.span))


def window_of(kernel: Kernel, buffer: str, at: str, order: Sequence[str], name: str) -> Window:
    b, found = find_buffer(kernel, buffer), find(kernel, at)
    span = found.loop.span
    every = _at_one_place(list(uses(found.loop.body, b)), order)
    if not every:
        raise refuse(f"{buffer} isn't used in {at}", span)
    first = every[0]
    if not all(all(map(alike, u.indices, first.indices)) for u in every):
        raise refuse(
            f"{buffer} is used at several places in {at}", span, "stage needs one place that the loops named lead to"
        )
    around = {s.var for u in every for s in u.loops}
    inside = {s.var.hint: s for s in first.loops if all(any(s is t for t in u.loops) for u in every)}
    unknown = [n for n in order if n not in inside]
    if unknown:
        raise refuse(f"{unknown[0]} is no loop around {buffer} in {at}", span, f"these are: {', '.join(inside)}", "K01")
    loops = tuple(inside[n] for n in order)
    own = {s.var for s in loops}
    moving = around - own
    moving |= {s.var for s in statements(found.loop.body) if isinstance(s, Let)}
    missing = [v.hint for i in first.indices for v in variables(i) if v in moving]
    if missing:
        raise refuse(
            f"the place in {buffer} depends on {missing[0]}", span, f"name it: {', '.join([*order, missing[0]])}"
        )
    bounds_given(loops, moving)
    kept = [c for c in first.conditions if not variables(c) & moving and all(_under(c, u) for u in every)]
    cond = build.all_of(kept, span)
    sizes = extents(kernel, found, first, loops)
    hint = unused(name or f"{buffer}_{at}", names(kernel))
    local = Buffer(hint, b.dtype, tuple(build.index(n, span) for n in sizes), span)
    made = Window(found, b, loops, first.indices, cond, local)
    _in_range(kernel, made)
    return made


def _at_one_place(every: list[Use], order: Sequence[str]) -> list[Use]:
    """The uses whose place the named loops lead to, where there are others; else all of them."""

    def reached(u: Use) -> bool:
        inner = {s.var: s.var.hint for s in u.loops}
        return {inner[v] for i in u.indices for v in variables(i) if v in inner} <= set(order)

    return [u for u in every if reached(u)] or every


def bounds_given(order: tuple[For, ...], moving: set[Var]) -> None:
    """Raises ScheduleError where a loop's bounds need one that isn't named, or that is named after it."""
    later = {s.var for s in order}
    for s in order:
        needs = (variables(s.lo) | variables(s.hi)) & (moving | later)
        if needs:
            v, own = min(needs, key=lambda v: v.hint).hint, s.var.hint
            raise refuse(f"the bounds of {own} need {v}", s.span, f"name {v} before {own}", "K02")
        later.discard(s.var)


def _under(cond: Expr, use: Use) -> bool:
    return any(alike(cond, c) for c in use.conditions)


def extents(kernel: Kernel, found: Found, use: Use, loops: tuple[For, ...]) -> list[int]:
    """How many iterations the loops have at most."""
    with within(kernel, found.loop, use.loops) as ranges:
        return [_most(ranges, s) for s in loops]


def _most(ranges: Ranges, s: For) -> int:
    if not isinstance(s.lo, Const) or value_of(s.step, {}) != 1:
        raise refuse(f"{s.var.hint} doesn't begin at a number, or has a step", s.span)
    _, high = ranges.of(Ref(s.var, s.span))
    if high - int(s.lo.value) > 1 << 24:
        raise refuse(f"{s.var.hint} has no known number of iterations", s.span, "specialize the kernel, or split it")
    return high - int(s.lo.value) + 1


@contextmanager
def within(kernel: Kernel, loop: For, inner: Iterable[For]) -> Iterator[Ranges]:
    """What is known in a loop's body, with the variables of loops within it."""
    with inside(kernel, loop) as (ranges, _), ExitStack() as stack:
        for s in inner:
            stack.enter_context(ranges.inside(s))
        yield ranges


def _in_range(kernel: Kernel, w: Window) -> None:
    """Raises ScheduleError where the copy could read or write outside of the buffer."""
    with within(kernel, w.found.loop, w.order) as ranges, ranges.assuming(w.cond, True):
        for index, size in zip(w.indices, w.buffer.shape, strict=True):
            room = build.apply(ops.SUB, size, index, span=index.span)
            inside_ = ranges.of(index)[1] < ranges.of(size)[0] or ranges.of(room)[0] >= 1
            if ranges.of(index)[0] < 0 or not inside_:
                raise refuse(
                    f"the window of {w.buffer.hint} may reach outside of it: the condition that keeps it inside is not "
                    f"about {', '.join(s.var.hint for s in w.order)} alone",
                    w.found.loop.span,
                )


def copies(order: Iterable[For], suffix: str, taken: set[str], inner: Callable[[dict[Var, Expr]], Body]) -> Body:
    """A nest over the ranges of some loops; `inner` gets the new variables in place of the loops' own."""
    fresh: dict[Var, Expr] = {}
    made: list[tuple[For, Var]] = []
    for s in order:
        v = Var(unused(f"{s.var.hint}_{suffix}", taken), s.var.dtype, s.span)
        taken.add(v.hint)
        made.append((s, v))
        fresh[s.var] = Ref(v, s.span)
    body = inner(fresh)
    for s, v in reversed(made):
        copier = Folding(vars=dict(fresh))
        body = (For(v, copier.expr(s.lo), copier.expr(s.hi), s.step, s.kind, body, s.span),)
    return body


def filled(w: Window, taken: set[str]) -> Body:
    """The local array's elements from the buffer; zero where the condition doesn't hold."""

    def inner(fresh: dict[Var, Expr]) -> Body:
        copier = Folding(vars=dict(fresh))
        value: Expr = Load(w.buffer, tuple(map(copier.expr, w.indices)), w.found.loop.span)
        cond = copier.expr(w.cond)
        if not isinstance(cond, Const):
            value = build.apply(ops.SELECT, cond, value, zero(w.buffer.dtype, cond.span), span=cond.span)
        return (Store(w.local, w.place(lambda s: fresh[s.var]), value, w.found.loop.span),)

    return copies(w.order, f"{w.local.hint}", taken, inner)


def zero(dtype: DType, span: Span) -> Const:
    """Zero, or False."""
    return Const(0.0 if isinstance(dtype, FloatType) else False if dtype == BOOL else 0, dtype, span)
