"""The step that computes a value of several loops once, into an array: the opposite of inlining."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from gemel.semantics import build
from gemel.semantics.arguments import value_of
from gemel.semantics.fold import Folding
from gemel.semantics.ir import (
    Alloc,
    Apply,
    Buffer,
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
from gemel.semantics.schedule.depend import effects_in_order
from gemel.semantics.schedule.names import Found, block_of, find, find_buffer, names, refuse, rewritten, unused
from gemel.semantics.schedule.windows import (
    Use,
    alike,
    bounds_given,
    conjuncts,
    copies,
    extents,
    matches,
    uses,
    variables,
    within,
)
from gemel.semantics.traverse import (
    Body,
    exprs_of,
    map_blocks,
    map_body,
    map_expr,
    map_own_exprs,
    statements,
    stored,
    subexprs,
)


@dataclass(frozen=True)
class _Value:
    """An expression, and where it is computed."""

    expr: Apply
    use: Use


def hold(kernel: Kernel, at: str, *order: str, name: str = "") -> Kernel:
    """Before the loop `at`, a nest computes the largest expression of that loop which changes with the loops of `order`
    and no other; the loop reads it from an array, with an axis for each loop of `order`.

    Raises ScheduleError where there is no such expression, or where what it is made of changes in the loop.
    """
    found = find(kernel, at)
    loops = _loops(found, order)
    own, inner = {s.var for s in loops}, _bound(found.loop)
    fitting = [v for v in _values(found.loop) if variables(v.expr) & inner == own and _under(v.use, loops)]
    if not fitting:
        raise refuse(f"nothing in {at} is computed from {', '.join(order)} alone", found.loop.span)
    best = max(fitting, key=lambda v: sum(1 for _ in subexprs(v.expr)))
    _unchanged(found.loop, best.expr)
    cond = _condition([v.use for v in fitting if alike(v.expr, best.expr)], inner - own, found.loop)
    bounds_given(loops, inner - own)
    span, taken = found.loop.span, names(kernel)
    sizes = extents(kernel, found, replace(best.use, loops=_within(found, best.use)), loops)
    local = Buffer(
        unused(name or best.expr.op.name, taken), best.expr.dtype, tuple(build.index(n, span) for n in sizes), span
    )
    fill = copies(loops, local.hint, taken | {local.hint}, _computed(best.expr, cond, local, loops))
    place = tuple(build.sub(Ref(s.var, s.span), s.lo, s.span) for s in loops)

    def near(e: Expr) -> Expr:
        return Load(local, place, e.span) if alike(e, best.expr) else e

    return rewritten(kernel, found.loop, lambda s: (Alloc(local, span, filled=True), *fill, *map_body((s,), expr=near)))


def _loops(found: Found, order: tuple[str, ...]) -> tuple[For, ...]:
    inside = {s.var.hint: s for s in (found.loop, *statements(found.loop.body)) if isinstance(s, For)}
    unknown = [n for n in order if n not in inside]
    if unknown or not order:
        known = ", ".join(inside)
        raise refuse(
            f"{', '.join(unknown) or 'no loop'} is no loop in {found.loop.var.hint}",
            found.loop.span,
            f"these are: {known}",
            "K01",
        )
    return tuple(inside[n] for n in order)


def _bound(loop: For) -> set[Var]:
    """What a loop names: its variable, those of loops in it, values."""
    return {loop.var, *(s.var for s in statements(loop.body) if isinstance(s, For | Let))}


def _values(loop: For) -> Iterator[_Value]:
    """The expressions in a loop that compute something from memory."""

    def walk(body: Body, conditions: tuple[Expr, ...], around: tuple[For, ...]) -> Iterator[_Value]:
        for s in body:
            for e in exprs_of(s):
                for x in subexprs(e):
                    if isinstance(x, Apply) and build.reads_memory(x):
                        yield _Value(x, Use((), conditions, around, s))
            match s:
                case For():
                    yield from walk(s.body, conditions, (*around, s))
                case While():
                    yield from walk(s.body, conditions, around)
                case If():
                    yield from walk(s.then, (*conditions, *conjuncts(s.cond)), around)
                    yield from walk(s.orelse, (*conditions, build.negate(s.cond, s.span)), around)
                case _:
                    pass

    return walk(loop.body, (), (loop,))


def _under(use: Use, loops: tuple[For, ...]) -> bool:
    return all(any(s is t for t in use.loops) for s in loops)


def _within(found: Found, use: Use) -> tuple[For, ...]:
    return tuple(s for s in use.loops if s is not found.loop)


def _unchanged(loop: For, e: Expr) -> None:
    read = {x.buffer for x in subexprs(e) if isinstance(x, Load)}
    changed = read & stored((loop,))
    if changed:
        names_ = ", ".join(sorted(b.hint for b in changed))
        raise refuse(f"{names_} changes in {loop.var.hint}", loop.span, code="K02")
    effects_in_order(loop)


def _condition(places: list[Use], others: set[Var], loop: For) -> Expr:
    """The condition under which an expression is computed, wherever it is.

    Raises ScheduleError where that is about other loops than the array's, or differs from place to place.
    """
    first = places[0].conditions
    for u in places:
        same = len(u.conditions) == len(first) and all(map(alike, u.conditions, first))
        if not same or any(variables(c) & others for c in u.conditions):
            raise refuse(f"a condition in {loop.var.hint} says when to compute it", u.stmt.span, code="K02")
    return build.all_of(first, loop.span)


def _computed(e: Expr, cond: Expr, local: Buffer, loops: tuple[For, ...]) -> Callable[[dict[Var, Expr]], Body]:
    """The store of an element, under the condition."""

    def body(fresh: dict[Var, Expr]) -> Body:
        copier = Folding(vars=dict(fresh))
        place = tuple(build.sub(fresh[s.var], s.lo, s.span) for s in loops)
        store: Stmt = Store(local, place, copier.expr(e), e.span)
        when = copier.expr(cond)
        return (store,) if isinstance(when, Const) else (If(when, (store,), (), e.span),)

    return body


def recall(kernel: Kernel, buffer: str, at: str) -> Kernel:
    """What the loop `at` computes and the array `buffer` holds already is read from there.

    Raises ScheduleError where `buffer` isn't stored to by one statement, once for each element, or where what it holds
    is made of something that changes before the loop, or in it.
    """
    b, found = find_buffer(kernel, buffer), find(kernel, at)
    use = _only_store(kernel, b)
    around = next((s for s in (*found.around, found.loop) if _follows(kernel, use, s)), None)
    if around is None:
        raise refuse(f"{at} doesn't come after the loops that store to {buffer}", found.loop.span)
    block = block_of(kernel.body, around)
    first, last = (next(n for n, s in enumerate(block) if s is x) for x in (use.loops[0], around))
    read = {x.buffer for x in subexprs(_value(use)) if isinstance(x, Load)}
    if read & stored(block[first : last + 1]):
        raise refuse(f"what {buffer} is made of changes before {at} or in it", found.loop.span, code="K02")
    swaps = _Swaps(kernel, found, b, use)
    body = swaps.body((found.loop,), ())
    if not swaps.count:
        raise refuse(f"{at} computes nothing that {buffer} holds", found.loop.span)
    return rewritten(kernel, found.loop, lambda _: body)


def _only_store(kernel: Kernel, b: Buffer) -> Use:
    """The one store to an array, without conditions, at the variables of the loops around it."""
    places = [u for u in uses(kernel.body, b) if isinstance(u.stmt, Store | Reduce) and u.stmt.buffer is b]
    use = places[0] if len(places) == 1 else None
    if use is None or not isinstance(use.stmt, Store) or use.conditions:
        raise refuse(f"{b.hint} is not stored to by one statement without conditions", kernel.span)
    own = [i.var for i in use.stmt.indices if isinstance(i, Ref)]
    loops = [s for s in use.loops if s.var in own]
    if len(own) != b.rank or len(loops) != b.rank or not loops or use.loops[-b.rank :] != tuple(loops):
        raise refuse(f"the store to {b.hint} is not at its loops' variables", use.stmt.span)
    return replace(use, loops=tuple(loops))


def _value(use: Use) -> Expr:
    if not isinstance(use.stmt, Store):
        raise TypeError("no store")
    return use.stmt.value


def _follows(kernel: Kernel, use: Use, s: For) -> bool:
    block = block_of(kernel.body, s)
    places = [n for n, x in enumerate(block) if x is s or x is use.loops[0]]
    return len(places) == 2 and block[places[0]] is use.loops[0]


@dataclass
class _Swaps:
    """Loads in place of what an array holds."""

    kernel: Kernel
    found: Found
    buffer: Buffer
    use: Use
    count: int = 0

    def body(self, body: Body, around: tuple[For, ...]) -> Body:
        """A block with the loads; `around` are the loops that it is in, from the one found on."""
        return tuple(self._stmt(s, around) for s in body)

    def _stmt(self, s: Stmt, around: tuple[For, ...]) -> Stmt:
        if not isinstance(s, For):
            s = map_own_exprs(s, lambda e: map_expr(lambda x: self._expr(x, around), e))
        inside = (*around, s) if isinstance(s, For) else around
        return map_blocks(s, lambda block: self.body(block, inside))

    def _expr(self, e: Expr, around: tuple[For, ...]) -> Expr:
        free = {s.var for s in self.use.loops}
        at: dict[Var, Expr] = {}
        if not matches(_value(self.use), e, free, at) or set(at) != free or not self._inside(at, around):
            return e
        self.count += 1
        places = (i for i in self.use.indices)
        return Load(self.buffer, tuple(at[i.var] for i in places if isinstance(i, Ref)), e.span)

    def _inside(self, at: dict[Var, Expr], around: tuple[For, ...]) -> bool:
        """Whether the element has been stored to: its place is one of the loops' iterations."""
        copier = Folding(vars=dict(at))
        with within(self.kernel, self.found.loop, around[1:]) as ranges:
            return all(_in_loop(ranges, copier, at[s.var], s) for s in self.use.loops)


def _in_loop(ranges: Ranges, copier: Folding, e: Expr, s: For) -> bool:
    """Whether an expression is a value that a loop's variable takes."""
    low, _ = ranges.of(build.sub(e, copier.expr(s.lo), e.span))
    high, _ = ranges.of(build.sub(copier.expr(s.hi), e, e.span))
    return low >= 0 and high >= 1 and value_of(s.step, {}) == 1 and s.until is None
