"""The step that gives the statements of a nest nests of their own, as far as they don't need each other in turn.

Statements that depend on each other both ways stay together in the loops that they are in; the others come one nest
after the other, each after what it needs. An array that is local to an iteration and used in several of the nests gets
an axis for each loop around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod

from gemel.semantics import build, ops
from gemel.semantics.ir import Alloc, Apply, Buffer, Expr, For, Kernel, Let, Load, Reduce, Ref, Stmt, Store, Var
from gemel.semantics.ranges import Linear
from gemel.semantics.schedule.depend import Access, Dependences, effects_in_order, leading, signs, upwards
from gemel.semantics.schedule.names import Found, Renaming, find, names, refuse, replace_hint, rewritten, unused
from gemel.semantics.traverse import (
    Body,
    Copier,
    exprs_of,
    map_blocks,
    map_body,
    map_expr,
    map_own_exprs,
    statements,
    stored,
    subexprs,
)

LARGEST = 1 << 22
"""Elements of an array with an axis for each loop beyond which the step is refused."""


def separate(kernel: Kernel, loop: str) -> Kernel:
    """Statements of a nest in nests of their own, as far as dependences allow.

    Raises ScheduleError where all of them need each other in turn, or where there is but one.
    """
    found = find(kernel, loop)
    effects_in_order(found.loop)
    upwards(s for s in (found.loop, *statements(found.loop.body)) if isinstance(s, For))
    top = replace(found.loop, body=_unnamed(found.loop.body))
    kernel = rewritten(kernel, found.loop, lambda _: (top,))
    leaves, local = list(_leaves((top,), ())), dict(_locals((top,), ()))
    known = Dependences(kernel, Found(top, found.around))
    groups = _merged(_groups(known, leaves, local), leaves)
    if len(groups) < 2:
        raise refuse(f"the statements of {loop} need each other in turn", top.span, code="K02")
    return _apart(kernel, top, [{leaves[n].stmt for n in g} for g in groups], _Wider(known, local, names(kernel)))


@dataclass(frozen=True)
class _Leaf:
    """A statement that stays whole, and the loops around it, from the outermost of the nest on."""

    stmt: Stmt
    chain: tuple[For, ...]


def _unnamed(body: Body) -> Body:
    """The block with values in place of their names."""
    for n, s in enumerate(body):
        if isinstance(s, Let):
            rest = body[n + 1 :]
            changed = {x.buffer for x in subexprs(s.value) if isinstance(x, Load)} & stored(rest)
            if changed or any(isinstance(x, Apply) and x.op in ops.COST for x in subexprs(s.value)):
                raise refuse(f"{s.var.hint} is computed before what it is made of changes", s.span, code="K02")
            copier = Copier(vars={s.var: s.value})
            moved = tuple(map_body(rest, expr=copier._node))
            return _unnamed((*body[:n], *moved))
    return tuple(map_blocks(s, _unnamed) if isinstance(s, For) else s for s in body)


def _leaves(body: Body, chain: tuple[For, ...]) -> Iterator[_Leaf]:
    for s in body:
        if isinstance(s, For):
            yield from _leaves(s.body, (*chain, s))
        elif not isinstance(s, Alloc):
            yield _Leaf(s, chain)


def _locals(body: Body, chain: tuple[For, ...]) -> Iterator[tuple[Buffer, tuple[For, ...]]]:
    """The arrays that iterations make, with the loops around."""
    for s in body:
        if isinstance(s, For):
            yield from _locals(s.body, (*chain, s))
        elif isinstance(s, Alloc):
            yield s.buffer, chain


# --------------------------------------------------------------------------------------------------------- dependences


def _groups(known: Dependences, leaves: list[_Leaf], local: dict[Buffer, tuple[For, ...]]) -> list[list[int]]:
    """The leaves that have to stay together, each group after those that it needs."""
    count = range(len(leaves))
    made = [[_own(a, local) for a in known.of(leaf.stmt)] for leaf in leaves]
    needs: list[set[int]] = [set() for _ in count]
    for x in count:
        for y in count[x + 1 :]:
            shared = _shared(leaves[x].chain, leaves[y].chain)
            if _follows(known, made[x], made[y], shared, True):
                needs[y].add(x)
            if _follows(known, made[y], made[x], shared, False):
                needs[x].add(y)
    return _in_turn(_closed(needs))


def _own(a: Access, local: dict[Buffer, tuple[For, ...]]) -> Access:
    """An access of a local array with the loops around it as further indices: each iteration has its own."""
    chain = local.get(a.buffer, ())
    return replace(a, forms=(*(Linear(0, {s.var: 1}) for s in chain), *a.forms))


def _shared(a: Sequence[For], b: Sequence[For]) -> list[Var]:
    return [s.var for s, t in zip(a, b, strict=False) if s is t]


def _follows(known: Dependences, a: list[Access], b: list[Access], order: list[Var], together: bool) -> bool:
    """Whether an iteration of the second may need an earlier one of the first, or with `together` the same one."""
    pairs = ((x, y) for x in a for y in b if x.buffer is y.buffer and (x.writes or y.writes))
    return any(_meets(known, x, y, order, together) for x, y in pairs if x.op is None or x.op is not y.op)


def _meets(known: Dependences, x: Access, y: Access, order: list[Var], together: bool) -> bool:
    bounds = known.distances(x, y, order)
    if bounds is None or not any(leading(d, order) >= (not together) for d in signs(bounds, order)):
        return False
    both = known.instances(x, y, order)
    return both.any_of([*both.before(order), *([both.together(order)] if together else [])])


def _closed(needs: list[set[int]]) -> list[set[int]]:
    """All that each one needs, directly or by others."""
    changed = True
    while changed:
        changed = False
        for own in needs:
            more = set().union(*(needs[n] for n in own)) - own
            changed |= bool(more)
            own |= more
    return needs


def _in_turn(needs: list[set[int]]) -> list[list[int]]:
    """Groups of those that need each other, in an order in which each comes after what it needs."""
    left, done, found = list(range(len(needs))), set[int](), list[list[int]]()
    while left:
        n = next(n for n in left if all(m in done or n in needs[m] for m in needs[n]))
        group = [m for m in left if m == n or (m in needs[n] and n in needs[m])]
        found.append(group)
        done |= set(group)
        left = [m for m in left if m not in done]
    return found


def _merged(groups: list[list[int]], leaves: list[_Leaf]) -> list[list[int]]:
    """Neighbours in the same loops as one, but for those that accumulate over a loop."""
    found: list[list[int]] = []
    for group in groups:
        last = found[-1] if found else []
        chains = {leaves[n].chain for n in (*last, *group)}
        if last and len(chains) == 1 and not any(_accumulates(leaves[n]) for n in (*last, *group)):
            found[-1] = sorted([*last, *group])
        else:
            found.append(group)
    return found


def _accumulates(leaf: _Leaf) -> bool:
    """Whether iterations of the loops around come back to an element."""
    s = leaf.stmt
    places = {x.var for i in getattr(s, "indices", ()) for x in subexprs(i) if isinstance(x, Ref)}
    return isinstance(s, Reduce) and any(loop.var not in places for loop in leaf.chain)


# ----------------------------------------------------------------------------------------------------------- new nests


@dataclass
class _Wider:
    """Local arrays that several nests use, with an axis for each loop around."""

    known: Dependences
    local: dict[Buffer, tuple[For, ...]]
    taken: set[str]

    def buffer(self, b: Buffer) -> Buffer:
        """The array with the axes."""
        sizes = [int(self.known.intervals[s.var][1]) + 1 for s in self.local[b]]
        sizes += [int(self.known.ranges.of(n)[1]) for n in b.shape]
        if prod(sizes) > LARGEST:
            raise refuse(f"{b.hint} would have {prod(sizes)} elements", b.span, "separate an inner loop")
        hint = unused(b.hint, self.taken)
        self.taken.add(hint)
        return replace_hint(replace(b, shape=tuple(build.index(max(n, 1), b.span) for n in sizes)), hint)


def _apart(kernel: Kernel, top: For, groups: list[set[Stmt]], wider: _Wider) -> Kernel:
    used = [{b for s in g for b in _touched(s)} for g in groups]
    several = [b for b in wider.local if sum(b in u for u in used) > 1]
    made = {b: wider.buffer(b) for b in several}
    inside = {x.hint for x in _bound(top)}
    renaming = Renaming(names(kernel) - inside | {b.hint for b in made.values()})
    out: list[Stmt] = [Alloc(b, b.span) for b in made.values()]
    for group, buffers in zip(groups, used, strict=True):
        kept = _only((top,), group, buffers - set(several))
        out += renaming.body(_widened(kept, made, wider.local))
    return rewritten(kernel, top, lambda _: tuple(out))


def _touched(s: Stmt) -> Iterator[Buffer]:
    for x in statements((s,)):
        yield from (e.buffer for v in exprs_of(x) for e in subexprs(v) if isinstance(e, Load))
        if isinstance(x, Store | Reduce):
            yield x.buffer


def _bound(top: For) -> Iterator[Var | Buffer]:
    for s in (top, *statements(top.body)):
        if isinstance(s, For):
            yield s.var
        elif isinstance(s, Alloc):
            yield s.buffer


def _only(body: Body, keep: set[Stmt], buffers: Iterable[Buffer]) -> Body:
    """The block with nothing but some leaves, the loops around them and the arrays they use."""
    out: list[Stmt] = []
    for s in body:
        if isinstance(s, For):
            inner = _only(s.body, keep, buffers)
            out += [replace(s, body=inner)] if any(not isinstance(x, Alloc) for x in inner) else []
        elif s in keep or (isinstance(s, Alloc) and s.buffer in buffers):
            out.append(s)
    return tuple(out)


def _widened(body: Body, made: dict[Buffer, Buffer], local: dict[Buffer, tuple[For, ...]]) -> Body:
    """The block with places in the arrays that have further axes."""

    def place(b: Buffer, indices: tuple[Expr, ...]) -> tuple[Expr, ...]:
        return (*(Ref(s.var, s.span) for s in local[b]), *indices)

    def expr(e: Expr) -> Expr:
        return Load(made[e.buffer], place(e.buffer, e.indices), e.span) if _is(e) else e  # type: ignore[union-attr]

    def _is(e: Expr) -> bool:
        return isinstance(e, Load) and e.buffer in made

    def stmt(s: Stmt) -> Stmt:
        s = map_own_exprs(s, lambda e: map_expr(expr, e))
        if isinstance(s, Store | Reduce) and s.buffer in made:
            return replace(s, buffer=made[s.buffer], indices=place(s.buffer, s.indices))
        return s

    return map_body(body, stmt=stmt)
