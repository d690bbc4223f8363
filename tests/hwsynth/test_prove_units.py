"""Proofs of functional units: dividers by induction over rows, what is wrong with one, what is only tested."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

import gemel as gm
from gemel import f32, u8, u16
from gemel.bench.hardware.tablec import trisolv
from gemel.hwsynth.prove.proof import Obligation, prove
from gemel.hwsynth.prove.subject import subject_of


@gm.kernel
def ratios(A: u16[4], B: u8[4]) -> u16[4]:
    C = gm.empty((4,), u16)
    for i in range(4):
        C[i] = A[i] // B[i] if B[i] != 0 else 0
    return C


def _divider(kernel: gm.Kernel, old: str = "", new: str = "") -> Obligation:
    subject = subject_of(kernel.synth(target="ecp5" if kernel is ratios else "xcup"))
    assert old in subject.sv
    found = prove(replace(subject, sv=subject.sv.replace(old, new, 1)), seconds=4).obligations
    return next(o for o in found if o.name.startswith("unit divide"))


@pytest.mark.parametrize("kernel", [ratios, trisolv], ids=["pipelined", "serial"])
def test_a_divider_is_proved_row_by_row(kernel: gm.Kernel) -> None:
    divider = _divider(kernel)
    assert divider.status == "proved"
    assert "induction over rows" in divider.detail
    assert divider.name.endswith("serial") == (kernel is trisolv)


def test_what_comes_of_a_division_by_0_means_nothing() -> None:
    subject = subject_of(ratios.synth())
    assert prove(subject).ok, str(prove(subject))
    unguarded = re.sub(r"assign C_wdata = .*;", "assign C_wdata = divide_16_by_8_0_quotient;", subject.sv)
    assert unguarded != subject.sv
    assert not prove(replace(subject, sv=unguarded), seconds=2).ok


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sum_9_1_ge_0_9 = sum_9_1_9 >= ", "sum_9_1_ge_0_9 = sum_9_1_9 > "),
        ("? divisor_s6_1", "? divisor_s5_1"),
        ("divisor_s6_1 <= divisor_s5_1", "divisor_s6_1 <= divisor"),
        ("joined_s6_1 <= {joined_s5_2", "joined_s6_1 <= {joined_s4_1"),
        ("divisor_s2 <= divisor_s1", "divisor_s2 <= (divisor_s1 == 9'd93) ? 9'd92 : divisor_s1"),
    ],
    ids=["row", "remainder", "late divisor", "early bits", "one divisor"],
)
def test_a_wrong_pipelined_divider_is_refuted(old: str, new: str) -> None:
    wrong = _divider(ratios, old, new)
    assert wrong.status == "refuted", wrong
    assert set(wrong.values) == {"dividend", "divisor"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("to_go != 4'd0", "to_go > 4'd1"),
        ("(rest < ", "(rest <= "),
        ("end else if (to_go != 4'd0) begin", "end else begin"),
        ("      by <= divisor;\n", ""),
    ],
    ids=["cycles", "remainder", "kept", "divisor"],
)
def test_a_wrong_serial_divider_is_refuted(old: str, new: str) -> None:
    assert _divider(trisolv, old, new).status == "refuted"


@gm.kernel
def quotients(A: f32[4], B: f32[4]) -> f32[4]:
    C = gm.empty((4,), f32)
    for i in range(4):
        C[i] = A[i] / B[i]
    return C


@pytest.mark.slow
def test_division_of_floats_is_proved_part_by_part() -> None:
    subject = subject_of(quotients.synth(target="ecp5"))
    unit = next(o for o in prove(subject, seconds=6).obligations if o.name == "unit f32_div")
    assert (unit.status, unit.detail) == ("proved", "f32_div by z3 part by part")
