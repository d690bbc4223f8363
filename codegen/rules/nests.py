"""The default schedule of nests in which several things happen: what would go better by itself gets a nest.

That is worth its while where products are summed in three loops or more, and where an innermost loop jumps through
memory while one around it would walk along.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gemel.semantics import ops
from gemel.semantics.dtypes import FloatType
from gemel.semantics.ir import Apply, Expr, For, If, Let, Load, LoopKind, Reduce, Stmt, Store, Var
from gemel.semantics.schedule.names import find, loops, nest
from gemel.semantics.schedule.schedule import Scheduled, attempt
from gemel.semantics.schedule.windows import variables
from gemel.semantics.traverse import exprs_of, subexprs

Chain = tuple[For, ...]
Wants = Callable[[Chain, Stmt], bool]


def schedule(start: Scheduled) -> Scheduled:
    """The steps that take nests apart."""
    s = start.attempt("spell")
    for wants in (_contracts, _strides):
        for name in [p.loop.var.hint for p in loops(s.kernel.body) if not p.around]:
            s = _apart(s, name, wants)
    for name in [p.loop.var.hint for p in loops(s.kernel.body) if _sums_beside(p.loop)]:
        s = s.attempt("separate", name)
    for name in [p.loop.var.hint for p in loops(s.kernel.body) if _sums_of_products(p.loop, len(p.around))]:
        s = attempt(s, _terms, name)
    return s


def fills_apart(schedule: Scheduled) -> Scheduled:
    """Sums of products that begin with a store of their own: that gets a nest before."""
    for place in list(loops(schedule.kernel.body)):
        inner, around = place.loop, place.around
        if len(around) < 2 or len(inner.body) != 1 or not isinstance(inner.body[0], Reduce):
            continue
        if len(around[-1].body) == 2 and isinstance(around[-1].body[0], Store) and around[-1].body[1] is inner:
            schedule = schedule.attempt("fission", inner.var.hint, around[-2].var.hint)
    return schedule


def _apart(s: Scheduled, name: str, wants: Wants) -> Scheduled:
    """The nests in a loop taken apart, and then its own, where that frees what profits from it."""
    loop = next((p.loop for p in loops(s.kernel.body) if p.loop.var.hint == name), None)
    if loop is None or loop.kind is not LoopKind.SERIAL or not _bound_up(loop, wants):
        return s
    for inner in [x.var.hint for x in loop.body if isinstance(x, For)]:
        s = _apart(s, inner, wants)
    if not _bound_up(find(s.kernel, name).loop, wants):
        return s
    made = s.attempt("separate", name)
    return made if _left(made, wants) < _left(s, wants) else s


def _left(s: Scheduled, wants: Wants) -> int:
    return sum(_bound_up(p.loop, wants) for p in loops(s.kernel.body) if not p.around)


def _bound_up(loop: For, wants: Wants) -> int:
    """How many statements that would profit from a nest of their own a loop has in it and doesn't give one."""
    return sum(wants(c, x) and not wants(_own(c), x) for c, x in _leaves(loop))


def _own(chain: Chain) -> Chain:
    """The innermost loops of a statement's chain that are its alone."""
    if len(chain[-1].body) > 1:
        return ()
    first = next((n for n in reversed(range(len(chain) - 1)) if len(chain[n].body) > 1), -1) + 1
    return chain[first:]


def _sums_beside(loop: For) -> bool:
    """Whether an innermost loop sums floats up beside other things: alone, that goes in several vectors."""
    fixed = [x for x in loop.body if isinstance(x, Reduce) and not any(loop.var in variables(i) for i in x.indices)]
    flat = all(isinstance(x, Store | Reduce | Let) for x in loop.body) and len(loop.body) > 1
    return flat and any(isinstance(x.buffer.dtype, FloatType) for x in fixed) and loop.kind is LoopKind.SERIAL


def _leaves(loop: For, around: Chain = ()) -> Iterator[tuple[Chain, Stmt]]:
    """The stores and accumulations that share their loops with others, with these loops."""
    chain = (*around, loop)
    if not around and len(nest(loop)[-1].body) == 1:
        return
    for s in loop.body:
        if isinstance(s, For):
            yield from _leaves(s, chain)
        elif isinstance(s, Store | Reduce):
            yield chain, s


def _contracts(chain: Chain, s: Stmt) -> bool:
    """Whether a statement sums products in three loops or more."""
    return isinstance(s, Reduce) and len(chain) >= 3 and _multiplies(s.value) and _comes_back(chain, s)


def _strides(chain: Chain, s: Stmt) -> bool:
    """Whether the innermost loop of a statement jumps through memory, and one around it would walk along."""
    if len(chain) < 2 or _contracts(_own(chain), s):
        return False
    inner = chain[-1].var
    return any(_jumps(place, inner) and any(_walks(place, x.var) for x in chain[:-1]) for place in _places(s))


def _multiplies(e: Expr) -> bool:
    return any(isinstance(x, Apply) and x.op is ops.MUL for x in subexprs(e))


def _comes_back(chain: Chain, s: Reduce) -> bool:
    own = {v for i in s.indices for v in variables(i)}
    return any(x.var not in own for x in chain) and sum(x.var in own for x in chain) >= 2


def _places(s: Stmt) -> Iterator[tuple[Expr, ...]]:
    yield from (x.indices for e in exprs_of(s) for x in subexprs(e) if isinstance(x, Load) and x.indices)
    if isinstance(s, Store | Reduce) and s.indices:
        yield s.indices


def _jumps(place: tuple[Expr, ...], v: Var) -> bool:
    return v not in variables(place[-1]) and any(v in variables(i) for i in place)


def _walks(place: tuple[Expr, ...], v: Var) -> bool:
    return v in variables(place[-1])


def _sums_of_products(loop: For, depth: int) -> bool:
    """Whether an innermost loop accumulates a sum of products, so that each may be a contraction."""
    body = loop.body[0].then if len(loop.body) == 1 and isinstance(loop.body[0], If) else loop.body
    one = body[0] if len(body) == 1 else None
    if not isinstance(one, Reduce) or depth < 2 or not isinstance(one.value, Apply):
        return False
    sums = one.op is ops.ADD and one.value.op in (ops.ADD, ops.SUB) and isinstance(one.value.dtype, FloatType)
    return sums and all(isinstance(x, Apply) and x.op is ops.MUL for x in one.value.args)


def _terms(s: Scheduled, name: str) -> Scheduled:
    """Each product in a nest of its own."""
    place = next(p for p in loops(s.kernel.body) if p.loop.var.hint == name)
    return s.step("terms", name).step("distribute", place.around[0].var.hint)


# ----------------------------------------------------------------------------------------------------------- strides


def along_memory(start: Scheduled) -> Scheduled:
    """Perfect nests whose innermost loop jumps through memory with a loop innermost that walks along."""
    s = start
    for chain in [nest(p.loop) for p in loops(s.kernel.body)]:
        best = _walking(chain)
        if best is not None:
            order = [x.var.hint for x in (*(x for x in chain if x is not best), best)]
            s = s.attempt("reorder", *order)
    return s


def _walking(chain: list[For]) -> For | None:
    """The loop of a nest that would go better innermost."""
    body = chain[-1].body
    if len(chain) < 2 or len(body) != 1 or not isinstance(body[0], Store | Reduce) or _fixed(chain):
        return None
    places = list(_places(body[0]))
    jumps = [sum(_jumps(p, x.var) for p in places) for x in chain]
    best = min(range(len(chain)), key=lambda n: (jumps[n], -n))
    return chain[best] if jumps[best] < jumps[-1] and any(_walks(p, chain[best].var) for p in places) else None


def _fixed(chain: list[For]) -> bool:
    """Whether somebody has said how a loop runs, or one needs another for its bounds."""
    own = {x.var for x in chain}
    return any(x.kind is not LoopKind.SERIAL or own & (variables(x.lo) | variables(x.hi)) for x in chain)
