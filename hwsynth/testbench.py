"""A self-checking testbench: the module with memories around it, one run, all memories and outputs compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gemel.codegen.runtime import compile_kernel
from gemel.hwsynth.placement import Placement
from gemel.hwsynth.system import START
from gemel.hwsynth.verilog import literal, print_design, type_text
from gemel.semantics.arguments import bind
from gemel.semantics.convert import from_bits, to_bits
from gemel.semantics.dtypes import DType
from gemel.semantics.storage import to_values

if TYPE_CHECKING:
    from gemel.hwsynth.design import Design

LIMIT = 1_000_000_000
"""Cycles after which the testbench gives up where the cycle count isn't known."""


def testbench(design: Design, args: Sequence[Any]) -> dict[str, str]:
    """Files by name: `NAME_tb.sv` and the words of each memory before (`.in.hex`) and after (`.out.hex`) a run.

    What is expected comes from the kernel on this CPU. Raises what a call of the kernel raises.
    """
    own = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
    result = compile_kernel(design.source)(*own)
    results = result if isinstance(result, tuple) else (result,)
    files: dict[str, str] = {}
    for p, before, after in zip(design.source.params, args, own, strict=True):
        if isinstance(after, np.ndarray):
            files |= _images(design.places[p], before, p.dtype, "in") | _images(design.places[p], after, p.dtype, "out")
    outputs: dict[str, int] = {}
    for b, value in zip(design.source.results, results, strict=False):
        place = design.places[b]
        if b.rank:
            files |= _images(place, value, b.dtype, "out")
            if place.padded:  # words without an element stay what they are
                files |= _images(place, np.zeros_like(value), b.dtype, "in")
        elif place.names[0] is not None:
            outputs[place.names[0]] = to_bits(value, b.dtype)
    name = f"{design.source.name}_tb.sv"
    files[name] = "\n".join(_text(design, args, outputs, files)) + "\n"
    return files


def _images(place: Placement, array: Any, dtype: DType, which: str) -> dict[str, str]:
    """The words of a tensor's memories, by file."""
    words = np.empty(array.size, object)
    words[:] = [to_bits(v, dtype) for v in to_values(array, dtype)]
    return {f"{name}.{which}.hex": "".join(f"{w:x}\n" for w in part) for name, part in place.apart(words).items()}


def _text(design: Design, args: Sequence[Any], outputs: dict[str, int], files: dict[str, str]) -> Iterator[str]:
    system = design.system
    printed = print_design(system.module)[-1]
    arrays = {m.hint: printed.memories[m] for m in printed.module.memories}
    scalars = bind(design.source, args).scalars
    yield f"// Self-checking testbench of {design.source.name}: prints PASS or FAIL. Run it here, for example:"
    yield f"//   iverilog -g2012 -o tb {design.source.name}.sv {design.source.name}_tb.sv && vvp -n tb"
    yield printed.text.rstrip()
    yield ""
    yield f"module {design.source.name}_tb;"
    yield "  logic clk = 0;"
    yield "  logic rst = 1;"
    ports = [*(i.var for i in system.module.inputs)]
    for v in ports:
        given = 0 if v.hint == START else to_bits(scalars[next(p for p in scalars if p.hint == v.hint)], v.dtype)
        kind = type_text(v.dtype)  # type: ignore[arg-type]
        yield f"  {kind} {printed.ports[v.hint]} = {_unsigned(given, v.dtype)};"
    for o in system.module.outputs:
        yield f"  {type_text(o.value.dtype)} {printed.ports[o.name]};"  # type: ignore[arg-type]
    names = [printed.ports[v.hint] for v in ports] + [printed.ports[o.name] for o in system.module.outputs]
    yield "  integer cycles = 0;"
    yield "  integer bad = 0;"
    yield "  integer n;"
    for place in sorted({f.split(".")[0] for f in files if f.endswith(".out.hex")}):
        e = system.memories[place]
        yield f"  {type_text(e.dtype)} {place}_expected [0:{e.depth - 1}];"
    connections = ", ".join(f".{n}({n})" for n in ["clk", "rst", *names])
    yield f"  {printed.name} dut ({connections});"
    yield from _process(design, printed.ports, arrays, outputs, files)
    yield "endmodule"


def _unsigned(bits: int, dtype: DType) -> str:
    return f"{max(getattr(dtype, 'width', 1), 1)}'h{bits:x}"


def _process(
    design: Design, ports: Any, arrays: dict[str, str], outputs: dict[str, int], files: dict[str, str]
) -> Iterator[str]:
    limit = design.cycles or LIMIT
    places = {f.split(".")[0] for f in files}
    yield "  always #5 clk = !clk;"
    yield "  initial begin"
    yield "    repeat (2) @(posedge clk);"
    yield "    #1 rst = 0;"
    yield from (f'    $readmemh("{p}.in.hex", dut.{arrays[p]});' for p in sorted(places) if f"{p}.in.hex" in files)
    yield from (f'    $readmemh("{p}.out.hex", {p}_expected);' for p in sorted(places) if f"{p}.out.hex" in files)
    yield f"    {ports[START]} = 1;"
    yield "    @(posedge clk);"
    yield f"    #1 {ports[START]} = 0;"
    yield "    cycles = 1;"
    yield f"    while ({ports['done']} !== 1 && cycles <= {limit}) begin"
    yield "      @(posedge clk);"
    yield "      #1 cycles = cycles + 1;"
    yield "    end"
    wrong = "".join(f" || {ports[name]} !== 0" for name in ("error",) if name in ports)
    yield f"    if ({ports['done']} !== 1{wrong}) bad = bad + 1;"
    if design.cycles is not None:
        yield f"    if (cycles != {design.cycles}) bad = bad + 1;"
    for p in sorted(places):
        if f"{p}.out.hex" in files:
            depth = files[f"{p}.out.hex"].count("\n")
            yield f"    for (n = 0; n < {depth}; n = n + 1)"
            yield f"      if (dut.{arrays[p]}[n] !== {p}_expected[n]) bad = bad + 1;"
    for name, bits in outputs.items():
        dtype = next(o.value.dtype for o in design.system.module.outputs if o.name == name)
        yield f"    if ({ports[name]} !== {literal(_signed(bits, dtype), dtype)}) bad = bad + 1;"  # type: ignore[arg-type]
    yield f'    if (bad == 0) $display("PASS {design.source.name}: %0d cycles", cycles);'
    yield f'    else $display("FAIL {design.source.name}: %0d differences", bad);'
    yield "    $finish;"
    yield "  end"


def _signed(bits: int, dtype: DType) -> int:
    return int(from_bits(bits, dtype))
