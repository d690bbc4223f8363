"""Imperfect nests become perfect: what stands before or after an inner loop moves into its first or last iteration.

`for i: before; for k: body; after` with an inner nest of constant bounds that runs at least once becomes
`for i: for k: if first: before; body; if last: after`, so that hardware can pipeline the whole nest as one loop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from gemel.semantics import build, ops
from gemel.semantics.ir import Alloc, Buffer, Const, Expr, For, If, Kernel, Let, Load, Ref, Stmt, Store, While, in_order
from gemel.semantics.span import Span
from gemel.semantics.traverse import Body, Copier, all_exprs, map_body, statements, stored, subexprs


def perfect(kernel: Kernel) -> Kernel:
    """The kernel with nests made perfect where that changes nothing."""
    return replace(kernel, body=map_body(kernel.body, stmt=_perfected))


def _perfected(s: Stmt) -> Stmt | Body:
    if not isinstance(s, For) or s.until is not None:
        return s
    loops = [n for n, x in enumerate(s.body) if _has_loop(x)]
    if len(loops) != 1:
        return s
    inner = s.body[loops[0]]
    before, after = s.body[: loops[0]], s.body[loops[0] + 1 :]
    if not isinstance(inner, For) or not (before or after):
        return s
    nest = _nest(inner)
    if nest is None:
        return s
    lets = tuple(x for x in before if isinstance(x, Let))
    if not _movable(lets, before, nest[-1].body) or _reads_much((*before, *after)):
        return s
    allocs = tuple(x for x in (*before, *after) if isinstance(x, Alloc))
    first = tuple(x for x in before if not isinstance(x, Let | Alloc))
    last = _with_own(tuple(x for x in after if not isinstance(x, Alloc)), _scalars(s.body), stored(inner.body))
    body: Body = (*lets, *_guarded(nest, first, False), *nest[-1].body, *_guarded(nest, last, True))
    for loop in reversed(nest):  # what moves in, and an array that is shared now, are fine in this order only
        body = (replace(loop, kind=in_order(loop.kind), body=body),)
    return (*allocs, replace(s, kind=in_order(s.kind), body=body))


def _has_loop(s: Stmt) -> bool:
    return any(isinstance(x, For | While) for x in statements((s,)))


def _nest(s: For) -> list[For] | None:
    """The perfect nest that `s` begins, if all of it has constant bounds, runs, and holds no other loop."""
    nest = [s]
    while len(nest[-1].body) == 1 and isinstance(nest[-1].body[0], For):
        nest.append(nest[-1].body[0])
    simple = all(_last(loop) is not None and loop.until is None for loop in nest)
    return nest if simple and not any(map(_has_loop, nest[-1].body)) else None


def _last(loop: For) -> int | None:
    """The loop variable's last value; None where the bounds aren't constant or the loop is empty."""
    if not (isinstance(loop.lo, Const) and isinstance(loop.hi, Const) and isinstance(loop.step, Const)):
        return None
    if not loop.step.value:
        return None
    values = range(int(loop.lo.value), int(loop.hi.value), int(loop.step.value))
    return values[-1] if values else None


def _movable(lets: tuple[Let, ...], before: Body, body: Body) -> bool:
    """Whether names may be computed in each iteration: nothing that they load changes in the nest or before it."""
    changed = stored(body) | stored(before)
    return not any(isinstance(e, Load) and e.buffer in changed for x in lets for e in subexprs(x.value))


def _scalars(body: Body) -> list[Buffer]:
    return [x.buffer for x in body if isinstance(x, Alloc) and not x.buffer.rank]


def _with_own(after: Body, local: Sequence[Buffer], changed: set[Buffer]) -> Body:
    """What stands after the nest, with copies of the body's own variables that it and the nest change.

    No turn of the nest then seems to wait for what is made of them here.
    """
    own = {b: replace(b) for b in local if b in stored(after) and b in changed}
    copies = [x for b, new in own.items() for x in (Alloc(new, b.span), Store(new, (), Load(b, (), b.span), b.span))]
    return (*copies, *Copier(buffers=dict(own)).body(after)) if own else after


MUCH = 4
"""Reads of an array beside a loop that keep the loop waiting for its memory longer than it would wait for them."""


def _reads_much(body: Body) -> bool:
    found = Counter(e.buffer for e in all_exprs(body) if isinstance(e, Load) and e.buffer.rank)
    return any(n >= MUCH for n in found.values())


def _guarded(nest: list[For], body: Body, at_end: bool) -> Body:
    if not body:
        return ()
    span = body[0].span
    cond: Expr = build.boolean(True, span)
    for loop in nest:
        bound = _last(loop) if at_end else int(loop.lo.value) if isinstance(loop.lo, Const) else 0
        cond = build.both(cond, _equals(loop, bound or 0, span), span)
    return (If(cond, body, (), span),)


def _equals(loop: For, value: int, span: Span) -> Expr:
    return build.apply(ops.EQ, Ref(loop.var, span), build.index(value, span), span=span)
