"""The native simulator as an engine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from gemel.hwsynth.engines.run import Run, run_once
from gemel.hwsynth.engines.script import Script, Seen, play
from gemel.hwsynth.fst import FstFile
from gemel.hwsynth.nativesim import Compiled, NativeSim, Words
from gemel.hwsynth.system import DONE, System
from gemel.hwsynth.vcd import VcdFile


class NativeModel:
    """A compiled system; the variant that traces is compiled when waves are first asked for."""

    def __init__(self, system: System) -> None:
        self.system = system
        self._fast = Compiled(system.module, DONE)
        self._traced: Compiled | None = None

    def play(self, script: Script) -> list[Seen]:
        """As `Model.play`."""
        return play(NativeSim(self._fast), self.system, script)

    def run(
        self,
        memories: Mapping[str, Words],
        scalars: Mapping[str, int],
        max_cycles: int,
        vcd: str | os.PathLike[str] | None = None,
    ) -> Run:
        """As `Model.run`."""
        if vcd is None:
            return run_once(self.play, self.system, memories, scalars, max_cycles)
        return run_once(lambda s: self.trace(s, vcd), self.system, memories, scalars, max_cycles)

    def trace(self, script: Script, path: str | os.PathLike[str]) -> list[Seen]:
        """As `Model.play`, and writes the signals to a file."""
        self._traced = self._traced or Compiled(self.system.module, DONE, trace=True)
        kind = FstFile if Path(path).suffix == ".fst" else VcdFile
        with kind(path, self._traced) as file:
            sim = NativeSim(self._traced, file.rows)
            seen = play(sim, self.system, script)
            file.rows(sim.last_row())
        return seen


def build(system: System, cycles: int | None) -> NativeModel:
    """The model of a system; raises SynthesisError for an invalid netlist."""
    return NativeModel(system)
