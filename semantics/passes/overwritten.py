"""Stores that nothing reads: a fill that later stores overwrite before any load, and arrays that are never loaded.

`out = gm.zeros(..)` before a nest that stores to each element costs as many cycles as there are elements.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, product

from gemel.semantics.arguments import value_of
from gemel.semantics.ir import Alloc, Assert, Buffer, Call, Expr, For, Kernel, Ref, Stmt, Store, Var
from gemel.semantics.traverse import Body, loaded, map_blocks, map_body, statements, stored, subexprs

MOST = 1 << 16
"""Iterations of the loops of an axis that are looked at."""


def overwritten(kernel: Kernel) -> Kernel:
    """The kernel without such stores."""
    given = {p for p in kernel.params if isinstance(p, Buffer)}
    before: Body = ()
    body = kernel.body
    while before is not body:  # what only fed a store that is gone may go too
        before, body = body, _unread(_block(body, given), {*given, *kernel.results})
    return replace(kernel, body=body)


def _unread(body: Body, seen: set[Buffer]) -> Body:
    """Without stores to arrays that are never loaded; `seen` are looked at from outside."""
    dead = {s.buffer for s in statements(body) if isinstance(s, Alloc) and s.buffer.rank} - loaded(body) - seen
    dead -= {b for s in statements(body) if isinstance(s, Call) for b in s.results}
    return _without(body, dead) if dead & stored(body) else body


def _without(body: Body, dead: set[Buffer]) -> Body:
    return map_body(body, stmt=lambda s: () if isinstance(s, Store) and s.buffer in dead else s)


def _block(body: Body, given: set[Buffer]) -> Body:
    out = [map_blocks(s, lambda b: _block(b, given)) for s in body]
    for n in reversed(range(len(out))):
        dead = {b for b in _only_stored(out[n]) if _ends(b, out[n + 1 :], b in given)}
        if dead:
            (out[n],) = _without((out[n],), dead)
    return body if all(a is b for a, b in zip(out, body, strict=True)) else tuple(out)


def _only_stored(s: Stmt) -> set[Buffer]:
    """The arrays that a loop fills, or does more with that nobody has seen yet."""
    if not isinstance(s, For):
        return set()
    others = loaded((s,)) | {b for x in statements((s,)) if isinstance(x, Call) for b in x.results}
    return {x.buffer for x in statements((s,)) if isinstance(x, Store) and x.buffer.rank} - others


def _ends(b: Buffer, rest: list[Stmt], given: bool) -> bool:
    """Whether what follows stores to each element of `b` before it loads one; no run that fails shows an argument."""
    for s in rest:
        if given and any(isinstance(x, Assert | Call) for x in statements((s,))):
            return False
        if b in loaded((s,)):
            return False
        if b in stored((s,)) and _covers(s, b):
            return True
    return False


# --------------------------------------------------------------------------------------------------------------- covers


def _covers(s: Stmt, b: Buffer, around: tuple[For, ...] = ()) -> bool:
    """Whether a nest certainly stores to each element: by a store under no condition, with loops for each axis."""
    if isinstance(s, Store):
        return s.buffer is b and _all_elements(s, around)
    return isinstance(s, For) and _runs(s) and any(_covers(x, b, (*around, s)) for x in s.body)


def _runs(s: For) -> bool:
    known = _range(s)
    return bool(known) and s.until is None


def _range(s: For) -> range | None:
    bounds = [value_of(e, {}) for e in (s.lo, s.hi, s.step)]
    return range(*(n for n in bounds if n is not None)) if None not in bounds and bounds[2] else None


def _all_elements(s: Store, around: tuple[For, ...]) -> bool:
    ranges = {loop.var: known for loop in around if (known := _range(loop)) is not None}
    axes = [_variables(i) for i in s.indices]
    if any(a & b for n, a in enumerate(axes) for b in axes[n + 1 :]):
        return False
    return all(
        used <= ranges.keys()
        and _reached(index, {v: ranges[v] for v in used}) >= set(range(value_of(size, {}) or MOST))
        for index, used, size in zip(s.indices, axes, s.buffer.shape, strict=True)
    )


def _variables(e: Expr) -> set[Var]:
    return {x.var for x in subexprs(e) if isinstance(x, Ref)}


def _reached(index: Expr, ranges: dict[Var, range]) -> set[int | None]:
    """The values that an index takes; none beyond the iterations that are looked at."""
    return {value_of(index, at) for at in islice(_points(ranges), MOST)}


def _points(ranges: dict[Var, range]) -> Iterator[dict[Var, int]]:
    return (dict(zip(ranges, values, strict=True)) for values in product(*ranges.values()))
