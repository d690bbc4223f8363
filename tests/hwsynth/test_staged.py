"""Loops in stages: the next iteration fills a second copy of local arrays while this one reads the first."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import gemel as gm
from gemel import i32
from gemel.hwsynth import Design
from gemel.hwsynth.localize import filled
from gemel.hwsynth.reporting.timeline import timeline
from gemel.semantics.ir import Alloc
from gemel.semantics.samples import sample
from gemel.semantics.traverse import statements

N, M = gm.dims("N M")


@gm.kernel
def stream(x: i32[N, 16], y: i32[N, 16]):
    """Three stages around two arrays."""
    for t in range(N):
        a = gm.empty((16,), i32)
        b = gm.empty((16,), i32)
        for i in range(16):
            a[i] = x[t, i] + t
        for i in range(16):
            b[i] = a[15 - i] * 3
        for i in range(16):
            y[t, i] = b[15 - i] + b[i // 2]


@gm.kernel
def tiles(A: i32[8, 8], B: i32[8, 8], C: i32[8, 8]):
    """Arrays from outside of the loops; tiles of C are loaded and stored in the same iteration."""
    a = gm.empty((4, 8), i32)
    b = gm.empty((8, 4), i32)
    c = gm.empty((4, 4), i32)
    for ti, tj in gm.grid(2, 2):
        for i, k in gm.grid(4, 8):
            a[i, k] = A[4 * ti + i, k]
            b[k, i] = B[k, 4 * tj + i]
        for i, j in gm.grid(4, 4):
            c[i, j] = C[4 * ti + i, 4 * tj + j]
        for i, j, k in gm.grid(4, 4, 8):
            c[i, j] += a[i, k] * b[k, j]
        for i, j in gm.grid(4, 4):
            C[4 * ti + i, 4 * tj + j] = c[i, j]


@gm.kernel
def one_port(x: i32[N, 16], y: i32[N, 16]):
    """First and last stage read the same array: within a turn one waits for the other."""
    for t in range(N):
        a = gm.empty((16,), i32)
        for i in range(16):
            a[i] = x[t, 15 - i]
        for k in range(4):
            for i in range(16):
                a[i] = a[i] * 5 + k
        for i in range(16):
            y[t, i] = a[i] + x[N - 1 - t, i]


@gm.kernel
def carried(x: i32[N, 16], y: i32[N, 16]):
    """What an iteration leaves in `a` is read in the next one."""
    a = gm.zeros((16,), i32)
    for t in range(N):
        for i in range(16):
            a[i] += x[t, i]
        for i in range(16):
            y[t, i] = a[15 - i]


@gm.kernel
def half_filled(x: i32[N, 16], y: i32[N, 16]):
    """Half of `a` is that of the iteration before."""
    a = gm.zeros((16,), i32)
    for t in range(N):
        for i in range(8):
            a[i + 8 * (t % 2)] = x[t, i]
        for i in range(16):
            y[t, i] = a[15 - i]


@gm.kernel
def fed_back(x: i32[16], y: i32[N, 16]):
    """An iteration loads what the one before has stored."""
    for t in range(N):
        a = gm.empty((16,), i32)
        for i in range(16):
            a[i] = x[i] + t
        for i in range(16):
            y[t, i] = a[15 - i]
            x[15 - i] = a[i] * 3


@gm.kernel
def checked(at: i32[N, 16], x: i32[16], y: i32[N, 16]):
    for t in range(N):
        a = gm.empty((16,), i32)
        for i in range(16):
            a[i] = x[at[t, i]]
        for i in range(16):
            y[t, i] = a[15 - i]


@gm.kernel
def nested(x: i32[N, M, 8], y: i32[N, M, 8]):
    """A loop in stages that begins anew in each turn of the one around."""
    total: i32 = 0
    for s in range(N):
        for t in range(M):
            a = gm.empty((8,), i32)
            for i in range(8):
                a[i] = x[s, t, i]
            for i in range(8):
                y[s, t, i] = a[7 - i] + total
        total += x[s, 0, 0]


@gm.kernel
def inside_each_other(x: i32[4, 3, 8], w: i32[4, 8], y: i32[4, 3, 8]):
    """Stages of the outer loop have loops in stages of their own."""
    for s in range(4):
        rows = gm.empty((3, 8), i32)
        v = gm.empty((8,), i32)
        for i in range(8):
            v[i] = w[s, i] * 3
        for t in range(3):
            a = gm.empty((8,), i32)
            for i in range(8):
                a[i] = x[s, t, 7 - i] + s
            for i in range(8):
                rows[t, i] = a[7 - i] ^ v[i]
        for t in range(3):
            b = gm.empty((8,), i32)
            for i in range(8):
                b[i] = rows[2 - t, i]
            for i in range(8):
                y[s, t, i] = b[7 - i]


def run(kernel: Any, engine: str = "native", **sizes: int) -> Design:
    """The interpreter's bits, in the cycles that were predicted; two runs, so that the first leaves nothing behind."""
    design: Design = kernel.synth(**sizes)
    for seed in range(2):
        want, got = sample(design.source, seed), sample(design.source, seed)
        if kernel is checked:
            want[0] %= 16
            got[0] %= 16
        design.kernel.interpret(*want)
        assert design.simulate(*got, engine=engine).cycles == design.cycles
        for a, b in zip(want, got, strict=True):
            np.testing.assert_array_equal(a, b)
    return design


def stages(design: Design) -> int:
    """The stages of the loop that is in stages, if one is."""
    return next((int(r.bound.split()[0]) for r in design.report.loops if "ahead of the next" in r.bound), 1)


def doubled(design: Design) -> dict[str, int]:
    return {m.name: m.words for m in design.report.memories if "double buffered" in m.holds}


@pytest.mark.parametrize("n", [3, 4, 9])
def test_an_iteration_begins_when_the_first_stage_is_free(n: int) -> None:
    design = run(stream, N=n)
    rows = design.report.loops
    assert stages(design) == 3 and doubled(design) == {"a": 32, "b": 32}
    each = [15 + (r.depth or 0) for r in rows[1:]]
    assert rows[0].depth == max(each)
    ends = each[0] + max(each[:2]) + max(each[1:]) + each[2]
    assert design.cycles == 1 + (n - 2) * max(each) + ends
    assert [line for _, line in rows[1].beside] == [rows[2].span.line, rows[3].span.line]


def test_arrays_from_outside_and_tiles_that_come_back() -> None:
    design = run(tiles)
    assert stages(design) == 3 and set(doubled(design)) == {"a", "b", "c"}
    assert design.report.loops[0].name == "ti, tj" and design.report.loops[0].trips == 4


def test_stages_that_share_a_port_wait_for_each_other() -> None:
    design = run(one_port, N=6)
    assert stages(design) > 1


@pytest.mark.parametrize("kernel", [carried, half_filled, fed_back, checked], ids=["carried", "half", "fed", "checked"])
def test_iterations_that_depend_on_each_other_do_not_overlap(kernel: Any) -> None:
    design = run(kernel, N=6)
    assert stages(design) == 1 and not doubled(design)


def test_too_few_iterations() -> None:
    assert stages(run(stream, N=2)) == 1


def test_a_loop_around() -> None:
    assert stages(run(nested, N=3, M=5)) == 2


def test_stages_inside_of_stages() -> None:
    design = run(inside_each_other)
    assert stages(design) >= 2 and set(doubled(design)) == {"rows", "v", "a", "b"}


def test_the_picture_of_a_run_has_each_turn() -> None:
    report = stream.synth(N=4).report
    assert [s.what for s in report.run] == ["loop i"] * 3 * 4
    assert report.cycles == 1 + max(s.end for s in report.run)
    tree = ElementTree.fromstring(timeline(report.run))
    assert len(list(tree.iter("{http://www.w3.org/2000/svg}g"))) == 3 * 4


def test_what_an_iteration_fills_first() -> None:
    """`filled` is about one iteration, whatever the counters around are."""
    for kernel, known in ((carried, False), (half_filled, False), (tiles, True)):
        ir = kernel.specialize(N=6).ir if kernel is not tiles else kernel.ir
        loop = ir.body[-1]
        found = [s.buffer for s in statements(ir.body) if isinstance(s, Alloc) and s.buffer.hint == "a"]
        assert filled(found[0], loop.body) is known


def test_the_formula() -> None:
    found = stream.synth(N=8).report.formula
    assert found is not None
    for n in (5, 11):
        assert found(N=n) == run(stream, N=n).cycles


def test_it_is_proved() -> None:
    proof = run(stream, N=3).prove(mutants=0)
    assert proof.status == "proved", str(proof)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["icarus", "verilator"])
def test_other_simulators_agree(engine: str) -> None:
    run(tiles, engine)
