"""The native simulator against Verilator: build time and cycles per second: `python benchmarks/simulator.py`.

Verilator runs as the engine of `simulate` does: C++ compiled from its model, driven in native code.
"""

from __future__ import annotations

import time

import numpy as np
from harness import report

from gemel.examples.digits import network
from gemel.examples.digits_reference import load_digits, load_net
from gemel.examples.gemm import gemm_i8
from gemel.hwsynth import Design, engines
from gemel.semantics.arguments import bind


def measure(name: str, design: Design, args: tuple[object, ...], repeat: int) -> list[dict[str, object]]:
    """Rows for both engines on one design."""
    rows: list[dict[str, object]] = []
    memories, scalars = design.inputs(bind(design.source, args))
    for engine in ("native", "verilator"):
        start = time.perf_counter()
        model = engines.build(design.system, engine)
        build = time.perf_counter() - start
        model.run(memories, scalars, 10**9)
        speeds = []
        for _ in range(repeat):
            start = time.perf_counter()
            run = model.run(memories, scalars, 10**9)
            speeds.append(run.cycles / (time.perf_counter() - start))
        rows.append({"design": name, "engine": engine, "build s": build, "Mcycle/s": float(np.median(speeds)) / 1e6})
    rows[0]["speed ratio"] = rows[0]["Mcycle/s"] / rows[1]["Mcycle/s"]  # type: ignore[operator]
    rows[1]["speed ratio"] = 1.0
    return rows


def main() -> None:
    """Runs the benchmark."""
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-128, 128, (64, 64), dtype=np.int8) for _ in range(2))
    rows = measure("gemm i8 64x64x64 (266,245 cycles)", gemm_i8.synth(M=64, N=64, K=64), (a, b), 7)
    classify = network(load_net())
    rows += measure("digits (5,482 cycles)", classify.synth(), (load_digits().images[0],), 25)
    report("simulator", rows)


if __name__ == "__main__":
    main()
