"""The native simulator against Verilator on the same circuits: `python benchmarks/simulator.py [name ...]`.

Both run without Python in between and without a stop: `start` is held high, so that a kernel begins anew when it is
done. Verilator's model is made with `-O3` and `--x-assign fast` and compiled by the C++ compiler at `-O3`, its run-time
library beforehand. Builds are cold: nothing comes from the cache, LLVM is loaded beforehand. Seconds are those of the
CPU, which other processes on the machine disturb less.
"""

from __future__ import annotations

import math
import resource
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from statistics import geometric_mean
from typing import TypeVar

from harness import report

from gemel.bench.hardware.cases import Case, tables
from gemel.codegen import cache
from gemel.errors import GemelError
from gemel.examples.digits import network
from gemel.examples.digits_reference import load_net
from gemel.examples.gemm import gemm_i8
from gemel.hwsynth import Design
from gemel.hwsynth.dag import postorder, roots_of
from gemel.hwsynth.engines.script import Simulation
from gemel.hwsynth.engines.verilator import Settings, VerilatorModel, VerilatorSim
from gemel.hwsynth.flatten import flatten
from gemel.hwsynth.nativesim import Compiled, NativeSim
from gemel.hwsynth.system import START

Made = TypeVar("Made")
SECONDS = 0.3
"""The CPU time of a measurement, at least."""


def designs() -> Iterator[tuple[str, Callable[[], Design]]]:
    """Names and designs: those of `gemel bench --hardware`, and two that run for long."""
    for case in tables():
        yield f"{case.group} {case.name}", partial(_design, case)
    yield "gemm i8 64x64x64", lambda: gemm_i8.synth(M=64, N=64, K=64)
    yield "digits", lambda: network(load_net()).synth()


def _design(case: Case) -> Design:
    return case.kernel().synth_for(*case.arguments(), target=case.target, clock_mhz=1000 / case.clock_ns)


def cpu_seconds() -> float:
    """The CPU time of this process and those that it has waited for."""
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in used)


def timed(make: Callable[[], Made]) -> tuple[Made, float]:
    """What is made, and the seconds it takes."""
    start = cpu_seconds()
    made = make()
    return made, cpu_seconds() - start


def speed(sim: Simulation) -> float:
    """Million cycles a second."""
    sim[START] = 0
    sim.reset(2)
    sim[START] = 1
    cycles = 10_000
    while (spent := spent_on(sim, cycles)) < SECONDS / 2:
        cycles *= 4
    return max(cycles / s for s in (spent, *(spent_on(sim, cycles) for _ in range(2)))) / 1e6


def spent_on(sim: Simulation, cycles: int) -> float:
    """The CPU seconds of so many cycles."""
    start = time.process_time()
    sim.step(cycles)
    return time.process_time() - start


def measure(name: str, design: Design) -> dict[str, object]:
    """A row. The native simulator builds again when it has run for long; the ratio of builds counts both."""
    compiled, native_build = timed(lambda: Compiled(design.system.module))
    compiled.worth = math.inf
    model, verilator_build = timed(lambda: VerilatorModel(design.system, Settings("-O3", "fast")))
    first = speed(NativeSim(compiled))
    _, passes = timed(compiled.improve)
    native, verilator = speed(NativeSim(compiled)), speed(VerilatorSim(model))
    return {
        "design": name,
        "nodes": sum(1 for _ in postorder(roots_of(flatten(design.system.module).module))),
        "first native Mcycle/s": first,
        "native Mcycle/s": native,
        "Verilator Mcycle/s": verilator,
        "speed ratio": native / verilator,
        "native build s": native_build,
        "native passes s": passes,
        "Verilator build s": verilator_build,
        "build ratio": verilator_build / (native_build + passes),
    }


def main() -> None:
    """Runs the benchmark."""
    wanted = sys.argv[1:]
    cache.get, cache.put = lambda *_: None, lambda *_: None  # type: ignore[assignment]
    chosen = [(name, make) for name, make in designs() if not wanted or any(w in name for w in wanted)]
    measure("", chosen[0][1]())  # LLVM and Verilator's run-time library are there afterwards
    rows = []
    for name, make in chosen:
        try:
            design = make()
        except GemelError as error:
            print(f"{name} is refused: {str(error).splitlines()[0]}")
            continue
        rows.append(measure(name, design))
        print(*(f"{v:.3g}" if isinstance(v, float) else v for v in rows[-1].values()), flush=True)
    means = {k: geometric_mean([float(str(r[k])) for r in rows]) for k in ("speed ratio", "build ratio")}
    report("simulator", [*rows, {**dict.fromkeys(rows[0], ""), "design": "geometric mean", **means}])


if __name__ == "__main__":
    main()
