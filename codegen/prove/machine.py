"""Runs functions of LLVM IR on symbols: control is known, or joins again; the rest is terms.

A branch on a symbol runs both ways up to where these meet for certain, and what they left is chosen by the condition.
Memory is in bytes: each place has what was stored there last, of whatever width.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from gemel.codegen.prove import instructions as table
from gemel.codegen.prove.memory import Memory, Pointer
from gemel.codegen.prove.reading import Function, Instruction, Name, Operand, Program, Type
from gemel.semantics import ops
from gemel.semantics.dtypes import FLOATS
from gemel.semantics.symbolic import meaning
from gemel.semantics.symbolic.meaning import Unsupported
from gemel.semantics.symbolic.terms import Term, Value, Words

STEPS = 400_000
"""Instructions after which a run is given up."""

NESTED = 500
"""Branches at one place that are open at a time: each iteration of a loop with a check leaves one."""

ELEMENTARY = re.compile(r"gemel\.(\w+)\.(\w+?)(?:\.x\d+)?$")

Env = dict[str, Any]


@dataclass
class Flow:
    """The blocks of a function, and where control comes together after each."""

    function: Function

    def successors(self, block: str) -> tuple[str, ...]:
        """Where a block may go on."""
        return self.function.blocks[block][-1].labels

    @cached_property
    def meeting(self) -> dict[str, str | None]:
        """By block: the first one that every path from it to the end passes; None where there is none."""
        after: dict[str, set[str]] = {b: set(self.function.blocks) for b in self.function.blocks}
        changed = True
        while changed:
            changed = False
            for b in reversed(self.function.blocks):
                ways = [after[s] for s in self.successors(b)]
                new = {b} | (set.intersection(*ways) if ways else set())
                changed |= new != after[b]
                after[b] = new
        return {b: max(after[b] - {b}, key=lambda x: len(after[x]), default=None) for b in after}


@dataclass(frozen=True)
class Demand:
    """What must hold for the run to have a meaning, where it's reached."""

    what: str
    path: Value
    cond: Value


@dataclass
class Machine:
    """A run. `demands` has what LLVM leaves undefined otherwise, with the path that leads there."""

    program: Program
    words: Words
    simple: Callable[[Value], Value]
    memory: Memory = field(init=False)
    demands: list[Demand] = field(default_factory=list)
    path: Value = 1
    steps: int = 0
    flows: dict[str, Flow] = field(default_factory=dict)
    open: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.memory = Memory(self.words, self.require)

    def require(self, cond: Value, what: str) -> None:
        """Notes a condition that has to hold here."""
        if cond != 1:
            self.demands.append(Demand(what, self.path, cond))

    @contextmanager
    def where(self, cond: Value) -> Iterator[None]:
        """What is done where a condition holds too."""
        before, self.path = self.path, self.words.and_(1, self.path, cond)
        yield
        self.path = before

    # ------------------------------------------------------------------------------------------------------- control

    def call(self, name: str, args: Sequence[Any]) -> Any:
        """What a function gives."""
        f = self.program.functions[name]
        flow = self.flows.setdefault(name, Flow(f))
        env: Env = {p: a for (_, p), a in zip(f.params, args, strict=True)}
        return self._walk(flow, next(iter(f.blocks)), "", env, None)

    def _walk(self, flow: Flow, block: str, before: Any, env: Env, stop: str | None) -> Any:
        """Runs up to a block, and gives where it came from; or up to the end, and gives the result.

        Where it came from is the name of a block, or a condition with two such.
        """
        while block != stop:
            body = flow.function.blocks[block]
            env.update(self._phis(body, before, env))
            for i in body[:-1]:
                if i.opcode != "phi":
                    self._step(i, env)
            end = body[-1]
            match end.opcode:
                case "ret":
                    return self.operand(end.operands[0], env) if end.operands else None
                case "br" if len(end.labels) == 1:
                    before, block = block, end.labels[0]
                case "br":
                    before, block = self._branch(flow, block, end, env)
                case _:
                    raise Unsupported(f"the LLVM instruction {end.opcode}")
        return before

    def _branch(self, flow: Flow, block: str, end: Instruction, env: Env) -> tuple[Any, str]:
        cond = self.operand(end.operands[0], env)
        cond = self.simple(cond) if type(cond) is Term else cond
        yes, no = end.labels
        if type(cond) is int:
            return block, yes if cond else no
        meeting = flow.meeting[block]
        if meeting is None or self.open[block] > NESTED:
            raise Unsupported("a loop whose end depends on the data")
        self.open[block] += 1
        ways = []
        kept, path = self.memory.copy(), self.path
        for way, truth in ((yes, cond), (no, self.words.xor(1, cond, 1))):
            self.memory.cells = kept if way is no else self.memory.copy()
            self.path = self.words.and_(1, path, truth)
            inner = dict(env)
            ways.append((self._walk(flow, way, block, inner, meeting), inner, self.memory.cells))
        self.open[block] -= 1
        self.path = path
        (first, one, left), (second, two, right) = ways
        self.memory.cells = self.memory.joined(cond, left, right)
        env.update(one | two)
        return (cond, (first, one), (second, two)), meeting

    def _phis(self, body: Sequence[Instruction], before: Any, env: Env) -> Env:
        return {i.name: self._chosen(i, before, env) for i in body if i.opcode == "phi"}

    def _chosen(self, i: Instruction, before: Any, env: Env) -> Any:
        if isinstance(before, str):
            return self.operand(i.operands[i.labels.index(before)], env)
        cond, *sides = before
        a, b = (self._chosen(i, where, inner) for where, inner in sides)
        return self.either(i.type, cond, a, b)

    def either(self, t: Type, cond: Value, a: Any, b: Any) -> Any:
        """One of two values by a bit."""
        if a is b or b is None or cond == 1:
            return a
        if a is None:
            return b
        if t.kind == "vector":
            return tuple(self.either(t.parts[0], cond, x, y) for x, y in zip(a, b, strict=True))
        if t.kind == "ptr":
            if a.base is not b.base:
                raise Unsupported("one of two arrays by a condition")
            return Pointer(a.base, self.words.ite(64, cond, a.offset, b.offset))
        return self.words.ite(t.bits, cond, a, b)

    # -------------------------------------------------------------------------------------------------- instructions

    def operand(self, o: Operand, env: Env) -> Any:
        """The value of an operand; what is undefined is any word."""
        kind, v = o
        if isinstance(v, Name):
            return Pointer(self.memory.known(v.text[1:]), 0) if v.text[0] == "@" else env[v.text]
        if v is None and kind.kind in ("int", "float"):
            return self.words.fresh("undefined", kind.bits)
        if v is None and kind.kind == "vector":
            return tuple(self.operand((kind.parts[0], None), env) for _ in range(kind.count))
        if kind.kind == "vector":
            return tuple(self.operand((kind.parts[0], x), env) for x in v)
        return Pointer(None, v) if kind.kind == "ptr" and type(v) is int else v

    def _step(self, i: Instruction, env: Env) -> None:
        self.steps += 1
        if self.steps > STEPS:
            raise Unsupported(f"more than {STEPS:,} LLVM instructions")
        args = [self.operand(o, env) for o in i.operands]
        found = self._value(i, args)
        if i.name:
            env[i.name] = found

    def _value(self, i: Instruction, args: list[Any]) -> Any:
        run = OTHERS.get(i.opcode)
        if run is not None:
            return run(self, i, args)
        types = [t for t, _ in i.operands]
        return self.lanes(types, args, lambda t, a: self._scalar(i, t, a))

    def lanes(self, types: Sequence[Type], args: Sequence[Any], on: Callable[[Any, Any], Any]) -> Any:
        """A function of scalars, on vectors lane by lane."""
        wide = [t.count for t in types if t.kind == "vector"]
        if not wide:
            return on(types, args)
        inner = [t.parts[0] if t.kind == "vector" else t for t in types]
        rows = [a if t.kind == "vector" else (a,) * wide[0] for t, a in zip(types, args, strict=True)]
        return tuple(on(inner, row) for row in zip(*rows, strict=True))

    def _scalar(self, i: Instruction, types: Sequence[Type], args: Sequence[Any]) -> Any:
        match i.opcode:
            case "icmp":
                if types[0].kind == "ptr":
                    return self._pointers(i.words[-1], *args)
                return table.compare(self, i.words[-1], types[0].bits, *args)
            case "fcmp":
                return table.compare_floats(self, i.words[-1], types[0], *args)
            case "select":
                return self.either(types[1], args[0], args[1], args[2]) if type(args[0]) is Term else args[2 - args[0]]
            case "freeze":
                return args[0]
            case _:
                pass
        target = i.type.parts[0] if i.type.kind == "vector" else i.type
        if i.opcode in table.BINARY:
            return table.BINARY[i.opcode](self, i.words, types, args)
        if i.opcode in table.FLOATS:
            return table.FLOATS[i.opcode](self, i.words, types, args)
        return table.convert(self, i.opcode, types[0], target, args[0])

    @staticmethod
    def _pointers(predicate: str, a: Pointer, b: Pointer) -> int:
        same = a.base is b.base and a.offset == b.offset
        return int(same == (predicate == "eq"))


# ------------------------------------------------------------------------------------------- what isn't lane by lane


def _call(m: Machine, i: Instruction, args: list[Any]) -> Any:
    callee, types = i.words[-1], [t for t, _ in i.operands]
    known = ELEMENTARY.match(callee)
    if known and known[1] in ops.TABLE and known[2] in FLOATS:
        t, op = FLOATS[known[2]], ops.TABLE[known[1]]
        if op in ops.ELEMENTARY:
            return m.lanes(types, args, lambda _, a: meaning.apply(m.words, op, t, [(x, t) for x in a]))
    if callee in m.program.functions:
        return m.call(callee, args)
    for start, run in CALLS.items():
        if callee.startswith(start):
            return run(m, i, args)
    name = re.sub(r"^llvm\.|(\.(v\d+)?[fip]\d+)+$", "", callee)
    if name not in table.INTRINSICS:
        raise Unsupported(f"the function {callee}")
    if name == "abs":
        types, args = types[:1], args[:1]
    return m.lanes(types, args, lambda t, a: table.INTRINSICS[name](m, (), t, a))


def _load(m: Machine, i: Instruction, args: list[Any]) -> Any:
    return m.memory.load(args[0], i.type)


def _store(m: Machine, i: Instruction, args: list[Any]) -> None:
    m.memory.store(args[1], i.operands[0][0], args[0])


def _address(m: Machine, i: Instruction, args: list[Any]) -> Any:
    """The address of an element; of several where an index is a vector."""
    base, *indices = args
    types = [t for t, _ in i.operands[1:]]
    wide = next((len(x) for x, t in zip(indices, types, strict=True) if t.kind == "vector"), 0)
    if wide:
        rows = [x if t.kind == "vector" else (x,) * wide for x, t in zip(indices, types, strict=True)]
        inner = [t.parts[0] if t.kind == "vector" else t for t in types]
        return tuple(_element(m, base, i.more, inner, row) for row in zip(*rows, strict=True))
    return _element(m, base, i.more, types, indices)


def _element(m: Machine, base: Pointer, of: Type, types: Sequence[Type], indices: Sequence[Any]) -> Pointer:
    offset: Value = base.offset
    for t, x in zip(types, indices, strict=True):
        at = m.words.sext(x, t.bits, 64) if t.bits < 64 else x
        offset = m.words.add(64, offset, m.words.mul(64, at, of.bytes))
        of = of.parts[0] if of.parts else of
    return Pointer(base.base, m.simple(offset) if type(offset) is Term else offset)


def _gather(m: Machine, i: Instruction, args: list[Any]) -> Any:
    pointers, mask, others = args[0], *args[-2:]
    return tuple(_masked(m, p, i.type.parts[0], b, x) for p, b, x in zip(pointers, mask, others, strict=True))


def _masked_load(m: Machine, i: Instruction, args: list[Any]) -> Any:
    kind = i.type.parts[0]
    pointer, mask, others = args[0], *args[-2:]
    rows = zip(_each(m, pointer, kind, i.type.count), mask, others, strict=True)
    return tuple(_masked(m, p, kind, b, x) for p, b, x in rows)


def _masked(m: Machine, p: Pointer, kind: Type, bit: Value, other: Value) -> Value:
    if bit == 0:
        return other
    with m.where(bit):
        return m.either(kind, bit, m.memory.load(p, kind), other)


def _masked_store(m: Machine, i: Instruction, args: list[Any]) -> None:
    values, pointer, mask = *args[:2], args[-1]
    kind = i.operands[0][0].parts[0]
    for p, b, x in zip(_each(m, pointer, kind, len(values)), mask, values, strict=True):
        if b != 0:
            with m.where(b):
                m.memory.store(p, kind, m.either(kind, b, x, m.memory.load(p, kind)) if b != 1 else x)


def _each(m: Machine, p: Pointer, kind: Type, count: int) -> list[Pointer]:
    return [Pointer(p.base, m.words.add(64, p.offset, n * kind.bytes)) for n in range(count)]


def _fill(m: Machine, i: Instruction, args: list[Any]) -> None:
    pointer, byte, count = args[:3]
    if type(count) is not int:
        raise Unsupported("memory filled to a place that depends on the data")
    for p in _each(m, pointer, Type("int", 8), count):
        m.memory.store(p, Type("int", 8), byte)


def _copy(m: Machine, i: Instruction, args: list[Any]) -> None:
    target, source, count = args[:3]
    if type(count) is not int:
        raise Unsupported("memory copied up to a place that depends on the data")
    kind = Type("int", 8)
    found = [m.memory.load(p, kind) for p in _each(m, source, kind, count)]
    for p, v in zip(_each(m, target, kind, count), found, strict=True):
        m.memory.store(p, kind, v)


def _any(m: Machine, i: Instruction, args: list[Any]) -> Any:
    found: Value = 0
    for bit in args[0]:
        found = m.words.or_(1, found, bit)
    return found


def _variable(m: Machine, i: Instruction, args: list[Any]) -> Pointer:
    return Pointer(m.memory.make(i.name, i.more.bytes), 0)


def _reserve(m: Machine, i: Instruction, args: list[Any]) -> Pointer:
    if type(args[-1]) is not int:
        raise Unsupported("memory whose size depends on the data")
    return Pointer(m.memory.make(i.name, args[-1]), 0)


CALLS: dict[str, Callable[[Machine, Instruction, list[Any]], Any]] = {
    "llvm.masked.load": _masked_load,
    "llvm.masked.store": _masked_store,
    "llvm.masked.gather": _gather,
    "llvm.memset": _fill,
    "llvm.memcpy": _copy,
    "llvm.vector.reduce.or": _any,
    "llvm.prefetch": lambda m, i, args: None,
    "llvm.assume": lambda m, i, args: None,
    "malloc": _reserve,
    "aligned_alloc": _reserve,
    "free": lambda m, i, args: None,
}


def _insert(m: Machine, i: Instruction, args: list[Any]) -> Any:
    vector, value, at = args
    return (*vector[:at], value, *vector[at + 1 :])


def _shuffle(m: Machine, i: Instruction, args: list[Any]) -> Any:
    both = (*args[0], *args[1])
    inner = i.type.parts[0]
    picked = i.operands[2][1]
    picked = (picked,) * i.operands[2][0].count if type(picked) is int else picked
    return tuple(m.operand((inner, None), {}) if n is None else both[n] for n in picked)


OTHERS: dict[str, Callable[[Machine, Instruction, list[Any]], Any]] = {
    "call": _call,
    "load": _load,
    "store": _store,
    "getelementptr": _address,
    "alloca": _variable,
    "insertelement": _insert,
    "extractelement": lambda m, i, args: args[0][args[1]],
    "shufflevector": _shuffle,
    "extractvalue": lambda m, i, args: args[0][i.more],
}
