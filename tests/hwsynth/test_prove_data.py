"""Proofs where control depends on data: loops by induction, checks with their numbers; what errs is refuted."""

from __future__ import annotations

from dataclasses import replace

import pytest

import gemel as gm
from gemel import i32, u8, u16, u32
from gemel.hwsynth.prove.counterexample import search
from gemel.hwsynth.prove.proof import Obligation, obligations, prove, text_of
from gemel.hwsynth.prove.subject import subject_of
from gemel.semantics.symbolic.running import deep


@gm.kernel
def gcd(a: u8, b: u8) -> u8:
    x: u8 = a
    y: u8 = b
    while y != 0:
        if x < y:
            x, y = y, x
        x = x - y
    return x


@gm.kernel
def euclid(a: i32, b: i32) -> i32:
    gm.requires(a >= 0)
    gm.requires(b >= 0)
    x, y = a, b
    while y != 0:
        x, y = y, x % y
    return x


@gm.kernel
def collatz(n: u16, most: u8) -> u8:
    x: u32 = n
    steps: u8 = 0
    while x > 1 and steps < most:
        x = gm.cast(3 * x + 1, u32) if gm.bits(x, 0, 0) == 1 else x // 2
        steps = gm.cast(steps + 1, u8)
    return steps


@gm.kernel
def bisect(A: i32[8], key: i32) -> i32:
    lo: i32 = 0
    hi: i32 = 8
    while lo < hi:
        mid: i32 = (lo + hi) // 2
        if A[mid] < key:
            lo = mid + 1
        else:
            hi = mid
    return lo


@gm.kernel
def find(A: i32[8], key: i32) -> i32:
    at: i32 = 8
    for i in range(8):
        if A[i] == key:
            at = i
            break
    return at


@gm.kernel
def gather(A: i32[6], J: u8[3]) -> i32[3]:
    C = gm.zeros((3,), i32)
    for i in range(3):
        C[i] = A[J[i]]
    return C


@gm.kernel
def ratios(A: u8[3], B: u8[3], limit: u8) -> u8[3]:
    C = gm.zeros((3,), u8)
    for i in range(3):
        assert A[i] < limit
        C[i] = A[i] // B[i]
    return C


@gm.kernel
def lu(A: i32[3, 3]):
    for i in range(3):
        for j in range(i):
            for k in range(j):
                A[i, j] -= A[i, k] * A[k, j]
            A[i, j] = A[i, j] // A[j, j]
        for j in range(i, 3):
            for k in range(i):
                A[i, j] -= A[i, k] * A[k, j]


@gm.kernel
def remainder(x: u8, y: u8) -> u8:
    left: u8 = x
    while left > y:
        left = left - y - 1
    return left


@gm.kernel
def remainders(A: u8[4], y: u8) -> u8[4]:
    C = gm.zeros((4,), u8)
    for i in range(4):
        C[i] = remainder(A[i], y)
    return C


@gm.kernel
def root(n: u16) -> u16:
    x: u16 = n
    y: u16 = (x + 1) // 2
    while y < x:
        x = y
        y = gm.cast((x + n // x) // 2, u16)
    return x


@gm.kernel
def smooth(A: i32[5], B: i32[5], steps: i32):
    for _t in range(steps):
        for i in range(1, 4):
            B[i] = gm.cast((A[i - 1] + A[i] + A[i + 1]) // 3, i32)
        for i in range(1, 4):
            A[i] = B[i]


BY_INDUCTION = [gcd, euclid, collatz, bisect, find, remainders, root, smooth]


@pytest.mark.parametrize(
    "kernel", BY_INDUCTION, ids=["gcd", "euclid", "collatz", "bisect", "find", "remainders", "root", "smooth"]
)
def test_loops_by_data_are_proved_by_induction(kernel: gm.Kernel) -> None:
    proof = prove(subject_of(kernel.synth()))
    assert proof.ok, str(proof)
    assert any("by induction over the loop" in o.detail for o in proof.obligations)


@pytest.mark.parametrize("kernel", [gather, ratios, lu], ids=["gather", "ratios", "lu"])
def test_the_number_of_the_check_that_fails_is_proved(kernel: gm.Kernel) -> None:
    proof = prove(subject_of(kernel.synth()))
    assert proof.ok, str(proof)


@pytest.mark.parametrize(
    ("kernel", "old", "new"),
    [
        (gcd, "again = step && (y != 8'd0)", "again = step && (y > 8'd1)"),
        (gcd, "      y <= y_next;", "      y <= y;"),
        (find, "at_1 <= at_next;", "at_1 <= at;"),
        (gather, "error_code <= 1'b1", "error_code <= 1'b0"),
        (bisect, "hi <= 32'sd8", "hi <= 32'sd7"),
        (smooth, "plus_1 < 33'(steps_held)", "plus_1 <= 33'(steps_held)"),
        (smooth, "33'd43691", "33'd43690"),
    ],
    ids=["exit", "dropped update", "register", "number", "bound", "turns", "reciprocal"],
)
def test_text_that_errs_is_not_proved(kernel: gm.Kernel, old: str, new: str) -> None:
    subject = subject_of(kernel.synth())
    assert old in subject.sv, subject.sv
    proof = prove(replace(subject, sv=subject.sv.replace(old, new)))
    assert proof.status in ("unknown", "refuted"), str(proof)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("        error <= 1'b0;\n        busy <= 1'b1;", "        busy <= 1'b1;"),
        ("    if (rst || kill) begin\n      run", "    if (rst) begin\n      run"),
    ],
    ids=["error stays over a start", "iterations stay under way"],
)
def test_a_run_after_one_in_which_a_check_failed_counts(old: str, new: str) -> None:
    subject = subject_of(gather.synth())
    assert old in subject.sv, subject.sv
    proof = prove(replace(subject, sv=subject.sv.replace(old, new)))
    assert proof.status == "refuted", str(proof)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("A_rdata_is_0) error <= 1'b1", "A_rdata_is_0 && (i != 2'd2)) error <= 1'b1"),
        ("A_rdata_is_0) error <= 1'b1", "(A_rdata_is_0 || A_rdata == 32'sd1)) error <= 1'b1"),
        ("A_rdata_is_0 && !error) error_code <= 1'b1", "A_rdata_is_0 && (i != 2'd2)) error_code <= 1'b1"),
    ],
    ids=["a check too few", "one too many", "number"],
)
def test_checks_where_control_is_known_are_told_apart(old: str, new: str) -> None:
    subject = subject_of(lu.synth())
    assert old in subject.sv, subject.sv
    wrong = replace(subject, sv=subject.sv.replace(old, new))
    found: list[Obligation] = []
    deep(lambda: found.extend(obligations(wrong, wrong.top, text_of(wrong, wrong.top), 10.0)))
    assert "refuted" in {o.status for o in found}, found


def test_a_wrong_number_of_a_check_is_shown_by_a_run() -> None:
    subject = subject_of(gather.synth())
    wrong = replace(subject, sv=subject.sv.replace("error_code <= 1'b1", "error_code <= 1'b0"))
    found = search(wrong, prove(wrong), None)
    assert found is not None
    assert (found.where, found.expected, found.found) == ("error_code", 1, 0)
