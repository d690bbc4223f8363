"""Dot products of bytes and of bf16: exact or as `fma_flush` says, on the CPU as in the interpreter, at any size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gemel as gm
from gemel import bf16, f32, i8, i16, i32, u8
from gemel.codegen.cpu import dots
from gemel.codegen.host import Host
from gemel.codegen.rules.defaults import scheduled
from gemel.errors import ScheduleError
from gemel.schedule import Schedule
from gemel.semantics import ops
from gemel.semantics.convert import from_bits, same_float
from gemel.semantics.dtypes import BF16, F32

M, N, K = gm.dims("M N K")


@gm.kernel
def signed(A: i8[M, K], B: i8[K, N]) -> i32[M, N]:
    C = gm.zeros((M, N), i32)
    for i, j, k in gm.grid(M, N, K):
        C[i, j] += A[i, k] * B[k, j]
    return C


@gm.kernel
def mixed(A: u8[M, K], B: i8[K, N]) -> i32[M, N]:
    C = gm.zeros((M, N), i32)
    for i, j, k in gm.grid(M, N, K):
        C[i, j] += A[i, k] * B[k, j]
    return C


@gm.kernel
def widened(A: i8[M, K], B: i8[K, N]) -> i32[M, N]:
    C = gm.zeros((M, N), i32)
    for i, j, k in gm.grid(M, N, K):
        C[i, j] += gm.cast(A[i, k], i32) * gm.cast(B[k, j], i16)
    return C


@gm.kernel
def brief(A: bf16[M, K], B: bf16[K, N]) -> f32[M, N]:
    return gm.cast(A, f32) @ gm.cast(B, f32)


def operands(kernel: Any, m: int, n: int, k: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(m * n + k)
    if kernel is brief:
        parts = (rng.standard_normal(s, dtype=np.float32).view(np.uint32) >> 16 for s in ((m, k), (k, n)))
        a, b = (p.astype(np.uint16) for p in parts)
        return a, b
    a = rng.integers(0, 256, (m, k)).astype(np.uint8 if kernel is mixed else np.int8)
    return a, rng.integers(-128, 128, (k, n)).astype(np.int8)


def agrees(kernel: Any, m: int, n: int, k: int) -> Schedule:
    s: Schedule = kernel.schedule("cpu", M=m, N=n, K=k)
    a, b = operands(kernel, m, n, k)
    got = s.kernel(a, b)
    assert got.tobytes() == s.kernel.interpret(a, b).tobytes()
    if kernel is not brief:
        np.testing.assert_array_equal(got, a.astype(np.int64) @ b.astype(np.int64))
    return s


@pytest.mark.parametrize("kernel", [signed, mixed, brief], ids=["signed", "mixed", "brief"])
@pytest.mark.parametrize("shape", [(5, 20, 32), (7, 17, 9), (1, 64, 66), (13, 33, 31)])
def test_default_schedules_agree(kernel: Any, shape: tuple[int, int, int]) -> None:
    agrees(kernel, *shape)


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(st.sampled_from((signed, mixed, brief)), st.integers(1, 20), st.integers(1, 70), st.integers(1, 40))
def test_any_size_agrees(kernel: Any, m: int, n: int, k: int) -> None:
    agrees(kernel, m, n, k)


@pytest.mark.skipif(not {"bytes", "bf16"} <= dots(), reason="this CPU has no dot products of bytes and bf16")
@pytest.mark.parametrize(
    ("kernel", "name"), [(signed, "vpdpbusd"), (widened, "vpdpbusd"), (mixed, "vpdpbusd"), (brief, "vdpbf16ps")]
)
def test_instructions_are_used(kernel: Any, name: str) -> None:
    code = agrees(kernel, 8, 64, 32).kernel.compile()
    assert name in code.asm and "vpgatherdd" not in code.asm and "vpscatterdd" not in code.asm


@pytest.mark.parametrize("kernel", [signed, mixed])
def test_bytes_are_exact_by_proof(kernel: Any) -> None:
    s = kernel.schedule("cpu", M=3, N=20, K=10)
    assert s.validate().status == "proved"


def test_other_hosts_get_no_dot_products() -> None:
    plain = scheduled(signed.specialize(M=8, N=64, K=32).ir, Host(512, 32))
    assert "dot" not in plain.text


def grouped(kernel: Any, count: int, **dims: int) -> Schedule:
    s = kernel.schedule(M=4, N=16, **{"K": 8, **dims})
    names = ("i", "j", "k") if kernel is brief else ("i_1", "j_1", "k")
    s = s.fission("k", names[0]) if kernel is brief else s
    return s.split("k", count, "kg", "kq")


def test_dot_sums_a_short_loop() -> None:
    s = grouped(signed, 4).dot("kq")
    assert str(s.kernel.ir).count("A[") == 4 and s.validate().status == "proved"
    tail = grouped(signed, 4, K=6).dot("kq")
    assert "select(" in str(tail.kernel.ir) and tail.validate().status == "proved"
    chain = grouped(brief, 2).dot("kq")
    assert str(chain.kernel.ir).count("fma_flush") == 2 and chain.validate().ok


def test_steps_replay() -> None:
    s = signed.schedule("cpu", M=8, N=64, K=32)
    again = signed.schedule(M=8, N=64, K=32).replay(s.text)
    assert str(again.kernel.ir) == str(s.kernel.ir)


REFUSED = [
    ("too long a loop", lambda: signed.schedule(M=4, N=16, K=64).dot("k"), "no loop of 2 to 8"),
    ("other floats", lambda: grouped(brief, 4).dot("kq"), "sums 4 products of f32"),
    ("no sum", lambda: signed.schedule(M=4, N=4, K=4).reorder("k", "j_1", "i_1").dot("i_1"), "element of its own"),
    ("no local arrays", lambda: grouped(signed, 4).dot("kq").unsigned("A", "B"), "no local arrays of i8"),
]


@pytest.mark.parametrize(("take", "part"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refused(take: Any, part: str) -> None:
    with pytest.raises(ScheduleError, match=part):
        take()


# ------------------------------------------------------------------------------------------------------------ fma_flush


@pytest.mark.skipif("bf16" not in dots(), reason="this CPU has no dot products of bf16")
def test_the_chain_is_what_the_instruction_does() -> None:
    """Operands and accumulators of all magnitudes, subnormal ones and those next to them above all."""
    rng = np.random.default_rng(4)
    lanes = brief.schedule(M=2, N=16, K=2).fission("k", "i").split("k", 2, "kg", "kq").split("j", 16, "jt", "jl")
    lanes = lanes.reorder("i", "jt", "kg", "jl", "kq").stage("B", "jt", "kg", "jl", "kq", name="p").vectorize("jl")
    lanes = lanes.dot("kq").simplify()
    assert "vdpbf16ps" in lanes.kernel.compile().asm
    for _ in range(40):
        a, b = (rng.integers(0, 1 << 16, shape).astype(np.uint16) for shape in ((2, 2), (2, 16)))
        near = rng.integers(0, 4)
        if near < 3:  # products about the least normal number
            a = (a & 0x807F) | ((63 + rng.integers(-2, 3)) << 7)
            b = (b & 0x807F) | ((64 - near * 20 + rng.integers(-2, 3)) << 7)
        a, b = a.astype(np.uint16), b.astype(np.uint16)
        got, wanted = lanes.kernel(a, b), lanes.kernel.interpret(a, b)
        assert all(same_float(float(x), float(y)) for x, y in zip(got.ravel(), wanted.ravel(), strict=True))


def test_fma_flush_takes_subnormal_numbers_for_zeros() -> None:
    tiny, least = from_bits(1, F32), 2.0**-126
    meaning = ops.FMA_FLUSH.meaning
    assert meaning(F32, (F32,) * 3, (tiny, 1.0, 0.0)) == 0.0
    assert meaning(F32, (F32,) * 3, (least, 0.5, 0.0)) == 0.0
    assert meaning(F32, (F32,) * 3, (least, 1.0, 0.0)) == least
    assert str(meaning(F32, (F32,) * 3, (-least, 0.5, 0.0))) == "-0.0"
    assert meaning(BF16, (BF16,) * 3, (1.0, 2.0, from_bits(1, BF16))) == 2.0
