"""Validation for all sizes, and for large ones: proofs of what is the same, none of what isn't."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schedule.test_steps import gemm, layernorm, shifted, skewed, softmax, total, whole

import gemel as gm
from gemel import f32, i32
from gemel.fuzzing.cases import Case
from gemel.fuzzing.nests import nests, scheduled
from gemel.parser import parse
from gemel.schedule import Schedule
from gemel.semantics import ir
from gemel.semantics.errors import GemelError
from gemel.semantics.interp import interpret
from gemel.semantics.passes.guard import guard
from gemel.semantics.schedule.proof import proved
from gemel.semantics.schedule.validate import Validation, validate
from gemel.semantics.traverse import all_exprs, map_body

M, N, K = gm.dims("M N K")


@gm.kernel
def clipped(a: i32[M, N], low: i32) -> i32[M]:
    y = gm.zeros((M,), i32)
    for i in range(M):
        for j in range(N):
            if a[i, j] > low:
                y[i] += a[i, j]
    return y


@gm.kernel
def smooth(x: f32[N]) -> f32[N - 2]:
    t = gm.empty((N,), f32)
    for i in range(N):
        t[i] = x[i] * 0.5
    y = gm.empty((N - 2,), f32)
    for i in range(N - 2):
        y[i] = t[i] + t[i + 1] + t[i + 2]
    return y


@gm.kernel
def gathered(table: f32[64], at: i32[N]) -> f32[N]:
    gm.requires(all(at[k] >= 0 and at[k] < 64 for k in range(N)))
    y = gm.empty((N,), f32)
    for k in range(N):
        y[k] = table[at[k]] * 2.0
    return y


def tiled(tail: str = "bound") -> Schedule:
    s = gemm.schedule().split("i_1", 4, "it", "ir").split("j_1", 16, "jt", "jl").split("k", 8, "kt", "kr", tail=tail)
    return s.reorder("it", "jt", "kt", "kr", "ir", "jl").accumulate("C", "jt", "ir", "jl", name="tile")


def packed() -> Schedule:
    s = gemm.schedule(M=600, N=500, K=400).split("i_1", 7, "it", "ir").split("j_1", 16, "jt", "jl")
    s = s.split("k", 96, "kt", "kr", tail="bound").reorder("it", "jt", "kt", "kr", "ir", "jl")
    return s.stage("B", "kt", "kr", "jl", name="pack").accumulate("C", "jt", "ir", "jl", name="tile").absorb("C", "jt")


ALL_SIZES: dict[str, Callable[[], Schedule]] = {
    "no steps": gemm.schedule,
    "split": lambda: gemm.schedule().split("i_1", 3, tail="bound").split("k", 5),
    "reorder": lambda: gemm.schedule().reorder("k", "j_1", "i_1"),
    "tiles": tiled,
    "guarded tiles": lambda: tiled("guard"),
    "integers": lambda: whole.schedule().tile(i_1=4, j_1=8).split("k", 7),
    "in lanes": lambda: tiled().vectorize("jl").unroll("ir"),
    "conditions about data": lambda: clipped.schedule().split("i_1", 8).split("j", 4, tail="bound"),
    "fused": lambda: smooth.schedule().split("i_1", 8, tail="bound"),
    "one version": lambda: gemm.schedule().specialize(N=64).split("j_1_N64", 16, "t", "l").reorder("t", "k_N64", "l"),
    "sum": lambda: total.schedule().split("i", 16, "t", "l"),
}


@pytest.mark.parametrize("name", ALL_SIZES)
def test_proved_for_all_sizes(name: str) -> None:
    found = ALL_SIZES[name]().validate()
    assert found.ok and found.sizes and "for all sizes" in str(found), str(found)
    assert found.roundings


LARGE: dict[str, Callable[[], Schedule]] = {
    "gemm": lambda: gemm.schedule("default", M=2048, N=2047, K=2050),
    "integers": lambda: _without_dots(777, 555, 333),
    "packed": packed,
    "sum": lambda: total.schedule("default", N=1_000_003),
    "gather": lambda: _verified(gathered).schedule(N=1_000_000).split("k", 16),
}


def _without_dots(m: int, n: int, k: int) -> Schedule:
    """The default of byte products, but for what takes four at once: that is shown at small sizes only."""
    steps = whole.schedule("default", M=m, N=n, K=k).text.splitlines()
    kept = [line for line in steps if not line.startswith(("dot", "unsigned"))]
    return whole.schedule(M=m, N=n, K=k).replay("\n".join(kept))


def test_byte_products_are_proved_at_small_sizes() -> None:
    s = whole.schedule("default", M=13, N=17, K=21)
    assert s.validate().ok


def _verified(k: Any) -> Any:
    assert k.verify().counts["refuted"] == 0
    return k


@pytest.mark.parametrize("name", LARGE)
def test_proved_at_large_sizes(name: str) -> None:
    found = LARGE[name]().validate()
    assert found.ok and found.elements > 0, str(found)


@pytest.mark.slow
@pytest.mark.parametrize("kernel", [softmax, layernorm])
def test_rows_are_proved_at_large_sizes(kernel: Any) -> None:
    found = kernel.schedule("default", M=1000, N=1023).validate()
    assert found.ok, str(found)


def test_sums_in_another_order_need_the_step_that_says_so() -> None:
    s = total.schedule(N=1_000_000).split("i", 16, "t", "l").spread("s", "t", "l")
    assert s.validate().ok
    inner = s._inner
    assert proved(inner.source, inner.kernel, exact=False) == ""
    assert proved(inner.source, inner.kernel, exact=True) != ""


# -------------------------------------------------------------------------------------------------------- broken steps


def broken(s: Schedule, old: str, new: str) -> Schedule:
    """A step of a user's that is wrong: it changes the text of the kernel."""
    text = str(s._inner.kernel)
    assert old in text, text
    changed = replace(guard(parse(text.replace(old, new, 1))), scheduled=True)
    return Schedule(replace(s._inner, kernel=changed), s._runnable)


BROKEN: dict[str, tuple[Callable[[], Schedule], str, str]] = {
    "the last rows are left out": (tiled, "for it in 0 .. ((M + 3) // 4)", "for it in 0 .. (M // 4)"),
    "the last product is left out": (tiled, "min(8, K - (kt * 8))", "min(7, K - (kt * 8))"),
    "one row too few": (tiled, "((it * 4) + ir_tile_back) < M", "((it * 4) + ir_tile_back) < (M - 1)"),
    "products counted twice": (lambda: tiled("guard"), "for kr in 0 .. 8", "for kr in 0 .. 9"),
    "a dropped guard": (tiled, "if (((jt * 16) + jl_tile_back) < N) and", "if true and"),
    "a wrong window": (packed, "B[(kt * 96) + kr_pack,", "B[(kt * 95) + kr_pack,"),
    "a window shifted by one": (packed, "pack[kr_pack, jl_pack] =", "pack[kr_pack, (jl_pack + 1) % 16] ="),
    "a wrong first value": (packed, "< 600), 0.0:f32, 0.0:f32)", "< 600), 1.0:f32, 0.0:f32)"),
    "the fill is gone, too early": (tiled, "C[i, j] = 0.0:f32", "C[i, j] = 1.0:f32"),
    "another operand": (tiled, "* B[(kt * 8) + kr,", "* B[(kt * 8),"),
    "another op": (tiled, "tile[ir, jl] add=", "tile[ir, jl] max="),
    "rows swapped": (packed, "C[(it * 7) + ir_tile_back,", "C[(it * 7) + (6 - ir_tile_back),"),
    "in another order": (
        lambda: total.schedule(N=300_000).split("i", 16, "t", "l"),
        "a[(t * 16) + l]",
        "a[299999 - ((t * 16) + l)]",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_steps_are_refuted(name: str) -> None:
    make, old, new = BROKEN[name]
    found = make().then(broken, old, new).validate()
    assert found.status == "refuted" and "give another result" in found.why, str(found)


def test_swapped_iterations_that_depend_on_each_other_are_refuted() -> None:
    s = skewed.schedule(M=9, N=9)
    text = str(s._inner.kernel)
    swapped = text.replace("for i in 0 .. 8 {", "for x in 0 .. 8 {").replace("for j in", "for i in")
    swapped = swapped.replace("for x in", "for j in")
    kernel = guard(parse(swapped))
    assert validate(replace(s._inner, kernel=kernel)).status == "refuted"


def test_reads_of_what_was_not_stored_are_not_proved() -> None:
    s = tiled().then(broken, "alloc tile: f32[4, 16]\n", "alloc tile: f32[4, 16]\n      alloc other: f32[4, 16]\n")
    text = str(s._inner.kernel).replace("= tile[ir_tile_back", "= other[ir_tile_back")
    changed = replace(s._inner, kernel=replace(guard(parse(text)), scheduled=True))
    assert validate(changed).status != "proved"


UNPROVED: dict[str, tuple[Callable[[], Validation], str]] = {
    "values handed on": (lambda: shifted.schedule().split("i", 4).validate(), "hand a on to later ones"),
    "a check": (lambda: gathered_unchecked().validate(), "call verify() first"),
}


def gathered_unchecked() -> Schedule:
    @gm.kernel
    def gathered(table: f32[64], at: i32[N]) -> f32[N]:
        y = gm.empty((N,), f32)
        for k in range(N):
            y[k] = table[at[k]]
        return y

    return gathered.schedule().split("k", 4)


@pytest.mark.parametrize("name", UNPROVED)
def test_what_isnt_shown_is_told(name: str) -> None:
    run, part = UNPROVED[name]
    found = run()
    assert found.status == "unknown" and part in found.why, str(found)


# -------------------------------------------------------------------------------------------------------------- mutants


def mutants(k: ir.Kernel) -> Iterator[ir.Kernel]:
    """The kernel with one number changed by one, each in turn."""
    places = sum(isinstance(x, ir.Const) and not isinstance(x.value, bool) for x in all_exprs(k.body))
    for wanted in range(places):
        for by in (1, -1):
            yield replace(k, body=map_body(k.body, expr=Change(wanted, by)))


@dataclass
class Change:
    """Changes one of the numbers that it is shown."""

    wanted: int
    by: int
    count: int = -1

    def __call__(self, e: ir.Expr) -> ir.Expr:
        if not isinstance(e, ir.Const) or isinstance(e.value, bool):
            return e
        self.count += 1
        return replace(e, value=e.value + self.by) if self.count == self.wanted else e


def small() -> Schedule:
    s = gemm.schedule(M=5, N=18, K=7).split("i_1", 4, "it", "ir").split("j_1", 16, "jt", "jl")
    s = s.split("k", 3, "kt", "kr", tail="bound").reorder("it", "jt", "kt", "kr", "ir", "jl")
    return s.stage("B", "kt", "kr", "jl", name="pack").accumulate("C", "jt", "ir", "jl", name="tile").absorb("C", "jt")


def summed() -> Schedule:
    return total.schedule(N=37).split("i", 8, "t", "w").split("w", 4, "v", "l").spread("s", "t", "v", "l")


def norm() -> Schedule:
    return softmax.schedule(M=2, N=5).split("k", 3, tail="bound")


@pytest.mark.slow
@pytest.mark.parametrize("make", [small, summed, norm], ids=["gemm", "sum", "softmax"])
def test_no_mutant_that_differs_is_proved(make: Callable[[], Schedule]) -> None:
    inner = make()._inner
    rng = np.random.default_rng(3)
    args = [rng.standard_normal([int(n.value) for n in p.shape]).astype(np.float32) for p in inner.source.params]
    wanted = np.asarray(outcome(inner.kernel, args))
    differing = 0
    for mutant in mutants(inner.kernel):
        got = outcome(mutant, args)
        if got is None or not np.allclose(got, wanted, rtol=1e-4, atol=1e-5, equal_nan=True):
            differing += 1
            assert proved(inner.source, mutant, exact=False) != "", str(mutant)
    assert differing > 10


def outcome(k: ir.Kernel, args: list[Any]) -> Any:
    try:
        return interpret(guard(replace(k, guarded=False)), [a.copy() for a in args])
    except (GemelError, ZeroDivisionError):
        return None


@pytest.mark.slow
@settings(max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(nests(), st.integers(0, 1000))
def test_no_drawn_schedule_or_mutant_that_differs_is_proved(case: Case, seed: int) -> None:
    schedule, rng = scheduled(case.kernel, seed), random.Random(seed)
    wanted = left(schedule.source, case.arguments)
    numbers = sum(isinstance(x, ir.Const) for x in all_exprs(schedule.kernel.body))
    changes = [Change(rng.randrange(numbers), rng.choice((1, -1))) for _ in range(3)] if numbers else []
    for k in (
        schedule.kernel,
        *(replace(schedule.kernel, body=map_body(schedule.kernel.body, expr=c)) for c in changes),
    ):
        if left(k, case.arguments) != wanted:
            assert k is not schedule.kernel
            assert proved(schedule.source, k, exact=True) != "", str(k)


def left(k: ir.Kernel, args: list[Any]) -> list[bytes] | None:
    """What a run leaves in its arguments; None where it ends with an error."""
    own = [a.copy() for a in args]
    return None if outcome_in(k, own) else [a.tobytes() for a in own]


def outcome_in(k: ir.Kernel, args: list[Any]) -> bool:
    """Runs a kernel on arguments in place; whether it ended with an error."""
    try:
        interpret(guard(replace(k, guarded=False)), args)
    except (GemelError, ZeroDivisionError):
        return True
    return False
