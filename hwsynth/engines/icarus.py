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
from gemel.hwsynth.engines.run import Run, bench, no_waves, run_once
from gemel.hwsynth.engines.script import Action, Load, Look, Reset, Script, Seen, Set, Step, Wait
from gemel.hwsynth.nativesim import Words, word_array
from gemel.hwsynth.netlist import NetType
from gemel.hwsynth.system import DONE, System
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
        self.types = {i.var.hint: net_type(i.var) for i in system.module.inputs}
        self.number = {name: k for k, name in enumerate(system.memories)}
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
        return run_once(self.play, self.system, memories, scalars, max_cycles)

    def play(self, script: Script) -> list[Seen]:
        """As `Model.play`."""
        with tools.scratch() as folder:
            text = "\n".join([*self.texts, *self.testbench(script)])
            (folder / "bench.sv").write_text(text)
            for n, action in enumerate(script):
                for name, array in action.memories.items() if isinstance(action, Load) else ():
                    self.write_hex(folder / f"{n}.{self.number[name]}.hex", name, array)
            command = [self.compiler, "-g2012", "-o", "bench.vvp", "-s", "testbench", "bench.sv"]
            tools.must("Icarus Verilog", command, folder, TIMEOUT)
            log = tools.must("Icarus Verilog", [self.runner, "-n", "bench.vvp"], folder, TIMEOUT)
            found = re.findall(r"^look (\d+) (\w+)=(\w+)$", log, re.MULTILINE)
            looks = {n: action for n, action in enumerate(script) if isinstance(action, Look)}
            return [self.seen(n, {p: v for k, p, v in found if int(k) == n}, folder, looks[n]) for n in looks]

    def seen(self, n: int, found: Mapping[str, str], folder: Path, look: Look) -> Seen:
        """What the look that is step `n` of a script found."""
        names = list(self.system.memories) if look.memories else []
        dumped = {name: self.read_hex(folder / f"{n}.{self.number[name]}.hex", name) for name in names}
        outputs = {}
        for o in self.system.module.outputs:
            digits = found[self.outputs[o.name]]
            if found[self.outputs[DONE]] == "1" or not re.search("[xXzZ]", digits):
                outputs[o.name] = _known(o.name, digits, o.value.dtype)
        return Seen(outputs, dumped, int(found["edges"], 16))

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

    def testbench(self, script: Script) -> Iterator[str]:
        """The testbench's text: as `script.play` does it."""
        clocks = ["clk", "rst"] if needs_reset(self.printed[-1].module) else ["clk"]
        yield "module testbench;"
        yield from (f"  {line}" for line in self.declarations(clocks))
        yield "  task tick; begin clk = 1; #1; clk = 0; #1; edges = edges + 1; end endtask"
        yield "  initial begin"
        yield "    edges = 0;"
        for n, action in enumerate(script):
            yield from (f"    {line}" for line in self.action(n, action))
        yield "    $finish;"
        yield "  end"
        yield "endmodule"

    def action(self, n: int, action: Action) -> Iterator[str]:
        """Step `n` of a script. Inputs settle before an edge."""
        match action:
            case Set():
                yield from (self.assignment(name, value) for name, value in action.values.items())
                yield "#1;"
            case Load():
                for name in action.memories:
                    yield f'$readmemh("{n}.{self.number[name]}.hex", {self.arrays[name]});'
            case Reset():
                reset = needs_reset(self.printed[-1].module)
                yield f"{'rst = 1; #1; ' * reset}repeat ({action.cycles}) tick;{' rst = 0; #1;' * reset}"
            case Step():
                yield f"repeat ({action.cycles}) tick;"
            case Wait():
                yield f"limit = edges + {action.most};"
                yield f"while ({self.outputs[DONE]} !== 1 && edges < limit) tick;"
            case Look():
                for port in ("edges", *self.outputs.values()):
                    yield f'$display("look {n} {port}=%h", {port});'
                for name in self.system.memories if action.memories else ():
                    yield f'$writememh("{n}.{self.number[name]}.hex", {self.arrays[name]});'

    def declarations(self, clocks: list[str]) -> Iterator[str]:
        yield from (f"logic {name} = 0;" for name in clocks)
        yield "longint edges, limit;"
        m = self.printed[-1].module
        yield from (f"{type_text(net_type(i.var))} {i.var.hint};" for i in m.inputs)
        yield from (f"{type_text(net_type(o.value))} {o.name};" for o in m.outputs)
        ports = (*clocks, *self.inputs.values(), *self.outputs.values())
        yield f"bench bench ({', '.join(f'.{n}({n})' for n in ports)});"

    def assignment(self, name: str, value: int) -> str:
        dtype = self.types[name]
        return f"{self.inputs[name]} = {literal(int(from_bits(to_bits(value, dtype), dtype)), dtype)};"


def build(system: System, cycles: int | None) -> IcarusModel:
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
