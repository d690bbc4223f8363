"""What threads share by default: loops of much work whose iterations keep apart, whatever the number of threads."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

import gemel as gm
from gemel import f32, f64
from gemel.codegen.host import this_host
from gemel.codegen.rules.defaults import scheduled
from gemel.kernel import of_ir
from gemel.semantics.passes.guard import guard
from gemel.semantics.passes.inline import inline
from gemel.semantics.passes.simplify import simplify
from gemel.semantics.schedule.schedule import Scheduled

M, N, K, T = gm.dims("M N K T")


@gm.kernel
def product(A: f32[M, K], B: f32[K, N]) -> f32[M, N]:
    return A @ B


@gm.kernel
def sweeps(a: f64[M, N], b: f64[M, N], steps: gm.static[int] = 3):
    for _ in range(steps):
        b[1:-1, 1:-1] = 0.25 * (a[1:-1, 2:] + a[1:-1, :-2] + a[2:, 1:-1] + a[:-2, 1:-1])
        a[1:-1, 1:-1] = b[1:-1, 1:-1]


@gm.kernel
def triangle(a: f64[N, N]) -> f64[N]:
    out = gm.zeros((N,), f64)
    for i in range(N):
        for j in range(i):
            out[i] += gm.exp(a[i, j])
    return out


@gm.kernel
def recurrence(a: f64[M, N]):
    for i in range(1, M):
        for j in range(N):
            a[i, j] = gm.sin(a[i - 1, j]) * 0.5


def shared(kernel: Any, threads: int = 2, **sizes: int) -> Scheduled:
    """A kernel by default for some threads."""
    k = simplify(guard(inline(kernel._static_ir(sizes))))
    return scheduled(k, replace(this_host(), threads=threads))


def parallel(text: Scheduled) -> list[str]:
    return [line.split()[0] for line in str(text).splitlines() if line.endswith("parallel")]


def test_small_problems_stay_in_one_thread() -> None:
    assert not parallel(shared(product, M=32, N=32, K=32)) and parallel(shared(product, M=300, N=300, K=300))
    assert not parallel(shared(product, 1, M=300, N=300, K=300))


def test_the_outermost_loop_that_keeps_apart_is_shared() -> None:
    assert parallel(shared(sweeps, M=900, N=900)) == ["i", "i_1"]
    assert parallel(shared(triangle, N=3000)) == ["i_1"]
    assert parallel(shared(recurrence, M=10, N=300_000)) == ["j_t"]
    assert parallel(shared(recurrence, M=900, N=400)) == []


def test_bits_are_those_of_one_thread() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((2, 210, 210)).astype(np.float32)
    cases: list[tuple[Any, tuple[Any, ...], dict[str, int]]] = [
        (product, (a, b), {"M": 210, "N": 210, "K": 210}),
        (triangle, (rng.random((333, 333)),), {"N": 333}),
    ]
    for kernel, args, sizes in cases:
        for threads in (1, 2, 5):
            made = shared(kernel, threads, **sizes).kernel
            assert of_ir(made)(*args).tobytes() == kernel(*args).tobytes()
