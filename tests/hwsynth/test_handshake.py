"""The handshake under abuse, as docs/hardware.md specifies it: starts while busy and back to back, a reset in mid run.

A script of starts, resets and changing scalars is played cycle by cycle; what is seen is held against a few lines that
know how long a run takes and what it gives.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from circuits import ENGINES

import gemel as gm
from gemel import Kernel, i32, index, u8, u32
from gemel.errors import BoundsError, GemelError
from gemel.hwsynth import Design
from gemel.hwsynth.engines.run import check_arguments
from gemel.hwsynth.engines.script import Action, Load, Look, Reset, Seen, Set, Step, Wait
from gemel.semantics.arguments import bind


@gm.kernel
def scaled_product(A: i32[2, 3], B: i32[3, 2], factor: i32) -> i32[2, 2]:
    C = gm.zeros((2, 2), i32)
    for i, j, k in gm.grid(2, 2, 3):
        C[i, j] += A[i, k] * B[k, j]
    for i, j in gm.grid(2, 2):
        C[i, j] = C[i, j] * factor
    return C


@gm.kernel
def gcd(a: u8, b: u8) -> u8:
    x: u8 = a
    y: u8 = b
    while y != 0:
        x, y = y, x % y
    return x


@gm.kernel
def picked(x: i32[8], places: u8[4], offset: u8) -> i32[4]:
    out = gm.zeros((4,), i32)
    for i in range(4):
        out[i] = x[gm.cast(places[i] + offset, index)]
    return out


@gm.kernel
def first_above(x: i32[12], least: i32) -> i32:
    found: i32 = -1
    for i in range(12):
        if x[i] > least:
            found = i
            break
    return found


@gm.kernel
def rows(x: u32[3, 5], key: u32) -> u32[3]:
    out = gm.zeros((3,), u32)
    for i in range(3):
        if x[i, 0] > key:
            for j in range(5):
                out[i] += x[i, j]
        else:
            out[i] = x[i, 1] // (key + 1)
    return out


@dataclass(frozen=True)
class Case:
    kernel: Kernel
    arrays: tuple[Any, ...]
    scalars: tuple[dict[str, int], ...]


def case(kernel: Kernel, scalars: Iterator[dict[str, int]] | Any, *arrays: Any) -> Any:
    return pytest.param(Case(kernel, arrays, tuple(scalars)), id=kernel.ir.name)


source = np.random.default_rng(3)


def numbers(shape: tuple[int, ...], dtype: str, lo: int, hi: int) -> np.ndarray:
    return source.integers(lo, hi, shape).astype(dtype)


CASES = [
    case(
        scaled_product, [{"factor": f} for f in (1, -3, 7)], numbers((2, 3), "i4", -9, 9), numbers((3, 2), "i4", -9, 9)
    ),
    case(gcd, [{"a": a, "b": b} for a, b in ((48, 18), (7, 0), (233, 144))]),
    case(picked, [{"offset": n} for n in (0, 2, 9)], numbers((8,), "i4", -99, 99), numbers((4,), "u1", 0, 6)),
    case(first_above, [{"least": n} for n in (-100, 40, 1000)], numbers((12,), "i4", -99, 99)),
    case(rows, [{"key": n} for n in (3, 50, 99)], numbers((3, 5), "u4", 0, 100)),
]
each_case = pytest.mark.parametrize("case", CASES)


@dataclass(frozen=True)
class Expected:
    """A run by itself: its cycles, and its result or None where a check fails."""

    cycles: int
    result: np.ndarray | None


class Bench:
    """A case's design, and what is known of it."""

    def __init__(self, case: Case, reset: str = "sync") -> None:
        self.case = case
        self.design: Design = case.kernel.synth(reset=reset)
        given, _ = self.design.inputs(bind(self.design.source, self.arguments(case.scalars[0])))
        self.memories, _ = check_arguments(self.design.system, given, {})
        self.runs = [self.expected(s) for s in case.scalars]

    def arguments(self, scalars: dict[str, int]) -> tuple[Any, ...]:
        return (*self.case.arrays, *scalars.values())

    def expected(self, scalars: dict[str, int]) -> Expected:
        words, ports = self.design.inputs(bind(self.design.source, self.arguments(scalars)))
        cycles = self.design.model("native").run(words, ports, 10_000).cycles
        try:
            return Expected(cycles, np.asarray(self.case.kernel(*self.arguments(scalars))))
        except GemelError:
            return Expected(cycles, None)

    def begin(self) -> list[Action]:
        """Inputs at rest, a reset, and the memories."""
        values = {name: 0 for name in self.design.system.scalars}
        return [Set({"start": 0, **values}), Reset(2), Load(self.memories)]

    def set(self, start: bool, which: int) -> Set:
        return Set({"start": int(start), **self.case.scalars[which]})

    def check(self, seen: Seen, run: Expected) -> None:
        """A look in the cycle in which `done` is high."""
        assert bool(seen.outputs.get("error")) == (run.result is None)
        if run.result is None:
            return
        result = self.design.source.results[0]
        name = self.design.places[result].names[0] or ""
        got = seen.memories[name][: run.result.size] if result.rank else seen.outputs[name]
        np.testing.assert_array_equal(np.reshape(got, run.result.shape), run.result)


class Model:
    """What the handshake is specified to do."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.left, self.run = bench, 0, bench.runs[0]
        self.done = False

    def edge(self, start: bool, which: int, reset: bool) -> None:
        self.done = False
        if reset:
            self.left = 0
        elif self.left:
            self.left -= 1
            self.done = not self.left
        elif start:
            self.run = self.bench.runs[which]
            self.left = self.run.cycles - 1


def abuse(bench: Bench, cycles: int, seed: int) -> tuple[list[Action], list[tuple[bool, bool, Expected]]]:
    """A script of random starts and resets, and after each edge: whether done, whether busy, of which run."""
    choose = random.Random(seed)
    model, script, want = Model(bench), bench.begin(), []
    eager = 0.1
    for n in range(cycles):
        if n % 50 == 0:
            eager = choose.choice([0.02, 0.5, 1.0])
        start, which, reset = choose.random() < eager, choose.randrange(len(bench.runs)), choose.random() < 0.01
        script += [bench.set(start, which), Reset() if reset else Step()]
        model.edge(start, which, reset)
        script.append(Look(model.done))
        want.append((model.done, model.left > 0, model.run))
    return script, want


@pytest.mark.parametrize("reset", ["sync", "async"])
@each_case
def test_abuse(case: Case, reset: str) -> None:
    bench = Bench(case, reset)
    script, want = abuse(bench, 800, 1)
    seen = bench.design.model("native").play(script)
    assert sum(done for done, _, _ in want) > 3
    for look, (done, busy, run) in zip(seen, want, strict=True):
        assert (look.outputs["done"], look.outputs["busy"]) == (done, busy)
        if done:
            bench.check(look, run)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES[1:])
@each_case
def test_abuse_in_other_engines(case: Case, engine: str) -> None:
    bench = Bench(case)
    script, want = abuse(bench, 250, 2)
    native, other = (bench.design.model(name).play(script) for name in ("native", engine))
    for a, b, (done, busy, run) in zip(native, other, want, strict=True):
        assert (b.outputs["done"], b.outputs["busy"], b.edges) == (done, busy, a.edges)
        if done:
            bench.check(b, run)
            assert {n: v.tolist() for n, v in a.memories.items()} == {n: v.tolist() for n, v in b.memories.items()}


@each_case
def test_start_held_high_runs_again_and_again(case: Case) -> None:
    """A run takes the edge after `done` rises as its first: nothing is lost between runs."""
    bench = Bench(case)
    run = bench.runs[0]
    script = [*bench.begin(), bench.set(True, 0)]
    for _ in range(3):
        script += [Step(), Wait(10_000), Look()]
    for n, look in enumerate(bench.design.model("native").play(script), 1):
        assert look.edges == 2 + n * run.cycles
        bench.check(look, run)


@each_case
def test_a_reset_ends_a_run_wherever_it_is(case: Case) -> None:
    bench = Bench(case)
    run, after = bench.runs[0], bench.runs[1]
    for at in range(1, run.cycles):
        script: list[Action] = [*bench.begin(), bench.set(True, 0), Step(), bench.set(False, 2), Step(at - 1)]
        script += [Reset(), Look(False), Step(40), Look(), Load(bench.memories)]
        script += [bench.set(True, 1), Step(), bench.set(False, 2), Wait(10_000), Look()]
        first, idle, second = bench.design.model("native").play(script)
        assert not first.outputs["busy"] and not idle.outputs["busy"] and not idle.outputs["done"]
        assert second.edges - idle.edges == after.cycles
        bench.check(second, after)


@each_case
def test_a_start_with_reset_is_no_start(case: Case) -> None:
    bench = Bench(case)
    script = [*bench.begin(), bench.set(True, 0), Reset(3), bench.set(False, 0), Look(False), Step(200), Look(False)]
    for look in bench.design.model("native").play(script):
        assert not look.outputs["busy"] and not look.outputs["done"]


def test_results_stay_until_the_next_start() -> None:
    bench = Bench(CASES[1].values[0])
    script = [*bench.begin(), bench.set(True, 0), Step(), bench.set(False, 2), Wait(1000), Step(300), Look()]
    (look,) = bench.design.model("native").play(script)
    assert not look.outputs["done"]
    bench.check(look, bench.runs[0])


def test_a_failed_run_says_so_until_the_next_start() -> None:
    bench = Bench(CASES[2].values[0])
    failing, fine = bench.runs[2], bench.runs[0]
    assert failing.result is None
    script = [*bench.begin(), bench.set(True, 2), Step(), bench.set(False, 0), Wait(1000), Step(30), Look()]
    script += [bench.set(True, 0), Step(), Look(), bench.set(False, 1), Wait(1000), Look()]
    late, begun, after = bench.design.model("native").play(script)
    assert late.outputs["error"] and not begun.outputs["error"]
    bench.check(after, fine)
    with pytest.raises(BoundsError):
        bench.design.simulate(*bench.arguments(bench.case.scalars[2]))
