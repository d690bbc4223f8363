"""The step that takes in a fill: accumulators begin at the value that a nest before has stored everywhere."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gemel.semantics import build, ops
from gemel.semantics.arguments import value_of
from gemel.semantics.ir import Alloc, Buffer, Const, Expr, For, If, Kernel, Load, Ref, Stmt, Store, Var
from gemel.semantics.schedule.dead import Dead, dead_of, read, visits
from gemel.semantics.schedule.depend import Dependences
from gemel.semantics.schedule.names import Found, block_of, find, find_buffer, nest, refuse, rewritten
from gemel.semantics.schedule.windows import Use, alike, uses, variables
from gemel.semantics.traverse import Body, exprs_of, loaded, map_body, map_expr, map_own_exprs, stored, subexprs

MOST_POINTS = 1 << 16
"""Elements of an axis beyond which coverage isn't looked at."""


@dataclass(frozen=True)
class _Fill:
    """A nest that stores one value to the elements of a buffer: to all of them, or under a condition."""

    loop: For
    value: Const
    whole: bool


def absorb(kernel: Kernel, buffer: str, at: str) -> Kernel:
    """Drops the nest before that fills `buffer`; what the loop `at` loads of it first is the fill's value instead.

    Raises ScheduleError where there is no such nest, where an element could be loaded twice before it is stored, or
    where one could be left without a value.
    """
    b, found = find_buffer(kernel, buffer), find(kernel, at)
    top, fill = _filled_before(kernel, found, b)
    reads = [u for u in uses((top,), b) if isinstance(u.stmt, Store) and u.stmt.buffer is not b]
    writes = [u for u in uses((top,), b) if isinstance(u.stmt, Store) and u.stmt.buffer is b]
    if len(reads) != 1 or len(writes) != 1 or len(list(uses((top,), b))) != 2:
        raise refuse(f"{buffer} isn't loaded and stored once each in {top.var.hint}", top.span, "accumulate first")
    again = _met_again(kernel, top, b, reads[0])
    covered(b, _where_read(kernel, b, writes[0], reads[0]), again, top)
    first = build.all_of((build.apply(ops.EQ, Ref(s.var, s.span), s.lo, span=s.span) for s in again), top.span)

    def begun(e: Expr) -> Expr:
        if not (isinstance(e, Load) and e.buffer is b):
            return e
        return fill.value if isinstance(first, Const) else build.apply(ops.SELECT, first, fill.value, e, span=e.span)

    def changed(s: Stmt) -> Stmt:
        return map_own_exprs(s, lambda e: map_expr(begun, e)) if s is reads[0].stmt else s

    kernel = rewritten(kernel, top, lambda s: map_body((s,), stmt=changed))
    kernel = rewritten(kernel, fill.loop, lambda _: ())
    return replace(kernel, body=map_body(kernel.body, stmt=lambda s: _known(s, b)))


def _where_read(kernel: Kernel, b: Buffer, write: Use, first: Use) -> Use:
    """A store without conditions on several axes under which all loads but the first one are: others are dead."""
    inner = {s.var for s in write.loops}
    dead: dict[Expr, Dead] = {}
    for s, ranges in visits(kernel, None):
        if s is write.stmt:
            found = {c: dead_of(ranges, c, s, inner) for c in write.conditions}
            dead = {c: d for c, d in found.items() if d is not None and sum(map(bool, d.multiples)) > 1}
    for s, ranges in visits(kernel, None):
        if s is not first.stmt:
            loads = [x for e in exprs_of(s) for x in subexprs(e) if isinstance(x, Load)]
            dead = {c: d for c, d in dead.items() if not read(ranges, d, loads)}
    return replace(write, conditions=tuple(c for c in write.conditions if c not in dead))


def _known(s: Stmt, b: Buffer) -> Stmt:
    """The array's `Alloc`: what is read of it has been stored to, since the fill came before all that reads it."""
    return replace(s, filled=True) if isinstance(s, Alloc) and s.buffer is b else s


def _filled_before(kernel: Kernel, found: Found, b: Buffer) -> tuple[For, _Fill]:
    """The loop around, or the one found itself, that a fill stands before in its block, and that fill."""
    chain = (*found.around, found.loop)
    for top in chain:
        fill = _fill_before(block_of(kernel.body, top), top, b)
        if fill is not None:
            return top, fill
    raise refuse(f"no nest before {chain[0].var.hint} fills all of {b.hint} with a number", chain[0].span)


def _fill_before(body: Body, top: For, b: Buffer) -> _Fill | None:
    """The fill in the loop's block, with nothing that touches the buffer between it and the loop."""
    n = next((n for n, s in enumerate(body) if s is top), None)
    for s in reversed(body[: n or 0]):
        if b in stored((s,)) | loaded((s,)):
            fill = _as_fill(s, b)
            return fill if fill is None or fill.whole or _first(body, b, s) else None
    return None


def _first(body: Body, b: Buffer, fill: Stmt) -> bool:
    """Whether a statement is the first to use an array that its block makes: what it leaves out holds nothing."""
    made = next((n for n, s in enumerate(body) if isinstance(s, Alloc) and s.buffer is b), None)
    after = () if made is None else body[made + 1 :]
    return next((s for s in after if b in stored((s,)) | loaded((s,))), None) is fill


def _as_fill(s: Stmt, b: Buffer) -> _Fill | None:
    if not isinstance(s, For):
        return None
    chain = nest(s)
    inner = chain[-1].body
    whole = not (len(inner) == 1 and isinstance(inner[0], If) and not inner[0].orelse)
    if isinstance(inner[0], If) and not whole:
        inner = inner[0].then
    if len(inner) != 1 or not isinstance(inner[0], Store) or not isinstance(inner[0].value, Const):
        return None
    store, by_var = inner[0], {x.var: x for x in chain}
    for index, size in zip(store.indices, b.shape, strict=True):
        loop = by_var.pop(index.var, None) if isinstance(index, Ref) else None
        if loop is None or value_of(loop.lo, {}) != 0 or value_of(loop.step, {}) != 1 or not alike(loop.hi, size):
            return None
    fits = not by_var and store.buffer is b
    return _Fill(s, store.value, whole) if fits and isinstance(store.value, Const) else None


def _met_again(kernel: Kernel, top: For, b: Buffer, read: Use) -> list[For]:
    """The loops in which iterations come back to an element; they must be known by their variable alone."""
    known = Dependences(kernel, Found(top, ()))
    known.private.clear()
    loops = [top, *(s for s in read.loops if s is not top)]
    order = [s.var for s in loops]
    again: dict[Var, For] = {}
    for a in known.accesses:
        if a.buffer is b and not a.writes:
            bounds = known.distances(a, a, order) or {}
            again.update((s.var, s) for s in loops if bounds.get(s.var) != (0, 0))
    used = {v for i in read.indices for v in variables(i)}
    if any(v in used for v in again):
        raise refuse(
            f"iterations of {next(iter(again)).hint} may load an element of {b.hint} twice", top.span, code="K02"
        )
    return list(again.values())


def covered(b: Buffer, write: Use, again: list[For], top: For) -> None:
    """Raises ScheduleError unless the stores of one round reach each element of the buffer."""
    for axis, (index, size) in enumerate(zip(write.indices, b.shape, strict=True)):
        own = [s for s in write.loops if s.var in _needed(index, write.loops)]
        others = [v for n, i in enumerate(write.indices) if n != axis for v in _needed(i, write.loops)]
        if any(s.var in others or s in again for s in own):
            raise refuse(f"axis {axis} of {b.hint} is not stored to by loops of its own", top.span, code="K02")
        conds = [c for c in write.conditions if variables(c) & {s.var for s in own}]
        if any(variables(c) - {s.var for s in own} for c in conds):
            raise refuse(f"a condition of the store to {b.hint} is about several axes", top.span, code="K02")
        reached = _points(index, own, conds)
        if reached is None or reached != set(range(value_of(size, {}) or 0)):
            raise refuse(f"not all elements of {b.hint} are stored to along axis {axis}", top.span, code="K02")
    free = [c for c in write.conditions if not any(v in variables(c) for s in write.loops for v in (s.var,))]
    if free:
        raise refuse(f"the store to {b.hint} is under a condition", top.span, code="K02")


def _needed(e: Expr, loops: tuple[For, ...]) -> set[Var]:
    """The loop variables of an index, and those that their bounds need."""
    found, by_var = variables(e), {s.var: s for s in loops}
    while True:
        more = {v for x in found if x in by_var for bound in (by_var[x].lo, by_var[x].hi) for v in variables(bound)}
        if more <= found:
            return found
        found |= more


def _points(index: Expr, loops: list[For], conds: list[Expr]) -> set[int] | None:
    """The values that an index takes."""
    found: set[int] = set()
    steps = 0

    def run(n: int, at: dict[Var, int]) -> bool:
        nonlocal steps
        if n == len(loops):
            steps += 1
            if all(value_of(c, at) for c in conds):
                value = value_of(index, at)
                if value is None:
                    return False
                found.add(value)
            return steps < MOST_POINTS
        lo, hi = value_of(loops[n].lo, at), value_of(loops[n].hi, at)
        if lo is None or hi is None:
            return False
        return all(run(n + 1, {**at, loops[n].var: i}) for i in range(lo, hi))

    return found if run(0, {}) else None
