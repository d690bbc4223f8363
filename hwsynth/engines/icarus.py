"""Icarus Verilog as an engine: the printed SystemVerilog under a testbench, memories through hex files.

Icarus knows unknown values: a run that leaves an unknown bit in an output or a memory is an error.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from gemel.hwsynth import tools
from gemel.hwsynth.dag import net_type
from gemel.hwsynth.engines.run import RESET_CYCLES, Run, bench, check_arguments, finished, inverted, no_waves, not_done
from gemel.hwsynth.nativesim import Words, word_array
from gemel.hwsynth.netlist import NetType
from gemel.hwsynth.system import DONE, START, System
from gemel.hwsynth.verilog import literal, needs_reset, print_design, type_text
from gemel.semantics.convert import from_bits, to_bits
from gemel.semantics.dtypes import DType, width_of
from gemel.semantics.errors import ToolError

TIMEOUT = 600.0
"""Seconds for a run."""


class IcarusModel:
    """A system and its text; Icarus compiles it in each run, which takes some ten milliseconds."""

    def __init__(self, system: System) -> None:
        self.compiler, self.runner = tools.icarus()
        self.system, self.printed = system, print_design(bench(system.module))
        self.texts = tuple(p.text for p in self.printed)
        self.inputs = {i.var.hint: f"i{k}" for k, i in enumerate(system.module.inputs)}
        self.outputs = {o.name: f"o{k}" for k, o in enumerate(system.module.outputs)}
        self.arrays = {m.hint: f"bench.dut.{name}" for m, name in self.printed[-2].memories.items()}

    def run(
        self,
        memories: Mapping[str, Words],
        scalars: Mapping[str, int],
        max_cycles: int,
        vcd: str | os.PathLike[str] | None = None,
    ) -> Run:
        """As `Model.run`; raises ToolError X02 where waves are asked for."""
        no_waves("icarus", vcd)
        words, values = check_arguments(self.system, memories, scalars)
        with tools.scratch() as folder:
            text = "\n".join([*self.texts, *self.testbench(values, max_cycles)])
            (folder / "bench.sv").write_text(text)
            for k, (name, array) in enumerate(words.items()):
                self.write_hex(folder / f"{k}.in.hex", name, array)
            command = [self.compiler, "-g2012", "-o", "bench.vvp", "-s", "testbench", "bench.sv"]
            tools.must("Icarus Verilog", command, folder, TIMEOUT)
            log = tools.must("Icarus Verilog", [self.runner, "-n", "bench.vvp"], folder, TIMEOUT)
            found = dict(re.findall(r"^(\w+)=(\w+)$", log, re.MULTILINE))
            if not found:
                raise not_done(max_cycles)
            dumped = {name: self.read_hex(folder / f"{k}.out.hex", name) for k, name in enumerate(words)}
        outputs = {
            o.name: _known(o.name, found[self.outputs[o.name]], o.value.dtype) for o in self.system.module.outputs
        }
        return finished(outputs, dumped, int(found["cycles"], 16))

    # --------------------------------------------------------------------------------------------------------- memory

    def write_hex(self, path: Path, name: str, words: Words) -> None:
        dtype = self.system.memories[name].dtype
        path.write_text("".join(f"{to_bits(v, dtype):x}\n" for v in integers(words, dtype)))

    def read_hex(self, path: Path, name: str) -> Words:
        external = self.system.memories[name]
        text = re.sub(r"//.*", "", path.read_text())
        values = [_known(f"memory {name}", word, external.dtype) for word in text.split() if word[0] != "@"]
        return word_array(values, external.dtype, external.depth)

    # ------------------------------------------------------------------------------------------------------ testbench

    def testbench(self, values: Mapping[str, int], max_cycles: int) -> Iterator[str]:
        """The testbench's text: as `run.drive` does it."""
        start, done = self.inputs[START], self.outputs[DONE]
        reset = needs_reset(self.printed[-1].module)
        yield "module testbench;"
        yield from (f"  {line}" for line in self.declarations(["clk", "rst"] if reset else ["clk"]))
        yield "  task tick; begin clk = 1; #1; clk = 0; #1; end endtask"
        yield "  initial begin"
        yield f"    {start} = 0; cycles = 0; #1;"
        yield from self.assignments(values)
        yield f"    rst = 1; repeat ({RESET_CYCLES}) tick; rst = 0;" if reset else ""
        yield from (f'    $readmemh("{k}.in.hex", {self.arrays[n]});' for k, n in enumerate(self.system.memories))
        yield f"    {start} = 1; #1; tick; cycles = 1; {start} = 0;"  # inputs settle before the edge
        yield from self.assignments(inverted(self.system, values))
        yield f"    #1; while ({done} !== 1 && cycles < {max_cycles}) begin tick; cycles = cycles + 1; end"
        yield f"    if ({done} === 1) begin"
        yield '      $display("cycles=%h", cycles);'
        yield from (f'      $display("{port}=%h", {port});' for port in self.outputs.values())
        yield from (f'      $writememh("{k}.out.hex", {self.arrays[n]});' for k, n in enumerate(self.system.memories))
        yield "    end"
        yield "    $finish;"
        yield "  end"
        yield "endmodule"

    def declarations(self, clocks: list[str]) -> Iterator[str]:
        yield from (f"logic {name} = 0;" for name in clocks)
        yield "longint cycles;"
        m = self.printed[-1].module
        yield from (f"{type_text(net_type(i.var))} {i.var.hint};" for i in m.inputs)
        yield from (f"{type_text(net_type(o.value))} {o.name};" for o in m.outputs)
        ports = (*clocks, *self.inputs.values(), *self.outputs.values())
        yield f"bench bench ({', '.join(f'.{n}({n})' for n in ports)});"

    def assignments(self, values: Mapping[str, int]) -> Iterator[str]:
        for name, value in values.items():
            yield f"    {self.inputs[name]} = {literal(value, self.system.scalars[name])};"


def build(system: System) -> IcarusModel:
    """The model of a system; raises as `engines.build`."""
    return IcarusModel(system)


def _known(what: str, digits: str, dtype: DType) -> int:
    if re.search("[xXzZ]", digits):
        raise ToolError(f"Icarus Verilog has unknown bits in {what}: {digits}", code="X02")
    return int(from_bits(int(digits, 16), dtype))


def integers(words: Words, dtype: NetType) -> list[int]:
    """The words as Python integers."""
    if words.ndim == 1:
        return [int(v) for v in words.tolist()]
    data, size = words.astype("<u8").tobytes(), words.shape[1] * 8
    patterns = (int.from_bytes(data[k : k + size], "little") for k in range(0, len(data), size))
    return [int(from_bits(p & ((1 << width_of(dtype)) - 1), dtype)) for p in patterns]
