"""Loop fusion: two loops in a row become one, where each iteration needs only its own iteration of the other.

A loop without inner loops may also move into a deeper nest over the same range, where it runs at the beginning or the
end of an iteration: a fill before the nest that accumulates, a rescaling after it. That is done only where it costs the
nest nothing: the moved statements work element by element and use no array that the nest uses otherwise.
"""

from __future__ import annotations

from dataclasses import replace

from gemel.semantics.ir import (
    Alloc,
    Assert,
    Buffer,
    Const,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Ref,
    Stmt,
    Store,
    Var,
    While,
    in_order,
)
from gemel.semantics.traverse import Body, Copier, accesses, loaded, map_blocks, statements, stored

FAR = 100
"""How many statements may stand between two loops, or in the first one: looking through more takes too long."""


def fuse(kernel: Kernel) -> Kernel:
    """The kernel with neighbouring loops fused where the result is the same and no slower."""
    return replace(kernel, body=_block(kernel.body))


def _block(body: Body) -> Body:
    out: list[Stmt] = []
    for s in body:
        out.append(map_blocks(s, _block))
        while _join_last(out):
            pass
    return tuple(out)


def _join_last(out: list[Stmt]) -> bool:
    """Fuses the last loop of a block with the loop before it, over statements that can stand before both."""
    second = out[-1]
    if not isinstance(second, For):
        return False
    n = next((n for n in reversed(range(len(out) - 1)) if isinstance(out[n], For | While | If)), None)
    if n is None or len(out) - n > FAR:
        return False
    first, between = out[n], out[n + 1 : -1]
    if not isinstance(first, For) or not all(_may_pass(s, first) for s in between):
        return False
    fused = _fused(first, second)
    if fused is None:
        return False
    out[n:] = [*between, fused]
    return True


def _may_pass(s: Stmt, loop: For) -> bool:
    if not isinstance(s, Alloc | Let | Store):
        return False
    written, read = stored((s,)), loaded((s,))
    return not (written & (loaded((loop,)) | stored((loop,)))) and not (read & stored((loop,)))


# --------------------------------------------------------------------------------------------------------------- loops


def _prefix(s: For) -> list[For]:
    """The perfect nest that a loop begins."""
    nest = [s]
    while len(nest[-1].body) == 1 and isinstance(nest[-1].body[0], For):
        nest.append(nest[-1].body[0])
    return nest


def _range(s: For) -> range | None:
    known = isinstance(s.lo, Const) and isinstance(s.hi, Const) and isinstance(s.step, Const)
    if not known or not s.step.value or s.until is not None:  # type: ignore[union-attr]
        return None
    return range(int(s.lo.value), int(s.hi.value), int(s.step.value))  # type: ignore[union-attr]


def _fused(a: For, b: For) -> For | None:
    first, second = _prefix(a), _prefix(b)
    depth = min(len(first), len(second))
    ranges = [(_range(x), _range(y)) for x, y in zip(first, second, strict=False)]
    if any(x is None or y is None or x != y or not x for x, y in ranges) or len(first[depth - 1].body) > FAR:
        return None
    copier = Copier(vars={y.var: Ref(x.var, x.var.span) for x, y in zip(first, second, strict=False)})
    head, tail = first[depth - 1].body, copier.body(second[depth - 1].body)
    if not _independent([x.var for x in first[:depth]], head, tail) or not _cheap(first, second, head, tail):
        return None
    body: Body = (*head, *tail)
    for loop, other in reversed(list(zip(first[:depth], second[:depth], strict=True))):
        kind = loop.kind if loop.kind is other.kind else in_order(loop.kind)
        body = (replace(loop, kind=kind, body=body),)
    (fused,) = body
    return fused if isinstance(fused, For) else None


def _independent(loops: list[Var], head: Body, tail: Body) -> bool:
    """Whether different iterations have nothing to do with each other, and errors come in the same order."""
    if all(any(isinstance(s, Assert) for s in statements(part)) for part in (head, tail)):
        return False
    shared = (stored(head) & _used(tail)) | (stored(tail) & _used(head))
    return all(_own(b, loops, (*head, *tail)) for b in shared)


def _used(body: Body) -> set[Buffer]:
    return loaded(body) | stored(body)


def _own(b: Buffer, loops: list[Var], body: Body) -> bool:
    """Whether an iteration accesses elements that no other one does: each loop variable is an index by itself."""
    places = [indices for s in statements(body) for buffer, indices in accesses(s) if buffer is b]
    return all(any(all(_is(i[axis], v) for i in places) for axis in range(b.rank)) for v in loops)


def _is(e: Expr, v: Var) -> bool:
    return isinstance(e, Ref) and e.var is v


def _cheap(first: list[For], second: list[For], head: Body, tail: Body) -> bool:
    """Whether fusion makes nothing slower: loops of one depth, or element-wise statements into a deeper nest."""
    if any(isinstance(s, While) for s in statements((*head, *tail))):
        return False
    inner = [any(isinstance(s, For) for s in statements(part)) for part in (head, tail)]
    if inner == [False, False]:
        return True
    if inner == [True, True]:
        return False
    moved, rest = (tail, head) if inner[0] else (head, tail)
    loops = [x.var for x in first[: min(len(first), len(second))]]
    steady = all(b.rank and _own(b, loops, moved) for b in stored(moved))
    return steady and all(_own(b, loops, (*head, *tail)) for b in _used(moved) & _used(rest))
