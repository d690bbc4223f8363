"""Prints a netlist as SystemVerilog, in the subset that simulators, linters and synthesis all read alike.

The text is `logic`, `assign` and `always_ff` with synchronous reset, memories as arrays that tools infer RAM and
ROM from, and no packages, interfaces, parameters, functions or procedural locals. `lower` has brought the
expressions to a form where SystemVerilog's width and sign rules change nothing: both sides of each operator have
one type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath

from gemel.hwsynth.dag import driven_nets, modules_of, net_type, shape
from gemel.hwsynth.lower import lower
from gemel.hwsynth.names import Names, legal
from gemel.hwsynth.netcheck import RESERVED, check, ordered_wires
from gemel.hwsynth.netlist import Instance, Memory, Module, NetType, Register
from gemel.semantics import ops
from gemel.semantics.convert import to_bits
from gemel.semantics.dtypes import BoolType, width_of
from gemel.semantics.ir import Apply, Const, Expr, Ref, Var
from gemel.semantics.ops import Op
from gemel.semantics.span import Span

SINK = "unused"
"""The net that collects bits nothing reads, so that linters see that this is known."""


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
    return tuple(_Printer(m).printed() for m in modules_of(lower(top)))


def verilog(top: Module) -> str:
    """The whole design as one text; raises as `print_design`."""
    return "\n".join(p.text for p in print_design(top))


# ------------------------------------------------------------------------------------------------------------ literals


def type_text(dtype: NetType) -> str:
    """`logic signed [7:0]`."""
    if isinstance(dtype, BoolType):
        return "logic"
    return f"logic {'signed ' if dtype.signed else ''}[{dtype.width - 1}:0]"


def literal(value: int, dtype: NetType) -> str:
    """`8'd200`, `-9'sd5`, `1'b1`; in hexadecimal from 2**32 and for the least value, which has no positive twin."""
    if isinstance(dtype, BoolType):
        return f"1'b{int(value)}"
    sign, width = "s" if dtype.signed else "", dtype.width
    if abs(value) >> 32 or (dtype.signed and value == dtype.lo):
        return f"{width}'{sign}h{to_bits(value, dtype):x}"
    return f"{'-' if value < 0 else ''}{width}'{sign}d{abs(value)}"


def needs_clock(m: Module) -> bool:
    """Whether the module has state, so that it has a port `clk`."""
    return bool(m.registers or m.memories) or any(needs_clock(i.module) for i in m.instances)


def needs_reset(m: Module) -> bool:
    """Whether a register is reset, so that the module has a port `rst`."""
    return any(r.reset is not None for r in m.registers) or any(needs_reset(i.module) for i in m.instances)


# --------------------------------------------------------------------------------------------------------- expressions

_INFIX: dict[Op, str] = {
    **{ops.ADD: "+", ops.SUB: "-", ops.MUL: "*", ops.FLOORDIV: "/", ops.MOD: "%"},
    **{ops.AND: "&", ops.OR: "|", ops.XOR: "^", ops.LAND: "&&", ops.LOR: "||", ops.SHL: "<<"},
    **{ops.EQ: "==", ops.NE: "!=", ops.LT: "<", ops.LE: "<=", ops.GT: ">", ops.GE: ">="},
}
_PREFIX: dict[Op, str] = {ops.NEG: "-", ops.INVERT: "~", ops.LNOT: "!"}
_CHAINS = (ops.ADD, ops.AND, ops.OR, ops.XOR, ops.LAND, ops.LOR)

ATOM, UNARY, BINARY, CHOICE = range(4)
"""How tightly a text holds together: a name or call; a sign before one; an infix operator; `?:`."""


@dataclass
class _Expressions:
    """Texts of expressions; notes in `used` which bits of each net they read."""

    names: Mapping[Var, str]
    used: dict[Var, int] = field(default_factory=dict)

    def text(self, e: Expr) -> str:
        """The text of a whole expression."""
        return self.parts(e)[0]

    def operand(self, e: Expr, most: int = ATOM) -> str:
        """The text, in parentheses where it holds less tightly than `most`."""
        text, level = self.parts(e)
        return text if level <= most or (level == UNARY and text[0] in "!~") else f"({text})"

    def parts(self, e: Expr) -> tuple[str, int]:
        match e:
            case Const():
                text = literal(int(e.value), net_type(e))
                return text, UNARY if text[0] == "-" else ATOM
            case Ref():
                return self.net(e.var, (1 << width_of(e.dtype)) - 1), ATOM
            case Apply():
                return self.apply(e)
            case _:
                raise TypeError(f"{type(e).__name__} in a netlist")

    def net(self, v: Var, bits: int) -> str:
        self.used[v] = self.used.get(v, 0) | bits
        return self.names[v]

    def apply(self, e: Apply) -> tuple[str, int]:
        if e.op in _INFIX:
            return self.infix(e), BINARY
        if e.op in _PREFIX:
            return _PREFIX[e.op] + self.prefixed(e.args[0]), UNARY
        if e.op is ops.SELECT:
            return self.choice(e), CHOICE
        if e.op is ops.SHR:
            sign = ">>>" if shape(e).signed else ">>"
            return f"{self.operand(e.args[0])} {sign} {self.operand(e.args[1])}", BINARY
        return self.call(e), ATOM

    def call(self, e: Apply) -> str:
        if e.op is ops.BITS:
            return self.slice(e)
        if e.op is ops.CONCAT:
            return "{" + ", ".join(self.parts_of(e)) + "}"
        return self.cast(e)

    def parts_of(self, e: Expr) -> Iterator[str]:
        """The parts of nested concatenations."""
        if isinstance(e, Apply) and e.op is ops.CONCAT:
            for a in e.args:
                yield from self.parts_of(a)
        else:
            yield self.text(e)

    def infix(self, e: Apply) -> str:
        a, b = e.args
        chained = e.op in _CHAINS and isinstance(a, Apply) and a.op is e.op
        left = self.text(a) if chained else self.operand(a, UNARY)
        return f"{left} {_INFIX[e.op]} {self.operand(b)}"

    def prefixed(self, a: Expr) -> str:
        """An operand of a sign: a cast is put in parentheses, as `-8'(x)` is read as a cast by -8 somewhere."""
        text = self.operand(a)
        return text if isinstance(a, Ref) or text[0] == "(" else f"({text})"

    def choice(self, e: Apply) -> str:
        """`a ? b : c`; a chain of choices has a line each."""
        lines, rest = [], e
        while True:
            lines.append(f"{self.operand(rest.args[0])} ? {self.operand(rest.args[1], BINARY)}")
            last = rest.args[2]
            if not (isinstance(last, Apply) and last.op is ops.SELECT):
                break
            rest = last
        joint = " : " if len(lines) == 1 else "\n    : "
        return joint.join([*lines, self.operand(last, BINARY)])

    def slice(self, e: Apply) -> str:
        net, hi, lo = e.args
        if not (isinstance(net, Ref) and isinstance(hi, Const) and isinstance(lo, Const)):
            raise TypeError("a slice of something without a name")
        top, bottom = int(hi.value), int(lo.value)
        name = self.net(net.var, (1 << (top + 1)) - (1 << bottom))
        return f"{name}[{top}]" if top == bottom else f"{name}[{top}:{bottom}]"

    def cast(self, e: Apply) -> str:
        """A conversion to another width, then to another sign."""
        a, target = e.args[0], shape(e)
        source = shape(a)
        text = self.text(a)
        if source.width != target.width:
            text = f"{target.width}'({text})"
        if source.signed != target.signed:
            return f"{'$signed' if target.signed else '$unsigned'}({text})"
        return text if source.width != target.width else self.operand(a)


# -------------------------------------------------------------------------------------------------------------- module


def port_names(m: Module, names: Names) -> dict[str, str]:
    """The printed name of each port, taken from `names`."""
    ports = [*(i.var.hint for i in m.inputs), *(o.name for o in m.outputs)]
    return {name: names.fresh(name) for name in ports}


class _Printer:
    """The text of one lowered module."""

    def __init__(self, m: Module) -> None:
        self.m = m
        names = Names((*RESERVED, SINK))
        self.ports = port_names(m, names)
        self.nets = {i.var: self.ports[i.var.hint] for i in m.inputs}
        self.owned = self._outputs_as_nets()
        self.nets |= {v: self.ports[o] for v, o in self.owned.items()}
        self.memories = {memory: names.fresh(f"{memory.hint}_mem") for memory in m.memories}
        self.instances = {i: names.fresh(i.name) for i in m.instances}
        self.nets |= {v: names.fresh(v.hint) for v in driven_nets(m) if v not in self.nets}
        self.e = _Expressions(self.nets)

    def _outputs_as_nets(self) -> dict[Var, str]:
        """Nets that are an output by themselves, as they have its name."""
        owned: dict[Var, str] = {}
        inputs = {i.var for i in self.m.inputs}
        for o in self.m.outputs:
            if isinstance(o.value, Ref) and o.value.var not in inputs and legal(o.value.var.hint) == legal(o.name):
                owned.setdefault(o.value.var, o.name)
        return owned

    def printed(self) -> Printed:
        """The text with the names used."""
        name, body = legal(self.m.name), self.body()
        lines = [*self.head(name), *body, "endmodule", ""]
        return Printed(self.m, name, "\n".join(lines), self.nets, self.memories, self.ports)

    def head(self, name: str) -> Iterator[str]:
        m = self.m
        yield from (f"// {line}".rstrip() for line in m.comments)
        rows = [("input  logic", "clk")] * needs_clock(m) + [("input  logic", "rst")] * needs_reset(m)
        rows += [(f"input  {type_text(net_type(i.var))}", self.nets[i.var]) for i in m.inputs]
        rows += [(f"output {type_text(net_type(o.value))}", self.ports[o.name]) for o in m.outputs]
        yield f"module {name} ("
        yield from _comma_lines(_columns(rows))
        yield ");"

    def body(self) -> list[str]:
        """Everything between head and end; the sink comes last, when all uses are known."""
        logic = [*self.assigns(), *self.blocks(), *self.memory_blocks(), *self.instance_blocks()]
        return [*self.declarations(), *logic, *self.sink()]

    def declarations(self) -> Iterator[str]:
        inside = [v for v in driven_nets(self.m) if v not in self.owned][len(self.m.inputs) :]
        rows = [(type_text(net_type(v)), self.nets[v]) for v in inside]
        rows += [(type_text(m.dtype), f"{self.memories[m]} [0:{m.depth - 1}]") for m in self.m.memories]
        yield from (f"  {line};" for line in _columns(rows))

    def assigns(self) -> Iterator[str]:
        last: Span | None = None
        for wire in ordered_wires(self.m):
            yield from _reference(wire.var.span, last)
            last = wire.var.span
            yield f"  assign {self.nets[wire.var]} = {self.e.text(wire.value)};"
        rest = [o for o in self.m.outputs if self._is_separate(o.name)]
        if rest:
            yield ""
        yield from (f"  assign {self.ports[o.name]} = {self.e.text(o.value)};" for o in rest)

    def _is_separate(self, output: str) -> bool:
        return output not in self.owned.values()

    def blocks(self) -> Iterator[str]:
        """One always_ff for the registers that share enable, reset and source line."""
        groups: dict[object, list[Register]] = {}
        for r in self.m.registers:
            enable = r.enable.var if isinstance(r.enable, Ref) else r.enable
            groups.setdefault((enable, r.reset is None, r.var.span.file, r.var.span.line), []).append(r)
        for group in groups.values():
            yield from _reference(group[0].var.span, None)
            yield from self.block(group)

    def block(self, group: list[Register]) -> Iterator[str]:
        enable, reset = group[0].enable, group[0].reset is not None
        nexts = [f"{self.nets[r.var]} <= {self.e.text(r.next)};" for r in group]
        resets = [f"{self.nets[r.var]} <= {literal(r.reset or 0, net_type(r.var))};" for r in group]
        condition = f"if ({self.e.text(enable)}) " if enable is not None else ""
        yield "  always_ff @(posedge clk) begin"
        if reset:
            yield "    if (rst) begin"
            yield from (f"      {line}" for line in resets)
            yield f"    end else {condition}begin"
        elif condition:
            yield f"    {condition}begin"
        pad = "      " if reset or condition else "    "
        yield from (pad + line for line in nexts)
        if reset or condition:
            yield "    end"
        yield "  end"

    def memory_blocks(self) -> Iterator[str]:
        for m in self.m.memories:
            yield ""
            yield f"  // {m.hint}: {m.depth} x {width_of(m.dtype)} bits{_where(m.span, ', ')}"
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
            yield from _reference(i.span, None, blank=False)
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
        loose = [t for v in driven_nets(self.m) if v not in self.owned for t in self.unread(v)]
        if loose:
            yield ""
            yield "  // bits that nothing reads"
            yield f"  logic {SINK};"
            yield f"  assign {SINK} = &{{1'b0, {', '.join(loose)}}};"

    def unread(self, v: Var) -> Iterator[str]:
        width = width_of(v.dtype)
        for hi, lo in _runs(((1 << width) - 1) & ~self.e.used.get(v, 0)):
            whole, single = hi - lo + 1 == width, hi == lo
            yield self.nets[v] + ("" if whole else f"[{hi}]" if single else f"[{hi}:{lo}]")


def _runs(bits: int) -> Iterator[tuple[int, int]]:
    """The runs of ones in a mask, from the top, as (highest, lowest) bit."""
    while bits:
        hi = bits.bit_length() - 1
        lo = ((1 << (hi + 1)) - 1 & ~bits).bit_length()
        yield hi, lo
        bits &= (1 << lo) - 1


def _where(span: Span, before: str = "") -> str:
    """`gemm.py:12`, or nothing for what no source line stands for."""
    return f"{before}{PurePath(span.file).name}:{span.line}" if span.line else ""


def _reference(span: Span, last: Span | None, blank: bool = True) -> Iterator[str]:
    """A comment with the source line, unless it is that of `last`."""
    if last is None or (span.file, span.line) != (last.file, last.line):
        if blank:
            yield ""
        if span.line:
            yield f"  // {_where(span)}"


def _columns(rows: Iterable[tuple[str, str]]) -> list[str]:
    """Types and names in two columns."""
    listed = list(rows)
    width = max((len(t) for t, _ in listed), default=0)
    return [f"{t.ljust(width)} {name}" for t, name in listed]


def _comma_lines(items: Iterable[str]) -> Iterator[str]:
    listed = list(items)
    yield from (f"    {item}," for item in listed[:-1])
    yield from (f"    {item}" for item in listed[-1:])
