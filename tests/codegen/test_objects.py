"""Objects linked with C programs give the interpreter's bits: on this machine, and on others under qemu-user."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpus import CASES
from cprograms import MACHINES, Run, built_and_run, outputs
from needs import needs

import gemel as gm
from gemel import bf16, f8e4m3, f16, f32, f64, i8, i32, i64, u64
from gemel.codegen.objects import library
from gemel.codegen.runtime import compile_for
from gemel.codegen.targets import target
from gemel.errors import BoundsError, CheckError
from gemel.semantics.arguments import bind
from gemel.semantics.passes.specialize import specialize
from gemel.semantics.storage import numpy_dtype

K, M, N = gm.dims("K M N")
i5, i100 = gm.Int(5), gm.Int(100)
each_machine = pytest.mark.parametrize("name", MACHINES)


@gm.kernel
def gemm(A: f32[M, K], B: f32[K, N]) -> f32[M, N]:
    C = gm.zeros((M, N), f32)
    for i, j, k in gm.grid(M, N, K):
        C[i, j] += A[i, k] * B[k, j]
    return C


@gm.kernel
def gemm8(A: i8[M, K], B: i8[K, N]) -> i32[M, N]:
    C = gm.zeros((M, N), i32)
    for i, j, k in gm.grid(M, N, K):
        C[i, j] += A[i, k] * B[k, j]
    return C


@gm.kernel
def softmax(x: f32[M, N]) -> f32[M, N]:
    y = gm.empty((M, N), f32)
    for i in range(M):
        top: f32 = x[i, 0]
        for j in range(N):
            top = max(top, x[i, j])
        total: f32 = 0
        for j in range(N):
            y[i, j] = gm.exp(x[i, j] - top)
            total += y[i, j]
        for j in range(N):
            y[i, j] = y[i, j] / total
    return y


@gm.kernel
def halves(x: bf16[N], y: f16[N], s: bf16) -> bf16[N]:
    z = gm.empty((N,), bf16)
    for i in range(N):
        z[i] = x[i] * s + gm.cast(y[i], bf16)
    return z


@gm.kernel
def odd(x: i5[N], flag: gm.bool_, s: i5) -> tuple[i5[N], f64]:
    y = gm.empty((N,), i5)
    total: f64 = 0.0
    for i in range(N):
        if flag:
            y[i] = gm.cast(x[i] + s, i5)
        else:
            y[i] = x[i]
        total += gm.cast(y[i], f64)
    return y, total


@gm.kernel
def wide(a: i64[N], b: i64[N], m: i64) -> i64[N]:
    c = gm.empty((N,), i64)
    for i in range(N):
        c[i] = gm.cast((a[i] * b[i]) // m, i64)
    return c


@gm.kernel
def wide2(a: u64[N], b: u64[N]) -> u64[N]:
    c = gm.empty((N,), u64)
    for i in range(N):
        c[i] = gm.cast((a[i] * a[i]) % (b[i] + 1), u64)
    return c


@gm.kernel
def hundred(a: i100[N], m: i100, s: f8e4m3[N]) -> tuple[i100[N], i100, f8e4m3[N]]:
    b = gm.empty((N,), i100)
    t = gm.empty((N,), f8e4m3)
    total: i100 = 0
    for i in range(N):
        b[i] = gm.cast(a[i] * a[i] // m, i100)
        total = gm.cast(total + b[i], i100)
        t[i] = s[i] * s[i]
    return b, total, t


@gm.kernel
def mirrored(x: f32[M, N], n: i32) -> f32[M]:
    far = gm.empty((M, N), f32)
    near = gm.empty((n,), f32)
    y = gm.zeros((M,), f32)
    for i, j in gm.grid(M, N):
        far[i, N - 1 - j] = x[i, j]
    for i in range(n):
        near[i] = far[0, i]
    for i in range(n):
        y[i] = near[i] + far[1, i]
    return y


@gm.kernel
def pick(x: f32[N], at: i32[M]) -> f32[M]:
    y = gm.zeros((M,), f32)
    for i in range(M):
        assert at[i] != 7, "seven is out"
        y[i] = x[at[i] + 1]
    return y


def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def normal(*shape: int) -> Any:
    return rng().standard_normal(shape).astype(np.float32)


def integers(count: int, dtype: type, bits: int) -> Any:
    lo = 0 if np.issubdtype(dtype, np.unsignedinteger) else -(1 << bits)
    return rng().integers(lo, (1 << bits) - 1, count, dtype=dtype)


def eighths() -> Any:
    return normal(19).astype(numpy_dtype(f8e4m3))


def calls() -> list[tuple[gm.Kernel, tuple[Any, ...]]]:
    bits = normal(37).view(np.uint32) >> 16
    return [
        (gemm, (normal(17, 40), normal(40, 33))),
        (gemm8, (integers(320, np.int8, 7).reshape(8, 40), integers(640, np.int8, 7).reshape(40, 16))),
        (softmax, (normal(5, 45) * 4,)),
        (halves, (bits.astype(np.uint16), normal(37).astype(np.float16), 1.7)),
        (odd, (integers(9, np.int8, 4), True, -7)),
        (wide, (integers(19, np.int64, 62), integers(19, np.int64, 62), -(10**18))),
        (wide2, (integers(19, np.uint64, 63), integers(19, np.uint64, 62))),
        (hundred, (np.array([n**19 * (-1) ** n for n in range(19)], object), -(10**12), eighths())),
        (mirrored, (normal(90, 120), 70)),
    ]


def for_arguments(kernel: gm.Kernel, args: tuple[Any, ...], name: str) -> Run:
    statics, values = kernel._split(args, {})
    ir = kernel.specialize(**statics).ir
    sizes = {var.hint: size for var, size in bind(ir, values).dims.items()}
    return Run(library(specialize(ir, sizes), target(name)), values)


def check(runs: list[Run], folder: Path) -> None:
    for run, (status, arrays) in zip(runs, outputs(runs, folder), strict=True):
        assert (status, arrays) == (0, run.expected()), run.library.source.name


@pytest.mark.slow
@each_machine
def test_bits_are_the_interpreters(name: str, tmp_path: Path) -> None:
    needs(*MACHINES[name].tools)
    check([for_arguments(kernel, args, name) for kernel, args in calls()], tmp_path)


@pytest.mark.slow
@each_machine
def test_the_corpus(name: str, tmp_path: Path) -> None:
    needs(*MACHINES[name].tools)
    check([for_arguments(case.kernel, case.arguments(), name) for case in CASES], tmp_path)


FAILING = """
#include <stdio.h>
#include "pick.h"
int main(void) {
  float x[4] = {1, 2, 3, 4}, y[2];
  int32_t bad[3][2] = {{0, 1}, {0, 3}, {7, 0}};
  for (int n = 0; n < 3; n++) {
    int32_t status = gemel_pick(x, bad[n], y);
    printf("%d %s\\n", status, gemel_pick_message(status));
  }
  printf("%d\\n", gemel_pick_message(99) == NULL);
  return 0;
}
"""


@pytest.mark.slow
@each_machine
def test_a_failed_check_is_a_status(name: str, tmp_path: Path) -> None:
    needs(*MACHINES[name].tools)
    made = library(pick.specialize(M=2, N=4).ir, target(name))
    made.save(tmp_path / "pick.o")
    made.save(tmp_path / "pick.h")
    (tmp_path / "main.c").write_text(FAILING)
    lines = built_and_run(name, tmp_path, ["main.c", "pick.o"]).decode().splitlines()
    statuses = [int(line.split()[0]) for line in lines[:3]]
    assert statuses[0] == 0 and lines[3] == "1" and len({*statuses}) == 3
    assert "index at[i] + 1 is out of range for axis 0 of x, which has size 4" in lines[1]
    assert lines[2].endswith(": seven is out") and "test_objects.py:" in lines[2]
    x = np.arange(4, dtype=np.float32)
    with pytest.raises(BoundsError):
        pick(x, np.array([0, 3], np.int32))
    with pytest.raises(CheckError):
        pick(x, np.array([7, 0], np.int32))


SHARED = """
#include <stdio.h>
#include "gemm.h"
int main(void) {
  float A[4] = {1, 2, 3, 4}, B[4] = {5, 6, 7, 8}, C[4];
  if (gemel_gemm(A, B, C)) return 1;
  printf("%g %g %g %g\\n", C[0], C[1], C[2], C[3]);
  return 0;
}
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["native", "aarch64", "riscv64"])
def test_shared_libraries(name: str, tmp_path: Path) -> None:
    """Linked by the system's linker; a program finds it as it finds any other."""
    needs(*MACHINES[name].tools)
    machine, made = MACHINES[name], compile_for(gemm.specialize(M=2, N=2, K=2).ir, name)
    made.save(tmp_path / "libgemm.so")
    made.save(tmp_path / "gemm.h")
    (tmp_path / "main.c").write_text(SHARED)
    build = [machine.compiler, "-o", "program", "main.c", "-L.", "-lgemm", "-Wl,-rpath,$ORIGIN"]
    subprocess.run(build, cwd=tmp_path, check=True)
    where = ["-L", f"/usr/{machine.compiler.removesuffix('-gcc')}"] if machine.emulator else []
    ran = subprocess.run([*machine.emulator, *where, "./program"], cwd=tmp_path, capture_output=True, text=True)
    assert ran.stdout == "19 22 43 50\n", ran.stderr


def undefined(path: Path) -> set[str]:
    listed = subprocess.run(["nm", "-u", str(path)], capture_output=True, text=True, check=True).stdout
    return {line.split()[-1] for line in listed.splitlines()}


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in MACHINES if n != "x86-64"])
def test_objects_need_little(name: str, tmp_path: Path) -> None:
    """Of others' functions an object calls those for memory; where the CPU rounds and multiplies itself, no more."""
    needs("nm")
    for kernel, args in calls():
        place = for_arguments(kernel, args, name).library.save(tmp_path / f"{kernel.__name__}.o")
        assert undefined(place) <= {"memset", "memcpy", "aligned_alloc", "malloc", "free"}
