"""What a proof is about, from a design."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gemel.hwsynth.dag import modules_of
from gemel.hwsynth.judges import split_modules
from gemel.hwsynth.prove.counterexample import contradicted, search
from gemel.hwsynth.prove.mutants import campaign
from gemel.hwsynth.prove.proof import Proof, Subject, prove
from gemel.semantics.dtypes import FloatType
from gemel.semantics.ir import Buffer, Kernel

if TYPE_CHECKING:
    from gemel.hwsynth.design import Design


def proof_of(design: Design, seconds: float, mutants: int, seed: int) -> Proof:
    """The proof of a design against its kernel, with a counterexample, or what became of so many changed texts."""
    return full_proof(subject_of(design), seconds, mutants, seed, design)


def full_proof(subject: Subject, seconds: float, mutants: int, seed: int, design: Design | None = None) -> Proof:
    """The proof of a subject, as `proof_of`; counterexamples are played again where there is a design."""
    proof = prove(subject, seconds)
    if proof.ok:
        return replace(proof, mutations=campaign(subject, mutants, seed)) if mutants else proof
    found = search(subject, proof, design)
    return proof if found is None else contradicted(proof, found)


def subject_of(design: Design) -> Subject:
    """What is to be proved of a design: one with floats in the order in which the hardware computes."""
    kernel = design.scheduled if _has_floats(design.source) else design.source
    places = dict(zip((*kernel.params, *kernel.results), design.places.values(), strict=True))
    contracts = {m.name: m.contract for m in modules_of(design.module) if m.contract is not None}
    *_, top = split_modules(design.verilog)
    latencies = {name: e.latency for name, e in design.system.memories.items()}
    return Subject(design.verilog, top, contracts, kernel, places, design.cycles, latencies)


def _has_floats(kernel: Kernel) -> bool:
    return any(isinstance(p.dtype, FloatType) for p in (*kernel.params, *kernel.results) if isinstance(p, Buffer))
