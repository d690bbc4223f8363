"""LLVM text of a cycle simulator: one function whose loop runs a flat netlist.

    i64 @run(ptr state, ptr trace, i64 cycles, ptr memory0, ptr memory1, ...)

runs until `cycles` edges have passed, or one after which the stop output is high, and gives the number of edges; with
the reset input high it runs at most one edge. The state has a slot per input, register, read port and output; control
bits share words (`simplan`). With a trace, each cycle's values of all nets are written to a row of it: row k has the
values before edge k+1 of the call, the last row those after the last edge, and nothing is left out. Without one,
registers that nothing looks at may hold other values than the circuit's (`activity`).

In a small netlist the state lives in values across cycles: it is copied to the stack, which LLVM turns into registers.
In a large one, which would be spilled anyhow and takes LLVM long, it is used where it lies. A very large one is cut
into short blocks, as LLVM takes the square of a block's length, and its code is to be made the quick way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from gemel.codegen.emitter import Emitter, llvm_type
from gemel.codegen.llvmint import Arg
from gemel.codegen.llvmops import as_index, constant, emit, from_memory, memory_type, to_memory
from gemel.hwsynth.activity import Part
from gemel.hwsynth.dag import nets_in, register_exprs
from gemel.hwsynth.netcheck import ordered_wires
from gemel.hwsynth.netlist import Memory, Module, ReadPort, Register, WritePort
from gemel.hwsynth.simlayout import RESET, U64, Layout, cells, state_layout, trace_layout, words
from gemel.hwsynth.simplan import Group, Plan, Shift, data_of, everything, plan
from gemel.semantics import ops
from gemel.semantics.dtypes import BOOL, DType, int_holding, storage_bits
from gemel.semantics.ir import Apply, Const, Expr, Ref, Var
from gemel.semantics.ops import Op

HELD = 32
"""State nets up to which the state is held in values."""

LONG, PIECE = 6_000, 250
"""Lines of the step from which on it is cut, and those of the pieces."""


@dataclass(frozen=True)
class Written:
    """What a write port does at an edge, as LLVM values: whether it writes, where in the memory's bytes, and what."""

    port: WritePort
    sure: str
    place: str
    data: str


class Simulator:
    """Writes the function for one flat, valid module; `stop` names the output that ends a run, if any."""

    def __init__(self, m: Module, stop: str | None, trace: bool) -> None:
        self.m, self.stop = m, stop
        self.plan = everything(m) if trace else plan(m)
        self.state, self.trace = state_layout(m, self.plan), trace_layout(m) if trace else None
        self.wires = {w.var: w.value for w in ordered_wires(m)}
        self.memory_of = {p: k for k, memory in enumerate(m.memories) for p in (*memory.reads, *memory.writes)}
        self.late = _late(m, self.plan)
        self.held, self.long = len(self.state.slots) <= HELD, False
        self.out = Emitter()
        self.values: dict[Var | Expr, str] = {}
        self.inputs: dict[Var | Expr, str] = {}
        self.words: list[str] = []
        self.reset = ""

    def text(self) -> str:
        """The LLVM module."""
        memories = "".join(f", ptr noalias %m{i}" for i in range(len(self.m.memories)))
        self.out.do(f"define i64 @run(ptr noalias %state, ptr noalias %trace, i64 %given{memories}) {{")
        self.entry()
        self.head()
        before = len(self.out.lines)
        self.step()
        self.long = len(self.out.lines) - before > LONG
        if self.long:
            self.out.lines[before:] = in_pieces(self.out.lines[before:])
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

    def get(self, key: Var | str) -> str:
        """The present value of a piece of state."""
        slot = self.state.slots[key]
        if not self.held:
            return self.load("%state", slot.offset, slot.dtype)
        return self.out.value(f"load {llvm_type(slot.dtype)}, ptr %at{slot.offset}")

    def put(self, key: Var | str, value: str) -> None:
        """Changes a piece of state."""
        slot = self.state.slots[key]
        if not self.held:
            self.store("%state", slot.offset, value, slot.dtype)
        else:
            self.out.do(f"store {llvm_type(slot.dtype)} {value}, ptr %at{slot.offset}")

    def value(self, root: Expr) -> str:
        """An expression's value at the current place; each node is computed once in a group."""
        stack = [root]
        while stack:
            e = stack[-1]
            if e in self.values:
                stack.pop()
                continue
            missing = [a for a in self.below(e) if a not in self.values]
            if missing:
                stack += reversed(missing)
            else:
                self.values[e] = self.node(e)
                stack.pop()
        return self.values[root]

    def below(self, e: Expr) -> tuple[Expr, ...]:
        """What a node is computed from."""
        match e:
            case Apply():
                return e.args
            case Ref() if e.var in self.wires:
                return (self.wires[e.var],)
            case _:
                return ()

    def node(self, e: Expr) -> str:
        match e:
            case Const():
                return constant(e.value, e.dtype)
            case Ref():
                return self.net(e.var)
            case Apply():
                return self.apply(e.op, e.dtype, *((self.values[a], a.dtype) for a in e.args))
            case _:
                raise TypeError(f"{type(e).__name__} in a netlist")

    def net(self, v: Var) -> str:
        """The value of a net as of the last edge."""
        if v not in self.values:
            if v in self.wires:
                self.values[v] = self.value(self.wires[v])
            elif v in self.plan.places:
                word, bit = self.plan.places[v]
                self.values[v] = self.bit(self.words[word], bit, v.dtype)
            else:
                self.values[v] = self.get(v)
        return self.values[v]

    def bit(self, word: str, bit: int, dtype: DType) -> str:
        masked = self.out.value(f"and i64 {word}, {_signed(1 << bit)}")
        found = self.out.value(f"icmp ne i64 {masked}, 0")
        return self.apply(ops.CAST, dtype, (found, BOOL))

    # ---------------------------------------------------------------------------------------------------------- parts

    def stateful(self) -> Iterator[Var | str]:
        """Everything that changes from cycle to cycle."""
        yield from (f"%{k}" for k in range(self.plan.words))
        yield from (v for v in cells(self.m) if v not in self.plan.places)

    def entry(self) -> None:
        """Inputs, and the state where it is held in values."""
        self.out.start("entry")
        slots = self.state.slots
        self.reset = self.load("%state", slots[RESET].offset, BOOL)
        self.out.do("%once = call i64 @llvm.umin.i64(i64 %given, i64 1)")
        self.out.declarations.add("declare i64 @llvm.umin.i64(i64, i64)")
        self.out.do(f"%cycles = select i1 {self.reset}, i64 %once, i64 %given")
        self.inputs = {i.var: self.load("%state", slots[i.var].offset, i.var.dtype) for i in self.m.inputs}
        for key in self.stateful() if self.held else ():
            slot = slots[key]
            self.out.do(f"%at{slot.offset} = alloca {llvm_type(slot.dtype)}")
            self.put(key, self.load("%state", slot.offset, slot.dtype))
        self.out.do("%count = alloca i64")
        self.out.do("store i64 0, ptr %count")
        for k in range(len(self.late)):
            self.out.do(f"%late{k} = alloca i1")
            self.out.do(f"%place{k} = alloca i64")
            self.out.do(f"%data{k} = alloca {llvm_type(self._late_type(k))}")
        self.out.jump("head")

    def _late_type(self, k: int) -> DType:
        return self.m.memories[self.memory_of[self.late[k]]].dtype

    def head(self) -> None:
        """The words of control bits, the trace, and whether to go on."""
        self.out.start("head")
        self.values = {}
        self.values.update(self.inputs)
        self.out.do("%n = load i64, ptr %count")
        self.words = [self.get(f"%{k}") for k in range(self.plan.words)]
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
        for w in self.wires:
            self.net(w)
        at = self.out.value(f"mul i64 %n, {row.size}")
        base = self.out.value(f"getelementptr i8, ptr %trace, i64 {at}")
        for key, slot in row.slots.items():
            self.store(base, slot.offset, self.reset if isinstance(key, str) else self.net(key), slot.dtype)

    def step(self) -> None:
        """One edge: every part sees the values from before it."""
        held = dict(self.values)
        self.out.start("step")
        for v in _read_late(self.plan, self.wires):
            self.net(v)
        for k in range(len(self.late)):
            self.out.do(f"store i1 false, ptr %late{k}")
        for k, shifts in enumerate(self.plan.shifts):
            self.put(f"%{k}", self.shifted(self.words[k], shifts))
        for group in self.plan.groups:
            if group.gate is None:
                self.group(group)
            else:
                self.gated(group)
        for k, write in enumerate(self.late):
            self.write_late(k, write)
        self.out.do("%next = add nuw i64 %n, 1")
        self.out.do("store i64 %next, ptr %count")
        self.out.jump("head")
        self.values = held

    def shifted(self, word: str, shifts: tuple[Shift, ...]) -> str:
        """A word of control bits after the edge, but for those that groups compute."""
        moved = self.out.value(f"shl i64 {word}, 1")
        result = "0"
        for s in shifts:
            part = self.out.value(f"and i64 {moved}, {_signed(s.mask)}")
            if s.guard is not None:
                part = self.out.select(self.value(s.guard), "i64", part, "0")
            result = self.out.value(f"or i64 {result}, {part}")
        return result

    def gated(self, group: Group) -> None:
        """A group under its test."""
        test = self.test(group.gate or frozenset())
        yes, on = self.out.name("group"), self.out.name("on")
        self.out.branch(test, yes, on)
        self.out.start(yes)
        outer = self.values
        self.values = dict(outer)
        self.group(group)
        self.values = outer
        self.out.jump(on)
        self.out.start(on)

    def test(self, gate: frozenset[Var]) -> str:
        """Whether any net of a gate is set."""
        masks: dict[int, int] = {}
        terms = []
        for v in sorted(gate, key=lambda v: v.hint):
            if v in self.plan.places:
                word, bit = self.plan.places[v]
                masks[word] = masks.get(word, 0) | 1 << bit
            else:
                terms.append(self.out.value(f"icmp ne {llvm_type(v.dtype)} {self.net(v)}, 0"))
        bits = "0"
        for word, mask in sorted(masks.items()):
            part = self.out.value(f"and i64 {self.words[word]}, {_signed(mask)}")
            bits = self.out.value(f"or i64 {bits}, {part}")
        result = self.out.value(f"icmp ne i64 {bits}, 0")
        for term in terms:
            result = self.out.value(f"or i1 {result}, {term}")
        return result

    def group(self, group: Group) -> None:
        """The parts of a group: all is computed from the old values before any of it changes."""
        after = {v: self.next(p) for p in group.parts if (v := data_of(p)) is not None}
        writes = [self.write(p) for p in group.parts if isinstance(p, WritePort)]
        for v, value in after.items():
            if v in self.plan.places:
                self.set_bit(v, value)
            else:
                self.put(v, value)
        for write in writes:
            self.written(write)

    def set_bit(self, v: Var, value: str) -> None:
        """A control bit's next value, into a word that has 0 there."""
        word, bit = self.plan.places[v]
        as_bool = self.apply(ops.NE, BOOL, (value, v.dtype), ("false" if v.dtype == BOOL else "0", v.dtype))
        wide = self.out.value(f"select i1 {as_bool}, i64 {_signed(1 << bit)}, i64 0")
        before = self.out.value(f"load i64, ptr %at{self.state.slots[v].offset}") if self.held else self.get(f"%{word}")
        self.put(f"%{word}", self.out.value(f"or i64 {before}, {wide}"))

    def next(self, part: Part) -> str:
        """The value of a register or a read port's data after the edge, but for the reset."""
        match part:
            case Register():
                return self.kept(part.enable, self.value(part.next), part.var)
            case ReadPort():
                memory = self.m.memories[self.memory_of[part]]
                word = self.load(f"%m{self.memory_of[part]}", self.place(memory, part.addr), memory.dtype)
                return self.kept(part.enable, word, part.data)
            case _:
                raise TypeError("a write port has no value")

    def kept(self, enable: Expr | None, value: str, v: Var) -> str:
        """The value where enabled, else what the net has."""
        if enable is None:
            return value
        return self.apply(ops.SELECT, v.dtype, self.typed(enable), (value, v.dtype), (self.net(v), v.dtype))

    def place(self, m: Memory, addr: Expr) -> str:
        """Where in the memory's bytes a word lies; the address is masked, so it is always inside."""
        wide = as_index(self.out, self.typed(addr))
        masked = self.out.value(f"and i64 {wide}, {words(m) - 1}")
        return self.out.value(f"mul i64 {masked}, {storage_bits(m.dtype) // 8}")

    # ----------------------------------------------------------------------------------------------------------- writes

    def write(self, port: WritePort) -> Written:
        """What a port writes."""
        m = self.m.memories[self.memory_of[port]]
        return Written(port, self.writes_inside(m, port), self.place(m, port.addr), self.value(port.data))

    def written(self, w: Written) -> None:
        """Writes, or keeps for later what others still have to read the memory for."""
        k = self.memory_of[w.port]
        if w.port in self.late:
            n = self.late.index(w.port)
            self.out.do(f"store i1 {w.sure}, ptr %late{n}")
            self.out.do(f"store i64 {w.place}, ptr %place{n}")
            self.out.do(f"store {llvm_type(self.m.memories[k].dtype)} {w.data}, ptr %data{n}")
        else:
            self.write_if(w.sure, k, w.place, w.data)

    def write_late(self, n: int, port: WritePort) -> None:
        kind = llvm_type(self._late_type(n))
        sure, place = self.out.value(f"load i1, ptr %late{n}"), self.out.value(f"load i64, ptr %place{n}")
        self.write_if(sure, self.memory_of[port], place, self.out.value(f"load {kind}, ptr %data{n}"))

    def writes_inside(self, m: Memory, port: WritePort) -> str:
        addr, depth = self.typed(port.addr), int_holding(0, m.depth)
        enable = self.value(port.enable)
        below = self.apply(ops.LT, BOOL, addr, (str(m.depth), depth))
        positive = self.apply(ops.GE, BOOL, addr, ("0", depth))
        inside = self.out.value(f"and i1 {below}, {positive}")
        return self.out.value(f"and i1 {enable}, {inside}")

    def write_if(self, sure: str, k: int, place: str, data: str) -> None:
        yes, on = self.out.name("write"), self.out.name("on")
        self.out.branch(sure, yes, on)
        self.out.start(yes)
        self.store(f"%m{k}", place, data, self.m.memories[k].dtype)
        self.out.jump(on)
        self.out.start(on)

    # ------------------------------------------------------------------------------------------------------------ leave

    def leave(self) -> None:
        """The outputs, and the state back to memory."""
        self.out.start("leave")
        for o in self.m.outputs:
            self.store("%state", self.state.slots[o.name].offset, self.value(o.value), o.value.dtype)
        for key in self.stateful() if self.held else ():
            slot = self.state.slots[key]
            self.store("%state", slot.offset, self.get(key), slot.dtype)
        passed = self.out.value("icmp ne i64 %n, 0")
        self.out.branch(self.out.value(f"and i1 {self.reset}, {passed}"), "reset", "end")
        self.out.start("reset")
        self.resets()
        self.out.jump("end")
        self.out.start("end")
        self.out.do("ret i64 %n")

    def resets(self) -> None:
        """The values that registers take where `rst` is high, over what the edge has given them."""
        kept = [-1] * self.plan.words
        for r in self.m.registers:
            if r.reset is None:
                continue
            if r.var in self.plan.places:
                word, bit = self.plan.places[r.var]
                kept[word] &= ~(1 << bit)
            else:
                dtype = r.var.dtype
                self.store("%state", self.state.slots[r.var].offset, constant(r.reset, dtype), dtype)
        for k, mask in enumerate(kept):
            offset = self.state.slots[f"%{k}"].offset
            left = self.out.value(f"and i64 {self.load('%state', offset, U64)}, {mask}")
            self.store("%state", offset, left, U64)


def _signed(mask: int) -> int:
    """A mask as LLVM writes it."""
    return mask - (1 << 64) if mask >> 63 else mask


def _late(m: Module, plan: Plan) -> list[WritePort]:
    """The write ports that have to wait until the cycle's end, in the order in which they count.

    They write what a later group still reads, or what several groups write.
    """
    at = {p: n for n, group in enumerate(plan.groups) for p in group.parts}
    found: list[WritePort] = []
    for memory in m.memories:
        last_read = max((at[p] for p in memory.reads if p in at), default=-1)
        writes = [p for p in memory.writes if p in at]
        if len({at[p] for p in writes}) > 1 or any(at[p] < last_read for p in writes):
            found += writes
    return found


def _read_late(plan: Plan, wires: Mapping[Var, Expr]) -> list[Var]:
    """The nets that a group changes before a later one reads them."""
    changed: set[Var] = set()
    found: dict[Var, None] = {}
    for group in plan.groups:
        found.update((v, None) for v in _state_read(group, wires) if v in changed)
        changed.update(v for p in group.parts if (v := data_of(p)) is not None and v not in plan.places)
    return list(found)


def _state_read(group: Group, wires: Mapping[Var, Expr]) -> list[Var]:
    """The nets that a group's parts read, wires followed."""
    roots: list[Expr] = []
    for p in group.parts:
        match p:
            case Register():
                roots += register_exprs(p)
            case ReadPort():
                roots += [p.addr, *([p.enable] if p.enable is not None else [])]
            case WritePort():
                roots += [p.addr, p.data, p.enable]
    seen: dict[Var, None] = {}
    todo = nets_in(roots)
    while todo:
        v = todo.pop()
        if v not in seen:
            seen[v] = None
            todo += nets_in((wires[v],)) if v in wires else []
    return list(seen)


def in_pieces(lines: Iterable[str]) -> Iterator[str]:
    """Blocks without phis, cut into such of at most PIECE lines."""
    length = 0
    for n, line in enumerate(lines):
        length = length + 1 if line.startswith(" ") else 0
        yield line
        if length == PIECE and not line.startswith("  br "):
            yield f"  br label %piece{n}"
            yield f"piece{n}:"
            length = 0
