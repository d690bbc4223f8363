"""Targets: their data files, the delays and areas read from them, and estimates of whole designs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from needs import needs

import gemel as gm
from gemel import i16, i32
from gemel.errors import SynthesisError
from gemel.hwsynth import judges
from gemel.hwsynth.arithmetic import multiplier
from gemel.hwsynth.calibrate.arrival import CellModel, longest_path
from gemel.hwsynth.calibrate.flows import measure
from gemel.hwsynth.calibrate.sweep import SWEEPS
from gemel.hwsynth.estimate import estimate
from gemel.hwsynth.estimate.network import Network, Tables, cover
from gemel.hwsynth.floats import operation
from gemel.hwsynth.schedule import Clock
from gemel.hwsynth.targets import delay, files, target, targets
from gemel.hwsynth.targets.tables import interpolated
from gemel.hwsynth.unitsynth import UNITS
from gemel.hwsynth.verilog import print_design
from gemel.semantics import build, ops
from gemel.semantics.dtypes import F32, IntType
from gemel.semantics.ir import Apply, Expr, Ref, Var
from gemel.semantics.span import BUILTIN

N = gm.dims("N")


@gm.kernel
def dot(x: i16[N], y: i16[N]) -> i32:
    total: i32 = 0
    for i in range(N):
        total += x[i] * y[i]
    return total


@gm.kernel
def sliding(x: i32[N], table: i32[8]) -> i32[N]:
    y = gm.zeros((N,), i32)
    for i in range(N):
        if x[i] > table[i % 8]:
            y[i] = max(x[i] - table[i % 8], 3)
        else:
            y[i] = x[i] ^ table[i % 8]
    return y


def net(width: int) -> Expr:
    return Ref(Var("n", IntType(width, False), BUILTIN), BUILTIN)


def delay_of(name: str, op: ops.Op, width: int) -> float:
    e = build.apply(op, net(width), net(width), span=BUILTIN)
    assert isinstance(e, Apply)
    return delay(target(name), e)


@pytest.mark.parametrize("name", targets())
def test_a_target_has_every_row(name: str) -> None:
    t = target(name)
    assert {s.name for s in SWEEPS} <= t.rows.keys()
    assert t.register > 0 and t.level > 0 and t.made
    assert delay_of(name, ops.ADD, 8) < delay_of(name, ops.ADD, 64)
    assert delay_of(name, ops.EQ, 4) < delay_of(name, ops.EQ, 64)


def test_between_and_beyond_the_points() -> None:
    assert [interpolated([4, 8], [1.0, 3.0], size) for size in (2, 4, 6, 8, 10)] == [1.0, 1.0, 2.0, 3.0, 4.0]


def test_a_file_is_a_target(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(files.place("xcup").read_text().replace("UltraScale+", "something else"))
    design = dot.synth(N=8, target=str(mine), clock_mhz=150)
    x = np.arange(8, dtype=np.int16)
    assert design.simulate(x, x).outputs == 140
    assert design.report.target == "mine"


def test_a_file_that_is_no_target(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("description = 'nothing'")
    with pytest.raises(SynthesisError, match="is no target") as error:
        dot.synth(N=8, target=str(wrong))
    assert error.value.code == "H06"


# ------------------------------------------------------------------------------------------------------------ networks


def parity(inputs: int, size: int) -> Network:
    found = Network(Tables((0, *[1] * size), 1.0))
    bits = [found.leaf(0.0) for _ in range(inputs)]
    while len(bits) > 1:
        bits = [found.differ(bits[n], bits[n + 1]) for n in range(0, len(bits), 2)]
    return found


@pytest.mark.parametrize(("size", "tables", "levels"), [(4, 5, 2.0), (2, 15, 4.0)])
def test_tables_cover_a_parity(size: int, tables: int, levels: float) -> None:
    found = parity(16, size)
    root = 2 * (len(found.fanins) - 1)
    assert cover(found, [(root, 0.0)]) == tables
    assert found.time(root) == levels


def test_equal_gates_are_one() -> None:
    found = Network(Tables((0, 1, 1, 1, 1), 1.0))
    a, b = found.leaf(0.0), found.leaf(0.0)
    assert found.both(a, b) == found.both(b, a) == found.either(a ^ 1, b ^ 1) ^ 1
    assert found.differ(a, b) == found.differ(a ^ 1, b) ^ 1 == found.choose(a, b ^ 1, b)
    assert found.choose(a, b, 0) == found.both(a, b)
    assert found.both(a, a ^ 1) == 0


# ----------------------------------------------------------------------------------------------------------- estimates


def test_the_report_says_what_a_design_takes() -> None:
    report = dot.synth(N=8, target="ecp5").report
    assert report.estimate.resources["dsp"] == 1
    assert report.estimate.resources["ff"] == sum(round(used.get("ff", 0)) for used in report.estimate.by_kind.values())
    assert report.estimate.mhz > 50
    assert "MULTIPLIERS" in str(report).upper() and "LUT" in str(report)


def test_gates_have_an_area() -> None:
    found = dot.synth(N=8, target="osu018").report.estimate
    assert set(found.resources) == {"um2"} and found.resources["um2"] > 10_000


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ecp5", "xcup", "osu018"])
def test_estimates_are_near_synthesis(name: str) -> None:
    """Looser than what the benchmark's median is: these are two designs."""
    needs("yosys")
    t = target(name)
    if name == "osu018" and not Path(t.tools["liberty"]["file"]).exists():
        pytest.skip("needs the liberty file")
    for design in (dot.synth(N=16, target=name), sliding.synth(N=16, target=name)):
        made = t.used(judges.area(design.verilog, design.module.name, t))
        for resource, n in made.items():
            assert design.report.estimate.resources[resource] == pytest.approx(n, rel=0.4, abs=6)


@pytest.mark.parametrize(
    ("target_name", "mhz", "dsp"),
    [("xcup", 300, 2), ("xcup", 140, 2), ("xilinx7", 200, 2), ("ecp5", 100, 4)],
)
def test_a_float_product_takes_multipliers(target_name: str, mhz: float, dsp: int) -> None:
    """At a short period too: a multiplier is timed by its narrow side."""
    t = target(target_name)
    unit = UNITS.pipelined(operation(ops.MUL, F32, F32), Clock(1000 / mhz, t))
    assert estimate(unit.module, t).resources["dsp"] == dsp


@pytest.mark.slow
@pytest.mark.parametrize("mhz", [300, 140])
def test_products_take_as_many_multipliers_as_estimated(mhz: float) -> None:
    """Behind chains of registers, and in sums of shifted products, too."""
    needs("yosys")
    t, word = target("xcup"), IntType(32, True)
    unit = UNITS.pipelined(multiplier(word, word, word), Clock(1000 / mhz, t))
    text = "\n".join(p.text for p in print_design(unit.module))
    found = judges.synth_yosys(text, unit.module.name, "xcup").cells["DSP48E2"]
    assert estimate(unit.module, t).resources["dsp"] == found == 3


# ---------------------------------------------------------------------------------------------------------- calibration


def test_the_longest_path_goes_through_cells_and_routes(tmp_path: Path) -> None:
    """A flip-flop, a table of two inputs, a flip-flop: clock to output, route, table, setup."""
    ways = {"D": "input", "C": "input", "Q": "output"}
    lut = {"type": "LUT2", "port_directions": {"I0": "input", "O": "output"}, "connections": {"I0": [2], "O": [3]}}
    flops = [
        {"type": "FDRE", "port_directions": ways, "connections": {"D": [d], "C": ["x"], "Q": [q]}}
        for d, q in ((9, 2), (3, 4))
    ]
    netlist = tmp_path / "n.json"
    netlist.write_text(json.dumps({"modules": {"top": {"cells": {"a": flops[0], "b": lut, "c": flops[1]}}}}))
    model = CellModel({"LUT2": 0.25}, {"FDRE": 0.5}, ("FDRE.D",), 0.125, 0.0625)
    assert longest_path(netlist, "top", model) == 0.5 + 0.125 + 0.25 + 0.0625


@pytest.mark.slow
def test_sweeps_are_measured() -> None:
    needs("yosys")
    stated = {"family": "xc7", "model": target("xilinx7").tools["model"]}
    sweep = next(s for s in SWEEPS if s.name == "select")
    small, large = measure([sweep.make(4), sweep.make(8)], stated, 1)
    assert small.cells["LUT3"] == 4 and large.cells["LUT3"] == 8
    assert small.period == large.period > 0.5
