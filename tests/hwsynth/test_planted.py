"""Errors planted in the generator, one a pass: the proof refutes each with inputs for which the simulators err too."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from proving import histogram, matmul

import gemel as gm
from gemel import f32, i8, i16, i32
from gemel.hwsynth import (
    arithmetic,
    banking,
    dependence,
    dfg,
    exclusive,
    pipeline,
    schedule,
    stages,
    synthesis,
    units,
    unitsynth,
)
from gemel.hwsynth.design import Design
from gemel.hwsynth.generate import counters, overlap, pieces
from gemel.hwsynth.netlist import Register
from gemel.semantics import build, ops
from gemel.semantics.convert import from_bits
from gemel.semantics.dtypes import FloatType, IntType
from gemel.semantics.errors import ToolError
from gemel.semantics.ir import Apply, Expr, Kernel
from gemel.semantics.passes import narrow
from gemel.semantics.traverse import map_body, map_expr, map_own_exprs

Patch = pytest.MonkeyPatch


@gm.kernel
def gated(A: i32[8], C: i32[8]) -> None:
    for i in range(8):
        if A[i] > 3:
            C[i] = A[i] * 2


@gm.kernel
def reversed_halves(A: i16[8], B: i16[8]) -> i16[8]:
    C = gm.zeros((8,), i16)
    for i in range(8):
        C[i] = A[7 - i] + B[i]
    return C


@gm.kernel
def two_products(A: i32[4], B: i32[4]) -> i32[4]:
    C = gm.zeros((4,), i32)
    for i in range(4):
        C[i] = A[i] * 3001 * B[i] + A[i] * A[i]
    return C


@gm.kernel
def one_of_two(A: i8[8], x: i8) -> i8[8]:
    C = gm.zeros((8,), i8)
    for i in range(8):
        v: i8 = 0
        if x > 3:
            v = A[i]
        if x > 1:
            v = v + A[7 - i]
        C[i] = v
    return C


@gm.kernel
def sums(A: i8[8], B: i8[8]) -> i16[8]:
    C = gm.zeros((8,), i16)
    for i in range(8):
        C[i] = gm.cast(A[i], i16) + gm.cast(B[i], i16)
    return C


@gm.kernel
def three(A: f32[4], B: f32[4], C: f32[4]) -> f32[4]:
    D = gm.zeros((4,), f32)
    for i in range(4):
        D[i] = (A[i] + B[i]) + C[i]
    return D


@gm.kernel
def rows_turned(A: i32[6, 4], B: i32[6, 4]):
    for t in range(6):
        row = gm.empty((4,), i32)
        for i in range(4):
            row[i] = A[t, i] * 3
        for i in range(4):
            B[t, i] = row[3 - i]


@gm.kernel
def forth_and_back(A: i32[4], B: i32[4]) -> i32[4]:
    C = gm.empty((4,), i32)
    for i in range(4):
        B[i] = A[i] * 3
    for i in range(4):
        C[i] = B[3 - i] + 1
    return C


# --------------------------------------------------------------------------------------------------------------- errors


def schedule_off_by_one(patch: Patch) -> None:
    task = schedule._task

    def early(n: Any, *args: Any) -> Any:
        made = task(n, *args)
        return made if n.unit is None else replace(made, latency=made.latency - 1)

    patch.setattr(schedule, "_task", early)


def stage_register_dropped(patch: Patch) -> None:
    held = stages.Stages._held
    patch.setattr(stages.Stages, "_held", lambda self, n, turn: held(self, n, max(0, turn - 1)))


def wrong_bank(patch: Patch) -> None:
    number = banking.Digit.number_expr

    def next_one(self: Any, index: Any) -> Expr:
        shifted = [build.add(i, build.index(1, i.span), i.span) for i in index]
        return number(self, shifted)

    patch.setattr(banking.Digit, "number_expr", next_one)


def width_too_narrow(patch: Patch) -> None:
    fitting = narrow._fitting

    def smaller(dtype: Any, interval: Any) -> Any:
        found = fitting(dtype, interval)
        return IntType(8, found.signed) if isinstance(found, IntType) and found.width == 9 else found

    patch.setattr(narrow, "_fitting", smaller)


def operands_crossed(patch: Patch) -> None:
    instance = units.Bank._instance

    def crossed(self: Any, key: Any, chain: int) -> Any:
        uses = self.uses[key]
        if len(uses) > 1:
            self.uses[key] = [(use[0], *other[1:]) for use, other in zip(uses, uses[1:] + uses[:1], strict=True)]
        return instance(self, key, chain)

    patch.setattr(units.Bank, "_instance", crossed)


def counter_off_by_one(patch: Patch) -> None:
    bounds = counters.constant_bounds
    patch.setattr(counters, "constant_bounds", lambda s: (r := bounds(s)) and range(r.start, r.stop - (len(r) == 4)))


def condition_inverted(patch: Patch) -> None:
    from gemel.hwsynth.dfg import Graph

    store = Graph._store

    def inverted(self: Any, b: Any, indices: Any, value: Any, pred: Any, span: Any) -> None:
        turned = None if pred is None else self.apply(ops.LNOT, (pred,), pred.dtype, span)
        store(self, b, indices, value, turned, span)

    patch.setattr(Graph, "_store", inverted)


def order_dropped(patch: Patch) -> None:
    patch.setattr(dependence, "_between", lambda a, b, distances: iter(()))


def loops_that_depend_run_together(patch: Patch) -> None:
    patch.setattr(overlap._Uses, "before", lambda self, other: False)


def copies_confused(patch: Patch) -> None:
    patch.setattr(dfg.Graph, "_at", lambda self, b, inside: {"args": (inside,)})


def product_without_its_middle(patch: Patch) -> None:
    product = arithmetic._product

    def without(g: Any, a: Any, b: Any, width: int, span: Any) -> Any:
        made = product(g, a, b, width, span)
        split = made.op is ops.ADD and width == 32
        return g.cast(made.args[1], made.dtype, span) if split else made

    patch.setattr(arithmetic, "_product", without)


def floats_reassociated(patch: Patch) -> None:
    def node(e: Expr) -> Expr:
        if isinstance(e, Apply) and e.op is ops.ADD and isinstance(e.dtype, FloatType):
            first = e.args[0]
            if isinstance(first, Apply) and first.op is ops.ADD:
                a, b = first.args
                inner = build.apply(ops.ADD, b, e.args[1], span=e.span, dtype=e.dtype)
                return build.apply(ops.ADD, a, inner, span=e.span, dtype=e.dtype)
        return e

    def reassociate(kernel: Kernel) -> Kernel:
        return replace(kernel, body=map_body(kernel.body, stmt=lambda s: map_own_exprs(s, lambda e: map_expr(node, e))))

    for module in (pipeline, synthesis):
        patch.setattr(module, "HARDWARE", (reassociate, *pipeline.HARDWARE))


def reset_missing(patch: Patch) -> None:
    patch.setattr(pieces, "Register", lambda var, nxt, enable=None, reset=None: Register(var, nxt, enable, None))


def ports_taken_wrongly(patch: Patch) -> None:
    patch.setattr(exclusive.Exclusive, "__post_init__", _without_conditions)


def _without_conditions(self: Any) -> None:
    before = [(n, n.args, n.inside, n.pred) for n in self.graph.nodes]
    self.saved = (
        before,
        dict(self.graph.env),
        {b: list(x) for b, x in self.graph.accesses.items()},
        dict(self.graph.known),
    )
    self.apart = lambda a, b: True


@dataclass(frozen=True)
class Planted:
    """An error, and a design that it spoils."""

    plant: Callable[[Patch], None]
    design: Callable[[], Design]


def banked() -> Design:
    return reversed_halves.schedule().partition("A", 0, 2).kernel.synth()


PLANTED = [
    Planted(schedule_off_by_one, lambda: matmul.synth(M=2, N=2, K=4, clock_mhz=150)),
    Planted(stage_register_dropped, lambda: matmul.synth(M=2, N=3, K=4)),
    Planted(wrong_bank, banked),
    Planted(width_too_narrow, sums.synth),
    Planted(operands_crossed, lambda: two_products.synth(resources={"mul": 1})),
    Planted(counter_off_by_one, lambda: matmul.synth(M=2, N=3, K=4)),
    Planted(condition_inverted, gated.synth),
    Planted(order_dropped, histogram.synth),
    Planted(loops_that_depend_run_together, forth_and_back.synth),
    Planted(copies_confused, rows_turned.synth),
    Planted(product_without_its_middle, lambda: matmul.synth(M=2, N=2, K=2)),
    Planted(floats_reassociated, three.synth),
    Planted(reset_missing, lambda: matmul.synth(M=2, N=3, K=4)),
    Planted(ports_taken_wrongly, one_of_two.synth),
]


@pytest.mark.parametrize("case", PLANTED, ids=[p.plant.__name__ for p in PLANTED])
def test_a_planted_error_is_refuted_with_inputs_that_show_it(case: Planted, monkeypatch: Patch) -> None:
    right = case.design().verilog
    case.plant(monkeypatch)
    monkeypatch.setattr(unitsynth.UNITS, "made", {})
    design = case.design()
    assert design.verilog != right, "the error changes nothing"
    proof = design.prove(seconds=5, mutants=0)
    assert proof.status == "refuted", str(proof)
    shown = proof.counterexample
    assert shown is not None, str(proof)
    assert shown.found != shown.expected
    assert shown.replay("native") != shown.expected, str(proof)


def spoilt(monkeypatch: Patch) -> Design:
    monkeypatch.setattr(unitsynth.UNITS, "made", {})
    product_without_its_middle(monkeypatch)
    return matmul.synth(M=2, N=2, K=2)


def test_a_counterexample_has_arrays_and_a_wave(monkeypatch: Patch, tmp_path: Path) -> None:
    proof = spoilt(monkeypatch).prove(mutants=0)
    shown = proof.counterexample
    assert shown is not None
    A, B = (shown.arguments[name] for name in "AB")
    right = matmul(A, B)
    place = tuple(map(int, re.findall(r"\d+", shown.where)))
    assert int(right[place]) == from_bits(shown.expected, i32)
    assert f"{shown.where} is {from_bits(shown.found, i32)}, not {right[place]}, after " in str(proof)
    shown.wave(tmp_path / "run.vcd")
    assert "C_wdata" in (tmp_path / "run.vcd").read_text()


@pytest.mark.slow
def test_a_counterexample_errs_in_verilator_too(monkeypatch: Patch) -> None:
    shown = spoilt(monkeypatch).prove(mutants=0).counterexample
    assert shown is not None
    assert shown.replays() == {"native": shown.found, "verilator": shown.found}


def test_a_port_to_a_memory_is_seen_in_the_wave_only(monkeypatch: Patch) -> None:
    shown = spoilt(monkeypatch).prove(mutants=0).counterexample
    assert shown is not None
    inside = replace(shown, difference=replace(shown.difference, buffer=None, where="C_wen"))
    assert not inside.errs()
    assert all("within what is simulated" in str(v) for v in inside.replays().values())


def test_text_without_a_design_is_not_simulated(monkeypatch: Patch) -> None:
    shown = spoilt(monkeypatch).prove(mutants=0).counterexample
    assert shown is not None
    with pytest.raises(ToolError, match="no netlist"):
        replace(shown, design=None).replay()
