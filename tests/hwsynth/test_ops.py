"""Every op at many widths and signs, through the native simulator and Verilator, against its meaning."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from circuits import ENGINES, combinational, const, harness, net, op, ref, run_model

from gemel.hwsynth.engines import build
from gemel.hwsynth.netlist import NETLIST_OPS, Module
from gemel.semantics import ops
from gemel.semantics.dtypes import BOOL, Int, IntType, UInt, as_int, width_of
from gemel.semantics.ir import Apply, Const, Expr, Ref, Var
from gemel.semantics.ops import Op

SMALL = (BOOL, UInt(1), Int(1), UInt(3), Int(5), UInt(8), Int(8))
WIDE = (UInt(33), Int(64), UInt(65), Int(130))
ARITHMETIC = (ops.ADD, ops.SUB, ops.MUL, ops.FLOORDIV, ops.MOD)
BITWISE = (ops.AND, ops.OR, ops.XOR)
COMPARISONS = (ops.EQ, ops.NE, ops.LT, ops.LE, ops.GT, ops.GE)
EXTREMES = (ops.MIN, ops.MAX)
SHIFTS = (ops.SHL, ops.SHR)
VECTORS = 60
WORD = 2048

INPUTS: dict[Any, Var] = {t: net(f"x_{t}", t) for t in (*SMALL, *WIDE)}
SECOND: dict[Any, Var] = {t: net(f"y_{t}", t) for t in (*SMALL, *WIDE)}


@dataclass(frozen=True)
class Case:
    """An op on inputs or literals."""

    expr: Apply

    @property
    def name(self) -> str:
        args = ", ".join(str(a.value) if isinstance(a, Const) else str(a.dtype) for a in self.expr.args)
        return f"{self.expr.op.name}({args}) as {self.expr.dtype}"

    def expected(self, env: dict[Var, int]) -> int:
        values = [self.value(a, env) for a in self.expr.args]
        if self.expr.op in SHIFTS:
            values[1] = min(values[1], 5000)  # Python would make the number
        return int(self.expr.op.meaning(self.expr.dtype, tuple(a.dtype for a in self.expr.args), tuple(values)))

    def value(self, e: Expr, env: dict[Var, int]) -> int:
        assert isinstance(e, Const | Ref)
        return int(e.value) if isinstance(e, Const) else env[e.var]


def pairs() -> Iterator[tuple[Any, Any]]:
    yield from ((a, b) for a in SMALL for b in SMALL)
    for t in WIDE:
        yield from ((t, t), (t, Int(5)), (UInt(8), t))


def others(rng: random.Random, dtype: Any) -> Any:
    """A result type that the rule doesn't give: narrower, wider, of the other sign."""
    width = max(1, width_of(dtype) + rng.choice((-7, -3, -2, -1, 0, 1, 3)))
    return IntType(width, rng.random() < 0.5)


def case(row: Op, *args: Expr, dtype: Any = None) -> Case:
    made = op(row, *args, dtype=dtype)
    assert isinstance(made, Apply)
    return Case(made)


def integer_cases(rng: random.Random, row: Op, a: Expr, b: Expr) -> Iterator[Case]:
    """At the rule's type and at another one."""
    yield (first := case(row, a, b))
    if first.expr.dtype != BOOL:
        yield case(row, a, b, dtype=others(rng, first.expr.dtype))


def binary_cases(rng: random.Random) -> Iterator[Case]:
    for s, t in pairs():
        a, b = ref(INPUTS[s]), ref(SECOND[t])
        for row in (*ARITHMETIC, *BITWISE, *EXTREMES):
            yield from integer_cases(rng, row, a, b)
        yield from (case(row, a, b) for row in COMPARISONS)
        yield case(ops.CONCAT, a, b)
        yield from shift_cases(rng, a, b)
        yield case(ops.SELECT, ref(SECOND[BOOL]), a, b)


def shift_cases(rng: random.Random, a: Expr, b: Expr) -> Iterator[Case]:
    whole = as_int(a.dtype)
    assert whole is not None
    for row in SHIFTS:
        yield case(row, a, b, dtype=whole)
        yield case(row, a, b, dtype=others(rng, whole))


def literal_cases(rng: random.Random) -> Iterator[Case]:
    """One operand a literal: powers of two, corners, out of the other side's range."""
    for t in (*SMALL, *WIDE):
        a = ref(INPUTS[t])
        for value in (0, 1, 2, 7, 8, 64, 200, -1, -3, -8, -200):
            c = const(value, Int(10) if value < 0 else rng.choice((UInt(8), Int(9), UInt(70))))
            for row in (*ARITHMETIC, *BITWISE, ops.LT, ops.EQ, ops.MIN):
                yield from integer_cases(rng, row, a, c)
            yield from integer_cases(rng, ops.FLOORDIV, c, a)
            yield from integer_cases(rng, ops.MOD, c, a)
            if value >= 0:
                yield from shift_cases(rng, a, c)
        yield case(ops.SUB, a, const(-128, Int(8)))
        yield case(ops.ADD, const(-(1 << 69), Int(70)), a)


def unary_cases(rng: random.Random) -> Iterator[Case]:
    for t in (*SMALL, *WIDE):
        a = ref(INPUTS[t])
        for row in (ops.NEG, ops.ABS, *((ops.INVERT,) if t != BOOL else ())):
            yield (first := case(row, a))
            yield case(row, a, dtype=others(rng, first.expr.dtype))
        for target in (*SMALL, *WIDE):
            yield case(ops.CAST, a, dtype=target)
            yield case(ops.SATURATE, a, dtype=target)
        yield case(ops.BITCAST, a, dtype=IntType(width_of(t), not (t != BOOL and t.signed)))
        for hi, lo in {(0, 0), (width_of(t) - 1, 0), (width_of(t) - 1, width_of(t) // 2), (width_of(t) // 2, 0)}:
            yield case(ops.BITS, a, const(hi, UInt(8)), const(lo, UInt(8)))
    a, b = ref(INPUTS[BOOL]), ref(SECOND[BOOL])
    yield from (case(ops.LAND, a, b), case(ops.LOR, a, b), case(ops.LNOT, a))
    yield case(ops.BITCAST, ref(INPUTS[UInt(1)]), dtype=BOOL)


@cache
def all_cases() -> tuple[Case, ...]:
    rng = random.Random(1)
    return tuple([*unary_cases(rng), *binary_cases(rng), *literal_cases(rng)])


def packed(cases: Sequence[Case]) -> Iterator[list[Case]]:
    """Groups whose results fit in one word."""
    group: list[Case] = []
    for c in cases:
        if group and sum(width_of(x.expr.dtype) for x in [*group, c]) > WORD:
            yield group
            group = []
        group.append(c)
    yield group


def joined(group: Sequence[Case]) -> Expr:
    """All results side by side, the first at the bottom, as a balanced tree."""
    parts: list[Expr] = [c.expr for c in group]
    while len(parts) > 1:
        joints = [op(ops.CONCAT, b, a) for a, b in zip(parts[::2], parts[1::2], strict=False)]
        parts = joints + parts[len(joints) * 2 :]
    return parts[0] if isinstance(parts[0].dtype, IntType) else op(ops.CAST, parts[0], dtype=UInt(1))


def split(word: int, group: Sequence[Case]) -> Iterator[tuple[Case, int]]:
    for c in group:
        width = width_of(c.expr.dtype)
        yield c, word & ((1 << width) - 1)
        word >>= width


PARTS = 4
"""The cases are spread over this many circuits."""


@cache
def circuit(part: int) -> tuple[Module, tuple[list[Case], ...]]:
    groups = tuple(list(packed(all_cases()))[part::PARTS])
    outputs = {f"word{k}": joined(g) for k, g in enumerate(groups)}
    return combinational(f"ops{part}", [*INPUTS.values(), *SECOND.values()], outputs), groups


def draw(rng: random.Random, t: Any) -> int:
    whole = as_int(t)
    corners = [whole.lo, whole.lo + 1, -1, 0, 0, 1, 2, 3, whole.hi - 1, whole.hi, whole.hi // 2]
    inside = [v for v in corners if whole.lo <= v <= whole.hi]
    return rng.choice(inside) if rng.random() < 0.6 else rng.randint(whole.lo, whole.hi) >> rng.randrange(whole.width)


@cache
def streams() -> dict[str, list[int]]:
    rng = random.Random(2)
    return {v.hint: [draw(rng, v.dtype) for _ in range(VECTORS)] for v in (*INPUTS.values(), *SECOND.values())}


def wrong(part: int, got: dict[str, list[int]]) -> list[str]:
    """What differs from the ops' meanings, as text."""
    _, groups = circuit(part)
    hints = {v.hint: v for v in (*INPUTS.values(), *SECOND.values())}
    bad = []
    for cycle in range(VECTORS):
        env = {v: streams()[h][cycle] for h, v in hints.items()}
        for k, group in enumerate(groups):
            for c, bits in split(got[f"word{k}"][cycle] & ((1 << WORD) - 1), group):
                want = c.expected(env) & ((1 << width_of(c.expr.dtype)) - 1)
                if bits != want:
                    args = [c.value(a, env) for a in c.expr.args]
                    bad.append(f"{c.name} of {args}: {bits}, not {want}")
    return bad


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("engine", ENGINES[:2])  # Icarus 11 gives another quotient for 65-bit operands
def test_ops_mean_the_same_in_every_engine(engine: str, part: int) -> None:
    dut, _ = circuit(part)
    sut = harness(dut, VECTORS)
    assert wrong(part, run_model(build(sut, engine, VECTORS), sut, streams())) == []


def test_every_op_of_netlists_is_among_the_cases() -> None:
    assert {c.expr.op for c in all_cases()} == NETLIST_OPS
