"""A design: a kernel as hardware, to look at, simulate and hand over."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gemel.hwsynth.formula import Counts, Family
from gemel.hwsynth.netlist import Module, Reset
from gemel.hwsynth.placement import Placement
from gemel.hwsynth.progress import shown
from gemel.hwsynth.report import Report
from gemel.hwsynth.synthesis import RESERVED, Synthesized, counted_kernel, synthesize_kernel
from gemel.hwsynth.system import System
from gemel.hwsynth.targets import Target
from gemel.semantics.arguments import Bound, bind, in_order, new_results, shared, unpack
from gemel.semantics.convert import from_bits, to_bits
from gemel.semantics.dtypes import DType, FloatType
from gemel.semantics.entry import entry
from gemel.semantics.errors import SynthesisError
from gemel.semantics.failures import raised
from gemel.semantics.ir import Assert, Buffer, Kernel, Ref, Var
from gemel.semantics.storage import Array, from_values, from_words, is_wide, patterns, to_words
from gemel.semantics.traverse import Copier

if TYPE_CHECKING:
    from gemel.hwsynth.engines.run import Model, Run
    from gemel.hwsynth.prove.proof import Proof

DEFAULT_MAX_CYCLES = 1_000_000_000


@dataclass(frozen=True)
class Simulation:
    """A simulated run: what the kernel returned, and the clock cycles from start to done."""

    outputs: Any
    cycles: int


class Design:
    """Hardware of a kernel at given sizes.

    `kernel` is the kernel as scheduled: it runs on the CPU with the same bits. `verilog` is the SystemVerilog, `report`
    what synthesis found, `cycles` the cycles of a run where the control is static (None where they depend on the data).
    """

    def __init__(self, source: Kernel, made: Synthesized, runnable: Callable[[Kernel], Any]) -> None:
        self.source, self._made = source, made
        self.scheduled = made.kernel
        self.kernel = runnable(replace(made.kernel, strict=True))  # the CPU is to round as the hardware does
        self.report: Report = made.report
        self.cycles: int | None = made.cycles
        self._models: dict[str, Model] = {}
        self._proof: Proof | None = None
        self._settings: Mapping[str, Any] = {}

    @property
    def module(self) -> Module:
        """The netlist."""
        return self._made.module

    @property
    def target(self) -> Target:
        """What it is made for."""
        return self._made.target

    @property
    def sites(self) -> tuple[Assert, ...]:
        """The checks that may end a run; error code n is that of the n-th."""
        return self._made.sites

    @property
    def system(self) -> System:
        """The module with memories around it, as it is simulated."""
        return self._made.system

    @property
    def certificate(self) -> str:
        """The record of the last proof, if there was one, as JSON; with what `write` writes it can be proved anew."""
        from gemel.hwsynth.prove.certificate import of_design

        return of_design(self, self._proof, self._settings)

    @property
    def proof(self) -> Proof | None:
        """The last proof, if there was one."""
        return self._proof

    @cached_property
    def verilog(self) -> str:
        """The kernel's module as SystemVerilog."""
        from gemel.hwsynth.verilog import verilog

        return verilog(self._made.module)

    @cached_property
    def assertions(self) -> str:
        """What the module promises at its ports, as a SystemVerilog module of assertions that binds itself to it."""
        from gemel.hwsynth.handover.assertions import Assertions
        from gemel.hwsynth.handover.interface import Interface

        return Assertions(Interface(self)).text()

    @entry
    def simulate(
        self, *args: Any, engine: str = "native", max_cycles: int = DEFAULT_MAX_CYCLES, **named: Any
    ) -> Simulation:
        """Runs the hardware cycle by cycle; arrays that the kernel stores to change in place.

        Arguments are those of the kernel without sizes and static ones. `engine` is "native", "verilator" or "icarus".
        A long run shows its progress on a terminal; Ctrl-C ends it at once, and the design can be used as before.

        Raises what a call of the kernel raises, CheckError R07 after `max_cycles` cycles, ToolError where an outside
        simulator is missing or fails.
        """
        return self._run(in_order(self.source, args, named), engine, max_cycles, None)

    @entry
    def wave(self, path: str | os.PathLike[str], *args: Any, max_cycles: int = DEFAULT_MAX_CYCLES) -> Simulation:
        """Simulates natively and writes the signals of the run, as FST where the file's name ends so, else as VCD."""
        return self._run(args, "native", max_cycles, path)

    @entry
    def write(self, folder: str | os.PathLike[str], *args: Any) -> Path:
        """Writes what a hardware team needs to a folder: RTL, tests with vectors, constraints, a datasheet, a README.

        The vectors are a run on `args`, if any are given, and some on random arguments. Nothing is left behind where
        writing fails.
        """
        from gemel.hwsynth.handover.folder import deliver

        return deliver(self, Path(folder), args)

    @entry
    def prove(
        self,
        *,
        seconds: float = 10.0,
        mutants: int = 10,
        seed: int = 1,
        timeout: float | None = None,
        assertions: bool = False,
        workers: int = 1,
        client: Any = None,
        record: str | os.PathLike[str] | None = None,
    ) -> Proof:
        """Proves that the SystemVerilog computes the kernel, for all inputs, and keeps the handshake in any state.

        yosys reads the text back; `seconds` is z3's time for each question that normal forms leave, and `timeout` the
        seconds that an obligation may take, after which it is "unknown". A kernel with floats is compared in the order
        of operations of `Design.kernel`. The proof's `status` is "proved", "tested", "unknown" or "refuted", never more
        than what was shown; one that fails has a `counterexample`, if one is found.

        That a proof tells wrong from right is tried on `mutants` changed texts of the kernel's module, and some of each
        unit; `seed` says which. What became of them is `mutations`; it is None where not everything is proved.

        With `assertions` those on the handshake that `write` delivers are proved too, by yosys-abc and z3 from the text
        alone: a second opinion, which doesn't count where it finds no answer.

        The work goes to `workers` processes, or to a Dask cluster by its `client`. What is found is kept on disk. A
        record of it goes to the file `record`, where Ctrl-C leaves what was found until then; `write` has it too.

        Raises ToolError where yosys is missing or fails.
        """
        from gemel.hwsynth.prove.certificate import proved

        self._settings = {
            "seconds": seconds,
            "mutants": mutants,
            "seed": seed,
            "timeout": timeout,
            "assertions": assertions,
        }
        self._proof = proved(self, self._settings, workers, client, None if record is None else Path(record))
        return self._proof

    def model(self, engine: str) -> Model:
        """The system built for an engine; built once."""
        if engine not in self._models:
            from gemel.hwsynth import engines  # what only simulating needs is loaded then

            self._models[engine] = engines.build(self._made.system, engine, self.cycles)
        return self._models[engine]

    def _run(self, args: Any, engine: str, max_cycles: int, vcd: str | os.PathLike[str] | None) -> Simulation:
        bound = bind(self.source, args)
        memories, scalars = self.inputs(bound)
        model = self.model(engine)
        with shown(self.cycles):
            run = model.run(memories, scalars, max_cycles, vcd)
        if run.error is not None:
            raise self._failure(args, run)
        for p, array in bound.arrays.items():
            if array.flags.writeable and array.size:
                _read(self.places[p].together(run.memories, _words(array, p.dtype)), p.dtype, array)
        results = [self._result(b, r, run) for b, r in zip(self.source.results, self._new(bound), strict=True)]
        return Simulation(unpack(self.source, results), run.cycles)

    def inputs(self, bound: Bound) -> tuple[dict[str, Array], dict[str, int]]:
        """A call's arrays by memory and scalars by port."""
        arrays: dict[str, Array] = {}
        for b, a in bound.arrays.items():
            arrays |= self.places[b].apart(_words(a, b.dtype)) if a.size else {}
        scalars = {
            p.hint: int(from_bits(to_bits(v, p.dtype), self._made.system.scalars[p.hint]))
            for p, v in bound.scalars.items()
        }
        return arrays, scalars

    def _new(self, bound: Bound) -> list[Array]:
        return new_results(self.source, bound.dims)

    @cached_property
    def places(self) -> dict[Buffer | Var, Placement]:
        """The memories of each tensor; the output port of a result of rank 0."""
        return dict(zip((*self.source.params, *self.source.results), self._made.places, strict=True))

    def _result(self, b: Buffer, out: Array, run: Run) -> Array:
        if not b.rank:
            value = run.outputs[self.places[b].names[0] or ""]
            out[...] = from_bits(value, b.dtype) if isinstance(b.dtype, FloatType) else value
        elif out.size:
            out[...] = 0  # what no memory has
            _read(self.places[b].together(run.memories, _words(out, b.dtype)), b.dtype, out)
        return out

    def _failure(self, args: Any, run: Run) -> Exception:
        """The error of a failed run: the interpreter finds the values that its message shows."""
        from gemel.semantics.interp import interpret

        interpret(self.source, [a.copy() if isinstance(a, np.ndarray) else a for a in map(shared, args)])
        site = self._made.sites[(run.error or 1) - 1]
        return raised(site.check, site.message, site.span)

    def __repr__(self) -> str:
        cycles = "data-dependent cycles" if self.cycles is None else f"{self.cycles:,} cycles"
        return f"<design {self.source.name}: {cycles} at {self.report.clock_mhz:g} MHz on {self.report.target}>"

    def _repr_html_(self) -> str:
        return self.report._repr_html_()


def _words(array: Array, dtype: DType) -> Array:
    """An argument as a memory's words; of more than 64 bits, each is a row of them."""
    if isinstance(dtype, FloatType):
        return array.reshape(-1).view(patterns(dtype))
    return to_words(array, dtype) if is_wide(dtype) else array.reshape(-1)


def _read(words: Array, dtype: DType, out: Array) -> None:
    if is_wide(dtype):
        from_values(from_words(words, dtype), dtype, out)
    elif isinstance(dtype, FloatType):
        out.reshape(-1).view(patterns(dtype))[...] = words
    else:
        out.reshape(-1)[...] = words


def synthesize(
    kernel: Kernel,
    *,
    target: str = "ecp5",
    clock_mhz: float = 100.0,
    interface: str = "memory",
    reset: str = "sync",
    resources: Mapping[str, int] | None = None,
    runnable: Callable[[Kernel], Any] = lambda kernel: kernel,
    sizes: Mapping[str, int] | None = None,
    at: Callable[[Mapping[str, int]], Kernel] | None = None,
) -> Design:
    """Hardware of a source-level kernel with known sizes; `runnable` makes `Design.kernel` of the scheduled IR.

    `sizes` are what sizes it has, and `at` gives it at others. `resources` has the most functional units of a kind that
    there may be, as in {"mul": 2}.

    Raises SynthesisError where the kernel can't be hardware as asked.
    """
    if interface != "memory":
        raise SynthesisError(f"unknown interface {interface!r}", code="H06", mend="the interface is 'memory'")
    if reset not in [r.value for r in Reset]:
        raise SynthesisError(f"unknown reset {reset!r}", code="H06", mend="use 'sync', 'async' or 'none'")

    def made(source: Kernel, reads: Mapping[str, int] | None = None) -> Synthesized:
        return synthesize_kernel(_with_ports(source), target, clock_mhz, Reset(reset), resources, reads)

    def counted(source: Kernel) -> Counts:
        if resources:  # which units do for all shows when all has been generated
            return made(source, found.reads).report
        return counted_kernel(_with_ports(source), target, clock_mhz, found.reads)

    found = made(kernel)
    if sizes and at is not None:
        family = Family(sizes, lambda other: counted(at(other)))
        found = replace(found, report=replace(found.report, family=family))
    return Design(_with_ports(kernel), found, runnable)


def _with_ports(kernel: Kernel) -> Kernel:
    """The kernel with scalars renamed that are called as a port of the protocol is: `start` becomes `start_in`."""
    copier = Copier()
    params: list[Buffer | Var] = []
    for p in kernel.params:
        if isinstance(p, Var) and p.hint in RESERVED:
            new = Var(f"{p.hint}_in", p.dtype, p.span)
            copier.vars[p] = Ref(new, p.span)
            params.append(new)
        else:
            params.append(p)
    return replace(kernel, params=tuple(params), body=copier.body(kernel.body)) if copier.vars else kernel
