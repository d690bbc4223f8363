"""Proofs of emitted text: what is right is proved, what is changed by hand is refuted, what isn't known says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from designs import DESIGNS
from proving import histogram, matmul

import gemel as gm
from gemel import f32, i8, i32, u8, u32
from gemel.hwsynth.prove.proof import prove
from gemel.hwsynth.prove.subject import subject_of

SQUARES = np.arange(64, dtype=np.int32) ** 2 % 1000


@gm.kernel
def table(J: u8[8]) -> i32[8]:
    C = gm.empty((8,), i32)
    for i in range(8):
        C[i] = SQUARES[gm.bits(J[i], 5, 0)]
    return C


@gm.kernel
def clipped(A: i32[8], n: i8) -> i32[8]:
    C = gm.empty((8,), i32)
    for i in range(8):
        C[i] = gm.saturate(A[i] + n, i8) if A[i] > 3 else A[i] // 4
    return C


@gm.kernel
def dot(A: f32[4], B: f32[4]) -> f32[1]:
    C = gm.zeros((1,), f32)
    for k in range(4):
        C[0] += A[k] * B[k]
    return C


@pytest.mark.parametrize("kernel", [histogram, table, clipped], ids=["histogram", "table", "clipped"])
def test_integer_kernels_are_proved(kernel: gm.Kernel) -> None:
    proof = kernel.synth().prove()
    assert proof.ok, str(proof)
    assert {o.name for o in proof.obligations} >= {
        "start means nothing while busy",
        "idle stays idle without start",
        "all outputs are the kernel's, for all inputs",
    }


def test_tensors_with_the_names_of_keywords() -> None:
    """`bins`, of which SystemVerilog makes no name by itself."""
    assert DESIGNS["histogram"].synth().prove(mutants=0).ok


def test_a_product_of_matrices_is_proved_with_its_multiplier() -> None:
    proof = matmul.synth(M=3, N=2, K=4).prove()
    assert proof.ok, str(proof)
    assert any(o.name.startswith("unit multiply") for o in proof.obligations)


@pytest.mark.slow
def test_a_sum_of_floats_is_proved_in_its_order_with_its_units() -> None:
    proof = dot.synth().prove(seconds=60, mutants=0)
    assert proof.ok, str(proof)
    assert {o.name for o in proof.obligations} >= {"unit f32_add", "unit f32_mul"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("assign C_waddr = ", "assign C_waddr = 3'd1 ^ "),
        ("assign C_wdata = ", "assign C_wdata = 32'sd1 + "),
        ("LAST_K = 2'd3", "LAST_K = 2'd2"),
        ("busy <= 1'b0;\n      done", "busy <= 1'b1;\n      done"),
    ],
    ids=["address", "word", "bound", "reset"],
)
def test_text_that_was_changed_is_refuted(old: str, new: str) -> None:
    subject = subject_of(matmul.synth(M=2, N=4, K=4))
    assert old in subject.sv
    proof = prove(replace(subject, sv=subject.sv.replace(old, new)))
    assert proof.status == "refuted", str(proof)


@gm.kernel
def products(A: u32[4], B: u32[4]) -> u32[4]:
    C = gm.empty((4,), u32)
    for i in range(4):
        C[i] = (A[i] * B[i] + A[i]) * (B[i] - 3) * A[i]
    return C


def test_products_split_within_a_cycle_are_units_too() -> None:
    subject = subject_of(products.synth(target="xcup", clock_mhz=100))
    timeless = [name for name, c in subject.contracts.items() if not c.latency]
    assert timeless
    assert prove(subject).ok, str(prove(subject))
    changed = subject.sv.replace("a[15:0]", "a[14:0]", 1)
    assert changed != subject.sv
    wrong = [o for o in prove(replace(subject, sv=changed)).obligations if o.status == "refuted"]
    assert [o.name for o in wrong] == [f"unit {timeless[0]}"]


def test_a_changed_unit_is_refuted_with_operands() -> None:
    subject = subject_of(matmul.synth(M=2, N=2, K=2))
    changed = subject.sv.replace("assign low_product = ", "assign low_product = 32'd1 + ", 1)
    assert changed != subject.sv
    wrong = [o for o in prove(replace(subject, sv=changed)).obligations if o.status == "refuted"]
    assert [o.name.startswith("unit multiply") for o in wrong] == [True]
    assert set(wrong[0].values) >= {"a", "b"}


@gm.kernel
def controller(error: i32[2], kp: u8, ki: u8, limit: i32) -> i32[2]:
    gm.requires(limit > 0)
    gm.requires(limit < 1 << 20)
    out = gm.empty((2,), i32)
    acc: i32 = 0
    for k in range(2):
        e = gm.clip(error[k], -limit, limit)
        acc = gm.cast(gm.clip(acc + e, -limit, limit), i32)
        out[k] = gm.cast(gm.clip((kp * e + ki * acc) >> 4, -limit, limit), i32)
    return out


def test_numbers_that_callers_may_not_ask_for_refute_nothing() -> None:
    """The circuit is as narrow as what is required lets it be."""
    assert prove(subject_of(controller.synth()), seconds=0.3).status != "refuted"
