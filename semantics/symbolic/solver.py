"""Terms for z3: bit-vectors, with functions that nothing is known of as uninterpreted ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import z3

from gemel.semantics.solvers import new_solver
from gemel.semantics.symbolic.terms import Term, Value, Words
from gemel.semantics.symbolic.verdict import PROVED, REFUTED, UNKNOWN, Verdict
from gemel.semantics.symbolic.walk import postorder, symbols


def ask(words: Words, a: Value, b: Value, w: int, given: Value, seconds: float, effort: int = 0) -> Verdict:
    """Whether two words are equal where a bit is set, by z3, which may be limited in its own count of `effort` too."""
    made: dict[Term, Any] = {}
    x, y = (translated(v, w, made) for v in (a, b))
    cond = translated(given, 1, made) == 1
    solver = new_solver()
    solver.set("timeout", max(1, int(seconds * 1000)))
    if effort:
        solver.set("rlimit", effort)
    solver.add(cond, x != y)
    answer = solver.check()
    if answer == z3.unsat:
        return Verdict(PROVED, "z3")
    if answer != z3.sat:
        return Verdict(UNKNOWN, f"z3 gives no answer in {seconds:.0f} s")
    model = solver.model()
    values = {t: model.eval(made[t], model_completion=True).as_long() for t in symbols([a, b, given]) if t in made}
    return Verdict(REFUTED, "z3", values)


def translated(v: Value, w: int, made: dict[Term, Any]) -> Any:
    """A word as a bit-vector of z3; `made` keeps what was translated."""
    if type(v) is int:
        return z3.BitVecVal(v, w)
    for t in postorder([v], made.__contains__):
        made[t] = _TABLE[t.op](t, lambda x, n: z3.BitVecVal(x, n) if type(x) is int else made[x])
    return made[v]


Look = Callable[[Value, int], Any]


def _bit(cond: Any) -> Any:
    return z3.If(cond, z3.BitVecVal(1, 1), z3.BitVecVal(0, 1))


def _two(function: Callable[[Any, Any], Any]) -> Callable[[Term, Look], Any]:
    return lambda t, at: function(at(t.args[0], t.w), at(t.args[1], t.w))


def _compare(function: Callable[[Any, Any], Any]) -> Callable[[Term, Look], Any]:
    def translate(t: Term, at: Look) -> Any:
        w = next(x.w for x in t.args if type(x) is Term)
        return _bit(function(at(t.args[0], w), at(t.args[1], w)))

    return translate


def _shift(function: Callable[[Any, Any], Any]) -> Callable[[Term, Look], Any]:
    def translate(t: Term, at: Look) -> Any:
        a, by = at(t.args[0], t.w), at(t.args[1], t.args[1].w)
        w = max(t.w, by.size())
        sign = z3.SignExt if function is _ashr else z3.ZeroExt
        wide = function(sign(w - t.w, a), z3.ZeroExt(w - by.size(), by))
        return z3.Extract(t.w - 1, 0, wide)

    return translate


def _ashr(a: Any, b: Any) -> Any:
    return a >> b


def _shl(a: Any, b: Any) -> Any:
    return a << b


def _divide(function: Callable[[Any, Any], Any]) -> Callable[[Term, Look], Any]:
    def translate(t: Term, at: Look) -> Any:
        a, b = at(t.args[0], t.w), at(t.args[1], t.w)
        return z3.If(b == 0, z3.BitVecVal(0, t.w), function(a, b))

    return translate


def _pick(t: Term, at: Look) -> Any:
    index, cells = t.args[0], t.args[1:]
    place = at(index, index.w)
    found = at(cells[-1], t.w)
    for k in range(len(cells) - 2, -1, -1):
        found = z3.If(place == k, at(cells[k], t.w), found)
    return found


def _app(t: Term, at: Look) -> Any:
    args = [at(x, x.w if type(x) is Term else t.w) for x in t.args[1:]]
    signature = "_".join(str(a.size()) for a in args)
    function = z3.Function(f"{t.args[0]}:{signature}", *(z3.BitVecSort(a.size()) for a in args), z3.BitVecSort(t.w))
    return function(*args)


def _poly(t: Term, at: Look) -> Any:
    total = z3.BitVecVal(0, t.w)
    for mono, factor in t.args:
        product = z3.BitVecVal(factor, t.w)
        for atom, kind in mono:
            product = product * _resized(at(atom, atom.w), atom.w, t.w, kind)
        total = total + product
    return total


def _resized(a: Any, w: int, to: int, kind: str) -> Any:
    if w >= to:
        return z3.Extract(to - 1, 0, a)
    return z3.SignExt(to - w, a) if kind == "s" else z3.ZeroExt(to - w, a)


def _cat(t: Term, at: Look) -> Any:
    return z3.Concat(*[at(v, n) for n, v in zip(t.args[::2], t.args[1::2], strict=True)])


_TABLE: dict[str, Callable[[Term, Look], Any]] = {
    "var": lambda t, at: z3.BitVec(f"{t.args[0]}", t.w),
    "add": _two(lambda a, b: a + b),
    "mul": _two(lambda a, b: a * b),
    "times": _two(lambda a, b: a * b),
    "and": _two(lambda a, b: a & b),
    "or": _two(lambda a, b: a | b),
    "xor": _two(lambda a, b: a ^ b),
    "ite": lambda t, at: z3.If(at(t.args[0], 1) == 1, at(t.args[1], t.w), at(t.args[2], t.w)),
    "cat": _cat,
    "ext": lambda t, at: z3.Extract(t.args[1] + t.w - 1, t.args[1], at(t.args[0], t.args[0].w)),
    "sext": lambda t, at: z3.SignExt(t.w - t.args[0].w, at(t.args[0], t.args[0].w)),
    "eq": _compare(lambda a, b: a == b),
    "ult": _compare(z3.ULT),
    "slt": _compare(lambda a, b: a < b),
    "shl": _shift(_shl),
    "lshr": _shift(z3.LShR),
    "ashr": _shift(_ashr),
    "udiv": _divide(z3.UDiv),
    "urem": _divide(z3.URem),
    "app": _app,
    "pick": _pick,
    "poly": _poly,
}
"""By operator: a term in z3, given what its operands are there."""
