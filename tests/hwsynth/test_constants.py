"""Products by constants: as sums of shifted operands where these are few."""

from __future__ import annotations

import random

import pytest
from circuits import run_streams

from gemel.hwsynth.arithmetic import signed_digits
from gemel.hwsynth.dfg import Graph
from gemel.hwsynth.nodes import Node
from gemel.hwsynth.schedule import Clock
from gemel.hwsynth.targets import target
from gemel.hwsynth.units import Operation
from gemel.hwsynth.unitsynth import UNITS
from gemel.semantics import ops
from gemel.semantics.dtypes import Int, UInt
from gemel.semantics.ir import Var
from gemel.semantics.span import BUILTIN, Span

FACTORS = [0, 1, -1, 2, 3, 7, 10, -3, -8, 23, 100, 255, -256, 1000, 12345, -54321, 0x55555, 2863311531, -(1 << 40) + 3]
TYPES = [(Int(9), None), (UInt(32), UInt(32)), (Int(32), Int(20)), (UInt(40), None)]


@pytest.mark.parametrize("value", [*range(-70, 70), *FACTORS])
def test_signed_digits(value: int) -> None:
    digits = signed_digits(value)
    assert sum(sign << place for place, sign in digits) == value
    assert len(digits) <= (value.bit_length() + 2) // 2
    assert all(sign > 0 for _, sign in digits) or len(digits) < value.bit_count() or value < 0


def test_products_by_constants() -> None:
    cases = [(t, f, w or UInt(80)) for t, w in TYPES for f in FACTORS]
    inputs = tuple((f"x{n}", t) for n, (t, _) in enumerate(TYPES))
    outputs = tuple((f"r{n}", w) for n, (_, _, w) in enumerate(cases))
    place = {t: n for n, (t, _) in enumerate(TYPES)}

    def build_all(g: Graph, args: tuple[Node, ...], span: Span) -> tuple[Node, ...]:
        return tuple(g.apply(ops.MUL, (args[place[t]], g.const(f, None, span)), w, span) for t, f, w in cases)

    unit = UNITS.pipelined(
        Operation("constants", "constants", "mul", inputs, outputs, build_all), Clock(8.0, target("ecp5"))
    )
    rng = random.Random(1)
    streams = {
        f"x{n}": [t.lo, t.hi, 0, *(rng.randint(t.lo, t.hi) for _ in range(20))] for n, (t, _) in enumerate(TYPES)
    }
    padded = {name: values + [0] * unit.latency for name, values in streams.items()}
    found = run_streams(unit.module, padded, "native")
    for n, (t, factor, w) in enumerate(cases):
        expected = [ops.MUL.meaning(w, (t, t), (v, factor)) for v in streams[f"x{place[t]}"]]
        assert found[f"r{n}"][unit.latency :] == expected, (t, factor)


def test_a_few_sums_take_no_multiplier() -> None:
    g = Graph(Clock(10.0, target("ecp5")))
    x = g.input(Var("x", Int(16), BUILTIN), BUILTIN)
    for factor, multiplies in ((23, False), (-7, False), (1000, False), (0x5555, True)):
        before = len(g.nodes)
        g.apply(ops.MUL, (x, g.const(factor, None, BUILTIN)), None, BUILTIN)
        assert any(n.op is ops.MUL for n in g.nodes[before:]) == multiplies
