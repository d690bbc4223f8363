"""The loop with unit strides goes innermost, where that changes no element's order of accumulation.

In a perfect nest around one accumulation `B[v...] op= value` with distinct loop variables as indices, an element of
B is met once for each value of the other loops' variables, in their order. Any order of the nest that keeps those
others in their relative order accumulates each element in the same order, so not a bit changes.
"""

from __future__ import annotations

from dataclasses import replace

from gemel.semantics import ops
from gemel.semantics.ir import Apply, Expr, For, Kernel, Load, LoopKind, Reduce, Ref, Stmt, Store, Var
from gemel.semantics.traverse import Body, Copier, map_body, subexprs


def interchange(kernel: Kernel) -> Kernel:
    """The kernel with nests in the order that the memory likes best."""
    return replace(kernel, body=map_body(kernel.body, stmt=_changed))


def _nest(s: For) -> tuple[list[For], Reduce] | None:
    loops = [s]
    while len(loops[-1].body) == 1 and isinstance(loops[-1].body[0], For):
        loops.append(loops[-1].body[0])
    last = loops[-1].body
    if len(last) != 1 or not isinstance(last[0], Reduce):
        return None
    return loops, last[0]


def _changed(s: Stmt) -> Stmt | Body:
    if not isinstance(s, For):
        return s
    apart = _apart(s)
    if apart is None:
        return _reordered(s)
    first, rest = apart
    new = _reordered(rest)
    return s if new is rest else (first, new)


def _apart(s: For) -> tuple[For, For] | None:
    """A nest with a store and then loops as two nests: each element is stored to before it is accumulated into."""
    loops = [s]
    while len(loops[-1].body) == 1 and isinstance(loops[-1].body[0], For):
        loops.append(loops[-1].body[0])
    if len(loops[-1].body) != 2:
        return None
    store, inner = loops[-1].body
    if not isinstance(store, Store) or not isinstance(inner, For):
        return None
    found = _nest(inner)
    if found is None or not _same_element(store, found[1], loops):
        return None
    first, rest = _wrapped(loops, store), _wrapped(loops, inner)
    copy = Copier().stmt(first)
    return (copy, rest) if isinstance(copy, For) else None


def _same_element(store: Store, reduce: Reduce, loops: list[For]) -> bool:
    """Whether both go to the element that the loops' variables name, each iteration its own; the store reads none."""
    own = [i.var for i in store.indices if isinstance(i, Ref)]
    other = [i.var for i in reduce.indices if isinstance(i, Ref)]
    place = len(own) == len(store.indices) and own == other and len(reduce.indices) == len(own)
    read = any(isinstance(e, Load) and e.buffer is store.buffer for e in subexprs(store.value))
    return place and reduce.buffer is store.buffer and sorted(map(id, own)) == _ids(loops) and not read


def _ids(loops: list[For]) -> list[int]:
    return sorted(id(loop.var) for loop in loops)


def _wrapped(loops: list[For], inner: Stmt) -> For:
    """The loops around a statement."""
    for loop in reversed(loops):
        inner = replace(loop, body=(inner,))
    if not isinstance(inner, For):
        raise TypeError("no loops")
    return inner


def _reordered(s: For) -> For:
    found = better(s)
    return s if found is None else _wrapped(*found)


def better(s: For) -> tuple[list[For], Reduce] | None:
    """The loops of a nest in a better order, and what they do; None where theirs is as good."""
    found = _nest(s)
    if found is None or len(found[0]) < 2:
        return None
    loops, reduce = found
    if not _permutable(loops, reduce):
        return None
    outer = [e.var for e in reduce.indices if isinstance(e, Ref)]
    accesses = [reduce.indices, *(e.indices for e in subexprs(reduce.value) if isinstance(e, Load))]
    best = max((loop for loop in loops if loop.var in outer), key=lambda loop: _score(loop.var, accesses), default=None)
    if best is None or _score(best.var, accesses) <= _score(loops[-1].var, accesses):
        return None
    return [*(loop for loop in loops if loop is not best), best], reduce


def _permutable(loops: list[For], reduce: Reduce) -> bool:
    variables = {loop.var for loop in loops}
    plain = all(
        loop.until is None
        and not loop.carry
        and loop.kind is LoopKind.SERIAL
        and not any(_mentions(b, variables) or _loads(b) for b in (loop.lo, loop.hi, loop.step))
        for loop in loops
    )
    names = [e.var for e in reduce.indices if isinstance(e, Ref)]
    distinct = len(names) == len(reduce.indices) == len(set(names)) and set(names) <= variables
    pure = not any(isinstance(e, Load) and e.buffer is reduce.buffer for e in subexprs(reduce.value))
    return plain and distinct and pure and not any(_loads(i) for i in reduce.indices)


def _mentions(e: Expr, variables: set[Var]) -> bool:
    return any(isinstance(x, Ref) and x.var in variables for x in subexprs(e))


def _loads(e: Expr) -> bool:
    return any(isinstance(x, Load) for x in subexprs(e))


def _score(v: Var, accesses: list[tuple[Expr, ...]]) -> int:
    """How well the memory is walked with `v` innermost: unit strides and repeats are good, jumps bad."""
    total = 0
    for indices in accesses:
        where = [axis for axis, i in enumerate(indices) if _mentions(i, {v})]
        if not where:
            total += 1
        elif where == [len(indices) - 1] and _unit(indices[-1], v):
            total += 2
        else:
            total -= 8
    return total


def _unit(e: Expr, v: Var) -> bool:
    if isinstance(e, Ref):
        return e.var is v
    if isinstance(e, Apply) and e.op in (ops.ADD, ops.SUB):
        a, b = e.args
        return (_unit(a, v) and not _mentions(b, {v})) or (e.op is ops.ADD and _unit(b, v) and not _mentions(a, {v}))
    return False
