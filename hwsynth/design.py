"""A design: a kernel as hardware, to look at, simulate and hand over."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gemel.hwsynth import engines
from gemel.hwsynth.deliver import deliver
from gemel.hwsynth.engines.run import Model, Run
from gemel.hwsynth.report import Report
from gemel.hwsynth.synthesis import Synthesized, synthesize_kernel
from gemel.hwsynth.verilog import verilog
from gemel.semantics.arguments import Bound, bind, new_results, unpack
from gemel.semantics.convert import from_bits, to_bits
from gemel.semantics.errors import SynthesisError
from gemel.semantics.failures import raised
from gemel.semantics.interp import interpret
from gemel.semantics.ir import Buffer, Kernel
from gemel.semantics.storage import Array

DEFAULT_MAX_CYCLES = 1_000_000_000


@dataclass(frozen=True)
class Simulation:
    """A simulated run: what the kernel returned, and the clock cycles from start to done."""

    outputs: Any
    cycles: int


class Design:
    """Hardware of a kernel at given sizes.

    `kernel` is the kernel as scheduled, `verilog` the SystemVerilog, `report` what synthesis found, `cycles` the cycles
    of a run where the control is static (None where they depend on the data).
    """

    def __init__(self, source: Kernel, made: Synthesized) -> None:
        self.source, self._made = source, made
        self.kernel = made.kernel
        self.report: Report = made.report
        self.cycles: int | None = made.cycles
        self._models: dict[str, Model] = {}

    @property
    def module(self) -> Any:
        """The netlist."""
        return self._made.module

    @cached_property
    def verilog(self) -> str:
        """The kernel's module as SystemVerilog."""
        return verilog(self._made.module)

    def simulate(self, *args: Any, engine: str = "native", max_cycles: int = DEFAULT_MAX_CYCLES) -> Simulation:
        """Runs the hardware cycle by cycle; arrays that the kernel stores to change in place.

        `engine` is "native", "verilator" or "icarus". Raises what a call of the kernel raises, CheckError R07 after
        `max_cycles` cycles, ToolError where an outside simulator is missing or fails.
        """
        return self._run(args, engine, max_cycles, None)

    def wave(self, path: str | os.PathLike[str], *args: Any, max_cycles: int = DEFAULT_MAX_CYCLES) -> Simulation:
        """Simulates natively and writes the signals of the run to a VCD file."""
        return self._run(args, "native", max_cycles, path)

    def write(self, folder: str | os.PathLike[str], *args: Any) -> Path:
        """Writes RTL, a self-checking testbench and the report to a folder.

        The testbench runs on `args`, or on random arguments where none are given. Nothing is left behind where
        writing fails.
        """
        return deliver(self, Path(folder), args)

    def model(self, engine: str) -> Model:
        """The system built for an engine; built once."""
        if engine not in self._models:
            self._models[engine] = engines.build(self._made.system, engine)
        return self._models[engine]

    def _run(self, args: Any, engine: str, max_cycles: int, vcd: str | os.PathLike[str] | None) -> Simulation:
        bound = bind(self.source, args)
        results = new_results(self.source, bound.dims)
        names = self.memory_names()
        memories = self._memories(bound)
        scalars = {p.hint: to_bits(bound.scalars[p], p.dtype) for p in bound.scalars}
        values = {n: from_bits(bits, self._made.system.scalars[n]) for n, bits in scalars.items()}
        run = self.model(engine).run(memories, values, max_cycles, vcd)  # type: ignore[arg-type]
        if run.error is not None:
            raise self._failure(args, run)
        for p, array in bound.arrays.items():
            if array.flags.writeable and names.get(p) in run.memories:
                array.reshape(-1)[...] = _shaped(run.memories[names[p]], array)
        return Simulation(unpack(self.source, [self._result(b, r, run) for b, r in self._pairs(results)]), run.cycles)

    def memory_names(self) -> dict[Buffer, str]:
        """The memory of each tensor parameter and result that has one."""
        lowered = [p for p in (*self.source.params, *self.source.results) if isinstance(p, Buffer)]
        return {b: b.hint for b in lowered if b.hint in self._made.system.memories}

    def _memories(self, bound: Bound) -> Mapping[str, Array]:
        names = self.memory_names()
        given = {names[b]: np.ascontiguousarray(a).reshape(-1) for b, a in bound.arrays.items() if b in names}
        return {n: a for n, a in given.items() if a.size}

    def _pairs(self, results: list[Array]) -> list[tuple[Buffer, Array]]:
        return list(zip(self.source.results, results, strict=True))

    def _result(self, b: Buffer, out: Array, run: Run) -> Array:
        if not b.rank:
            name = b.hint if b.hint in run.outputs else next(n for n in run.outputs if n.startswith(b.hint))
            out[...] = run.outputs[name]
            return out
        name = self.memory_names().get(b, "")
        out.reshape(-1)[...] = _shaped(run.memories[name], out) if name in run.memories else 0
        return out

    def _failure(self, args: Any, run: Run) -> Exception:
        """The error of a failed run: the interpreter finds the values that its message shows."""
        interpret(self.source, [a.copy() if isinstance(a, np.ndarray) else a for a in args])
        site = self._made.sites[(run.error or 1) - 1]
        return raised(site.check, site.message, site.span)

    def __repr__(self) -> str:
        cycles = "data-dependent cycles" if self.cycles is None else f"{self.cycles:,} cycles"
        return f"<design {self.source.name}: {cycles} at {self.report.clock_mhz:g} MHz on {self.report.target}>"

    def _repr_html_(self) -> str:
        return self.report._repr_html_()


def _shaped(words: Array, like: Array) -> Array:
    return words[: like.size].astype(like.dtype, copy=False) if words.dtype != like.dtype else words[: like.size]


def synthesize(
    kernel: Kernel, *, target: str = "ecp5", clock_mhz: float = 100.0, interface: str = "memory"
) -> Design:
    """Hardware of a source-level kernel with known sizes.

    Raises SynthesisError where the kernel can't be hardware as asked.
    """
    if interface != "memory":
        raise SynthesisError(f"unknown interface {interface!r}", code="H06", mend="the interface is 'memory'")
    return Design(kernel, synthesize_kernel(kernel, target, clock_mhz))
