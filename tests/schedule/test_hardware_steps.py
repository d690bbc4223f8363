"""Steps for hardware: what they ask for is what the simulated RTL does; values stay what they are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from schedule.test_steps import matrices, same_bits, whole

import gemel as gm
from gemel import i32
from gemel.errors import ScheduleError, SynthesisError
from gemel.schedule import Schedule

N = gm.dims("N")


@gm.kernel
def doubled(a: i32[N]):
    for i in range(N - 1):
        a[i + 1] = gm.cast(a[i] * 2, i32)


@pytest.mark.parametrize("ii", [0, 1, 2, 5])
def test_iterations_begin_as_often_as_asked(ii: int) -> None:
    a, b = matrices(4, 6, 5, np.int8)
    s = whole.schedule(M=4, N=6, K=5).pipeline("k", ii)
    hw = s.kernel.synth()
    run = hw.simulate(a, b)
    assert (run.outputs == a.astype(np.int64) @ b).all() and run.cycles == hw.cycles
    assert [loop.ii for loop in hw.report.loops] == [max(ii, 1)]
    assert ("the schedule" in str(hw.report)) == (ii > 1)
    assert 119 * max(ii, 1) < hw.cycles < 121 * max(ii, 1) + 4
    assert (same_bits(s, a, b) == run.outputs).all() and s.validate().ok


def test_steps_before_count() -> None:
    a, b = matrices(4, 6, 5, np.int8)
    s = whole.schedule(M=4, N=6, K=5).reorder("k", "i_1", "j_1").pipeline("j_1", 3)
    hw = s.kernel.synth()
    run = hw.simulate(a, b)
    assert (run.outputs == a.astype(np.int64) @ b).all() and run.cycles == hw.cycles
    assert 3 in [loop.ii for loop in hw.report.loops]


def test_what_cant_be_had_is_refused() -> None:
    hw = doubled.schedule(N=9).pipeline("i").kernel.synth()
    least = hw.report.loops[0].ii
    assert least > 1
    assert doubled.schedule(N=9).pipeline("i", least).kernel.synth().cycles == hw.cycles
    with pytest.raises(SynthesisError, match=f"it takes {least}: memory a needed in the next iteration") as caught:
        doubled.schedule(N=9).pipeline("i", least - 1).kernel.synth()
    assert caught.value.code == "H07"


def test_loops_around_others_cant_be_pipelined() -> None:
    @gm.kernel
    def triangles(a: i32[8, 8], y: i32[8]):
        for i in range(8):
            for j in range(i):
                y[i] += a[i, j]
            for k in range(i):
                y[i] ^= a[k, i]

    with pytest.raises(SynthesisError, match="an iteration can't begin every") as caught:
        triangles.schedule().pipeline("i", 1).kernel.synth()
    assert caught.value.code == "H07"


def test_partitions_are_kept_with_the_array() -> None:
    a, b = matrices(4, 6, 5, np.int8)
    s = whole.schedule(M=4, N=6, K=5).partition("A", 1, kind="complete").partition("B", 0, 5)
    s = s.partition("B", 1, 2, "block").pipeline("k", 2)
    text = str(s.kernel.ir)
    assert "A: i8[4, 5] banks(1, 5, complete), B: i8[5, 6] banks(0, 5, cyclic) banks(1, 2, block)" in text
    assert "pipeline every 2 {" in text and "k in 0 .. 5  pipeline, every 2 cycles" in str(s)
    assert str(gm.parse(text).ir) == text
    assert str(whole.schedule(M=4, N=6, K=5).replay(s.text).kernel.ir) == text
    assert str(s.reorder("i_1", "k", "j_1").split("j_1", 2).kernel.ir).count("banks") == 3
    run = s.kernel.synth().simulate(a, b)
    assert (run.outputs == same_bits(s, a, b)).all()


REFUSED: dict[str, tuple[Callable[[Schedule], Schedule], str, str]] = {
    "interval": (lambda s: s.pipeline("k", -1), "K03", "0 for the least"),
    "kind": (lambda s: s.vectorize("j_1").pipeline("j_1"), "K03", "is a vector loop already"),
    "loop": (lambda s: s.pipeline("x"), "K01", "its loops"),
    "buffer": (lambda s: s.partition("X", 0, 2), "K01", "its buffers"),
    "axis": (lambda s: s.partition("A", 2, 2), "K03", "axes from 0 to 1"),
    "count": (lambda s: s.partition("A", 1, 6), "K03", "which has 5 elements, can't be spread over 6"),
    "one": (lambda s: s.partition("A", 1, 1), "K03", "2 to as many"),
    "layout": (lambda s: s.partition("A", 1, 2, "spiral"), "K03", "cyclic, block, complete"),
    "twice": (lambda s: s.partition("A", 1, 5).partition("A", 1, 5), "K03", "partitioned already"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    take, code, part = REFUSED[name]
    with pytest.raises(ScheduleError) as caught:
        take(whole.schedule(M=4, N=6, K=5))
    assert caught.value.code == code and part in str(caught.value), str(caught.value)
