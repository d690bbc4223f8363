"""What the simulators have in common: how a system is run, and what comes out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gemel.hwsynth.engines.script import Load, Look, Reset, Script, Seen, Set, Step, Wait
from gemel.hwsynth.nativesim import Words, word_array
from gemel.hwsynth.netlist import Input, Instance, Module, Output
from gemel.hwsynth.system import DONE, ERROR, ERROR_CODE, START, External, System
from gemel.semantics.convert import from_bits, to_bits
from gemel.semantics.errors import ArgumentError, CheckError, ToolError
from gemel.semantics.ir import Ref, Var

RESET_CYCLES = 2
"""Edges with `rst` high before a run."""


@dataclass(frozen=True)
class Run:
    """What a run gave: outputs by name and the memories' words as of the edge after which `done` was high.

    `cycles` counts the edges from the one that samples `start` up to that one; `error` is the error code of a kernel
    that ended with an error, else None.
    """

    outputs: Mapping[str, int]
    memories: Mapping[str, Words]
    cycles: int
    error: int | None


class Model(Protocol):
    """A system that is ready to run."""

    def play(self, script: Script) -> Sequence[Seen]:
        """Powers up and plays a script; gives what its looks found. Raises ToolError where an outside tool fails."""

    def run(
        self,
        memories: Mapping[str, Words],
        scalars: Mapping[str, int],
        max_cycles: int,
        vcd: str | os.PathLike[str] | None = None,
    ) -> Run:
        """Powers up, resets, loads the memories (0 where not given), starts and waits for `done`.

        The scalars are on their inputs only when `start` is sampled; afterwards each has all its bits inverted.
        Raises CheckError R07 after `max_cycles` cycles without `done`, ArgumentError for names that the system doesn't
        have or values that don't fit, ToolError where an outside tool fails.
        """


def run_once(
    play: Callable[[Script], Sequence[Seen]],
    system: System,
    memories: Mapping[str, Words],
    scalars: Mapping[str, int],
    max_cycles: int,
) -> Run:
    """Runs as `Model.run` says on what plays scripts."""
    words, values = check_arguments(system, memories, scalars)
    script: Script = [
        Set({**values, START: 0}),
        Reset(RESET_CYCLES),
        Load(words),  # after the reset: before it, registers may hold anything and write anything
        Set({START: 1}),
        Step(min(1, max_cycles)),
        Set({START: 0, **inverted(system, values)}),
        Wait(max_cycles - 1),
        Look(),
    ]
    seen = play(script)[0]
    if not seen.outputs.get(DONE):
        raise not_done(max_cycles)
    return finished(seen.outputs, seen.memories, seen.edges - RESET_CYCLES)


def finished(outputs: Mapping[str, int], memories: Mapping[str, Words], cycles: int) -> Run:
    """The run that ended with these values."""
    return Run(outputs, memories, cycles, outputs.get(ERROR_CODE, 1) if outputs.get(ERROR) else None)


def not_done(max_cycles: int) -> CheckError:
    """The error for a run that takes too long."""
    return CheckError(f"the simulation was not done after {max_cycles} cycles", code="R07", mend="raise max_cycles")


def inverted(system: System, values: Mapping[str, int]) -> Mapping[str, int]:
    """Each scalar with all its bits inverted: what is on the inputs after the start, where nothing may look at them."""
    types = system.scalars
    return {name: int(from_bits(~to_bits(v, types[name]), types[name])) for name, v in values.items()}


def check_arguments(
    system: System, memories: Mapping[str, Words], scalars: Mapping[str, int]
) -> tuple[dict[str, Words], dict[str, int]]:
    """The words of every external memory and a value for every scalar, 0 where not given.

    Raises ArgumentError for unknown names, and for values that don't fit.
    """
    _known("memory", memories, system.memories)
    _known("scalar", scalars, system.scalars)
    words = {name: _words(e, memories.get(name)) for name, e in system.memories.items()}
    values = {name: int(scalars.get(name, 0)) for name in system.scalars}
    for name, value in values.items():
        if int(from_bits(to_bits(value, system.scalars[name]), system.scalars[name])) != value:
            raise ArgumentError(f"{value} is no value of {name}, a {system.scalars[name]}", code="A05")
    return words, values


def _known(what: str, given: Mapping[str, object], there: Mapping[str, object]) -> None:
    for name in given:
        if name not in there:
            raise ArgumentError(f"the system has no {what} {name}", code="A01", mend=f"it has {', '.join(there)}")


def _words(e: External, given: Words | None) -> Words:
    empty = word_array((), e.dtype, e.depth)
    if given is None:
        return empty
    if given.shape != empty.shape or given.dtype != empty.dtype:
        raise ArgumentError(
            f"memory {e.name} is {empty.dtype}{list(empty.shape)}, given {given.dtype}{list(given.shape)}",
            code="A02" if given.dtype != empty.dtype else "S02",
        )
    return given


def bench(system: Module) -> Module:
    """The system in a module whose port names can't clash with anything around it: i0, i1, ..., o0, o1, ..."""
    inputs = {i.var.hint: Var(f"i{k}", i.var.dtype, i.var.span) for k, i in enumerate(system.inputs)}
    outputs = {o.name: Var(f"o{k}", o.value.dtype, o.value.span) for k, o in enumerate(system.outputs)}
    inside = Instance(system, "dut", {n: Ref(v, v.span) for n, v in inputs.items()}, outputs, system.span)
    ports = tuple(map(Input, inputs.values())), tuple(Output(v.hint, Ref(v, v.span)) for v in outputs.values())
    return Module("bench", *ports, (), (), (), (inside,), system.span, reset=system.reset)


def no_waves(engine: str, vcd: object) -> None:
    """Raises ToolError X02 where waves are asked of an engine that writes none."""
    if vcd is not None:
        raise ToolError(f"the {engine} engine writes no wave file", code="X02", mend='use engine="native"')
