"""What a proof is about, from a design."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gemel.hwsynth.dag import modules_of
from gemel.hwsynth.judges import split_modules
from gemel.hwsynth.prove.proof import Subject
from gemel.semantics.dtypes import FloatType
from gemel.semantics.ir import Buffer, Kernel

if TYPE_CHECKING:
    from gemel.hwsynth.design import Design


def subject_of(design: Design) -> Subject:
    """What is to be proved of a design: one with floats in the order in which the hardware computes."""
    kernel = design.scheduled if _has_floats(design.source) else design.source
    places = dict(zip((*kernel.params, *kernel.results), design.places.values(), strict=True))
    contracts = {m.name: m.contract for m in modules_of(design.module) if m.contract is not None}
    *_, top = split_modules(design.verilog)
    latencies = {name: e.latency for name, e in design.system.memories.items()}
    sites = {(s.check.value, s.span): n for n, s in enumerate(design.sites, 1)}
    return Subject(design.verilog, top, contracts, kernel, places, design.cycles, latencies, design.assertions, sites)


def _has_floats(kernel: Kernel) -> bool:
    return any(isinstance(p.dtype, FloatType) for p in (*kernel.params, *kernel.results) if isinstance(p, Buffer))
