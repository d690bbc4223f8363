"""The assertions on the handshake: their text, that they are proved, and that they tell what is wrong."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from designs import DESIGNS
from needs import needs

from gemel.errors import ToolError
from gemel.hwsynth import judges, tools
from gemel.hwsynth.prove import handshake
from gemel.hwsynth.prove.aiger import Aig, Builder, Latch, compiled, from_zero, read, written
from gemel.hwsynth.prove.handshake import ALWAYS, RUN, Assertions, uninductive
from gemel.hwsynth.prove.proof import Obligation, Subject, prove
from gemel.hwsynth.prove.subject import subject_of
from gemel.semantics.symbolic.verdict import NO_ANSWER, PROVED, REFUTED

BUGS = (
    ("done <= last[2];", "done <= BUG == {} ? last[1] : last[2];", "done_ends_busy"),
    ("end else if (last[2]) begin", "end else if (last[2] && BUG != {}) begin", "busy_until_done|done_ends_busy"),
    ("assign C_wen = ", "assign C_wen = BUG == {} && !busy || ", "idle_is_quiet"),
    (
        "      busy <= 1'b0;\n      done",
        "      busy <= BUG == {} ? busy : 1'b0;\n      done",
        "reset_leads_to_idle|one_done_for_a_start",
    ),
    ("LAST_K = 2'd3", "LAST_K = 2'd3 - 2'(BUG == {})", "done_comes_in_time"),
    ("busy <= 1'b1;", "busy <= BUG != {};", "start_is_taken|idle_is_quiet"),
    (
        "accepted = start && !busy;",
        "accepted = start && (BUG == {} || !busy);",
        "done_comes_in_time|idle_is_quiet|done_ends_busy",
    ),
    ("      last <= '0;", "      if (BUG != {}) last <= '0;", "one_done_for_a_start|done_ends_busy"),
)
"""What stands in gemm's text, what stands there for bug number n, and which assertions may tell it.

The last two take a start or a reset in the last cycles of a run, which the folder's testbench doesn't have.
"""


def planted(text: str, declared: str) -> str:
    """gemm with all bugs; `BUG` says which of them it has."""
    for n, (old, new, _) in enumerate(BUGS, 1):
        assert text.count(old) == 1
        text = text.replace(old, new.format(n))
    return text.replace(");\n  logic [2:1] last;", f");\n  {declared}\n  logic [2:1] last;").replace(
        "localparam logic [1:0] LAST_K", "wire [1:0] LAST_K"
    )


def subject(name: str, **options: str) -> Subject:
    return subject_of(DESIGNS[name].synth(**options))


def obligations(subject: Subject) -> dict[str, Obligation]:
    return {o.name: o for o in handshake.obligations(subject, 10.0)}


def test_text(golden: Callable[..., None]) -> None:
    golden(DESIGNS["search"].synth().assertions, ".sv")


@pytest.mark.parametrize(
    ("name", "reset"), [("fir", "sync"), ("search", "async"), ("average", "none"), ("lookup", "sync")]
)
def test_assertions_are_proved(name: str, reset: str) -> None:
    needs("yosys")
    found = obligations(subject(name, reset=reset))
    assert {o.status for o in found.values()} == {PROVED}, found
    assert (RUN in found) == (name != "search")


@pytest.mark.parametrize("reset", ["sync", "async", "none"])
def test_linters_are_content(reset: str) -> None:
    needs("slang", "verilator")
    design = DESIGNS["average"].synth(reset=reset)
    assert judges.lint_slang(design.verilog, design.assertions) == ()
    assert judges.lint_verilator(design.verilog, design.assertions) == ()


@pytest.mark.parametrize("bug", range(len(BUGS) + 1))
def test_bugs_in_the_handshake_are_refuted(bug: int) -> None:
    needs("yosys")
    gemm = subject("gemm")
    found = obligations(replace(gemm, sv=planted(gemm.sv, f"localparam int BUG = {bug};")))
    if not bug:
        assert {o.status for o in found.values()} == {PROVED}
        return
    shown = next(o for o in found.values() if o.status == REFUTED)
    assert re.match(f"({BUGS[bug - 1][2]}) fails [0-9]+ edges? after power-up$", shown.detail), shown


@pytest.mark.slow
def test_bugs_in_the_handshake_are_told_by_a_simulator(tmp_path: Path) -> None:
    needs("verilator", "c++")
    made = DESIGNS["gemm"].synth().write(tmp_path / "gemm")
    rtl = made / "rtl" / "gemm.sv"
    rtl.write_text(planted(rtl.read_text(), 'int BUG; initial if (!$value$plusargs("bug=%d", BUG)) BUG = 0;'))
    binary, env = tools.verilator()
    quick = "-Wno-fatal -CFLAGS -std=c++20 -CFLAGS -fcoroutines -MAKEFLAGS OPT_FAST=-O0 -MAKEFLAGS OPT_GLOBAL=-O0"
    command = ["make", "verilator", f"VERILATOR={binary} {quick}"]
    built = subprocess.run(command, cwd=made, env={**os.environ, **env}, capture_output=True, text=True, timeout=300)
    assert "PASS gemm" in built.stdout, built.stdout + built.stderr
    for bug, (_, _, labels) in enumerate(BUGS[:-2], 1):
        run = [str(made / "build" / "gemm_tb"), f"+bug={bug}"]
        done = subprocess.run(run, cwd=made / "tb", capture_output=True, text=True, timeout=60)
        assert re.search(rf"Assertion failed in \S+\.({labels})\b", done.stdout + done.stderr), (bug, done)


def test_a_proof_has_them_and_the_folder_says_so(tmp_path: Path) -> None:
    needs("yosys")
    design = DESIGNS["prefix"].synth()
    assert "checked in simulation" in (design.write(tmp_path / "a") / "datasheet.md").read_text()
    names = [o.name for o in design.prove(mutants=0, assertions=True).obligations if o.status == PROVED]
    assert names[-2:] == [ALWAYS, RUN]
    sheet = (design.write(tmp_path / "b") / "datasheet.md").read_text()
    assert "| proved by induction |" in sheet and "| proved by unrolling a run |" in sheet
    assert (tmp_path / "b" / "tb" / "prefix_sva.sv").read_text() == design.assertions


def test_without_yosys_abc_they_have_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise tools.missing("yosys-abc", "install it")

    monkeypatch.setattr(tools, "yosys_abc", none)
    (found,) = obligations(subject("prefix")).values()
    assert (found.status, found.detail) == (NO_ANSWER, "not run: yosys-abc was not found")


def test_an_answer_that_is_none_weakens_no_proof() -> None:
    proof = prove(subject("prefix"))
    assert proof.ok
    assert replace(proof, obligations=(*proof.obligations, Obligation(ALWAYS, NO_ANSWER, "", 0.0))).ok
    assert not replace(proof, obligations=(*proof.obligations, Obligation(ALWAYS, REFUTED, "", 0.0))).ok


# ------------------------------------------------------------------------------------------------------ single bits


def counter() -> Aig:
    """Two bits that count up while an input is high; that both are high is not to be."""
    b = Builder(Aig(1, (Latch(0, 1), Latch(0, None)), (), ()))
    low, high = b.latch(0), b.latch(1)
    differs = b.choice(high, low ^ 1, low)
    nexts = b.choice(2, low ^ 1, low), b.choice(2, differs, high)
    latches, bad = (Latch(nexts[0], 1), Latch(nexts[1], None)), b.both(low, high)
    return Aig(1, latches, tuple(b.gates), (bad,), (low, high))


def test_circuits_come_back_from_their_files() -> None:
    aig = from_zero(counter())
    again = read(written(aig))
    assert (again.inputs, again.latches, again.outputs) == (aig.inputs, aig.latches, aig.bad)
    assert [{*gate} for gate in again.gates] == [{*gate} for gate in aig.gates]


def test_a_circuit_from_zero_does_the_same() -> None:
    step, other = compiled(counter()), compiled(from_zero(counter()))
    state, held = [1, 1], [0, 0, 0]
    for edge, given in enumerate((1, 0, 1, 1, 1)):
        (shown, state), (same, held) = step([given], state), other([given, 1], held)
        assert [x & 1 for x in shown] == [x & 1 for x in same], edge


def test_what_is_no_invariant_is_told() -> None:
    aig = replace(from_zero(counter()), bad=(from_zero(counter()).latch(2),))
    assert uninductive(aig, [{0: 0}], 10.0) == "it doesn't hold at first"
    assert uninductive(aig, [{2: 1}], 10.0) == "an edge leaves it"
    stuck = Aig(0, (Latch(0, 0),), (), (2,))
    assert uninductive(stuck, [], 10.0) == "it doesn't exclude what it has to"
    assert uninductive(stuck, [{0: 1}], 10.0) == ""


def test_a_refutation_names_the_cycle() -> None:
    """What a simulation shows at the same edge: gemm without a write of its last row is none of these; done is."""
    gemm = subject("gemm")
    late = replace(gemm, sv=gemm.sv.replace("LAST_K = 2'd3", "LAST_K = 2'd2"), cycles=gemm.cycles)
    found = Assertions(late, 10.0)
    assert found.always().status == PROVED
    assert re.match(r"done_comes_in_time fails \d+ edges", found.run().how)


def test_a_tool_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    needs("yosys")
    with pytest.raises(ToolError, match="yosys"):
        handshake.bits(replace(subject("prefix"), checker="module"))
