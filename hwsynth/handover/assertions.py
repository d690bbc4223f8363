"""The handshake as assertions: a checker that is bound to the kernel's module, of its ports alone.

The text is what simulators, linters and yosys all read: assertions in a clocked block, with what was so a cycle ago in
registers. Until the first reset nothing is asserted, so that unknown values before it do no harm.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gemel.hwsynth.handover.interface import Interface, MemoryPort
from gemel.hwsynth.names import Names
from gemel.hwsynth.netlist import NetType, Reset
from gemel.hwsynth.prove.handshake import ERROR, IN_RANGE, LATENCY
from gemel.hwsynth.verilog import type_text


@dataclass(frozen=True)
class Property:
    """An assertion: its label, what it says, and the condition that always holds."""

    name: str
    says: str
    holds: str


class Assertions:
    """The checker of a design's ports: module `NAME_sva`, bound to `NAME`."""

    def __init__(self, interface: Interface) -> None:
        self.i = interface
        self.name = f"{interface.name}_sva"
        self.names = Names(tuple(n for n, _, _ in interface.all_ports()))
        hints = ("known", "fresh", "taken", "was_taken", "was_busy", "was_done", "was_error", "owed", "age", "LATENCY")
        self.own = {hint: self.names.fresh(hint) for hint in hints}
        self.was = {port: self.names.fresh(f"was_{port}") for port in self.kept}
        self.labels = Names((*self.own.values(), *self.was.values(), *(n for n, _, _ in interface.all_ports())))
        self.properties = tuple(self._properties())

    # ----------------------------------------------------------------------------------------------------- properties

    @property
    def kept(self) -> list[str]:
        """The ports that keep their values between runs."""
        return [*self.i.results.values(), *self.errors("error_code")]

    def errors(self, name: str = "error") -> list[str]:
        """The port of errors by its netlist name, if there is one."""
        return [self.i.ports[name]] if self.i.has_error else []

    @property
    def enables(self) -> list[str]:
        """The enables of all memory ports."""
        return [p.enable for m in self.i.memories for p in (*m.reads, *m.writes)]

    def _named(self, name: str, says: str, holds: str) -> Property:
        return Property(self.labels.fresh(name), says, holds)

    def _properties(self) -> Iterator[Property]:
        yield from self._handshake()
        yield from self._errors() if self.i.has_error else ()
        yield from self._memories()
        for port, was in self.was.items():
            changing = f"{self.own['was_busy']} || {self.own['was_taken']} || {self.own['fresh']}"
            says = f"`{port}` changes in a run alone"
            yield self._named(f"{port}_stays", says, f"{changing} || {port} === {was}")

    def _handshake(self) -> Iterator[Property]:
        own, busy, done = self.own, self.i.ports["busy"], self.i.ports["done"]
        low = "".join(f" && !{port}" for port in (done, *self.errors()))
        if self.i.reset is not Reset.NONE:
            says = "a reset ends a run, wherever it is: idle after it"
            yield self._named("reset_leads_to_idle", says, f"!{own['fresh']} || (!{busy}{low})")
        says = "a start while idle is taken: `busy` in the next cycle"
        yield self._named("start_is_taken", says, f"!{own['was_taken']} || {busy}")
        says = "nothing but a start that was taken makes `busy` rise"
        yield self._named("busy_has_a_start", says, f"!{busy} || {own['was_busy']} || {own['was_taken']}")
        says = "`busy` falls with `done` alone"
        yield self._named("busy_until_done", says, f"!{own['was_busy']} || {busy} || {done}")
        says = "`done` comes at the end of `busy`, and isn't high together with it"
        yield self._named("done_ends_busy", says, f"!{done} || (!{busy} && {own['was_busy']})")
        yield self._named("done_is_a_pulse", "`done` is high for one cycle", f"!{done} || !{own['was_done']}")
        says = "one `done` for each start that is taken, and none without"
        yield self._named("one_done_for_a_start", says, f"{own['owed']} == ({busy} || {done})")
        if self.i.design.cycles is not None:
            says = "the count of cycles that the next assertion looks at is 0 outside of runs"
            yield self._named("age_is_of_a_run", says, f"{own['owed']} == ({own['age']} != {self.age_width}'d0)")
            yield self._latency()

    def _latency(self) -> Property:
        age, cycles, done = self.own["age"], self.own["LATENCY"], self.i.ports["done"]
        if not self.i.has_error:
            says = f"`done` comes {self.i.design.cycles:,} cycles after the start, starts while busy or not"
            return self._named(LATENCY, says, f"{done} == ({age} == {cycles})")
        says = f"`done` comes {self.i.design.cycles:,} cycles after the start, or sooner with `error`"
        ends = f"({age} != {cycles} || {done}) && (!{done} || {age} == {cycles} || {self.i.ports['error']})"
        return self._named(LATENCY, says, ends)

    def _errors(self) -> Iterator[Property]:
        own, error, done = self.own, self.i.ports["error"], self.i.ports["done"]
        says = "`error` stays until the next start is taken"
        yield self._named(ERROR, says, f"!{own['was_error']} || {own['was_taken']} || {error}")
        says = "`error` rises in a run alone"
        yield self._named("error_has_a_run", says, f"!{error} || {own['was_error']} || {own['was_busy']}")
        says = "a run with `error` is done in the next cycle"
        yield self._named("error_ends_the_run", says, f"!({own['was_error']} && {own['was_busy']}) || {done}")

    def _memories(self) -> Iterator[Property]:
        if self.enables:
            idle = f"{self.i.ports['busy']} || {self.i.start} || !({' || '.join(self.enables)})"
            yield self._named("idle_is_quiet", "no memory is read or written while idle without a start", idle)
        for m in self.i.memories:
            for p in m.writes:
                if m.words < 1 << m.address_width:
                    says = f"`{p.address}` is one of the {m.words} words of {m.name}"
                    yield self._named(f"{p.address}{IN_RANGE}", says, self._within(p, m.words, m.address_width))

    def _within(self, p: MemoryPort, words: int, width: int) -> str:
        return f"!{p.enable} || {p.address} < {width}'d{words}"

    # ----------------------------------------------------------------------------------------------------------- text

    @property
    def ports(self) -> list[tuple[str, NetType]]:
        """The ports that the checker looks at: those of the module but for words of memories and scalars."""
        wanted = {"clk", "rst", self.i.start, self.i.ports["busy"], self.i.ports["done"], *self.was, *self.enables}
        wanted |= set(self.errors())
        wanted |= {p.address for m in self.i.memories for p in m.writes if m.words < 1 << m.address_width}
        return [(n, dtype) for n, _, dtype in self.i.all_ports() if n in wanted]

    def text(self) -> str:
        """The text of `NAME_sva.sv`."""
        return "".join(f"{line.rstrip()}\n" for line in self.lines())

    def lines(self) -> Iterator[str]:
        name = self.i.name
        yield f"// What {name} promises at its ports, as assertions: for simulation (verilator --assert) and proof."
        yield f"module {self.name} ("
        width = max(len(type_text(t)) for _, t in self.ports)
        yield ",\n".join(f"    input {type_text(t).ljust(width)} {n}" for n, t in self.ports)
        yield ");"
        yield from (f"  {line}".rstrip() for line in self.history())
        yield ""
        yield from (f"  {line}".rstrip() for line in self.asserted())
        yield "endmodule"
        yield ""
        yield "`ifdef YOSYS"
        yield from self.together()
        yield "`else"
        yield f"bind {name} {self.name} {self.name}_checks ("
        yield ",\n".join(f"    .{n}({n})" for n, _ in self.ports)
        yield ");"
        yield "`endif"

    def together(self) -> Iterator[str]:
        """For yosys, which binds nothing: a module with the two in it; its outputs begin with busy, done, error."""
        every = [*self.i.all_ports()]
        seen = {n for n, _ in self.ports}
        yield f"module {self.i.name}_checked ("
        given = [(n, way, t) for n, way, t in every if way == "input" or n in seen]
        first = [self.i.ports["busy"], self.i.ports["done"], *self.errors()]
        given.sort(key=lambda port: (port[1], first.index(port[0]) if port[0] in first else len(first)))
        yield ",\n".join(f"    {way.ljust(6)} {type_text(t)} {n}" for n, way, t in given)
        yield ");"
        yield from (f"  {type_text(t)} {n};" for n, way, t in every if way == "output" and n not in seen)
        for module, ports in ((self.i.name, [n for n, _, _ in every]), (self.name, [n for n, _ in self.ports])):
            yield f"  {module} {'dut' if module == self.i.name else 'checks'} ("
            yield ",\n".join(f"    .{n}({n})" for n in ports)
            yield "  );"
        yield "endmodule"

    @property
    def registers(self) -> list[tuple[str, str, str, str, str]]:
        """What is remembered: type, name, value after a reset, next value, a note."""
        own, ports = self.own, self.i.ports
        busy, done, taken = ports["busy"], ports["done"], own["taken"]
        rows = []
        if self.i.reset is not Reset.NONE or self.was:
            rows.append(("logic", own["fresh"], "1'b1", "1'b0", "in the cycle after a reset"))
        rows += [
            ("logic", own["was_taken"], "1'b0", taken, "what was so a cycle ago"),
            ("logic", own["was_busy"], "1'b0", busy, ""),
            ("logic", own["was_done"], "1'b0", done, ""),
            ("logic", own["owed"], "1'b0", f"{taken} || ({own['owed']} && !{done})", "a start awaits its done"),
        ]
        if self.i.has_error:
            rows.append(("logic", own["was_error"], "1'b0", ports["error"], ""))
        if self.i.design.cycles is not None:
            rows.append(self._age())
        return rows

    @property
    def copies(self) -> list[tuple[str, str, str]]:
        """Copies of ports a cycle ago: type, name, port."""
        types = {n: type_text(t) for n, _, t in self.i.all_ports()}
        return [(types[port], was, port) for port, was in self.was.items()]

    @property
    def age_width(self) -> int:
        """Bits that count the cycles of a run."""
        return max(1, (self.i.design.cycles or 0).bit_length())

    def _age(self) -> tuple[str, str, str, str, str]:
        age, n, done = self.own["age"], self.age_width, self.i.ports["done"]
        going = f"{self.own['taken']} ? {n}'d1 : {age} == {n}'d0 || {done} ? {n}'d0 : &{age} ? {age} : {age} + {n}'d1"
        kind = f"logic [{n - 1}:0]" if n > 1 else "logic"
        return kind, age, f"{n}'d0", going, "edges since the start, its own included"

    def history(self) -> Iterator[str]:
        """What the assertions remember."""
        rows, own, n = self.registers, self.own, self.age_width
        if self.i.design.cycles is not None:
            yield f"localparam logic [{n - 1}:0] {own['LATENCY']} = {n}'d{self.i.design.cycles};"
        width = max(len(kind) for kind, *_ in (*rows, *self.copies))
        if self.i.reset is not Reset.NONE:
            yield f"{'logic'.ljust(width)} {own['known']};  // there was a reset"
        for kind, name, _, _, note in rows:
            yield f"{kind.ljust(width)} {name};{f'  // {note}' if note else ''}"
        yield from (f"{kind.ljust(width)} {was};" for kind, was, _ in self.copies)
        yield f"{'logic'.ljust(width)} {own['taken']};"
        yield ""
        yield f"assign {own['taken']} = {self.i.start} && !{self.i.ports['busy']};"
        yield ""
        yield from self.remembered() if self.i.reset is not Reset.NONE else self.from_power_up()
        if self.copies:
            yield ""
            yield "always_ff @(posedge clk) begin"
            yield from (f"  {was} <= {port};" for _, was, port in self.copies)
            yield "end"

    def remembered(self) -> Iterator[str]:
        """The registers where there is a reset."""
        edge = " or posedge rst" if self.i.reset is Reset.ASYNC else ""
        yield f"initial {self.own['known']} = 1'b0;"
        yield f"always @(posedge clk{edge}) if (rst) {self.own['known']} <= 1'b1;"
        yield ""
        yield f"always_ff @(posedge clk{edge}) begin"
        yield "  if (rst) begin"
        yield from (f"    {name} <= {first};" for _, name, first, _, _ in self.registers)
        yield "  end else begin"
        yield from (f"    {name} <= {nxt};" for _, name, _, nxt, _ in self.registers)
        yield "  end"
        yield "end"

    def from_power_up(self) -> Iterator[str]:
        """The registers where there is none."""
        yield "initial begin"
        yield from (f"  {name} = {first};" for _, name, first, _, _ in self.registers)
        yield "end"
        yield ""
        yield "always @(posedge clk) begin"
        yield from (f"  {name} <= {nxt};" for _, name, _, nxt, _ in self.registers)
        yield "end"

    def asserted(self) -> Iterator[str]:
        """The assertions."""
        known = self.own["known"]
        guards = {Reset.SYNC: f"if ({known} && !rst) ", Reset.ASYNC: f"if ({known}) ", Reset.NONE: ""}
        yield f"always @(posedge clk) {guards[self.i.reset]}begin"
        for p in self.properties:
            yield f"  // {p.says.replace('`', '')}"
            yield f"  {p.name}: assert ({p.holds});"
        yield "end"
