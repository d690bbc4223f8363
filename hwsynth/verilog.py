"""Prints a netlist as SystemVerilog, in the subset that simulators, linters and synthesis all read alike.

The text is `logic`, `localparam`, `assign` and `always_ff`, memories as arrays that tools infer RAM and ROM from, and
no packages, interfaces, functions or procedural locals. `lower` has brought the expressions to a form where
SystemVerilog's width and sign rules change nothing: both sides of each operator have one type. Each part of a module
has a title, its own declarations, and its logic with references to the source.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from gemel.hwsynth.dag import driven_nets, net_type, nets_in
from gemel.hwsynth.lower import lower
from gemel.hwsynth.lowering import Lowered
from gemel.hwsynth.names import Names, legal
from gemel.hwsynth.netcheck import RESERVED, check, ordered_wires
from gemel.hwsynth.netlist import Instance, Memory, Module, Part, Wire
from gemel.hwsynth.statements import Clocked, expressions
from gemel.hwsynth.svblocks import Blocks, assigned
from gemel.hwsynth.svtext import Expressions, literal, needs_clock, needs_reset, type_text
from gemel.semantics.dtypes import width_of
from gemel.semantics.ir import Const, Ref, Var
from gemel.semantics.span import Span

__all__ = ["Printed", "literal", "needs_clock", "needs_reset", "port_names", "print_design", "type_text", "verilog"]

SINK = "unused"
"""The net that collects bits nothing reads, so that linters see that this is known."""

WIDTH = 100
"""Columns that titles and comments with source text may take."""


@dataclass(frozen=True)
class Printed:
    """One module's text, and the names in it of nets, of memories (by object) and of ports (by netlist name)."""

    module: Module
    name: str
    text: str
    nets: Mapping[Var, str]
    memories: Mapping[Memory, str]
    ports: Mapping[str, str]


def print_design(top: Module) -> tuple[Printed, ...]:
    """The text of `top` and of all modules in it, instantiated ones first.

    Raises SynthesisError N01 or N02 where the netlist is not valid.
    """
    check(top)
    return tuple(_Printer(m).printed() for m in lower(top))


def verilog(top: Module) -> str:
    """The whole design as one text; raises as `print_design`."""
    return "\n".join(p.text for p in print_design(top))


def port_names(m: Module, names: Names) -> dict[str, str]:
    """The printed name of each port, taken from `names`."""
    ports = [*(i.var.hint for i in m.inputs), *(o.name for o in m.outputs)]
    return {name: names.fresh(name) for name in ports}


Declaration = tuple[str, str, str]
"""Type, name with what follows it, and a note."""


class _Printer:
    """The text of one lowered module."""

    def __init__(self, lowered: Lowered) -> None:
        self.m, self.clocked = lowered.module, lowered.blocks
        m, names = self.m, Names((*RESERVED, SINK))
        self.ports = port_names(m, names)
        self.nets = {i.var: self.ports[i.var.hint] for i in m.inputs}
        self.owned = self._outputs_as_nets()
        self.nets |= {v: self.ports[o] for v, o in self.owned.items()}
        self.rows = dict(self._rows(names))
        self.memories = {memory: names.fresh(f"{memory.hint}_mem") for memory in m.memories}
        self.instances = {i: names.fresh(i.name) for i in m.instances}
        self.nets |= {v: names.fresh(v.hint) for v in driven_nets(m) if v not in self.nets}
        self.e = Expressions(self.nets)
        self.blocks = Blocks(self.e, self.rows, m.reset)
        self.parts: list[Part | None] = [*dict.fromkeys(m.layout.parts.values()), None]
        self.wires = ordered_wires(m)
        self.early = self._early()

    def _outputs_as_nets(self) -> dict[Var, str]:
        """Nets that are an output by themselves, as they have its name (or are the register behind it)."""
        owned: dict[Var, str] = {}
        named = {i.var for i in self.m.inputs} | {w.var for w in self.m.wires if isinstance(w.value, Const)}
        for o in self.m.outputs:
            if not isinstance(o.value, Ref) or o.value.var in named:
                continue
            if legal(o.value.var.hint) in (legal(o.name), legal(f"{o.name}_q")):
                owned.setdefault(o.value.var, o.name)
        return owned

    def _rows(self, names: Names) -> Iterator[tuple[str, tuple[int, list[Var]]]]:
        """Vectors of registers by name: lowest index, and the nets."""
        there = {r.var for r in self.m.registers} - set(self.owned)
        for row in self.m.layout.rows:
            live = [v for v in row.bits if v in there]
            if len(live) > 1:
                name = names.fresh(row.hint)
                self.nets |= {v: f"{name}[{row.low + n}]" for n, v in enumerate(live)}
                yield name, (row.low, live)

    def part_of(self, v: Var) -> Part | None:
        return self.m.layout.parts.get(v)

    def _early(self) -> set[Var]:
        """What a part reads before the part that defines it is printed; of a vector all bits or none."""
        at = {part: n for n, part in enumerate(self.parts)}
        defined = ({w.var for w in self.m.wires} | {r.var for r in self.m.registers}) - set(self.owned)
        reads = [(self.part_of(w.var), w.value) for w in self.m.wires]
        reads += [(b.part, e) for b in self.clocked for e in expressions(b)]
        early: set[Var] = set()
        for part, e in reads:
            early |= {v for v in nets_in((e,)) if v in defined and at[self.part_of(v)] > at[part]}
        for _, bits in self.rows.values():
            early |= set(bits) if early & set(bits) else set()
        return early

    def printed(self) -> Printed:
        """The text with the names used."""
        name, body = legal(self.m.name), self.body()
        if self.m.cell is not None:
            body = [f"`ifdef {self.m.cell.macro}", *self.m.cell.text.splitlines(), "`else", *body, "`endif"]
        lines = [*self.head(name), *body, "endmodule", ""]
        return Printed(self.m, name, "\n".join(lines), self.nets, self.memories, self.ports)

    # ------------------------------------------------------------------------------------------------------------ head

    def head(self, name: str) -> Iterator[str]:
        yield from (f"// {line}".rstrip() for line in self.m.comments)
        yield f"module {name} ("
        yield from self.port_lines()
        yield ");"

    def port_lines(self) -> Iterator[str]:
        """Ports in the groups of the layout, each under its comment; those in no group come first."""
        types = {i.var.hint: f"input  {type_text(net_type(i.var))}" for i in self.m.inputs}
        types |= {o.name: f"output {type_text(net_type(o.value))}" for o in self.m.outputs}
        grouped = {n for _, names in self.m.layout.ports for n in names}
        clocks = [n for n, there in (("clk", needs_clock(self.m)), ("rst", needs_reset(self.m))) if there]
        groups = [("", clocks), ("", [n for n in types if n not in grouped])]
        groups += [(text, [n for n in names if n in types]) for text, names in self.m.layout.ports]
        types |= dict.fromkeys(clocks, "input  logic")
        width = max((len(t) for t in types.values()), default=0)
        last = next((names[-1] for _, names in reversed(groups) if names), "")
        for text, names in groups:
            yield from ("", *(f"    // {line}" for line in text.splitlines())) if text and names else ()
            for n in names:
                yield f"    {types[n].ljust(width)} {self.ports.get(n, n)}{'' if n == last else ','}"

    # ------------------------------------------------------------------------------------------------------------ body

    def body(self) -> list[str]:
        """Everything between head and end; the sink comes last, when all uses are known."""
        sections = [line for part in self.parts for line in self.section(part)]
        logic = [*sections, *self.memory_blocks(), *self.instance_blocks()]
        return _tidy([*self.declared_first(), *logic, *self.sink()])

    def declared_first(self) -> Iterator[str]:
        """Memories, what comes out of them and of instances, and what is read before the part that defines it."""
        rows: list[Declaration] = []
        for m in self.m.memories:
            rows.append((_memory_type(m), f"{self.memories[m]} [0:{m.depth - 1}]", ""))
            rows += [self.declaration(p.data) for p in m.reads if p.data not in self.owned]
        rows += [self.declaration(v) for i in self.m.instances for v in i.outputs.values() if v not in self.owned]
        yield from _declarations([*rows, *self.declared(self.early.__contains__)])

    def declared(self, wanted: Callable[[Var], bool]) -> Iterator[Declaration]:
        """The declarations of the wires and registers that are wanted; a vector goes by its first bit."""
        wires = (w.var for w in self.wires if not isinstance(w.value, Const))
        in_rows = {v: name for name, (_, bits) in self.rows.items() for v in bits}
        for v in (*wires, *(r.var for r in self.m.registers)):
            row = in_rows.get(v)
            if v not in self.owned and wanted(v) and (row is None or v is self.rows[row][1][0]):
                yield self.declaration(v) if row is None else self.row_declaration(row)

    def declaration(self, v: Var) -> Declaration:
        return type_text(net_type(v)), self.nets[v], self.m.layout.notes.get(v, "")

    def row_declaration(self, name: str) -> Declaration:
        low, bits = self.rows[name]
        return f"logic [{low + len(bits) - 1}:{low}]", name, self.m.layout.notes.get(bits[0], "")

    # -------------------------------------------------------------------------------------------------------- sections

    def section(self, part: Part | None) -> Iterator[str]:
        """A part: its title, its constants, its nets, its logic."""
        wires = [w for w in self.wires if self.part_of(w.var) is part]
        blocks = [b for b in self.clocked if b.part is part]
        outputs = [o for o in self.m.outputs if o.name not in self.owned.values()] if part is None else []
        if not (wires or blocks or outputs):
            return
        yield ""
        if len(self.parts) > 1:
            yield _title(part.title if part else "ports", part.span if part else None)
        else:
            yield ""
        yield from (self.constant(w) for w in wires if isinstance(w.value, Const))
        yield from _declarations(self.declared(lambda v: self.part_of(v) is part and v not in self.early))
        lines = _References(part.span if part else None)
        yield from self.assigns([w for w in wires if not isinstance(w.value, Const)], lines)
        yield from [""] if wires else []
        yield from (_assign(self.ports[o.name], self.e.text(o.value)) for o in outputs)
        for b in blocks:
            yield ""
            yield from self.block(b, lines)

    def constant(self, w: Wire) -> str:
        note = self.m.layout.notes.get(w.var, "")
        text = f"  localparam {type_text(net_type(w.var))} {self.nets[w.var]} = {self.e.text(w.value)};"
        return f"{text}  // {note}" if note else text

    def assigns(self, wires: Sequence[Wire], lines: _References) -> Iterator[str]:
        last: Span | None = None
        for wire in wires:
            if last is None or (wire.var.span.file, wire.var.span.line) != (last.file, last.line):
                yield ""
                yield from lines.of((wire.var.span,))
            last = wire.var.span
            yield _assign(self.nets[wire.var], self.e.text(wire.value))

    def block(self, b: Clocked, lines: _References) -> Iterator[str]:
        """One always_ff."""
        yield from lines.of(v.span for v in assigned(b.body))
        yield from (f"  {line}".replace("\n", "\n  ") for line in self.blocks.lines(b))

    # -------------------------------------------------------------------------------------------- memories, instances

    def memory_blocks(self) -> Iterator[str]:
        for m in self.m.memories:
            yield ""
            yield _title(f"memory {m.hint}: {m.depth} words of {width_of(m.dtype)} bits", m.span)
            if m.init is not None:
                yield from self.initial(m)
            # always_ff forbids a second driver, and the initial block is one.
            yield f"  {'always' if m.init is not None and m.writes else 'always_ff'} @(posedge clk) begin"
            yield from (f"    {line}" for line in self.ports_of(m))
            yield "  end"

    def ports_of(self, m: Memory) -> Iterator[str]:
        array = self.memories[m]
        for w in m.writes:
            line = f"{array}[{self.e.text(w.addr)}] <= {self.e.text(w.data)};"
            yield f"if ({self.e.text(w.enable)}) {line}"
        for r in m.reads:
            line = f"{self.nets[r.data]} <= {array}[{self.e.text(r.addr)}];"
            yield line if r.enable is None else f"if ({self.e.text(r.enable)}) {line}"

    def initial(self, m: Memory) -> Iterator[str]:
        words = [f"{self.memories[m]}[{i}] = {literal(v, m.dtype)};" for i, v in enumerate(m.init or ())]
        yield "  initial begin"
        yield from (f"    {' '.join(words[i : i + 4])}" for i in range(0, len(words), 4))
        yield "  end"

    def instance_blocks(self) -> Iterator[str]:
        for i in self.m.instances:
            yield ""
            yield from _References().of((i.span,))
            yield f"  {legal(i.module.name)} {self.instances[i]} ("
            yield from _comma_lines(self.connections(i))
            yield "  );"

    def connections(self, i: Instance) -> Iterator[str]:
        ports = port_names(i.module, Names((*RESERVED, SINK)))
        yield from [".clk(clk)"] * needs_clock(i.module)
        yield from [".rst(rst)"] * needs_reset(i.module)
        yield from (f".{ports[name]}({self.e.text(e)})" for name, e in i.inputs.items())
        yield from (f".{ports[name]}({self.nets[v]})" for name, v in i.outputs.items())

    def sink(self) -> Iterator[str]:
        """Nets and bits that nothing reads, which a linter would otherwise report."""
        constants = {w.var for w in self.wires if isinstance(w.value, Const)}
        nets = [v for v in driven_nets(self.m) if v not in self.owned and v not in constants]
        loose = [t for v in nets for t in self.unread(v)]
        if loose:
            yield ""
            yield "  // bits that nothing reads"
            yield f"  logic {SINK};"
            text = f"  assign {SINK} = &{{1'b0, {', '.join(loose)}}};"
            yield from textwrap.wrap(text, WIDTH, subsequent_indent=" " * 6, break_long_words=False)

    def unread(self, v: Var) -> Iterator[str]:
        width = width_of(v.dtype)
        for hi, lo in _runs(((1 << width) - 1) & ~self.e.used.get(v, 0)):
            whole, single = hi - lo + 1 == width, hi == lo
            yield self.nets[v] + ("" if whole else f"[{hi}]" if single else f"[{hi}:{lo}]")


def _memory_type(m: Memory) -> str:
    """The type of a word; `no_rw_check` keeps yosys from adding logic for reads of what is being written."""
    return ("(* no_rw_check *) " if m.calm and m.reads and m.writes else "") + type_text(m.dtype)


def _runs(bits: int) -> Iterator[tuple[int, int]]:
    """The runs of ones in a mask, from the top, as (highest, lowest) bit."""
    while bits:
        hi = bits.bit_length() - 1
        lo = ((1 << (hi + 1)) - 1 & ~bits).bit_length()
        yield hi, lo
        bits &= (1 << lo) - 1


# ----------------------------------------------------------------------------------------------------------- comments


@dataclass
class _References:
    """Comments that name source lines; the line's text goes with it the first time."""

    known: Span | None = None
    told: set[tuple[str, int]] = field(default_factory=set)

    def of(self, spans: Iterable[Span]) -> Iterator[str]:
        """The comment for logic of some lines; none for the line that is `known` from a title."""
        places = sorted({(s.file, s.line) for s in spans if s.line})
        if self.known is not None and places == [(self.known.file, self.known.line)]:
            return
        if len(places) == 1:
            span = next(Span(*place, 1, place[1], 1) for place in places)
            text = "" if places[0] in self.told else span.source_line().strip()
            self.told.add(places[0])
            yield _cut(f"  // {_where(span)}" + (f": {text}" if text else ""))
        elif places:
            lines = ", ".join(str(line) for _, line in places)
            yield f"  // {PurePath(places[0][0]).name}:{lines}"


def _assign(name: str, value: str) -> str:
    return f"  assign {name} = {value};".replace(" \n", "\n")


def _cut(text: str) -> str:
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 4]} ..."


def _where(span: Span) -> str:
    """`gemm.py:12`, or nothing for what no source line stands for."""
    return f"{PurePath(span.file).name}:{span.line}" if span.line else ""


def _title(text: str, span: Span | None) -> str:
    where = _where(span) if span else ""
    line = f"{text} ({where})" if where else text
    return f"  // {'-' * max(3, WIDTH - len(line) - 6)} {line}"


def _declarations(rows: Iterable[Declaration]) -> Iterator[str]:
    """Types, names and notes in three columns."""
    listed = list(rows)
    types = max((len(t) for t, _, _ in listed), default=0)
    names = max((len(name) + 1 for _, name, note in listed if note), default=0)
    for t, name, note in listed:
        yield f"  {t.ljust(types)} {f'{name};'.ljust(names)}  // {note}" if note else f"  {t.ljust(types)} {name};"


def _tidy(lines: Iterable[str]) -> list[str]:
    """Lines without a blank one at the start or after another blank one."""
    kept: list[str] = []
    for line in lines:
        if line or (kept and kept[-1]):
            kept.append(line)
    return kept[:-1] if kept and not kept[-1] else kept


def _comma_lines(items: Iterable[str]) -> Iterator[str]:
    listed = list(items)
    yield from (f"    {item}," for item in listed[:-1])
    yield from (f"    {item}" for item in listed[-1:])
