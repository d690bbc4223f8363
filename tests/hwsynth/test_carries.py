"""Carry chains that choose: the cells do what the text beside them does; where sums and products become them."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest
from needs import needs
from test_cells import ECP5, model

from gemel.hwsynth import carries, halves, tools
from gemel.hwsynth.carries import Bit, Form
from gemel.hwsynth.floats import operation
from gemel.hwsynth.schedule import Clock
from gemel.hwsynth.targets import target
from gemel.hwsynth.units import Operation, Unit
from gemel.hwsynth.unitsynth import UNITS
from gemel.hwsynth.verilog import verilog
from gemel.semantics import ops
from gemel.semantics.dtypes import F32, width_of

MODEL = """
module CCU2C #(
  parameter [15:0] INIT0 = 0, parameter [15:0] INIT1 = 0, parameter INJECT1_0 = "YES", parameter INJECT1_1 = "YES"
) (input CIN, A0, B0, C0, D0, A1, B1, C1, D1, output S0, S1, COUT);
  wire p0 = INIT0[{D0, C0, B0, A0}], p1 = INIT1[{D1, C1, B1, A1}];
  wire middle = p0 ? CIN : INIT0[{2'b00, B0, A0}];
  assign S0 = p0 ^ CIN, S1 = p1 ^ middle;
  assign COUT = p1 ? middle : INIT1[{2'b00, B1, A1}];
endmodule
"""

BENCH = """
module bench;
  logic clk = 0;
  logic [@WIDTH@-1:0] words [0:@COUNT@-1];
  @NETS@
  unit_under_test unit(@PORTS@);
  initial begin
    $readmemh("words.hex", words);
    for (int n = 0; n < @COUNT@; n++) begin
      {@NAMES@} = words[n];
      #1 clk = 1; #1 clk = 0; $display("%h", @RESULT@);
    end
  end
endmodule
"""
COUNT = 400


def unit(made: Operation, mhz: float = 150.0) -> Unit:
    return UNITS.pipelined(made, Clock(1000 / mhz, ECP5))


def results(u: Unit, words: list[int], folder: Path, *options: str) -> list[int]:
    """What Icarus finds for operands side by side, once there is anything."""
    inputs = [(name, width_of(t)) for name, t in u.operation.inputs]
    ((result, dtype),) = u.operation.outputs
    nets = "".join(f"logic [{w - 1}:0] {n}; " for n, w in inputs) + f"wire [{width_of(dtype) - 1}:0] {result};"
    clock = [".clk(clk)"] if u.latency else []
    marks = {"@NETS@": nets, "@PORTS@": ", ".join([*clock, *(f".{n}({n})" for n, _ in inputs), f".{result}({result})"])}
    marks |= {"@NAMES@": ", ".join(n for n, _ in inputs), "@RESULT@": result, "@COUNT@": str(len(words))}
    text = BENCH
    for mark, value in {**marks, "@WIDTH@": str(sum(w for _, w in inputs))}.items():
        text = text.replace(mark, value)
    text = text.replace("unit_under_test", u.module.name)
    (folder / "all.sv").write_text(verilog(u.module) + model() + MODEL + text)
    (folder / "words.hex").write_text("".join(f"{w:x}\n" for w in words))
    compiler, runner = tools.icarus()
    command = [compiler, "-g2012", *options, "-s", "bench", "-o", "out", "all.sv"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    done = subprocess.run([runner, "-n", "out"], cwd=folder, check=True, capture_output=True, text=True, timeout=60)
    return [int(line, 16) for line in done.stdout.split()[max(0, u.latency - 1) :]]


def test_the_cell_does_what_its_text_does(tmp_path: Path) -> None:
    needs("icarus")
    forms = tuple(
        Form(kind, 3 + n, third, first, keep and kind is Bit.CHOOSE)
        for n, (kind, third, first, keep) in enumerate(
            (kind, third and kind is not Bit.CHOOSE, first, first != third)
            for kind in Bit
            for third in (True, False)
            for first in (True, False)
        )
    )
    u = unit(carries.chain(forms))
    rng = random.Random(1)
    words = [rng.getrandbits(sum(width_of(t) for _, t in u.operation.inputs)) for _ in range(COUNT)]
    found = results(u, words, tmp_path, f"-D{ECP5.macro}")
    assert found == results(u, words, tmp_path)
    assert len(set(found)) > COUNT // 2


@pytest.mark.parametrize("cells", [True, False])
def test_a_product_is_shifted_where_a_factor_has_an_empty_half(cells: bool, tmp_path: Path) -> None:
    needs("icarus")
    u, rng = unit(halves.operation(12)), random.Random(2)
    pairs = [
        (rng.getrandbits(rng.choice((1, 12, 13, 24))), rng.getrandbits(rng.choice((1, 12, 24)))) for _ in range(COUNT)
    ]
    found = results(u, [a << 24 | b for a, b in pairs], tmp_path, *[f"-D{ECP5.macro}"] * cells)
    expected = [a * b << (12 if a >> 12 == 0 or b >> 12 == 0 else 0) for a, b in pairs]
    assert found == expected[: len(found)]
    assert len(found) > COUNT // 2


def test_f32_products_and_roundings_are_cells_where_the_target_has_these() -> None:
    made = operation(ops.MUL, F32, F32)
    inside = {i.module.name for i in unit(made).module.instances}
    assert "multiply_u24_u24_front_12" in inside
    assert any(name.startswith("carry_") for name in inside)
    other = UNITS.pipelined(made, Clock(10.0, target("xcup"))).module.instances
    assert {i.module.name for i in other} == {"multiply_u24_u24"}
