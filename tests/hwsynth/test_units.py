"""Functional units: pipelined and iterative ones, alone and in kernels."""

from __future__ import annotations

import re

import numpy as np
import pytest
from circuits import unit_results as results

import gemel as gm
from gemel import i32, u32
from gemel.hwsynth.arithmetic import multiplier
from gemel.hwsynth.dividers import divider
from gemel.hwsynth.schedule import Clock
from gemel.hwsynth.targets import target
from gemel.hwsynth.unitsynth import UNITS, operation_of
from gemel.hwsynth.verilog import verilog
from gemel.parser import parse
from gemel.semantics.dtypes import IntType
from gemel.semantics.ir import Kernel

N = gm.dims("N")
CLOCKS = [Clock(period, target("ecp5")) for period in (1000.0, 10.0, 5.0)]


def test_operands_may_be_chosen_in_the_cycle_in_which_a_unit_begins() -> None:
    """A product and a sum would fill the cycle: the sum comes behind the register, if that takes no cycle more."""
    clock, word = CLOCKS[1], IntType(32, False)
    unit = UNITS.pipelined(multiplier(word, word, word), clock)
    assert unit.latency == 1 and unit.setup + clock.choosing(2) <= clock.room
    assert clock.target.rows["multiply"].delay(16) + clock.target.rows["add"].delay(16) > unit.setup


@pytest.mark.parametrize("clock", CLOCKS)
def test_dividers_give_quotient_and_remainder(clock: Clock) -> None:
    operands = [(a, b) for a in range(32) for b in range(1, 16)]
    expected = [divmod(a, b) for a, b in operands]
    operation = divider(5, 4)
    serial = UNITS.iterative(operation, clock)
    assert results(UNITS.pipelined(operation, clock), operands) == expected
    assert serial is not None and serial.interval > 1
    assert results(serial, operands) == expected


def test_a_divider_is_deeper_where_the_clock_is_faster() -> None:
    latencies = [UNITS.pipelined(divider(32, 32), clock).latency for clock in CLOCKS]
    assert latencies == sorted(latencies) and latencies[0] == 0 and latencies[2] >= 31
    assert UNITS.pipelined(divider(32, 32), CLOCKS[0]) is UNITS.pipelined(
        divider(32, 32), Clock(1000.0, target("ecp5"))
    )


def cube() -> Kernel:
    text = "kernel cube(x: u16) -> (y: u48[], low: u8[]) {\n  y[] = (x * x) * x\n  low[] = cast(x):u8\n}"
    return parse(text)


@pytest.mark.parametrize("clock", CLOCKS[:2])
def test_a_kernel_is_a_unit(clock: Clock) -> None:
    unit = UNITS.pipelined(operation_of(cube(), "cube"), clock)
    values = [0, 1, 77, 65535, 40000]
    assert results(unit, [(v,) for v in values]) == [(v**3, v % 256) for v in values]
    assert (unit.latency > 0) == (clock is CLOCKS[1])


def looked_up() -> Kernel:
    text = """kernel looked_up(x: u2) -> (y: u8[]) {
      table t: u8[6] = [3, 5, 8, 13, 21, 34]
      y[] = (t[cast(x):index] ^ t[cast(x):index + 1]) ^ t[cast(x):index + 2]
    }"""
    return parse(text)


@pytest.mark.parametrize("clock", CLOCKS[:2])
def test_a_unit_reads_a_table_as_often_as_it_likes_in_each_cycle(clock: Clock) -> None:
    table = (3, 5, 8, 13, 21, 34)
    expected = [(table[x] ^ table[x + 1] ^ table[x + 2],) for x in range(4)]
    unit = UNITS.pipelined(operation_of(looked_up(), "looked_up"), clock)
    assert results(unit, [(x,) for x in range(4)]) == expected


@gm.kernel
def halves(a: i32[N], b: u32[N]) -> i32[N]:
    c = gm.zeros((N,), i32)
    for i in range(N):
        c[i] = i32(a[i] // b[i] + a[i] % b[i])
    return c


@gm.kernel
def chained(a: i32[N], b: i32[N]) -> i32[N]:
    c = gm.zeros((N,), i32)
    s: i32 = 1
    for i in range(N):
        s = i32(a[i] // b[i] + (a[i] % s if s > 0 else 3))
        c[i] = s
    return c


def test_divisions_of_a_loop_that_needs_one_a_cycle_are_pipelined() -> None:
    design = halves.synth(N=40)
    assert design.report.loops[-1].ii == 1
    assert "module divide_32_by_32 (" in design.verilog and "_serial" not in design.verilog
    rng = np.random.default_rng(1)
    a, b = rng.integers(-(2**31), 2**31, 40, dtype=np.int32), rng.integers(1, 3000, 40, dtype=np.uint32)
    for engine in ("native", "icarus"):
        run = design.simulate(a, b, engine=engine)
        np.testing.assert_array_equal(run.outputs, a // b.astype(np.int64) + a % b.astype(np.int64))
        assert run.cycles == design.cycles


def test_a_recurrence_through_a_division_takes_a_serial_divider() -> None:
    design = chained.synth(N=40, target="xilinx7", clock_mhz=200)  # a bit a cycle, as a pipeline would take
    assert "divide_32_by_32_serial" in design.verilog
    rng = np.random.default_rng(1)
    a, b = rng.integers(-30000, 30000, 40, dtype=np.int32), rng.integers(-90, 90, 40, dtype=np.int32)
    b[b == 0] = 1
    for engine in ("native", "icarus"):
        run = design.simulate(a, b, engine=engine)
        np.testing.assert_array_equal(run.outputs, chained(a, b))
        assert run.cycles == design.cycles


def test_a_kernel_may_be_called_as_a_unit_is() -> None:
    @gm.kernel
    def divide_16_by_16(a: gm.UInt(16)[1], b: gm.UInt(16)[1]) -> gm.UInt(16)[1]:
        c = gm.zeros((1,), gm.UInt(16))
        c[0] = a[0] // b[0]
        return c

    design = divide_16_by_16.synth()
    assert design.module.name == "divide_16_by_16"
    assert len({m.name for m in (design.module, *(i.module for i in design.module.instances))}) == 2


def test_the_text_of_a_unit_is_stage_by_stage() -> None:
    unit = UNITS.pipelined(divider(16, 8), Clock(10.0, target("ecp5")))
    text = verilog(unit.module)
    stages = re.split(r"// -+ stage (\d+)\n", text)
    assert [int(n) for n in stages[1::2]] == list(range(1, unit.latency + 1))
    for n, logic in zip(stages[1::2], stages[2::2], strict=True):
        for register in re.findall(r"(\w+)_s(\d+)(?:_\d+)? <=", logic):
            assert register[1] == n
