"""Another judge than Gemel's prover: `python benchmarks/judge.py [miters|handshake] [group or kernel ...]`.

`miters`: small kernels beside `judge/reference.sv`, which is written by hand. yosys makes single bits of the two with
memories between them, all contents free; yosys-abc unrolls a run and shows that the bits are the same. The same is done
with circuits that yosys' `mutate` changes, and what it says of them is compared with what Gemel's prover says.

`handshake`: the assertions of the benchmark's kernels, as `prove(assertions=True)` proves them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness import machine

import gemel as gm
from gemel import i8, i16, i32, u8
from gemel.bench.hardware.suites import every
from gemel.errors import GemelError
from gemel.hwsynth import judges, tools
from gemel.hwsynth.design import Design
from gemel.hwsynth.handover.interface import Interface, Outside
from gemel.hwsynth.prove import handshake
from gemel.hwsynth.prove.mutants import Mutant, judged
from gemel.hwsynth.prove.proof import Obligation
from gemel.hwsynth.prove.reading import mutated
from gemel.hwsynth.prove.subject import subject_of
from gemel.semantics.dtypes import width_of
from gemel.semantics.ir import Var
from gemel.semantics.symbolic.running import deep

HERE = Path(__file__).parent
SLACK = 4
"""Cycles of a miter beyond those of the run."""
LONGEST = 24
"""Cycles of a run whose end depends on the data."""
SECONDS = 30
"""What yosys-abc may take for a miter."""


@gm.kernel
def dot(x: i8[4], y: i8[4]) -> i32:
    s: i32 = 0
    for i in range(4):
        s += x[i] * y[i]
    return s


@gm.kernel
def product(A: gm.Int(4)[2, 2], B: gm.Int(4)[2, 2]) -> i32[2, 2]:
    C = gm.zeros((2, 2), i32)
    for i, j, k in gm.grid(2, 2, 2):
        C[i, j] += A[i, k] * B[k, j]
    return C


@gm.kernel
def counts(values: u8[4]) -> u8[4]:
    bins = gm.zeros((4,), u8)
    for i in range(4):
        bins[gm.bits(values[i], 1, 0)] += 1
    return bins


@gm.kernel
def filter(x: i8[5], h: i8[3]) -> i16[5]:
    y = gm.zeros((5,), i16)
    for n in range(2, 5):
        acc: i16 = 0
        for t in range(3):
            acc += gm.cast(x[n - t], i16) * gm.cast(h[t], i16)
        y[n] = acc
    return y


@gm.kernel
def distance(a: u8[3], b: u8[3], least: u8) -> u8[3]:
    d = gm.empty((3,), u8)
    for i in range(3):
        if a[i] > b[i]:
            d[i] = a[i] - b[i]
        else:
            d[i] = b[i] - a[i]
        if d[i] < least:
            d[i] = 0
    return d


@gm.kernel
def ordered(v: u8[3]) -> u8[3]:
    s = gm.empty((3,), u8)
    for i in range(3):
        s[i] = v[i]
    for i in range(2):
        for j in range(2 - i):
            if s[j] > s[j + 1]:
                s[j], s[j + 1] = s[j + 1], s[j]
    return s


@gm.kernel
def first(x: u8[4], least: u8) -> u8:
    found: u8 = 4
    for i in range(4):
        if x[i] > least:
            found = gm.cast(i, u8)
            break
    return found


@gm.kernel
def halvings(n: gm.UInt(4)) -> u8:
    steps: u8 = 0
    left: gm.UInt(4) = n
    while left > 1:
        left = left >> 1
        steps += 1
    return steps


KERNELS = (dot, product, counts, filter, distance, ordered, first, halvings)


class Miter:
    """A design and its reference, with memories between them and one run."""

    def __init__(self, design: Design) -> None:
        self.design, self.i = design, Interface(design)
        self.cycles = design.cycles or LONGEST

    @property
    def given(self) -> list[tuple[str, int]]:
        """The arguments of the reference: name and bits."""
        arrays = [(m.tensor.hint, m.words * m.width) for m in self.i.memories if m.tensor in self.design.source.params]
        return arrays + [(p.hint, width_of(p.dtype)) for p in self.design.source.params if isinstance(p, Var)]

    def text(self) -> str:
        """The module `miter`; its output says that something is wrong."""
        return "\n".join(self.lines()) + "\n"

    def lines(self) -> Iterator[str]:
        ports = [f"input logic [{width - 1}:0] {name}_any" for name, width in self.given]
        yield f"module miter (input logic clk, {', '.join(ports)}, output logic wrong);"
        yield "  logic [7:0] t;"
        yield "  logic over;"
        yield "  initial t = 8'd0;"
        yield "  initial over = 1'b0;"
        yield "  logic same, start, busy, done;"
        yield f"  assign start = t == 8'd1 || (t > 8'd1 && t < 8'd{self.cycles} && t[0]);"
        ended = f"t == 8'd{self.cycles + 1}" if self.design.cycles else "1'b1"
        yield f"  assign wrong = !over && ((done && t != 8'd0 && (!same || !({ended}))) || t == 8'd{self.cycles + 2});"
        yield "  always @(posedge clk) begin"
        yield "    t <= t + 8'd1;"
        yield "    if (t != 8'd0 && done) over <= 1'b1;"
        yield "  end"
        for name, width in self.given:
            yield f"  logic [{width - 1}:0] {name}_given;"
            yield f"  always @(posedge clk) if (t == 8'd0) {name}_given <= {name}_any;"
        for m in self.i.memories:
            yield from self.memory(m)
        yield from self.instances()
        yield "endmodule"

    def memory(self, m: Outside) -> Iterator[str]:
        name, w = m.tensor.hint, m.width
        yield f"  logic [{m.words * w - 1}:0] {name}_words;"
        for p in (*m.reads, *m.writes):
            yield f"  logic {p.enable};"
            yield f"  logic [{m.address_width - 1}:0] {p.address};"
            yield f"  logic [{w - 1}:0] {p.data};"
        yield "  always @(posedge clk) begin"
        yield from (f"    if ({p.enable}) {p.data} <= {name}_words[{p.address} * {w} +: {w}];" for p in m.reads)
        yield from (f"    if ({p.enable}) {name}_words[{p.address} * {w} +: {w}] <= {p.data};" for p in m.writes)
        if m.tensor in self.design.source.params:
            yield f"    if (t == 8'd0) {name}_words <= {name}_any;"
        yield "  end"

    def instances(self) -> Iterator[str]:
        """The design, the reference, and whether they agree."""
        own = {"clk": "clk", "rst": "t == 8'd0"}
        own |= {port: f"t == 8'd1 ? {p.hint}_given : ~{p.hint}_given" for p, port in self.i.scalars.items()}
        yield from (f"  logic [{width_of(b.dtype) - 1}:0] {port}_found;" for b, port in self.i.results.items())
        own |= {port: f"{port}_found" for port in self.i.results.values()}
        yield f"  {self.i.name} dut ({', '.join(f'.{n}({own.get(n, n)})' for n, _, _ in self.i.all_ports())});"
        found = {port: f"{port}_found" for port in self.i.results.values()}
        found |= {
            m.tensor.hint: f"{m.tensor.hint}_words" for m in self.i.memories if m.tensor in self.design.source.results
        }
        names = {m.tensor.hint: "sorted" if m.tensor.hint == "s" else m.tensor.hint for m in self.i.memories}
        ports = {n: f"{n}_given" for n, _ in self.given}
        for n in found:
            width = next(m.words * m.width for m in self.i.memories if m.tensor.hint == n) if n in names else 32
            yield f"  logic [{width - 1}:0] {n}_wanted;"
            ports[names.get(n, n)] = f"{n}_wanted"
        yield f"  {self.i.name}_ref reference ({', '.join(f'.{n}({x})' for n, x in ports.items())});"
        yield f"  assign same = {' && '.join(f'{x} == {n}_wanted' for n, x in found.items())};"


def judge(miter: Miter, change: str = "") -> tuple[str, float]:
    """Whether the two are the same, as yosys-abc finds: "same", "different", or "no answer"; in how many seconds."""
    top, begun = miter.i.name, time.perf_counter()
    with tools.scratch() as folder:
        (folder / "design.sv").write_text(miter.design.verilog)
        (folder / "miter.sv").write_text(miter.text())
        (folder / "reference.sv").write_text((HERE / "judge" / "reference.sv").read_text())
        steps = ["read_verilog -sv design.sv", f"hierarchy -check -top {top}", "proc", "flatten", "opt"]
        steps += [change] if change else []
        steps += [
            "read_verilog -sv reference.sv miter.sv",
            "hierarchy -check -top miter",
            "proc",
            "flatten",
            "opt_clean",
        ]
        steps += ["memory", "setundef -undriven -anyseq", "opt", "async2sync", "dffunmap", "techmap", "opt -fast"]
        steps += ["dffunmap", "simplemap", "setundef -anyseq", "aigmap", "opt_clean", "write_aiger -zinit circuit.aig"]
        judges.yosys_script("\n".join(steps), folder, 300)
        frames = miter.cycles + SLACK
        command = f"read_aiger circuit.aig; strash; frames -i -F {frames}; orpos; strash; fraig; iprove"
        try:
            log = tools.must("yosys-abc", [tools.yosys_abc(), "-c", command], folder, SECONDS)
        except GemelError:
            log = ""
    status = "same" if "UNSATISFIABLE" in log else "different" if "SATISFIABLE" in log else "no answer"
    return status, round(time.perf_counter() - begun, 2)


def compared(miter: Miter, count: int) -> Iterator[dict[str, Any]]:
    """What the two judges say of circuits that yosys' `mutate` changes."""
    subject = replace(subject_of(miter.design), contracts={})
    for command, read in mutated(subject.sv, subject.top, (), count, 1):
        found: list[Any] = []
        mutant = Mutant("yosys", command, None, read.text().circuit)
        deep(lambda f=found, r=read, m=mutant: f.append(judged(subject, subject.top, r.text(), m)))  # type: ignore[misc]
        yield {"mutant": command, "judge": judge(miter, command)[0], "prover": found[0].status, "how": found[0].how}


def miters(names: list[str], count: int) -> Iterator[dict[str, Any]]:
    """A row for each small kernel."""
    for kernel in KERNELS:
        if names and kernel.__name__ not in names:
            continue
        design = kernel.synth()
        miter = Miter(design)
        verdict, seconds = judge(miter)
        proof = design.prove(mutants=0)
        rows = [*compared(miter, count)]
        refuted = [r for r in rows if r["judge"] == "different"]
        yield {
            "kernel": kernel.__name__,
            "cycles": design.cycles,
            "judge": verdict,
            "seconds": seconds,
            "prover": proof.status,
            "mutants": len(rows),
            "refuted by the judge": len(refuted),
            "refuted by both": sum(r["prover"] == "refuted" for r in refuted),
            "beyond one run": [r for r in rows if r["judge"] == "same" and r["prover"] == "refuted"],
            "no harm by both": sum(r["judge"] == "same" and r["prover"] == "equivalent" for r in rows),
            "at odds": [r for r in refuted if r["prover"] == "equivalent"],
            "open": [r for r in rows if r["judge"] == "no answer" or r["prover"] in ("unknown", "missed")],
        }


def assertions(groups: list[str], seconds: float) -> Iterator[dict[str, Any]]:
    """A row for each kernel of groups of the benchmark."""
    for case in every():
        if case.group not in (groups or ["tablec"]):
            continue
        try:
            design = case.kernel().synth_for(*case.arguments(), target=case.target, clock_mhz=1000 / case.clock_ns)
        except GemelError as error:
            yield {"kernel": f"{case.group}/{case.name}", "error": error.code}
            continue
        found: list[Obligation] = []
        subject = subject_of(design)
        deep(lambda f=found, s=subject: f.extend(handshake.obligations(s, seconds)))  # type: ignore[misc]
        row = {o.name: f"{o.status}: {o.detail}" for o in found}
        took = sum(o.seconds for o in found)
        yield {"kernel": f"{case.group}/{case.name}", "cycles": design.cycles, "seconds": round(took, 2), **row}


def main() -> int:
    """Prints the rows and writes them where asked."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("what", choices=["miters", "handshake"])
    options.add_argument("names", nargs="*", help="kernels of miters, or groups of the benchmark")
    options.add_argument("--mutants", type=int, default=12, help="changed circuits for each miter")
    options.add_argument("--seconds", type=float, default=10.0, help="the limit of each tool, for assertions")
    options.add_argument("--json", type=Path, help="what is found is added to this file")
    asked = options.parse_args()
    os.environ["GEMEL_CACHE"] = "off"
    made = miters(asked.names, asked.mutants) if asked.what == "miters" else assertions(asked.names, asked.seconds)
    rows: list[dict[str, Any]] = []
    for row in made:
        rows.append(row)
        print(", ".join(f"{k}: {len(v) if isinstance(v, list) else v}" for k, v in row.items()), flush=True)
        for odd in row.get("at odds", ()):
            print(f"  at odds: {odd}")
    if asked.json:
        kept = json.loads(asked.json.read_text()) if asked.json.exists() else {}
        kept |= {"machine": machine(), asked.what: {"options": sys.argv[1:], "rows": rows}}
        asked.json.write_text(json.dumps(kept, indent=1) + "\n")
    return int(any(row.get("at odds") or row.get("judge") == "different" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
