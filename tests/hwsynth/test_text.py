"""The SystemVerilog that a person reads: golden texts, the same in each process, and what all judges think of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from circuits import HERE, const, module, net, op, ref
from designs import DESIGNS, Made
from needs import needs

import gemel as gm
from gemel import i32
from gemel.hwsynth import judges
from gemel.hwsynth.dag import nets_in, register_exprs
from gemel.hwsynth.netlist import Input, Layout, Output, Register, Row
from gemel.hwsynth.verilog import verilog
from gemel.semantics import build, ops
from gemel.semantics.dtypes import BOOL, UInt
from gemel.semantics.ir import Expr, Var
from gemel.semantics.samples import Spread, sample
from gemel.semantics.storage import same_bits

each_design = pytest.mark.parametrize("made", DESIGNS.values(), ids=DESIGNS)


@pytest.mark.parametrize("name", ["gemm", "fir", "conv2d", "gcd", "sort", "search", "histogram"])
def test_text(name: str, golden: Callable[..., None]) -> None:
    golden(DESIGNS[name].synth().verilog, ".sv")


@pytest.mark.parametrize("reset", ["async", "none"])
def test_text_of_other_resets(reset: str, golden: Callable[..., None]) -> None:
    golden(DESIGNS["transpose"].synth(reset=reset).verilog, ".sv")


@each_design
def test_no_path_no_nameless_net_no_long_line(made: Made) -> None:
    text = made.synth().verilog
    assert "/designs.py" not in text and "designs.py:" in text
    assert not re.search(r"\b\w+_t(_\d+)?\b\s*=", text)
    assert [line for line in text.splitlines() if len(line) > 130] == []


PROGRAM = """
import sys; sys.path.insert(0, sys.argv[1])
from designs import DESIGNS
print("".join(DESIGNS[n].synth().verilog for n in ("gemm", "average", "sort", "search")))
"""


def test_text_does_not_depend_on_the_process() -> None:
    texts = set()
    for seed in ("1", "4711"):
        command = [sys.executable, "-c", PROGRAM, str(Path(__file__).parent)]
        env = {**os.environ, "PYTHONHASHSEED": seed}
        texts.add(subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout)
    assert len(texts) == 1 and "module gemm" in texts.pop()


@pytest.mark.slow
@pytest.mark.parametrize("reset", ["sync", "async", "none"])
@each_design
def test_nothing_unknown_comes_out(made: Made, reset: str) -> None:
    """Icarus begins with unknown registers and inner memories; its engine refuses unknown bits in what comes out."""
    needs("icarus")
    design = made.synth(reset=reset)
    args = sample(design.source, 1, Spread.SMALL)
    mine, theirs = ([a.copy() if isinstance(a, np.ndarray) else a for a in args] for _ in range(2))
    other = design.simulate(*theirs)
    run = design.simulate(*mine, engine="icarus", max_cycles=other.cycles + 1)
    assert run.cycles == other.cycles
    np.testing.assert_equal(run.outputs, other.outputs)
    np.testing.assert_equal(mine, theirs)


@pytest.mark.slow
@each_design
def test_judges_are_content(made: Made) -> None:
    needs("verilator", "slang", "icarus", "yosys")
    text = made.synth().verilog
    for judge in (judges.lint_verilator, judges.lint_slang, judges.lint_icarus):
        assert judge(text) == ()
    assert judges.check_yosys(text, made.kernel.__name__) == ()


# --------------------------------------------------------------------------------------------------------- statements


def text_of(registers: Sequence[Register], rows: tuple[Row, ...] = ()) -> str:
    """The text of a module with these registers; what they read of other nets are inputs."""
    own = {r.var for r in registers}
    read = dict.fromkeys(v for r in registers for v in nets_in(register_exprs(r)) if v not in own)
    outputs = [Output(f"{r.var.hint}_out", ref(r.var)) for r in registers]
    m = module("m", inputs=map(Input, read), outputs=outputs, registers=registers)
    return verilog(replace(m, layout=Layout(rows=rows)))


def test_counters_share_their_conditions() -> None:
    start, turn, last = (net(n, BOOL) for n in ("start", "turn", "last"))
    a, b = net("a", UInt(4)), net("b", UInt(4))

    def counter(v: Var, advance: Expr) -> Register:
        stepped = build.apply(ops.ADD, ref(v), const(1, UInt(4)), span=v.span, dtype=UInt(4))
        nxt = build.apply(ops.SELECT, ref(start), const(0, UInt(4)), stepped, span=start.span)
        return Register(v, nxt, build.apply(ops.LOR, ref(start), advance, span=start.span))

    both = build.apply(ops.LAND, ref(turn), ref(last), span=turn.span)
    text = text_of([counter(a, ref(turn)), counter(b, both)])
    block = text[text.index("always_ff") :]
    assert block.count("if (start)") == 1
    assert "end else if (turn) begin" in block and "if (last) b <= b + 4'd1;" in block


def test_a_bit_is_set_and_cleared() -> None:
    go, stop, run = (net(n, BOOL) for n in ("go", "stop", "run"))
    kept = build.apply(ops.LAND, ref(run), build.negate(ref(stop), stop.span), span=run.span)
    text = text_of([Register(run, build.apply(ops.LOR, ref(go), kept, span=go.span), None, 0)])
    assert "end else if (go) begin" in text and "end else if (stop) begin" in text
    assert "run <= 1'b1;" in text


def test_bits_of_a_chain_are_one_vector() -> None:
    go, bits = net("go", BOOL), tuple(net(f"v{n}", BOOL) for n in range(3))
    registers = [Register(v, ref(before), None, 0) for v, before in zip(bits, (go, *bits), strict=False)]
    text = text_of(registers, (Row("valid", 1, bits),))
    assert "logic [3:1] valid;" in text
    assert "valid <= {valid[2:1], go};" in text and "valid <= '0;" in text


def test_bits_that_several_things_clear_and_nothing_sets() -> None:
    stop, wait, a, b = (net(n, BOOL) for n in ("stop", "wait", "a", "b"))
    free = build.apply(ops.LAND, build.negate(ref(stop), HERE), build.negate(ref(wait), HERE), span=HERE)
    text = text_of([Register(v, free, None, 0) for v in (a, b)])
    block = text[text.index("always_ff") :]
    assert "if (rst || stop) begin" in block and "else if (wait" in block and block.count("1'b1;") == 2


def test_a_result_that_is_a_number() -> None:
    needs("icarus")

    @gm.kernel
    def five() -> i32:
        r: i32 = 5
        for _ in range(0):
            r += 1
        return r

    assert five.synth().simulate(engine="icarus").outputs == 5


def test_no_conversion_to_fewer_bits() -> None:
    """Yosys (0.23 and 0.70) reads `{s, t ? 8'(wide >> 23) : 8'd0}` with a first part as wide as what is cut."""
    needs("yosys")
    s, t, wide = net("s", BOOL), net("t", BOOL), net("wide", UInt(32))
    shifted = build.apply(ops.CAST, op(ops.SHR, ref(wide), const(23, UInt(5))), span=HERE, dtype=UInt(8))
    chosen = build.apply(ops.SELECT, ref(t), shifted, const(0, UInt(8)), span=HERE)
    joined = build.apply(ops.CONCAT, build.apply(ops.CAST, ref(s), span=HERE, dtype=UInt(1)), chosen, span=HERE)
    text = verilog(module("joined", inputs=[Input(s), Input(t), Input(wide)], outputs=[Output("o", joined)]))
    assert "8'(" not in text and "wide[30:23]" in text
    cells = judges.through_yosys(text, "joined")
    assert re.search(r"assign (o\[8\] = s|o = \{ s,)", cells), cells


@pytest.mark.slow
def test_yosys_keeps_the_bits_of_squares() -> None:
    """Of x * x in parts two products are one; yosys makes nothing of a DSP's sum of a product with itself."""

    @gm.kernel
    def squares(a: gm.u32[24]) -> gm.u32[24]:
        b = gm.empty((24,), gm.u32)
        for i in range(24):
            b[i] = a[i] * a[i]
        return b

    needs("icarus", "yosys")
    arrays = sample(squares.ir, 3)
    found = squares.synth(target="xcup", clock_mhz=140).simulate(*arrays, engine="netlist").outputs
    assert same_bits(np.asarray(found), squares.interpret(*arrays))


@pytest.mark.slow
@pytest.mark.parametrize("target", ["xcup", "ecp5"])
def test_yosys_keeps_the_bits_of_floats(target: str) -> None:
    @gm.kernel
    def axpy(a: gm.f32[24], b: gm.f32[24]) -> gm.f32[24]:
        c = gm.empty((24,), gm.f32)
        for i in range(24):
            c[i] = a[i] * b[i] + a[i]
        return c

    needs("icarus", "yosys")
    arrays = sample(axpy.ir, 3)
    found = axpy.synth(target=target, clock_mhz=140).simulate(*arrays, engine="netlist").outputs
    assert same_bits(np.asarray(found), axpy.interpret(*arrays))
