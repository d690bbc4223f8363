"""What this machine can do, measured on the spot: multiply-adds a second, and bytes read a second from each cache."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from gemel.bench.kernels import products, reading

ROWS, TURNS, STREAMS = 5, 20_000, 8


def rate(call: Callable[[], object], amount: float, seconds: float = 0.1) -> float:
    """The amount over the least CPU time of a call: nobody has seen more of the machine than that."""
    call()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        start = time.thread_time()
        call()
        times.append(time.thread_time() - start)
    return amount / max(statistics.quantiles(times, n=20)[0], 1e-9)


def arithmetic() -> float:
    """f32 operations a second of one core, two for each multiply-add."""
    from gemel.codegen.host import this_host

    lanes = this_host().vector_bits // 32
    width = 4 * lanes
    s = products.schedule(N=ROWS, W=width, C=TURNS).split("j", lanes, "v", "l")
    s = s.accumulate("c", "t", "i", "v", "l").vectorize("l").unroll("i", "v").contract("t")
    kernel = s.kernel
    a, b, c = np.ones(ROWS, np.float32), np.ones(width, np.float32), np.zeros((ROWS, width), np.float32)
    turns = np.zeros(TURNS, np.float32)
    return rate(lambda: kernel(a, b, turns, c), 2.0 * TURNS * ROWS * width)


def bandwidth(footprint: int) -> float:
    """Bytes a second that one core reads from an array of so many bytes."""
    from gemel.codegen.host import this_host

    lanes, rounds = this_host().vector_bits // 32, max(1, (1 << 23) // footprint)
    s = reading.schedule(N=footprint // 4, C=rounds).split("k", lanes * STREAMS, "k_t", "k_w")
    kernel = (
        s.split("k_w", lanes, "k_v", "k_l").spread("add", "k_t", "k_v", "k_l").vectorize("k_l").unroll("k_v").kernel
    )
    x, some, out = np.ones(footprint // 4, np.float32), np.zeros(rounds, np.float32), np.empty(rounds, np.float32)
    return rate(lambda: kernel(x, some, out), float(footprint * rounds), 0.2)


def footprints() -> dict[str, int]:
    """Array sizes that lie in one level each."""
    from gemel.codegen.host import this_host

    host = this_host()
    return {"L1": host.l1_bytes // 2, "L2": host.l2_bytes // 2, "L3": host.l3_bytes // 2, "DRAM": 4 * host.l3_bytes}


FACTOR = {"f32": 1.0, "f64": 0.5, "bf16": 2.0, "i8": 4.0}
"""Peaks of other types over that of f32, where the CPU has dot products of these; not measured."""
