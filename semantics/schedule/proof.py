"""Proof that two kernels leave the same in all elements, for all sizes, and touch no place outside of arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import z3

from gemel.semantics import ops
from gemel.semantics.ir import Apply, Assume, Buffer, Expr, For, If, Kernel, Load, Reduce, Store
from gemel.semantics.schedule.agree import Agreement
from gemel.semantics.schedule.elements import Elements
from gemel.semantics.schedule.integers import Frame
from gemel.semantics.schedule.terms import Facts, Unknown
from gemel.semantics.traverse import exprs_of, stored

NOWHERE = Frame((), 0)


def proved(first: Kernel, second: Kernel, exact: bool) -> str:
    """Shows that kernels with the same parameters are the same function; "" or why that isn't known."""
    facts, dims = Facts(), dict[str, Any]()
    try:
        sides = [Elements(k, facts, dims) for k in (first, second)]
        assumed = _assumed(sides[0])
        facts.known[:0], facts.assumed = assumed, len(assumed)
        _inside(sides[1], Frame(second.body, len(second.body)))
        changed = [stored(k.body) for k in (first, second)]
        for a, b in zip((*first.params, *first.results), (*second.params, *second.results), strict=True):
            if isinstance(a, Buffer) and isinstance(b, Buffer) and (a in changed[0] or b in changed[1]):
                why = _same(sides, a, b, exact)
                if why:
                    return why
    except Unknown as error:
        return str(error)
    except z3.Z3Exception as error:
        return f"z3: {error}"
    return ""


def _assumed(side: Elements) -> list[Any]:
    """What is stated at the top of a kernel, as far as it is of sizes and parameters."""
    body = side.kernel.body
    found = [side.truth_or_none(s.cond, Frame(body, n)) for n, s in enumerate(body) if isinstance(s, Assume)]
    return [cond for cond in found if cond is not None]


def _same(sides: list[Elements], a: Buffer, b: Buffer, exact: bool) -> str:
    """Whether all elements of an array are the same in both kernels."""
    facts = sides[0].facts
    sizes = [sides[0].whole(n, NOWHERE) for n in a.shape]
    at = tuple(facts.fresh(a.hint) for _ in sizes)
    with facts.given(*(z3.And(i >= 0, i < n) for i, n in zip(at, sizes, strict=True))):
        terms = [side.last(x, at) for side, x in zip(sides, (a, b), strict=True)]
        same = Agreement(facts, exact).same(*terms)
    return "" if same else f"{a.hint} isn't shown to hold the same in the end"


# -------------------------------------------------------------------------------------------------------------- places


def _inside(side: Elements, frame: Frame) -> None:
    """Raises Unknown unless all accesses of a block stay inside of their arrays.

    Places that depend on what an array holds are left to the checks that the original has.
    """
    for n, s in enumerate(frame.body):
        here = frame.before(n)
        for e in exprs_of(s):
            for load, conds in _loads(e, side, here, ()):
                _in_range(side, load.buffer, load.indices, here, conds)
        match s:
            case Store() | Reduce():
                _in_range(side, s.buffer, s.indices, here, ())
            case For():
                v = side.facts.fresh(s.var.hint)
                with side.facts.given(side.whole(s.lo, here) <= v, v < side.whole(s.hi, here)):
                    _inside(side, Frame(s.body, len(s.body), here, s, v))
            case If():
                cond = side.truth_or_none(s.cond, here)
                for block, truth in ((s.then, True), (s.orelse, False)):
                    with side.facts.given(*_known(cond, truth)):
                        _inside(side, Frame(block, len(block), here))
            case _:
                pass


def _known(cond: Any | None, truth: bool) -> tuple[Any, ...]:
    return () if cond is None else (cond if truth else z3.Not(cond),)


def _loads(e: Expr, side: Elements, frame: Frame, conds: tuple[Any, ...]) -> Iterator[tuple[Load, tuple[Any, ...]]]:
    """The loads of an expression, with the conditions on which they are evaluated."""
    if isinstance(e, Apply) and e.op is ops.SELECT:
        cond = side.truth_or_none(e.args[0], frame)
        yield from _loads(e.args[0], side, frame, conds)
        for arg, truth in zip(e.args[1:], (True, False), strict=True):
            yield from _loads(arg, side, frame, (*conds, *_known(cond, truth)))
    elif isinstance(e, Apply):
        for n, arg in enumerate(e.args):
            first = side.truth_or_none(e.args[0], frame) if n and e.op in (ops.LAND, ops.LOR) else None
            yield from _loads(arg, side, frame, (*conds, *_known(first, e.op is ops.LAND)))
    elif isinstance(e, Load):
        yield e, conds
        for i in e.indices:
            yield from _loads(i, side, frame, conds)


def _in_range(side: Elements, b: Buffer, indices: Sequence[Expr], frame: Frame, conds: tuple[Any, ...]) -> None:
    for i, size in zip(indices, b.shape, strict=True):
        at = side.whole(i, frame)
        if not _of_data(at) and side.facts.possible(*conds, z3.Or(at < 0, at >= side.whole(size, frame))):
            raise Unknown(f"an access may lie outside of {b.hint} (line {i.span.line})")


def _of_data(e: Any) -> bool:
    """Whether a place depends on what an array holds."""
    own = e.num_args() > 0 and e.decl().kind() == z3.Z3_OP_UNINTERPRETED
    return own or any(map(_of_data, e.children()))
