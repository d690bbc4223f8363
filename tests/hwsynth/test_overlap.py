"""Loops that don't depend on each other run at the same time."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest

import gemel as gm
from gemel import f32, i8, i32, u8
from gemel.errors import BoundsError
from gemel.hwsynth import Design
from gemel.semantics.samples import sample

M, N, K, P = gm.dims("M N K P")
SQUARES = np.arange(64, dtype=np.int32) ** 2


@gm.kernel
def apart(a: i32[M, N], b: i32[K, P], p: i32[M, N], q: i32[K, P]):
    for i, j in gm.grid(M, N):
        p[i, j] = a[i, j] * 3
    for i, j in gm.grid(K, P):
        q[i, j] = b[i, j] + 7


@gm.kernel
def crossed(a: i32[N], b: i32[M], p: i32[N], q: i32[M], s: i32[N], t: i32[M]):
    """Two chains of two: the second loop of the shorter one begins while the first of the longer one runs."""
    for i in range(N):
        p[i] = a[i] * a[i]
    for i in range(M):
        q[i] = b[i] + 1
    for i in range(N):
        s[i] = p[N - 1 - i] * 3
    for i in range(M):
        t[i] = q[M - 1 - i] ^ 5


@gm.kernel
def triangles(a: i32[N, N], b: i32[N], p: i32[N, N], q: i32[N], s: i32[N]):
    """Loops that take different times in each turn of the one around: now one is the longer, now the other."""
    for t in range(N):
        for i in range(t + 1):
            p[t, i] = a[t, i] * 3
        for i in range(t, N):
            q[i] = b[i] + t
        s[t] = t


@gm.kernel
def searches(a: u8, x: i32[1], b: u8, y: i32[1]):
    """Two loops whose lengths depend on data."""
    m: i32 = 0
    left: u8 = a
    while left > 0:
        left = left // 2
        m += 1
    n: i32 = 0
    rest: u8 = b
    while rest > 0:
        rest = rest // 3
        n += 1
    x[0] = m
    y[0] = n


@gm.kernel
def tables(a: u8[N], b: u8[M], p: i32[N], q: i32[M]):
    """A constant table has two read ports."""
    for i in range(N):
        p[i] = SQUARES[gm.bits(a[i], 5, 0)]
    for i in range(M):
        q[i] = SQUARES[gm.bits(b[i], 5, 0)]


@gm.kernel
def scalars(a: i32[N], b: i32[M], c: i32[K]) -> tuple[i32, i32]:
    s: i32 = 1
    for i in range(N):
        s = s * 3 + a[i]
    t: i32 = 1
    for i in range(M):
        t = t * s - b[i]
    u: i32 = 2
    for i in range(K):
        u = u ^ c[i]
    return t, u


@gm.kernel
def sums(a: f32[N], b: f32[M]) -> tuple[f32, f32]:
    s: f32 = 0.0
    for i in range(N):
        s += a[i] * a[i]
    t: f32 = 0.0
    for i in range(M):
        t += b[i]
    return s, t


@gm.kernel
def shared_reads(a: i32[N], p: i32[N], q: i32[N]):
    """The one read port of `a` keeps these apart."""
    for i in range(N):
        p[i] = a[i] * 3
    for i in range(1, N):
        q[i] = a[N - i] + 1


@gm.kernel
def overwritten(a: i32[N], p: i32[N], q: i32[N]):
    """The second loop overwrites what the first one reads."""
    for i in range(N):
        p[i] = a[N - 1 - i] * 3
    for i in range(1, N):
        a[i] = q[i]


@gm.kernel
def twice_stored(p: i32[N], q: i32[N], r: i32[N]):
    """Both loops write one array."""
    for i in range(N):
        p[N - 1 - i] = q[i]
    for i in range(1, N):
        p[i // 2] = r[i]


@gm.kernel
def checked(x: i32[N], y: i32[N], at: i8[N], to: i8[M], p: i32[N], q: i32[M]):
    """Either loop may fail, the second one sooner."""
    for i in range(N):
        p[i] = x[at[i]]
    for i in range(M):
        q[i] = y[to[i]]


@gm.kernel
def products(a: i32[N, N], b: i32[N, N], c: i32[N, N], d: i32[N, N], e: i32[N, N], f: i32[N, N], g: i32[N, N]):
    for i, j in gm.grid(N, N):
        e[i, j] = 0
        for k in range(N):
            e[i, j] += a[i, k] * b[k, j]
    for i, j in gm.grid(N, N):
        f[i, j] = 0
        for k in range(N):
            f[i, j] += c[i, k] * d[k, j]
    for i, j in gm.grid(N, N):
        g[i, j] = 0
        for k in range(N):
            g[i, j] += e[i, k] * f[k, j]


def run(kernel: Any, engine: str = "native", seed: int = 0, **options: Any) -> Design:
    """The interpreter's bits, in the cycles that were predicted; two runs, so that the first leaves nothing behind."""
    design: Design = kernel.synth(**options)
    for n in (seed, seed + 1):
        want, got = sample(design.source, n), sample(design.source, n)
        expected = design.kernel.interpret(*want)
        simulated = design.simulate(*got, engine=engine)
        for x, y in zip(want, got, strict=True):
            np.testing.assert_array_equal(x, y)
        if expected is not None:
            np.testing.assert_array_equal(simulated.outputs, expected)
        assert design.cycles in (None, simulated.cycles)
    return design


def together(design: Design) -> set[frozenset[int]]:
    """The loops that run at the same time, by their place in the report."""
    rows = design.report.loops
    lines = {r.span.line: n for n, r in enumerate(rows)}
    return {frozenset((n, lines[line])) for n, r in enumerate(rows) for _, line in r.beside}


def test_the_longer_of_two_counts() -> None:
    design = run(apart, M=3, N=4, K=5, P=6)
    first, second = design.report.loops
    assert together(design) == {frozenset((0, 1))}
    assert design.cycles == 1 + 29 + second.depth and first.trips == 12


def test_a_chain_does_not_wait_for_another() -> None:
    design = run(crossed, N=9, M=4)
    assert together(design) == {frozenset(p) for p in combinations(range(4), 2)} - {
        frozenset((0, 2)),
        frozenset((1, 3)),
    }
    rows = design.report.loops
    assert design.cycles == 1 + sum(8 + r.depth for r in (rows[0], rows[2]))


@pytest.mark.parametrize("n", [1, 2, 7])
def test_what_takes_longer_may_change_from_turn_to_turn(n: int) -> None:
    design = run(triangles, N=n)
    assert design.cycles is not None
    assert together(design) if n > 1 else True


@pytest.mark.parametrize("seed", range(3))
def test_loops_of_unknown_length_are_waited_for(seed: int) -> None:
    design = run(searches, seed=seed)
    assert design.cycles is None and together(design) == {frozenset((0, 1))}
    for a, b, steps in ((255, 1, (8, 1)), (1, 255, (1, 6)), (0, 0, (0, 0)), (4, 9, (3, 3))):
        x, y = np.zeros(1, np.int32), np.zeros(1, np.int32)
        design.simulate(np.uint8(a), x, np.uint8(b), y)
        assert (x[0], y[0]) == steps


def test_each_has_its_own_port_of_a_table() -> None:
    design = run(tables, N=9, M=7)
    assert together(design) == {frozenset((0, 1))}
    (table,) = [m for m in design.report.memories if m.constant]
    assert table.reads == 2


def test_values_are_waited_for() -> None:
    assert together(run(scalars, N=6, M=5, K=8)) == {frozenset((0, 2)), frozenset((1, 2))}


@pytest.mark.parametrize("kernel", [shared_reads, overwritten, twice_stored], ids=["port", "read", "written"])
def test_loops_that_depend_on_each_other_or_on_a_port_do_not_run_together(kernel: Any) -> None:
    assert not together(run(kernel, N=9))


def test_units_are_shared_where_a_limit_asks_for_it() -> None:
    def units(design: Design) -> dict[str, int]:
        return {u.name.split("_")[0]: u.instances for u in design.report.units}

    free = run(products, N=4, target="xcup", clock_mhz=140)
    limited = run(products, N=4, target="xcup", clock_mhz=140, resources={"mul": 1})
    assert together(free) == {frozenset((0, 1))} and units(free)["multiply"] == 2
    assert not together(limited) and units(limited)["multiply"] == 1
    assert free.cycles is not None and limited.cycles is not None and limited.cycles > 1.4 * free.cycles


def test_units_are_shared_where_that_takes_no_longer() -> None:
    design = run(sums, N=32, M=4, resources={"f32_add": 1})
    assert {u.name: u.instances for u in design.report.units}["f32_add"] == 1


def test_of_two_checks_that_fail_the_first_in_the_source_is_told() -> None:
    design = checked.synth(N=9, M=4)
    assert not together(design)
    for a, b in ((3, 0), (8, 3), (9, 1), (9, 9)):
        x, y, p, q = (np.zeros(n, np.int32) for n in (9, 9, 9, 4))
        at, to = np.zeros(9, np.int8), np.zeros(4, np.int8)
        if a < 9:
            at[a] = 50
        if b < 4:
            to[b] = 50
        if a == 9 and b == 9:
            design.simulate(x, y, at, to, p, q)
            continue
        with pytest.raises(BoundsError, match="of x" if a < 9 else "of y"):
            design.simulate(x, y, at, to, p, q)


def test_the_report_shows_it(tmp_path: Any) -> None:
    report = products.synth(N=4).report
    assert "together with" in repr(report)
    begins = [(s.begin, s.end) for s in report.run]
    assert begins[0] == begins[1] and begins[2][0] == begins[0][1]
    assert "<h2>run</h2>" in report.save(tmp_path / "x.html").read_text()
    assert not shared_reads.synth(N=9).report.run


def test_the_formula_has_the_largest_of_both() -> None:
    found = apart.synth(M=8, N=8, K=8, P=24, target="generic", clock_mhz=50).report.formula
    assert found is not None and found.expression == "max(M*N, K*P) + 2"
    for sizes in ({"M": 10, "N": 32, "K": 8, "P": 24}, {"M": 8, "N": 9, "K": 9, "P": 25}):
        assert found(**sizes) == run(apart, **sizes, target="generic", clock_mhz=50).cycles


def test_it_is_proved() -> None:
    proof = crossed.synth(N=4, M=2).prove(mutants=0)
    assert proof.status == "proved", str(proof)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["icarus", "verilator"])
@pytest.mark.parametrize(
    ("kernel", "sizes"),
    [(crossed, {"N": 9, "M": 4}), (triangles, {"N": 7}), (searches, {}), (tables, {"N": 9, "M": 7})],
    ids=["crossed", "triangles", "searches", "tables"],
)
def test_other_simulators_agree(kernel: Any, sizes: dict[str, int], engine: str) -> None:
    run(kernel, engine, **sizes)
