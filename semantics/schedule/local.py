"""Steps that keep data close: windows of buffers packed in local arrays, accumulators in registers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from gemel.semantics import build, ops
from gemel.semantics.arguments import value_of
from gemel.semantics.dtypes import BOOL, DType, FloatType
from gemel.semantics.fold import Folding
from gemel.semantics.ir import (
    Alloc,
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
    Reduce,
    Ref,
    Stmt,
    Store,
    Var,
    While,
)
from gemel.semantics.ranges import Ranges
from gemel.semantics.schedule.depend import Dependences, each_its_own
from gemel.semantics.schedule.names import Found, find, find_buffer, names, refuse, rewritten, unused
from gemel.semantics.schedule.reach import inside
from gemel.semantics.span import Span
from gemel.semantics.traverse import Body, accesses, exprs_of, loaded, map_body, statements, stored, subexprs

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


def variables(e: Expr) -> set[Var]:
    """The names in an expression."""
    return {x.var for x in subexprs(e) if isinstance(x, Ref)}


@dataclass(frozen=True)
class _Window:
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


def _window(kernel: Kernel, buffer: str, at: str, order: Sequence[str], name: str) -> _Window:
    b, found = find_buffer(kernel, buffer), find(kernel, at)
    span = found.loop.span
    every = list(uses(found.loop.body, b))
    if not every:
        raise refuse(f"{buffer} isn't used in {at}", span)
    first = every[0]
    if not all(all(map(alike, u.indices, first.indices)) for u in every):
        raise refuse(f"{buffer} is used at several places in {at}", span, "stage needs one place: the same indices")
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
    _bounds_given(loops, moving)
    kept = [c for c in first.conditions if not variables(c) & moving and all(_under(c, u) for u in every)]
    cond: Expr = build.boolean(True, span)
    for c in kept:
        cond = build.both(cond, c, span)
    extents = _extents(kernel, found, first, loops)
    hint = unused(name or f"{buffer}_{at}", names(kernel))
    local = Buffer(hint, b.dtype, tuple(build.index(n, span) for n in extents), span)
    made = _Window(found, b, loops, first.indices, cond, local)
    _in_range(kernel, made)
    return made


def _bounds_given(order: tuple[For, ...], moving: set[Var]) -> None:
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


def _extents(kernel: Kernel, found: Found, use: Use, loops: tuple[For, ...]) -> list[int]:
    """How many iterations the loops have at most."""
    with _within(kernel, found.loop, use.loops) as ranges:
        return [_most(ranges, s) for s in loops]


def _most(ranges: Ranges, s: For) -> int:
    if not isinstance(s.lo, Const) or value_of(s.step, {}) != 1:
        raise refuse(f"{s.var.hint} doesn't begin at a number, or has a step", s.span)
    _, high = ranges.of(Ref(s.var, s.span))
    if high - int(s.lo.value) > 1 << 24:
        raise refuse(f"{s.var.hint} has no known number of iterations", s.span, "specialize the kernel, or split it")
    return high - int(s.lo.value) + 1


@contextmanager
def _within(kernel: Kernel, loop: For, inner: Iterable[For]) -> Iterator[Ranges]:
    """What is known in a loop's body, with the variables of loops within it."""
    with inside(kernel, loop) as (ranges, _), ExitStack() as stack:
        for s in inner:
            stack.enter_context(ranges.inside(s))
        yield ranges


def _in_range(kernel: Kernel, w: _Window) -> None:
    """Raises ScheduleError where the copy could read or write outside of the buffer."""
    with _within(kernel, w.found.loop, w.order) as ranges, ranges.assuming(w.cond, True):
        for index, size in zip(w.indices, w.buffer.shape, strict=True):
            room = build.apply(ops.SUB, size, index, span=index.span)
            inside_ = ranges.of(index)[1] < ranges.of(size)[0] or ranges.of(room)[0] >= 1
            if ranges.of(index)[0] < 0 or not inside_:
                raise refuse(
                    f"the window of {w.buffer.hint} may reach outside of it: the condition that keeps it inside is not "
                    f"about {', '.join(s.var.hint for s in w.order)} alone",
                    w.found.loop.span,
                )


def _copies(w: _Window, suffix: str, taken: set[str], inner: Callable[[dict[Var, Expr]], Body]) -> Body:
    """A nest over the window; `inner` gets the new variables in place of the loops' own."""
    fresh: dict[Var, Expr] = {}
    made: list[tuple[For, Var]] = []
    for s in w.order:
        v = Var(unused(f"{s.var.hint}_{suffix}", taken), s.var.dtype, s.span)
        taken.add(v.hint)
        made.append((s, v))
        fresh[s.var] = Ref(v, s.span)
    body = inner(fresh)
    for s, v in reversed(made):
        copier = Folding(vars=dict(fresh))
        body = (For(v, copier.expr(s.lo), copier.expr(s.hi), s.step, s.kind, body, s.span),)
    return body


def _filled(w: _Window, taken: set[str]) -> Body:
    """The local array's elements from the buffer; zero where the condition doesn't hold."""

    def inner(fresh: dict[Var, Expr]) -> Body:
        copier = Folding(vars=dict(fresh))
        value: Expr = Load(w.buffer, tuple(map(copier.expr, w.indices)), w.found.loop.span)
        cond = copier.expr(w.cond)
        if not isinstance(cond, Const):
            value = build.apply(ops.SELECT, cond, value, zero(w.buffer.dtype, cond.span), span=cond.span)
        return (Store(w.local, w.place(lambda s: fresh[s.var]), value, w.found.loop.span),)

    return _copies(w, f"{w.local.hint}", taken, inner)


def zero(dtype: DType, span: Span) -> Const:
    """Zero, or False."""
    return Const(0.0 if isinstance(dtype, FloatType) else False if dtype == BOOL else 0, dtype, span)


def stage(kernel: Kernel, buffer: str, at: str, *order: str, name: str = "") -> Kernel:
    """Copies what the loop `at` reads of a buffer into a local array, at the start of each of its iterations.

    The array has a dimension for each loop of `order`, which also says how it lies in memory: the last one is
    contiguous. Raises ScheduleError where the buffer changes in the loop, or is read at several places.
    """
    w = _window(kernel, buffer, at, order, name)
    if w.buffer in stored(w.found.loop.body):
        raise refuse(f"{buffer} changes in {at}", w.found.loop.span, "accumulate keeps what is accumulated", "K02")

    def near(e: Expr) -> Expr:
        return Load(w.local, w.own(), e.span) if isinstance(e, Load) and e.buffer is w.buffer else e

    def change(s: For) -> Body:
        fill = _filled(w, names(kernel))
        return (replace(s, body=(Alloc(w.local, s.span, filled=True), *fill, *map_body(s.body, expr=near))),)

    return rewritten(kernel, w.found.loop, change)


def accumulate(kernel: Kernel, buffer: str, at: str, *order: str, name: str = "") -> Kernel:
    """Accumulates into a local array in the loop `at`: loaded at the start of each iteration, stored at its end.

    The order of the accumulation stays as it is. Raises ScheduleError where the buffer is used in another way in the
    loop, or where two elements of the array would be one of the buffer.
    """
    w = _window(kernel, buffer, at, order, name)
    loop = w.found.loop
    for u in uses(loop.body, w.buffer):
        if not isinstance(u.stmt, Reduce) or any(
            isinstance(x, Load) and x.buffer is w.buffer for e in exprs_of(u.stmt) for x in subexprs(e)
        ):
            raise refuse(f"{buffer} is not only accumulated into in {at}", u.stmt.span, code="K02")
    _one_to_one(kernel, w)
    each_its_own(kernel, [u.stmt for u in uses(loop.body, w.buffer) if isinstance(u.stmt, Reduce)])

    def near(s: Stmt) -> Stmt:
        return replace(s, buffer=w.local, indices=w.own()) if isinstance(s, Reduce) and s.buffer is w.buffer else s

    def change(s: For) -> Body:
        taken = names(kernel)
        fill, back = _filled(w, taken), _stored_back(w, taken)
        return (replace(s, body=(Alloc(w.local, s.span, filled=True), *fill, *map_body(s.body, stmt=near), *back)),)

    return rewritten(kernel, loop, change)


def _one_to_one(kernel: Kernel, w: _Window) -> None:
    known = Dependences(kernel, w.found)
    own = [s.var for s in w.order]
    for a in known.accesses:
        if a.buffer is w.buffer:
            bounds = known.distances(a, a, own)
            if bounds is None or any(b != (0, 0) for b in bounds.values()):
                names_ = ", ".join(v.hint for v in own)
                raise refuse(
                    f"several values of {names_} go to one element of {w.buffer.hint}", w.found.loop.span, code="K02"
                )


def _stored_back(w: _Window, taken: set[str]) -> Body:
    def inner(fresh: dict[Var, Expr]) -> Body:
        copier, span = Folding(vars=dict(fresh)), w.found.loop.span
        value = Load(w.local, w.place(lambda s: fresh[s.var]), span)
        back: Stmt = Store(w.buffer, tuple(map(copier.expr, w.indices)), value, span)
        cond = copier.expr(w.cond)
        return (back,) if isinstance(cond, Const) else (If(cond, (back,), (), span),)

    return _copies(w, f"{w.local.hint}_back", taken, inner)


def unguard(kernel: Kernel, at: str) -> Kernel:
    """Drops conditions around what is accumulated locally in the loop `at`, where they only keep padding out.

    What the padding then holds is never read: it is stored back under the same condition. Raises ScheduleError where
    there is nothing to drop.
    """
    found = find(kernel, at)
    own = {s.buffer for s in found.loop.body if isinstance(s, Alloc)}
    inner = {s.var for u in _loops(found.loop.body) for s in (u,)}
    dropped = 0

    def without(s: Stmt) -> Stmt | Body:
        nonlocal dropped
        if not isinstance(s, If) or s.orelse or not _padding(s, own):
            return s
        indices = {v for x in s.then if isinstance(x, Reduce) for i in x.indices for v in variables(i)}
        needed = (inner - indices) | _reached(kernel, s)
        kept = [c for c in conjuncts(s.cond) if variables(c) & needed]
        dropped += len(conjuncts(s.cond)) - len(kept)
        cond: Expr = build.boolean(True, s.span)
        for c in kept:
            cond = build.both(cond, c, s.span)
        return s.then if not kept else replace(s, cond=cond)

    changed = rewritten(kernel, found.loop, lambda s: (replace(s, body=map_body(s.body, stmt=without)),))
    if not dropped:
        raise refuse(f"no condition in {at} only keeps padding out", found.loop.span, "stage and accumulate first")
    return changed


def _loops(body: Body) -> Iterator[For]:
    for s in body:
        match s:
            case For():
                yield s
                yield from _loops(s.body)
            case If():
                yield from _loops((*s.then, *s.orelse))
            case _:
                pass


def _padding(s: If, own: set[Buffer]) -> bool:
    """Whether a guarded block only accumulates into local arrays."""
    return all(isinstance(x, Reduce) and x.buffer in own for x in s.then)


def _reached(kernel: Kernel, s: If) -> set[Var]:
    """The variables in places of arrays that aren't local: conditions about these keep the places inside."""
    outside = {b for b in (*kernel.params, *kernel.results) if isinstance(b, Buffer)}
    values = (e for x in s.then if isinstance(x, Reduce) for e in subexprs(x.value))
    return {v for e in values if isinstance(e, Load) and e.buffer in outside for i in e.indices for v in variables(i)}


def contract(kernel: Kernel, at: str) -> Kernel:
    """Sums of products in the loop `at` round once, not twice: `a * b + c` becomes `fma(a, b, c)`.

    Raises ScheduleError in a strict kernel, where roundings stay as they are.
    """
    found = find(kernel, at)
    if kernel.strict:
        raise refuse(f"{kernel.name} is strict: its roundings stay", found.loop.span, code="K02")

    each_its_own(kernel, [s for s in statements(found.loop.body) if isinstance(s, Reduce)])

    def fused(s: Stmt) -> Stmt:
        product = s.value if isinstance(s, Reduce) and s.op is ops.ADD else None
        if not isinstance(product, Apply) or product.op is not ops.MUL or not isinstance(product.dtype, FloatType):
            return s
        if not isinstance(s, Reduce) or product.dtype != s.buffer.dtype:
            return s
        old = Load(s.buffer, s.indices, s.span)
        return Store(s.buffer, s.indices, build.apply(ops.FMA, *product.args, old, span=s.span), s.span)

    return rewritten(kernel, found.loop, lambda s: (replace(s, body=map_body(s.body, stmt=fused)),))
