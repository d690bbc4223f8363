"""LLVM text of a cycle simulator: one function whose loop runs a flat netlist, its state held in values.

    i64 @run(ptr state, ptr trace, i64 cycles, ptr memory0, ptr memory1, ...)

runs until `cycles` edges have passed, or one after which the stop output is high, and gives the number of edges. The
state has a slot per input, register, read port and output. With a trace, each cycle's values of all nets are written
to a row of it: row k has the values before edge k+1 of the call, the last row those after the last edge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gemel.codegen.emitter import Emitter, llvm_type
from gemel.codegen.llvmint import Arg
from gemel.codegen.llvmops import as_index, constant, emit, from_memory, memory_type, to_memory
from gemel.hwsynth.dag import driven_nets, postorder
from gemel.hwsynth.netcheck import ordered_wires
from gemel.hwsynth.netlist import Memory, Module, Register, WritePort
from gemel.semantics import ops
from gemel.semantics.dtypes import BOOL, DType, int_holding, storage_bits
from gemel.semantics.ir import Apply, Const, Expr, Ref, Var
from gemel.semantics.ops import Op

RESET = "rst"
"""The slot of the reset input."""


@dataclass(frozen=True)
class Slot:
    """Where a value lies: bytes from the start, size in bytes, and its type."""

    offset: int
    size: int
    dtype: DType


@dataclass(frozen=True)
class Layout:
    """Slots by key (a net, or the name of an output), and the size of all in bytes."""

    slots: Mapping[Var | str, Slot]
    size: int


def layout(keys: Sequence[tuple[Var | str, DType]]) -> Layout:
    """Slots one after the other, the large ones first so that each is aligned to its size or to 8 bytes."""
    slots: dict[Var | str, Slot] = {}
    offset = 0
    for key, dtype in sorted(keys, key=lambda k: -storage_bits(k[1])):
        size = storage_bits(dtype) // 8
        slots[key] = Slot(offset, size, dtype)
        offset += size
    return Layout(slots, -(-offset // 8) * 8)


def state_layout(m: Module) -> Layout:
    """The state of a flat module."""
    keys: list[tuple[Var | str, DType]] = [(RESET, BOOL)]
    keys += [(i.var, i.var.dtype) for i in m.inputs]
    keys += [(v, v.dtype) for v in cells(m)]
    return layout([*keys, *((o.name, o.value.dtype) for o in m.outputs)])


def trace_layout(m: Module) -> Layout:
    """A row of the trace: the reset input and every net."""
    return layout([(RESET, BOOL), *((v, v.dtype) for v in dict.fromkeys(driven_nets(m)))])


def cells(m: Module) -> Iterator[Var]:
    """The nets that hold state: registers, and the data of read ports."""
    yield from (r.var for r in m.registers)
    yield from (p.data for memory in m.memories for p in memory.reads)


def words(m: Memory) -> int:
    """Allocated words: the next power of two, so that a masked address is always inside."""
    return 1 << (m.depth - 1).bit_length()


class Simulator:
    """Writes the function for one flat, valid module; `stop` names the output that ends a run, if any."""

    def __init__(self, m: Module, stop: str | None, trace: bool) -> None:
        self.m, self.stop = m, stop
        self.state, self.trace = state_layout(m), trace_layout(m) if trace else None
        self.out = Emitter()
        self.values: dict[Var | Expr, str] = {}
        self.reset = ""

    def text(self) -> str:
        """The LLVM module."""
        memories = "".join(f", ptr noalias %m{i}" for i in range(len(self.m.memories)))
        self.out.do(f"define i64 @run(ptr noalias %state, ptr noalias %trace, i64 %cycles{memories}) {{")
        first = self.entry()
        self.out.start("head")
        phis = self.out.hole()
        self.loop()
        after = self.step()
        rows = [("%n", "i64", "0", "%next")]
        rows += [(self.values[v], llvm_type(v.dtype), first[v], after[v]) for v in first]
        self.out.fill(phis, [f"{v} = phi {t} [ {a}, %entry ], [ {b}, %{self.out.block} ]" for v, t, a, b in rows])
        self.leave()
        return "\n".join([*sorted(self.out.declarations), *self.out.lines, "}", ""])

    # --------------------------------------------------------------------------------------------------------- pieces

    def apply(self, op: Op, dtype: DType, *args: Arg) -> str:
        return emit(op, dtype, list(args), self.out)

    def typed(self, e: Expr) -> Arg:
        return self.value(e), e.dtype

    def load(self, base: str, offset: str | int, dtype: DType) -> str:
        """A value from its storage."""
        bits = storage_bits(dtype)
        place = self.out.value(f"getelementptr i8, ptr {base}, i64 {offset}")
        raw = self.out.value(f"load {memory_type(dtype)}, ptr {place}, align {min(bits // 8, 8)}")
        return from_memory(self.out, raw, dtype)

    def store(self, base: str, offset: str | int, value: str, dtype: DType) -> None:
        """A value to its storage, extended by its sign."""
        bits = storage_bits(dtype)
        place = self.out.value(f"getelementptr i8, ptr {base}, i64 {offset}")
        raw = to_memory(self.out, value, dtype)
        self.out.do(f"store {memory_type(dtype)} {raw}, ptr {place}, align {min(bits // 8, 8)}")

    def value(self, e: Expr) -> str:
        """An expression's value at the current place; each node is computed once."""
        for node in postorder((e,)):
            if node not in self.values:
                self.values[node] = self.node(node)
        return self.values[e]

    def node(self, e: Expr) -> str:
        match e:
            case Const():
                return constant(e.value, e.dtype)
            case Ref():
                return self.values[e.var]
            case Apply():
                return self.apply(e.op, e.dtype, *((self.values[a], a.dtype) for a in e.args))
            case _:
                raise TypeError(f"{type(e).__name__} in a netlist")

    # ---------------------------------------------------------------------------------------------------------- parts

    def entry(self) -> dict[Var, str]:
        """Inputs and state from memory; gives the cells' first values."""
        slots = self.state.slots
        self.out.start("entry")
        self.reset = self.load("%state", slots[RESET].offset, BOOL)
        for i in self.m.inputs:
            self.values[i.var] = self.load("%state", slots[i.var].offset, i.var.dtype)
        first = {v: self.load("%state", slots[v].offset, v.dtype) for v in cells(self.m)}
        self.values |= {v: f"%cell{k}" for k, v in enumerate(first)}
        self.out.jump("head")
        return first

    def loop(self) -> None:
        """The combinational logic, the trace, and whether to go on."""
        for w in ordered_wires(self.m):
            self.values[w.var] = self.value(w.value)
        for o in self.m.outputs:  # here and not where they are stored, which what the step computes doesn't dominate
            self.value(o.value)
        if self.trace:
            self.trace_row(self.trace)
        over = self.out.value("icmp uge i64 %n, %cycles")
        if self.stop is not None:
            output = next(o for o in self.m.outputs if o.name == self.stop)
            started = self.out.value("icmp ne i64 %n, 0")
            hit = self.out.value(f"and i1 {started}, {self.value(output.value)}")
            over = self.out.value(f"or i1 {over}, {hit}")
        self.out.branch(over, "leave", "step")

    def trace_row(self, row: Layout) -> None:
        at = self.out.value(f"mul i64 %n, {row.size}")
        base = self.out.value(f"getelementptr i8, ptr %trace, i64 {at}")
        for key, slot in row.slots.items():
            self.store(base, slot.offset, self.reset if isinstance(key, str) else self.values[key], slot.dtype)

    def step(self) -> dict[Var, str]:
        """One edge: reads see the memories from before the writes; gives the cells' next values."""
        self.out.start("step")
        after = {r.var: self.next_register(r) for r in self.m.registers}
        for k, memory in enumerate(self.m.memories):
            for port in memory.reads:
                word = self.load(f"%m{k}", self.place(memory, port.addr), memory.dtype)
                after[port.data] = self.held(port.enable, word, port.data)
        for k, memory in enumerate(self.m.memories):
            for write in memory.writes:
                self.write(k, memory, write)
        self.out.do("%next = add nuw i64 %n, 1")
        self.out.jump("head")
        return after

    def held(self, enable: Expr | None, value: str, v: Var) -> str:
        """The value where enabled, else what the net has."""
        if enable is None:
            return value
        return self.apply(ops.SELECT, v.dtype, self.typed(enable), (value, v.dtype), (self.values[v], v.dtype))

    def next_register(self, r: Register) -> str:
        result = self.held(r.enable, self.value(r.next), r.var)
        if r.reset is None:
            return result
        t = r.var.dtype
        return self.apply(ops.SELECT, t, (self.reset, BOOL), (constant(r.reset, t), t), (result, t))

    def place(self, m: Memory, addr: Expr) -> str:
        """Where in the memory's bytes a word lies; the address is masked, so it is always inside."""
        wide = as_index(self.out, self.typed(addr))
        masked = self.out.value(f"and i64 {wide}, {words(m) - 1}")
        return self.out.value(f"mul i64 {masked}, {storage_bits(m.dtype) // 8}")

    def write(self, k: int, m: Memory, port: WritePort) -> None:
        addr, (enable, data) = self.typed(port.addr), (self.value(port.enable), self.value(port.data))
        depth = int_holding(0, m.depth)
        below = self.apply(ops.LT, BOOL, addr, (str(m.depth), depth))
        positive = self.apply(ops.GE, BOOL, addr, ("0", depth))
        inside = self.out.value(f"and i1 {below}, {positive}")
        sure = self.out.value(f"and i1 {enable}, {inside}")
        place = self.place(m, port.addr)
        yes, on = self.out.name("write"), self.out.name("on")
        self.out.branch(sure, yes, on)
        self.out.start(yes)
        self.store(f"%m{k}", place, data, m.dtype)
        self.out.jump(on)
        self.out.start(on)

    def leave(self) -> None:
        """The state back to memory."""
        self.out.start("leave")
        for v in cells(self.m):
            self.store("%state", self.state.slots[v].offset, self.values[v], v.dtype)
        for o in self.m.outputs:
            self.store("%state", self.state.slots[o.name].offset, self.value(o.value), o.value.dtype)
        self.out.do("ret i64 %n")
