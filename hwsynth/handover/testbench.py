"""A self-checking testbench: the module with memories around it, several runs, all memories and results compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gemel.hwsynth.handover.interface import Interface, Outside
from gemel.hwsynth.handover.vectors import Run
from gemel.hwsynth.names import Names
from gemel.hwsynth.netlist import NetType, Reset
from gemel.hwsynth.verilog import type_text

LIMIT = 4
"""A run gives up after this many times the cycles that it should take."""


def testbench(interface: Interface, made: Sequence[Run]) -> str:
    """The text of `NAME_tb.sv`; it reads the hex files of the runs from the folder `vectors`."""
    return "".join(f"{line.rstrip()}\n" for line in _Bench(interface, made).lines())


class _Bench:
    def __init__(self, interface: Interface, made: Sequence[Run]) -> None:
        self.i, self.made = interface, made
        self.known = set(made[0].given)
        self.names = Names(tuple(n for n, _, _ in interface.all_ports()))
        self.own: dict[str, str] = {}

    def __getitem__(self, hint: str) -> str:
        """A name of the testbench's own that no port has."""
        if hint not in self.own:
            self.own[hint] = self.names.fresh(hint)
        return self.own[hint]

    def lines(self) -> Iterator[str]:
        name, count = self.i.name, len(self.made)
        yield f"// Self-checking testbench of {name}: {count} runs on the vectors beside it; prints PASS or FAIL."
        yield "// A run begins in the very cycle in which the one before is done, or some cycles later, in turn; start"
        yield "// is high again while busy, and scalars change, which must do nothing. +vcd writes waves."
        if self.i.reset is not Reset.NONE:
            yield "// Before them comes one that a reset ends."
        yield f"module {name}_tb;"
        yield f"  localparam int RUNS = {count};"
        yield ""
        yield from (f"  {line}" for line in self.signals())
        for m in self.i.memories:
            yield ""
            yield from (f"  {line}" for line in self.memory(m))
        yield ""
        yield f"  {name} {self['dut']} ("
        ports = [n for n, _, _ in self.i.all_ports()]
        yield ",\n".join(f"    .{n}({n})" for n in ports)
        yield "  );"
        yield ""
        yield from (f"  {line}" for line in self.process())
        yield "endmodule"

    def signals(self) -> Iterator[str]:
        starts = {"clk": " = 1'b0", "rst": " = 1'b1", self.i.start: " = 1'b0"}
        types = {n: type_text(dtype) for n, _, dtype in self.i.all_ports()}
        width = max(map(len, types.values()))
        yield from (f"{t.ljust(width)} {n}{starts.get(n, '')};" for n, t in types.items())
        yield ""
        yield f"logic {self['load']} = 1'b0;  // memories take the words of the run"
        yield f"int {self['run']} = 0;"
        yield f"int {self['cycles']} = 0;"
        yield f"int {self['bad']} = 0;"
        yield f"int {self['expected_cycles']} [0:RUNS-1];"
        for n, dtype in self.scalars():
            yield f"{type_text(dtype)} {self[f'{n}_given']} [0:RUNS-1];"
        for n, dtype in self.results():
            yield f"{type_text(dtype)} {self[f'{n}_expected']} [0:RUNS-1];"

    def typed(self, names: Sequence[str]) -> list[tuple[str, NetType]]:
        types = {n: dtype for n, _, dtype in self.i.all_ports()}
        return [(n, types[n]) for n in names]

    def scalars(self) -> list[tuple[str, NetType]]:
        return self.typed([*self.i.scalars.values()])

    def results(self) -> list[tuple[str, NetType]]:
        return self.typed([*self.i.results.values()])

    def memory(self, m: Outside) -> Iterator[str]:
        """A memory's model: a read sees what was there before a write at the same edge."""
        words, given, load, run = (self[n] for n in (f"{m.name}_mem", f"{m.name}_given", "load", "run"))
        yield f"// {m.name}: {m.words} words of {m.width} bits"
        yield f"{type_text(m.dtype)} {words} [0:{m.words - 1}];"
        if m.name in self.known:
            yield f"{type_text(m.dtype)} {given} [0:RUNS*{m.words}-1];"
        if m.writes:
            yield f"{type_text(m.dtype)} {self[f'{m.name}_expected']} [0:RUNS*{m.words}-1];"
        held = {p: p.data if m.latency == 1 else self[f"{p.data}_word"] for p in m.reads}
        if m.latency > 1:
            yield from (f"{type_text(m.dtype)} {word};  // behind it is the output register" for word in held.values())
        yield "always @(posedge clk) begin"
        yield from (f"  {p.data} <= {word};" for p, word in held.items() if m.latency > 1)
        yield from (f"  if ({p.enable}) {word} <= {words}[{p.address}];" for p, word in held.items())
        yield from (f"  if ({p.enable}) {words}[{p.address}] = {p.data};" for p in m.writes)
        if m.name in self.known:
            yield f"  if ({load}) for (int n = 0; n < {m.words}; n++) {words}[n] = {given}[{run}*{m.words}+n];"
        yield "end"

    def process(self) -> Iterator[str]:
        run, bad = self["run"], self["bad"]
        yield "always #5 clk = !clk;"
        yield ""
        yield "initial begin"
        yield from (f"  {line}" for line in self.reading())
        yield f'  if ($test$plusargs("vcd")) begin $dumpfile("{self.i.name}.vcd"); $dumpvars(0, {self.i.name}_tb); end'
        yield "  repeat (2) @(negedge clk);"
        if self.i.reset is not Reset.NONE:
            yield "  rst = 1'b0;"
            yield from (f"  {line}" for line in self.given_up())
        yield f"  for ({run} = 0; {run} < RUNS; {run}++) begin"
        yield from (f"    {line}" for line in self.one_run())
        yield f"    if ({run} % 2 == 0) repeat (3) @(negedge clk);  // the next one not at once"
        yield "  end"
        yield f'  if ({bad} == 0) $display("PASS {self.i.name}: %0d runs", RUNS);'
        yield f'  else $fatal(1, "FAIL {self.i.name}: %0d differences", {bad});'
        yield "  $finish;"
        yield "end"

    def reading(self) -> Iterator[str]:
        yield f'$readmemh("vectors/cycles.hex", {self["expected_cycles"]});'
        names = [*self.i.scalars.values()] + [m.name for m in self.i.memories if m.name in self.known]
        yield from (f'$readmemh("vectors/{n}.in.hex", {self[n + "_given"]});' for n in names)
        names = [*self.i.results.values()] + [m.name for m in self.i.memories if m.writes]
        yield from (f'$readmemh("vectors/{n}.out.hex", {self[n + "_expected"]});' for n in names)

    def given_up(self) -> Iterator[str]:
        """A run that a reset ends."""
        done, busy, bad = self.i.ports["done"], self.i.ports["busy"], self["bad"]
        yield from self.begun()
        yield "repeat (2) @(negedge clk);"
        yield "rst = 1'b1;  // ends that run"
        yield "@(negedge clk);"
        yield "rst = 1'b0;"
        yield f"if ({busy} !== 1'b0 || {done} !== 1'b0) begin"
        yield f"  {bad}++;"
        yield f'  $display("after a reset busy is %b, done is %b", {busy}, {done});'
        yield "end"

    def begun(self) -> Iterator[str]:
        """A start."""
        run, load, start = self["run"], self["load"], self.i.start
        yield f"{start} = 1'b1;"
        yield f"{load} = 1'b1;"
        yield from (f"{n} = {self[f'{n}_given']}[{run}];" for n, _ in self.scalars())
        yield "@(negedge clk);"
        yield f"{start} = 1'b0;"
        yield f"{load} = 1'b0;"

    def one_run(self) -> Iterator[str]:
        done, busy, start = self.i.ports["done"], self.i.ports["busy"], self.i.start
        run, cycles, bad = (self[n] for n in ("run", "cycles", "bad"))
        wanted = f"{self['expected_cycles']}[{run}]"
        yield from self.begun()
        yield from (f"{n} = ~{n};" for n, _ in self.scalars())
        yield f"{cycles} = 1;"
        yield f"while ({done} !== 1'b1 && {cycles} < {LIMIT} * {wanted}) begin"
        yield f"  {start} = {cycles} == 2 && {busy};"
        yield "  @(negedge clk);"
        yield f"  {start} = 1'b0;"
        yield f"  {cycles}++;"
        yield "end"
        yield f"if ({done} !== 1'b1 || {cycles} != {wanted}) begin"
        yield f"  {bad}++;"
        told = "run %0d: done is %b after %0d cycles, expected after %0d"
        yield f'  $display("{told}", {run}, {done}, {cycles}, {wanted});'
        yield "end"
        if self.i.has_error:
            yield f"if ({self.i.ports['error']} !== 1'b0) {bad}++;"
        for m in self.i.memories:
            yield from self.compared(m) if m.writes else ()
        for n, _ in self.results():
            expected = f"{self[f'{n}_expected']}[{run}]"
            yield from self.difference(n, expected, f'"run %0d: {n} is %h, expected %h", {run}')

    def compared(self, m: Outside) -> Iterator[str]:
        run = self["run"]
        yield f"for (int n = 0; n < {m.words}; n++)"
        what = f'"run %0d: {m.name}[%0d] is %h, expected %h", {run}, n'
        expected = f"{self[f'{m.name}_expected']}[{run}*{m.words}+n]"
        yield from (f"  {line}" for line in self.difference(f"{self[f'{m.name}_mem']}[n]", expected, what))

    def difference(self, found: str, expected: str, what: str) -> Iterator[str]:
        bad = self["bad"]
        yield f"if ({found} !== {expected}) begin"
        yield f"  {bad}++;"
        yield f"  if ({bad} <= 10) $display({what}, {found}, {expected});"
        yield "end"
