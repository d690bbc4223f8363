"""Cells of a target that are instantiated: their function as text, and the text that stands for the cell."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from needs import needs

import gemel as gm
from gemel import i32
from gemel.hwsynth import cells, tools
from gemel.hwsynth.schedule import Clock
from gemel.hwsynth.targets import target
from gemel.hwsynth.units import Unit
from gemel.hwsynth.unitsynth import UNITS
from gemel.hwsynth.verilog import verilog
from gemel.semantics.dtypes import IntType

ECP5 = target("ecp5")
FASTEST = 400.0
"""A clock in MHz that a multiplier with registers on both sides holds, and none with fewer."""

MODEL = """
module MULT18X18D #(
  parameter REG_INPUTA_CLK = "NONE", parameter REG_INPUTB_CLK = "NONE", parameter REG_OUTPUT_CLK = "NONE"
) (input CLK0, CE0, RST0, SOURCEA, SOURCEB, SIGNEDA, SIGNEDB, @INPUTS@, @OUTPUTS@);
  wire [17:0] a = {@A@}, b = {@B@};
  reg [17:0] ar, br;
  reg [35:0] pr;
  wire [17:0] x = REG_INPUTA_CLK == "CLK0" ? ar : a, y = REG_INPUTB_CLK == "CLK0" ? br : b;
  wire signed [18:0] xs = {SIGNEDA & x[17], x}, ys = {SIGNEDB & y[17], y};
  wire [35:0] product = xs * ys;
  always @(posedge CLK0) if (CE0) begin ar <= a; br <= b; pr <= product; end
  assign {@P@} = REG_OUTPUT_CLK == "CLK0" ? pr : product;
endmodule
"""


def model() -> str:
    """What the data sheet says of the cell, as far as its parameters are used."""
    pins = {p: [f"{p}{n}" for n in reversed(range(width))] for p, width in (("A", 18), ("B", 18), ("P", 36))}
    text = MODEL.replace("@INPUTS@", ", ".join(f"input {p}" for p in (*pins["A"], *pins["B"])))
    text = text.replace("@OUTPUTS@", ", ".join(f"output {p}" for p in pins["P"]))
    for p, names in pins.items():
        text = text.replace(f"@{p}@", ", ".join(names))
    return text


BENCH = """
module bench;
  logic clk = 0;
  @TYPE_A@ a; @TYPE_B@ b; wire [@TOP@:0] product;
  @NAME@ unit(.clk(clk), .a(a), .b(b), .product(product));
  initial for (int n = 0; n < 200; n++) begin
    a = $urandom; b = $urandom;
    if (n < 4) begin a = {20{n[0]}}; b = {20{n[1]}}; end
    #1 clk = 1; #1 clk = 0; $display("%h", product);
  end
endmodule
"""


def unit(a: IntType, b: IntType, mhz: float) -> Unit:
    return UNITS.pipelined(cells.product(a, b), Clock(1000 / mhz, ECP5))


def products(u: Unit, folder: Path, *options: str) -> list[str]:
    """The products that Icarus finds, in the cycles in which there are any."""
    (_, a), (_, b) = u.operation.inputs
    types = {f"@TYPE_{n}@": f"logic {'signed ' * t.signed}[{t.width - 1}:0]" for n, t in (("A", a), ("B", b))}
    text = BENCH
    for mark, value in {**types, "@TOP@": str(a.width + b.width - 1), "@NAME@": u.module.name}.items():
        text = text.replace(mark, value)
    (folder / "all.sv").write_text(verilog(u.module) + model() + text)
    compiler, runner = tools.icarus()
    command = [compiler, "-g2012", *options, "-s", "bench", "-o", "out", "all.sv"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    done = subprocess.run([runner, "-n", "out"], cwd=folder, check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.split()[u.latency :]


@pytest.mark.parametrize("mhz", [150.0, FASTEST])
@pytest.mark.parametrize("signed", [(False, False), (True, True), (True, False)])
def test_a_multipliers_cell_does_what_its_text_does(mhz: float, signed: tuple[bool, bool], tmp_path: Path) -> None:
    needs("icarus")
    u = unit(IntType(18, signed[0]), IntType(11, signed[1]), mhz)
    assert u.latency == (2 if mhz == FASTEST else 1)
    found = products(u, tmp_path, f"-D{ECP5.macro}")
    assert found == products(u, tmp_path)
    assert len(set(found)) > 150


@gm.kernel
def mixed(a: gm.Int(16), b: gm.UInt(16), c: gm.Int(12)) -> i32:
    return a * b + (a + 1) * c - b * 2731


@pytest.mark.parametrize("engine", ["native", "icarus"])
def test_products_that_a_clock_cycle_is_too_short_for_are_cells(engine: str) -> None:
    needs(*([engine] if engine != "native" else []))
    slow, fast = (mixed.synth(target="ecp5", clock_mhz=mhz) for mhz in (100, 150))
    assert "ifdef" not in slow.verilog and "`ifdef GEMEL_ECP5" in fast.verilog
    for args in ((-32768, 65535, -2048), (32767, 3, 2047), (-1, 1, 0)):
        made = fast.simulate(*args, engine=engine)
        assert (made.outputs, made.cycles) == (mixed(*args), fast.cycles)


def test_a_cell_counts_as_what_it_takes() -> None:
    found = mixed.synth(target="ecp5", clock_mhz=150).report.estimate
    assert found.resources["dsp"] == 3
    assert found.mhz > 140


@pytest.mark.slow
def test_the_area_on_the_target_is_of_cells() -> None:
    needs("yosys")
    from gemel.hwsynth import judges

    design = mixed.synth(target="ecp5", clock_mhz=150)
    assert judges.area(design.verilog, design.module.name, ECP5)["MULT18X18D"] == 3
