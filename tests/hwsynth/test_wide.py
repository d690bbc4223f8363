"""Operators that are slower than the clock are done in parts, and come to the same."""

from __future__ import annotations

import random

from circuits import run_streams, unit_results

from gemel.hwsynth.dfg import Graph
from gemel.hwsynth.nodes import Node
from gemel.hwsynth.schedule import Clock
from gemel.hwsynth.targets import target
from gemel.hwsynth.units import Operation
from gemel.hwsynth.unitsynth import UNITS
from gemel.hwsynth.wide import RULES
from gemel.semantics import build, ops
from gemel.semantics.dtypes import DType, Int, IntType, UInt
from gemel.semantics.ir import Ref, Var
from gemel.semantics.span import BUILTIN, Span

FAST = Clock(3.2, target("ecp5"))
"""A sum of 14 bits fits."""

ORDER = (ops.LT, ops.LE, ops.GT, ops.GE, ops.EQ, ops.NE)
OTHERS = (ops.NEG, ops.ABS, ops.SHL, ops.SHR, ops.SATURATE, ops.MUL)


def rule_type(op: ops.Op, types: tuple[IntType, ...]) -> DType:
    return build.result_type(op, tuple(Ref(Var("x", t, BUILTIN), BUILTIN) for t in types), BUILTIN)


def corners(t: IntType, rng: random.Random) -> int:
    near = [t.lo, t.hi, 0, 1, t.hi // 2, *([-1] if t.signed else [])]
    return rng.choice(near) if rng.random() < 0.3 else rng.randint(t.lo, t.hi)


CASES = [(op, (UInt(40), Int(33))) for op in RULES if op not in OTHERS]
CASES += [(op, (Int(37), Int(37))) for op in (ops.ADD, ops.SUB, *ORDER, ops.MIN)]
CASES += [(ops.NEG, (UInt(40),)), (ops.NEG, (Int(40),)), (ops.ABS, (Int(40),))]
CASES += [(op, types) for op in (ops.SHL, ops.SHR) for types in ((Int(36), UInt(6)), (UInt(36), UInt(6)))]
CASES += [(ops.SHR, (Int(36), Int(9))), (ops.MUL, (Int(20), UInt(13))), (ops.MUL, (UInt(13), Int(15)))]
CASES += [(ops.SATURATE, (Int(36),))]


def result_of(op: ops.Op, types: tuple[IntType, ...]) -> DType:
    return Int(20) if op is ops.SATURATE else rule_type(op, types)


def test_parts_come_to_the_same() -> None:
    inputs = [(f"x{n}_{k}", t) for n, (_, types) in enumerate(CASES) for k, t in enumerate(types)]
    outputs = [(f"r{n}", result_of(*case)) for n, case in enumerate(CASES)]

    def build_all(g: Graph, args: tuple[Node, ...], span: Span) -> tuple[Node, ...]:
        rest = list(args)
        pairs = [(op, tuple(rest.pop(0) for _ in types)) for op, types in CASES]
        return tuple(g.apply(op, operands, t, span) for (op, operands), (_, t) in zip(pairs, outputs, strict=True))

    unit = UNITS.pipelined(Operation("wide", "wide", "wide", tuple(inputs), tuple(outputs), build_all), FAST)
    assert unit.latency
    rng = random.Random(1)
    rows = [[corners(t, rng) for _, t in inputs] for _ in range(200)]
    streams = {n: [row[k] for row in rows] + [0] * unit.latency for k, (n, _) in enumerate(inputs)}
    found = run_streams(unit.module, streams, "native")
    for n, (op, types) in enumerate(CASES):
        operands = zip(*(streams[f"x{n}_{k}"] for k in range(len(types))), strict=True)
        expected = [int(op.meaning(outputs[n][1], types, values)) for values in operands][: len(rows)]
        assert found[f"r{n}"][unit.latency :] == expected, (op.name, types)


def test_a_sum_with_a_literal_ends_where_such_sums_are_slower_than_others() -> None:
    x = IntType(32, True)

    def summed(g: Graph, args: tuple[Node, ...], span: Span) -> tuple[Node, ...]:
        return (g.apply(ops.ADD, (g.const(0, x, span), args[0]), x, span),)

    clock = Clock(1000 / 120, target("ice40"))
    unit = UNITS.pipelined(Operation("summed", "summed", "summed", (("a", x),), (("b", x),), summed), clock)
    assert unit_results(unit, [(5,), (-3,)]) == [(5,), (-3,)]
