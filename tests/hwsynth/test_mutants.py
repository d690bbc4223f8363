"""Changed texts: the proof refutes them, and trials on numbers find what differs."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from proving import histogram, matmul

import gemel as gm
from gemel import i32, u8
from gemel.hwsynth.prove.mutants import Mutations, Outcome, campaign, drawn, first_line
from gemel.hwsynth.prove.mutate import KINDS, mutants
from gemel.hwsynth.prove.proof import Proof, Subject, obligations, text_of
from gemel.hwsynth.prove.reading import Text, read
from gemel.hwsynth.prove.subject import subject_of
from gemel.hwsynth.prove.trial import differs
from gemel.hwsynth.prove.trials import tried
from gemel.semantics.symbolic.verdict import Verdict


@gm.kernel
def fir(x: i32[12], h: i32[3]) -> i32[10]:
    y = gm.zeros((10,), i32)
    for i in range(10):
        for k in range(3):
            y[i] += x[i + k] * h[k]
    return y


@gm.kernel
def until(n: u8) -> u8:
    steps: u8 = 0
    left: u8 = n
    while left > 1:
        left = left // 2
        steps += 1
    return steps


@pytest.fixture(scope="module")
def product() -> Subject:
    return subject_of(matmul.synth(M=2, N=3, K=4))


def changed(subject: Subject, old: str, new: str) -> Text:
    assert old in subject.sv
    sv = subject.sv.replace(old, new)
    return text_of(replace(subject, sv=sv), subject.top)


def test_of_each_kind_there_are_mutants_all_different(product: Subject) -> None:
    text = text_of(product, product.top)
    made = list(mutants(text.circuit, 200, 1))
    assert len({(m.kind, m.where, m.circuit.nodes, m.circuit.states) for m in made}) == 200
    assert {*KINDS} - {m.kind for m in made} <= {"bound", "constant", "operands", "address", "port"}
    again = list(mutants(text.circuit, 200, 1))
    assert [m.where for m in made] == [m.where for m in again]
    assert [m.where for m in made] != [m.where for m in mutants(text.circuit, 200, 2)]


@pytest.mark.parametrize("kernel", [fir, histogram], ids=["fir", "histogram"])
def test_mutants_are_refuted_or_proved_to_do_no_harm(kernel: gm.Kernel) -> None:
    found = campaign(subject_of(kernel.synth()), 24, 3)
    assert not found.left, str(found)
    assert found.counts["refuted"] >= 0.8 * len(found.outcomes)
    assert {o.kind for o in found.outcomes} >= {"yosys", "register added", "condition"}


def test_a_proof_has_its_mutants_and_says_so() -> None:
    proof = matmul.synth(M=2, N=2, K=2).prove(mutants=6)
    assert proof.ok
    assert proof.mutations is not None
    assert Counter(o.module for o in proof.mutations.outcomes) == {"matmul": 6, "multiply_i32_i32_low_32": 4}
    assert "10 mutants: " in str(proof)


def test_a_proof_that_misses_a_mutant_proves_nothing() -> None:
    missed = Mutations(1, (Outcome("m", "bound", "here", 3, "missed", "a trial: the kernel's result"),))
    proof = Proof("m", (), missed)
    assert proof.status == "unknown"
    assert "missed m.sv:3: bound, here: a trial" in str(proof)


def test_lines_of_mutants_are_those_of_the_modules_own_file(product: Subject) -> None:
    assert first_line(product.sv, product.top) > 0
    for module, _, mutant in drawn(product, 12, 1):
        if mutant.line is not None and module == product.top:
            assert mutant.line > first_line(product.sv, module)


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("LAST_K = 2'd3", "LAST_K = 2'd2", "done"),
        ("assign C_wdata = ", "assign C_wdata = 32'sd1 + ", "C["),
        ("assign A_ren = run", "assign A_ren = !rst", "A_ren"),
        ("busy <= 1'b0;\n      done <= 1'b0;", "busy <= 1'b0;\n      done <= 1'b1;", "done"),
        ("accepted = start && !busy", "accepted = start", "C["),
    ],
    ids=["bound", "word", "moves while idle", "reset", "start while busy"],
)
def test_trials_show_where_a_text_differs(product: Subject, old: str, new: str, where: str) -> None:
    found = [differs(product, changed(product, old, new), seed) for seed in range(4)]
    shown = [d for d in found if d is not None]
    assert shown and shown[0].where.startswith(where), shown


@pytest.mark.parametrize("kernel", [fir, histogram, until], ids=["fir", "histogram", "until"])
@pytest.mark.parametrize("reset", ["sync", "none"])
def test_trials_find_nothing_in_what_is_right(kernel: gm.Kernel, reset: str) -> None:
    subject = subject_of(kernel.synth(reset=reset))
    assert [differs(subject, text_of(subject, subject.top), seed) for seed in range(3)] == [None] * 3


def test_a_run_that_is_too_long_to_try_shows_nothing(product: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gemel.hwsynth.prove.trial.LONGEST", (product.cycles or 0) - 1)
    assert differs(product, text_of(product, product.top), 1) is None


def test_a_register_on_another_edge_is_refuted(product: Subject) -> None:
    text = changed(
        product, "always_ff @(posedge clk) begin\n    k_is_0_s", "always_ff @(negedge clk) begin\n    k_is_0_s"
    )
    assert text.odd
    wrong = [o for o in obligations(product, product.top, text, 1.0) if o.status == "refuted"]
    assert [o.name for o in wrong] == ["all registers take the rising edge of clk"]


def test_trials_of_a_unit_show_an_error_in_it(product: Subject) -> None:
    unit, contract = next((n, c) for n, c in product.contracts.items() if c.operation.startswith("multiply"))
    found = tried(contract, text_of(product, unit), {}, 5.0, "no proof", 50)
    assert (found.status, found.tests) == ("tested", 50) and "no proof" in found.how
    wrong = read(product.sv.replace("assign low_product = ", "assign low_product = 32'd1 + ", 1), unit).text()
    found = tried(contract, wrong, {}, 5.0, "no proof", 50)
    assert found.status == "refuted" and {str(t) for t in found.values} == {"a", "b"}


def test_a_unit_without_a_proof_is_tested_and_says_how_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gemel.hwsynth.prove.unitproof._Unit.verdict", lambda *_: Verdict("unknown", "no time"))
    monkeypatch.setattr("gemel.hwsynth.prove.trials.MOST", 1234)
    proof = matmul.synth(M=2, N=2, K=2).prove(mutants=0)
    assert proof.status == "tested" and not proof.ok
    (unit,) = [o for o in proof.obligations if o.status != "proved"]
    assert (unit.verdict, unit.tests) == ("tested(1,234)", 1234)
    assert "tested(1,234) unit multiply" in str(proof) and "(no time)" in str(proof)
