"""Large constants, long programs, interruptions, full disks."""

from __future__ import annotations

import errno
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gemel as gm
from gemel import f32, i32, i64

TABLE = np.random.default_rng(0).random(3_000_000).astype(np.float32)
NUMBERS = list(range(100_000))


@gm.kernel
def looked_up(i: i32) -> f32:
    return gm.array(TABLE, f32)[i]


@gm.kernel
def listed(i: i32) -> i32:
    return gm.array(NUMBERS, i32)[i]


@gm.kernel
def endless(n: i64) -> i64:
    s: i64 = n
    while s != 0:
        s = (s ^ 1) | 2
    return s


@gm.kernel
def plus(a: i32[4]) -> i32[4]:
    return a + 1


@pytest.mark.slow
def test_a_table_of_megabytes() -> None:
    start = time.process_time()
    assert [looked_up(i) for i in (0, 2_999_999)] == [TABLE[0], TABLE[-1]]
    assert time.process_time() - start < 20
    with pytest.raises(gm.errors.BoundsError):
        looked_up(3_000_000)


def test_a_long_list() -> None:
    assert listed(99_999) == listed.interpret(99_999) == 99_999


def test_literals_of_thousands_of_bits() -> None:
    @gm.kernel
    def wide(x: i32) -> i32:
        return i32(x + (1 << 20000))

    with pytest.raises(gm.errors.GemelError, match=r"T0[67]"):
        _ = wide.ir


def test_the_interpreter_can_be_interrupted() -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(KeyboardInterrupt):
            endless.interpret(1)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert endless.interpret(0) == 0


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, written = Path.write_text, []

    def full(self: Path, *args: Any, **kwargs: Any) -> int:
        if len(written) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(self)
        return write(self, *args, **kwargs)

    design = plus.synth()
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(gm.errors.ToolError, match="X02"):
        design.write(tmp_path / "out")
    assert len(written) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(gm.errors.ToolError, match="X02"):
            plus.synth().write(place)
    assert (tmp_path / "file").read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def statements(n: int) -> gm.Kernel:
    """A kernel of n stores in a row."""

    @gm.kernel
    def long(x: i32[8]) -> i32:
        v: i32 = 0
        for k in gm.unroll(range(n)):
            v = (v ^ x[k % 8]) + k
        return v

    return long


def spent(n: int) -> float:
    """The seconds of the processor that trace, native code and hardware take."""
    k = statements(n)
    start = time.process_time()
    k.compile()
    k.synth()
    return time.process_time() - start


@pytest.mark.slow
def test_compile_time_is_near_linear() -> None:
    spent(10)
    short = spent(500)
    assert spent(4000) < 14 * short  # eight times the statements
