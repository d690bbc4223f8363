"""Float operators as functions of words against z3's own floats: `python benchmarks/prove_floats.py [--seconds S]`.

For each operator and IEEE format that z3 decides in time: no operands exist on which the two differ, where any NaN is
one value. A changed function has to be refuted as well, or a proof would say nothing. f8e4m3 has no infinities, so z3
has no theory of it, and none of sums of f8e5m2, whose exponent is longer than its mantissa: the function is proved for
the IEEE format of the former's lengths, and all pairs of both are compared (`floatwords.py`).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import z3
from harness import Row, report

from gemel.semantics import floats, ops
from gemel.semantics.dtypes import BF16, BOOL, F8E5M2, F16, BoolType, DType, FloatType, IntType, width_of
from gemel.semantics.ir import Apply, Const, Expr, Ref, Var
from gemel.semantics.ops import Op
from gemel.semantics.tower import Definition

IEEE8 = FloatType("ieee8", 4, 3)
"""f8e4m3 with infinities."""

SMALL = (ops.ADD, ops.SUB, ops.MUL, ops.FMA, ops.DIV, ops.SQRT, ops.RINT, ops.FLOOR, ops.LT, ops.LE, ops.EQ)
CASES = (
    *((op, IEEE8) for op in SMALL),
    *((op, F8E5M2) for op in (ops.MUL, ops.RINT, ops.LT)),
    *((op, BF16) for op in (ops.ADD, ops.RINT, ops.LT, ops.MUL)),
    (ops.ADD, F16),
)
NEAREST = z3.RNE()


def fitted(term: Any, source: DType, target: DType) -> Any:
    """A term of a type as one of another type: extended by its sign, or cut."""
    if isinstance(target, BoolType):
        return term if isinstance(source, BoolType) else term != 0
    if isinstance(source, BoolType):
        return z3.If(term, z3.BitVecVal(1, width_of(target)), z3.BitVecVal(0, width_of(target)))
    more = width_of(target) - width_of(source)
    if more <= 0:
        return z3.Extract(width_of(target) - 1, 0, term)
    signed = isinstance(source, IntType) and source.signed
    return z3.SignExt(more, term) if signed else z3.ZeroExt(more, term)


_ARITHMETIC: dict[Op, Callable[..., Any]] = {
    ops.ADD: lambda a, b: a + b,
    ops.SUB: lambda a, b: a - b,
    ops.MUL: lambda a, b: a * b,
    ops.NEG: lambda a: -a,
    ops.AND: lambda a, b: a & b,
    ops.OR: lambda a, b: a | b,
    ops.XOR: lambda a, b: a ^ b,
}
_LOGIC: dict[Op, Callable[..., Any]] = {ops.LAND: z3.And, ops.LOR: z3.Or, ops.LNOT: z3.Not}


class Words:
    """The term of a definition, with bit vectors as wide as its words."""

    def __init__(self, made: Definition, given: list[Any]) -> None:
        self.env: dict[Var, Any] = dict(zip(made.params, given, strict=True))
        for let in made.lets:
            self.env[let.var] = self.expr(let.value)
        self.result = self.expr(made.result)

    def expr(self, e: Expr) -> Any:
        match e:
            case Const():
                bits = width_of(e.dtype)
                return z3.BoolVal(e.value) if isinstance(e.dtype, BoolType) else z3.BitVecVal(int(e.value), bits)
            case Ref():
                return self.env[e.var]
            case Apply():
                return self.apply(e, [self.expr(a) for a in e.args])
            case _:
                raise TypeError(type(e).__name__)

    def apply(self, e: Apply, args: list[Any]) -> Any:
        types = [a.dtype for a in e.args]
        if e.op in _LOGIC:
            return _LOGIC[e.op](*args)
        if e.op in (ops.CAST, ops.BITCAST):
            return fitted(args[0], types[0], e.dtype)
        if e.op is ops.SELECT:
            return z3.If(args[0], *(fitted(a, t, e.dtype) for a, t in zip(args[1:], types[1:], strict=True)))
        if e.op is ops.BITS:
            high, low = (int(a.value) for a in e.args[1:] if isinstance(a, Const))
            return z3.Extract(high, low, args[0])
        if e.op is ops.CONCAT:
            return z3.Concat(*args)
        if e.op in ops.RELATIONS:
            wide = IntType(max(map(width_of, types)) + 1, True)
            a, b = (fitted(x, t, wide) for x, t in zip(args, types, strict=True))
            return a != b if isinstance(types[0], BoolType) else ops.RELATIONS[e.op](a, b)
        if e.op is ops.SHR and isinstance(e.args[1], Const):
            return fitted(z3.LShR(args[0], int(e.args[1].value)), types[0], e.dtype)
        if isinstance(e.dtype, BoolType) and e.op is ops.XOR:
            return z3.Xor(*args)
        return _ARITHMETIC[e.op](*(fitted(a, t, e.dtype) for a, t in zip(args, types, strict=True)))


_MEANINGS: dict[Op, Callable[..., Any]] = {
    ops.ADD: lambda a, b: z3.fpAdd(NEAREST, a, b),
    ops.SUB: lambda a, b: z3.fpSub(NEAREST, a, b),
    ops.MUL: lambda a, b: z3.fpMul(NEAREST, a, b),
    ops.DIV: lambda a, b: z3.fpDiv(NEAREST, a, b),
    ops.FMA: lambda a, b, c: z3.fpFMA(NEAREST, a, b, c),
    ops.SQRT: lambda a: z3.fpSqrt(NEAREST, a),
    ops.RINT: lambda a: z3.fpRoundToIntegral(NEAREST, a),
    ops.FLOOR: lambda a: z3.fpRoundToIntegral(z3.RTN(), a),
    ops.LT: z3.fpLT,
    ops.LE: z3.fpLEQ,
    ops.EQ: z3.fpEQ,
}


def answer(op: Op, t: FloatType, seconds: float, changed: bool = False) -> str:
    """What z3 says: "proved", "refuted", or "unknown" and why."""
    given = [z3.BitVec(name, t.width) for name in "abc"[: op.arity]]
    target: DType = BOOL if op in ops.RELATIONS else t
    got = Words(floats.definition(op, t, target), given).result
    if changed:
        got = z3.Xor(got, given[0] == 0x21) if target == BOOL else z3.If(given[0] == 0x21, got ^ 1, got)
    sort = z3.FPSort(t.exponent, t.mantissa + 1)
    want = _MEANINGS[op](*(z3.fpBVToFP(x, sort) for x in given))
    if target == BOOL:
        differs = z3.Xor(got, want)
    else:
        made = z3.fpBVToFP(got, sort)
        both = z3.And(z3.fpIsNaN(made), z3.fpIsNaN(want))
        differs = z3.Not(z3.Or(both, z3.And(z3.fpToIEEEBV(want) == got, z3.Not(z3.fpIsNaN(want)))))
    solver = z3.Solver()
    solver.set("timeout", int(seconds * 1000))
    solver.add(differs)
    said = {"unsat": "proved", "sat": "refuted"}.get(str(solver.check()))
    return said or f"unknown: {solver.reason_unknown()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="for each question")
    options = parser.parse_args()
    rows: list[Row] = []
    for op, t in CASES:
        begun = time.perf_counter()
        said = answer(op, t, options.seconds)
        seconds = time.perf_counter() - begun
        wrong = answer(op, t, options.seconds, changed=True)
        rows.append({"operator": f"{t}_{op.name}", "z3": said, "seconds": round(seconds, 1), "changed": wrong})
        print(rows[-1], flush=True)
    report("prove_floats", rows)


if __name__ == "__main__":
    main()
