"""The step that computes with a packed array's elements while it is packed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gemel.semantics import ops
from gemel.semantics.ir import Alloc, Apply, Buffer, Const, Expr, For, Kernel, Let, Load, Ref, Stmt, Store, Var
from gemel.semantics.schedule.names import find, find_buffer, refuse, rewritten
from gemel.semantics.schedule.windows import alike
from gemel.semantics.traverse import Body, exprs_of, map_body, map_expr, map_own_exprs, statements, subexprs

PARTIAL = (ops.FLOORDIV, ops.MOD, ops.SHL, ops.SHR)
"""Ops that are an error for some operands: padding must not meet them."""


def hoist(kernel: Kernel, buffer: str, at: str) -> Kernel:
    """What the loop `at` computes of each element of an array that it has packed, computed once, when it is packed.

    Raises ScheduleError where it computes different things of it, or only what changes inside of the loop.
    """
    b, loop = find_buffer(kernel, buffer), find(kernel, at).loop
    n = next((n for n, s in enumerate(loop.body) if isinstance(s, Alloc) and s.buffer is b and s.filled), None)
    fill = None if n is None else _filling(loop.body[n + 1 :], b)
    if n is None or fill is None:
        raise refuse(f"{buffer} is not packed in {at}", loop.span, "stage it first")
    rest = loop.body[n + 2 :]
    whole = _alone(rest, b)
    if whole is None:
        raise refuse(f"{at} computes nothing of {buffer}'s elements alone", loop.span, code="K02")
    made = Buffer(b.hint, whole.dtype, b.shape, b.span)
    first = map_body((loop.body[n + 1],), stmt=lambda s: _computed(s, fill, whole, made) if s is fill else s)
    body = (*loop.body[:n], Alloc(made, loop.body[n].span, filled=True), *first, *_reading(rest, b, whole, made))
    return rewritten(kernel, loop, lambda s: (replace(s, body=body),))


def _filling(body: Body, b: Buffer) -> Store | None:
    """The one store that packs, in the nest right after the array is made; nothing later stores to it."""
    writes = [s for s in statements(body) if not isinstance(s, Let | Alloc) and getattr(s, "buffer", None) is b]
    first = next(iter(body), None)
    inside = isinstance(first, For) and any(s is w for s in statements((first,)) for w in writes)
    return writes[0] if len(writes) == 1 and isinstance(writes[0], Store) and inside else None


def _alone(body: Body, b: Buffer) -> Apply | None:
    """The largest computation around every load of the array whose other operands are the same for all of them."""
    moving = {s.var for s in statements(body) if isinstance(s, Let | For)}
    found: Apply | None = None
    for s in statements(body):
        for e in exprs_of(s):
            for load, around in _around(e, b):
                largest = _largest(load, around, moving)
                if largest is None or (found is not None and not _alike_but_for(largest, found, b)):
                    return None
                found = found or largest
    return found


def _around(e: Expr, b: Buffer, path: tuple[Apply, ...] = ()) -> Iterator[tuple[Load, tuple[Apply, ...]]]:
    """Each load of the array, with the ops around it, innermost first."""
    if isinstance(e, Load) and e.buffer is b:
        yield e, path
    elif isinstance(e, Apply):
        for a in e.args:
            yield from _around(a, b, (e, *path))


def _largest(load: Load, around: tuple[Apply, ...], moving: set[Var]) -> Apply | None:
    found: Apply | None = None
    inner: Expr = load
    for e in around:
        others = [a for a in e.args if a is not inner]
        if e.op.lazy or e.op in PARTIAL or len(others) != len(e.args) - 1 or not all(_same(a, moving) for a in others):
            break
        found, inner = e, e
    return found


def _same(e: Expr, moving: set[Var]) -> bool:
    """Whether an operand is one value for the whole loop: made of names from outside and numbers."""
    return all(isinstance(x, Const | Apply) or (isinstance(x, Ref) and x.var not in moving) for x in subexprs(e))


def _alike_but_for(a: Expr, c: Expr, b: Buffer) -> bool:
    """Whether two computations are one, whatever element of the array they are of."""
    if isinstance(a, Load) and isinstance(c, Load):
        return a.buffer is b and c.buffer is b
    if isinstance(a, Apply) and isinstance(c, Apply):
        same = a.op is c.op and a.dtype == c.dtype and len(a.args) == len(c.args)
        return same and all(_alike_but_for(x, y, b) for x, y in zip(a.args, c.args, strict=True))
    return alike(a, c)


def _computed(s: Store, fill: Store, whole: Apply, made: Buffer) -> Stmt:
    value = map_expr(lambda e: fill.value if isinstance(e, Load) else e, whole)
    return Store(made, s.indices, value, s.span)


def _reading(body: Body, b: Buffer, whole: Apply, made: Buffer) -> Body:
    """The block with loads of what has been computed in place of computations."""

    def taken(e: Expr) -> Expr:
        if not isinstance(e, Apply) or not any(buffer is b for buffer in _loads(e)):
            return e
        if _alike_but_for(e, whole, b):
            load = next(x for x in subexprs(e) if isinstance(x, Load))
            return Load(made, load.indices, e.span)
        args = tuple(map(taken, e.args))
        return replace(e, args=args)

    return map_body(body, stmt=lambda s: map_own_exprs(s, taken))


def _loads(e: Expr) -> Iterator[Buffer]:
    return (x.buffer for x in subexprs(e) if isinstance(x, Load))
