"""Tables beside the code, and what is computed of them once."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from needs import needs

import gemel as gm
from gemel import f32, i32
from gemel.codegen import tables
from gemel.codegen.objects import Library
from gemel.codegen.once import once, steady
from gemel.codegen.runtime import compile_for
from gemel.semantics import ir
from gemel.semantics.check import check
from gemel.semantics.passes.specialize import specialize

M, N, K = gm.dims("M N K")


@gm.kernel
def product(x: f32[M, K], w: f32[K, N]) -> f32[M, N]:
    y = gm.zeros((M, N), f32)
    for i, j, k in gm.grid(M, N, K):
        y[i, j] += x[i, k] * w[k, j]
    return y


def arrays(m: int, k: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(m * k + n)
    return rng.standard_normal((m, k), dtype=np.float32), rng.standard_normal((k, n), dtype=np.float32)


def kernel_of(text: str) -> str:
    """The text of the function that is called."""
    return text[text.index("define i64 @kernel(") :]


def test_constant_weights_are_packed_once() -> None:
    x, w = arrays(40, 200, 100)
    code = product.specialize(w=w).compile(M=40)
    assert tables.symbol(code.source.body[0].buffer.data) in code.llvm
    assert "@gemel.table." not in kernel_of(code.llvm) and "define i64 @setup" in code.llvm
    assert (code(x) == product(x, w)).all()


@pytest.mark.parametrize("m,k,n", [(8, 768, 300), (9, 65, 49), (1, 64, 200), (100, 513, 7), (61, 700, 61)])
def test_the_bits_are_those_of_the_schedule(m: int, k: int, n: int) -> None:
    x, w = arrays(m, k, n)
    fixed = product.specialize(w=w)
    assert fixed(x).tobytes() == product(x, w).tobytes()
    if m * k * n < 50_000:
        assert fixed(x).tobytes() == fixed.schedule_for(x, start="cpu").kernel.interpret(x).tobytes()


def test_data_is_no_text() -> None:
    """A table of 40 MB: LLVM and the kept object never see it."""
    w = np.ones((1000, 10_000), np.float32)
    code = product.specialize(w=w).compile(M=1)
    assert len(code.llvm) < 200_000
    assert (code(np.ones((1, 1000), np.float32)) == 1000).all()


PROGRAM = """
import sys
import numpy as np
import gemel as gm
from gemel import f32
M, N, K = gm.dims("M N K")

@gm.kernel
def product(x: f32[M, K], w: f32[K, N]) -> f32[M, N]:
    return x @ w

w = np.arange(64 * 96, dtype=np.float32).reshape(64, 96) % int(sys.argv[1])
x = np.ones((16, 64), np.float32)
assert (product.specialize(w=w)(x) == x @ w).all()
print("llvmlite" in sys.modules)
"""


@pytest.mark.slow
def test_a_kept_object_computes_it_anew(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    env = {
        **os.environ,
        "GEMEL_VERIFY": "",
        "GEMEL_CACHE": str(tmp_path),
        "GEMEL_CACHE_MB": "256",
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
    }

    def run(mod: int) -> str:
        done = subprocess.run([sys.executable, program, str(mod)], env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert [run(7), run(7), run(5), run(5)] == ["True\n", "False\n", "True\n", "False\n"]


TABLE = np.arange(24, dtype=np.int32).reshape(4, 6)


@gm.kernel
def inside(x: i32[4, 6]) -> i32[4, 6]:
    y = gm.zeros((4, 6), i32)
    for i in range(4):
        twice = gm.empty((6,), i32)
        for j in range(6):
            twice[j] = TABLE[i, 5 - j] * 2
        for j in range(6):
            y[i, j] = x[i, j] + twice[j]
    return y


@gm.kernel
def chained(x: i32[6]) -> i32[6]:
    y = gm.zeros((6,), i32)
    first = gm.zeros((6,), i32)
    for i, j in gm.grid(4, 6):
        first[j] += TABLE[i, j]
    for i in range(6):
        second = gm.empty((6,), i32)
        for j in range(6):
            second[j] = first[j] * 3
        y[i] = x[i] + second[5 - i]
    return y


@gm.kernel
def not_steady(x: i32[4, 6]) -> i32[4, 6]:
    y = gm.zeros((4, 6), i32)
    for i in range(4):
        row = gm.empty((6,), i32)
        for j in range(6):
            row[j] = TABLE[i, j] * x[i, j]
        for j in range(6):
            y[i, j] = row[5 - j]
            row[5 - j] = 0
    return y


@gm.kernel
def large_of_small(x: i32[4, 6]) -> i32[4, 6]:
    y = gm.zeros((4, 6), i32)
    for i in range(4):
        wide = gm.empty((2800, 6), i32)
        for k, j in gm.grid(2800, 6):
            wide[k, j] = TABLE[i, j] + k
        for j in range(6):
            y[i, j] = x[i, j] + wide[2799 - i, j]
    return y


def brought_out(kernel: gm.Kernel) -> ir.Kernel:
    made = once(kernel.ir)
    check(made)
    return made


def test_an_array_has_an_axis_for_each_loop_that_it_depends_on() -> None:
    made = brought_out(inside)
    (twice,) = [s.buffer for s in made.body if isinstance(s, ir.Alloc) and s.buffer.hint == "twice"]
    assert twice.rank == 2 and len(steady(made.body)) == 2
    x = np.ones((4, 6), np.int32)
    assert (inside(x) == x + 2 * TABLE[:, ::-1]).all()


def test_steady_arrays_come_of_steady_arrays() -> None:
    made = brought_out(chained)
    names = [s.buffer.hint for s in made.body if s in steady(made.body) and isinstance(s, ir.Alloc)]
    assert names == ["first", "second"]
    x = np.arange(6, dtype=np.int32)
    assert (chained(x) == x + 3 * TABLE.sum(axis=0)[::-1]).all()


@pytest.mark.parametrize("kernel", [not_steady, large_of_small])
def test_others_stay(kernel: gm.Kernel) -> None:
    assert not steady(brought_out(kernel).body)
    x = np.ones((4, 6), np.int32)
    assert (kernel(x) == kernel.interpret(x)).all()


def test_c_programs_carry_their_tables() -> None:
    """What depends on constants is a table of its own there; those that it was made of are gone."""
    w = np.arange(64 * 64, dtype=np.float32).reshape(64, 64)
    code = product.specialize(w=w).compile(target="x86-64", M=4)
    assert "gemel.table" not in code.llvm and "@setup" not in code.llvm
    names = [s.buffer for s in code.kernel.body if isinstance(s, ir.Alloc) and s.buffer.data is not None]
    assert [b.hint for b in names] == ["w_pack"] and set(names[0].data.flat) == set(w.flat)


@pytest.mark.slow
def test_objects_compute_with_what_was_computed_before(tmp_path: Path) -> None:
    needs("cc")
    x, w = arrays(12, 70, 33)
    fixed = product.specialize(w=w)
    for n, (kernel, args) in enumerate([(fixed, (x,)), (chained, (np.arange(6, dtype=np.int32),))]):
        code = compile_for(specialize(kernel.ir, {d.hint: 12 for d in kernel.ir.dims}), "x86-64")
        library = ctypes.CDLL(str(code.save(tmp_path / f"lib{n}.so")))
        wanted = kernel.interpret(*args) if n else code_of(code)(*args)
        out = np.empty_like(wanted)
        run = getattr(library, f"gemel_{kernel.__name__}")
        assert run(args[0].ctypes.data_as(ctypes.c_void_p), out.ctypes.data_as(ctypes.c_void_p)) == 0
        assert out.tobytes() == wanted.tobytes()


def code_of(library: Library) -> gm.Kernel:
    """The kernel with the bits of an object."""
    from gemel.kernel import of_ir

    return of_ir(library.scheduled)
