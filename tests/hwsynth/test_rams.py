"""Block RAM with its output register, where the clock is too short for a memory without."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from needs import needs

import gemel as gm
from gemel import i32
from gemel.hwsynth import Design, tools
from gemel.hwsynth.rams import block, reading
from gemel.hwsynth.schedule import Clock
from gemel.hwsynth.targets import target
from gemel.hwsynth.verilog import verilog
from gemel.semantics.dtypes import IntType
from gemel.semantics.samples import sample

ECP5 = target("ecp5")
SHORT = Clock(1000 / 150, ECP5)

MODEL = """
module DP16KD #(parameter DATA_WIDTH_A = 18, DATA_WIDTH_B = 18, REGMODE_A = "NOREG", REGMODE_B = "NOREG",
  CLKAMUX = "CLKA", CLKBMUX = "CLKB", GSR = "ENABLED") (
  input CLKA, CEA, WEA, OCEA, RSTA, CSA0, CSA1, CSA2, CLKB, CEB, WEB, OCEB, RSTB, CSB0, CSB1, CSB2, @INPUTS@,
  output @OUTPUTS@);
  reg bits [0:18431];
  wire [13:0] wa = {@ADA@}, ra = {@ADB@};
  wire [35:0] d = {@DIB@, @DIA@};
  reg [35:0] word, held;
  integer lane = DATA_WIDTH_A, n, w, r;
  always @(posedge CLKA) begin
    w = wa * (lane < 9 ? 1.0 : 1.125); r = ra * (lane < 9 ? 1.0 : 1.125);
    if (lane >= 18) begin
      w = (wa >> (lane / 18 + 3)) * lane; r = (ra >> (lane / 18 + 3)) * lane;
      if (CEA && WEA && ((wa & (lane == 36 ? 15 : 3)) != (lane == 36 ? 15 : 3))) $display("bytes left out");
    end
    for (n = 0; n < lane; n = n + 1) word[n] <= bits[r + n];
    if (CEA && WEA) for (n = 0; n < lane; n = n + 1) bits[w + n] = d[n];
    held <= word;
  end
  wire [35:0] found = REGMODE_B == "OUTREG" ? held : word;
  assign {@DOB@, @DOA@} = DATA_WIDTH_B == 36 ? found : {found[17:0], 18'bx};
endmodule
"""

BENCH = """
module bench;
  logic clk = 0;
  logic [@A@:0] raddr = 0, waddr = 0; logic [@D@:0] wdata = 0; logic wen = 1; wire [@D@:0] rdata;
  @NAME@ ram(.clk(clk), .raddr(raddr), .waddr(waddr), .wdata(wdata), .wen(wen), .rdata(rdata));
  initial begin
    for (int n = 0; n < @WORDS@; n++) begin waddr = n; wdata = {2{$urandom}}; #1 clk = 1; #1 clk = 0; end
    for (int n = 0; n < 300; n++) begin
      raddr = $urandom % @WORDS@; waddr = $urandom % @WORDS@; wen = $urandom; wdata = {2{$urandom}};
      if (waddr == raddr) wen = 0;
      #1 clk = 1; #1 clk = 0; if (n > 2) $display("%h", rdata);
    end
  end
endmodule
"""


def model() -> str:
    """What the data sheet says of the cell, as far as it is used."""
    pins = {p: [f"{p}{n}" for n in reversed(range(18))] for p in ("DIA", "DIB", "DOA", "DOB")}
    pins |= {p: [f"{p}{n}" for n in reversed(range(14))] for p in ("ADA", "ADB")}
    inputs = [n for p, names in pins.items() if not p.startswith("DO") for n in names]
    text = MODEL.replace("@INPUTS@", ", ".join(inputs)).replace("@OUTPUTS@", ", ".join((*pins["DOA"], *pins["DOB"])))
    for p, names in pins.items():
        text = text.replace(f"@{p}@", ", ".join(names))
    return text


def words(size: int, bits: int, folder: Path, *options: str) -> list[str]:
    """The words that Icarus finds."""
    module = block(SHORT, size, IntType(bits, False))
    marks = {"A": (size - 1).bit_length() - 1, "D": bits - 1, "WORDS": size, "NAME": module.name}
    text = BENCH
    for mark, value in marks.items():
        text = text.replace(f"@{mark}@", str(value))
    (folder / "all.sv").write_text(verilog(module) + model() + text)
    compiler, runner = tools.icarus()
    command = [compiler, "-g2012", *options, "-s", "bench", "-o", "out", "all.sv"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    done = subprocess.run([runner, "-n", "out"], cwd=folder, check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.split()


@pytest.mark.parametrize(("size", "bits", "blocks"), [(64, 32, 1), (512, 40, 2), (600, 20, 2), (3000, 10, 3)])
def test_the_cell_does_what_its_text_does(size: int, bits: int, blocks: int, tmp_path: Path) -> None:
    needs("icarus")
    found = words(size, bits, tmp_path, f"-D{ECP5.macro}")
    assert found == words(size, bits, tmp_path)
    assert len(set(found)) > 100 and "bytes" not in found
    cell = block(SHORT, size, IntType(bits, False)).cell
    assert cell is not None and cell.area == {"block": blocks}


def test_reads_take_two_cycles_only_where_one_is_too_short() -> None:
    assert reading(SHORT, 64, False, 1).cycles == 2
    assert reading(SHORT, 16, False, 1).cycles == 1  # in tables
    assert reading(Clock(10.0, ECP5), 64, False, 1).cycles == 1
    assert reading(Clock(1000 / 300, target("xcup")), 1024, False, 1).cycles == 1


def test_a_table_of_gates_has_its_time_before_the_register() -> None:
    table, memory = reading(SHORT, 64, True, 1), reading(SHORT, 64, False, 1)
    assert table.cycles == 1 and table.delay < memory.delay
    assert memory.setup <= table.setup < reading(SHORT, 64, True, 2).setup <= SHORT.room
    assert reading(Clock(10.0, ECP5), 64, True, 1).delay == ECP5.read_delay(64)  # where a cycle holds either


def test_a_large_table_is_refused_with_the_clock_that_it_is_possible_at() -> None:
    found = np.arange(256, dtype=np.int16) ** 2

    @gm.kernel
    def squares(x: i32[16], y: i32[16]):
        for i in range(16):
            y[i] = found[x[i] & 255]

    with pytest.raises(gm.errors.SynthesisError, match="H03") as error:
        squares.synth(target="ecp5", clock_mhz=150)
    assert error.value.mend == "use a clock of at most 132 MHz"
    assert squares.synth(target="ecp5", clock_mhz=132).report.estimate.mhz >= 132


M, N = gm.dims("M N")


@gm.kernel
def summed(A: i32[M, N], y: i32[M]):
    """Two memories outside, and one inside that is block RAM."""
    B = gm.empty((M, N), i32)
    for i, j in gm.grid(M, N):
        B[i, j] = A[i, j] + 1
    for i, j in gm.grid(M, N):
        y[i] += B[M - 1 - i, j] * 3 + i


def design(mhz: float = 150.0) -> Design:
    made: Design = summed.synth(target="ecp5", clock_mhz=mhz, M=10, N=8)
    return made


def run(made: Design, engine: str) -> None:
    want, got = sample(made.source), sample(made.source)
    summed.specialize(M=10, N=8).interpret(*want)
    simulated = made.simulate(*got, engine=engine)
    np.testing.assert_array_equal(got[1], want[1])
    assert simulated.cycles == made.cycles


@pytest.mark.parametrize("engine", ["native", "icarus"])
def test_words_that_come_two_cycles_later(engine: str) -> None:
    needs(*([engine] if engine != "native" else []))
    fast, slow = design(), design(100.0)
    assert "memory_80_x_32 B (" in fast.verilog and "memory_80_x_32" not in slow.verilog
    assert fast.system.memories["A"].latency == 2 and slow.system.memories["A"].latency == 1
    assert (fast.cycles or 0) > (slow.cycles or 0)
    assert fast.report.estimate.resources["block"] == 1 and fast.report.estimate.mhz >= 150
    run(fast, engine)


@pytest.mark.slow
def test_in_verilator_in_the_folder_and_proved(tmp_path: Path) -> None:
    needs("verilator", "icarus", "yosys")
    made = design()
    run(made, "verilator")
    made.write(tmp_path / "out", *sample(made.source))
    done = subprocess.run(["make", "sim"], cwd=tmp_path / "out", capture_output=True, text=True, timeout=120)
    assert "PASS" in done.stdout, done.stdout + done.stderr
    assert "2 cycles after" in (tmp_path / "out" / "datasheet.md").read_text()
    assert made.prove(mutants=0).status == "proved"


@gm.kernel
def asked_often(x: i32[8], n: i32[1], s: i32[8]):
    """Reads of one memory in many places, none of them in the cycle of another."""
    for i in range(8):
        s[i] = x[i]
    for i in range(1, 8):
        s[i] += x[8 - i]
    for i in range(4):
        s[i + 4] += x[2 * i]
    for i in range(4):
        s[i] += x[2 * i + 1]
    for i in range(n[0]):
        s[i] += x[i ^ 5]
    s[7] += x[3]


@pytest.mark.parametrize("engine", ["native", "icarus"])
def test_many_addresses_are_chosen_from_at_once(engine: str) -> None:
    needs(*([engine] if engine != "native" else []))
    fast, slow = (asked_often.synth(target=t, clock_mhz=150.0) for t in ("ecp5", "xcup"))
    choice = fast.verilog.split("assign x_raddr =")[1].split(";")[0]
    assert choice.count(" : 3'd0)") == 1 + choice.count("\n    | ") == 6
    assert "3'd0)" not in slow.verilog.split("assign x_raddr =")[1].split(";")[0]
    want, got = (([*range(3, 11)], [5], [0] * 8) for _ in range(2))
    want, got = ([np.array(a, np.int32) for a in args] for args in (want, got))
    asked_often.interpret(*want)
    fast.simulate(*got, engine=engine)
    np.testing.assert_array_equal(got[2], want[2])


def test_a_choice_takes_less_time_at_once_than_in_a_chain() -> None:
    chain = SHORT.chain()
    times = [SHORT.choosing(n) for n in (0, 1, 2, chain, chain + 1, 20)]
    assert times[0] == times[1] == 0 < times[2] < times[3] <= SHORT.room / 2
    assert times[4] < chain * SHORT.choosing(2) and times[4] < times[5] < SHORT.room
    assert Clock(10.0, ECP5).chain() > chain
