"""What is measured of a technology: each operator at a few widths between registers, memories, and an enable's load.

Every measured thing is a module of the netlist, so that tools see the text which designs are made of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gemel.hwsynth.netlist import Input, Memory, Module, NetType, Output, ReadPort, Register, WritePort
from gemel.hwsynth.targets.tables import MEMORY_WIDTH
from gemel.semantics import build, ops
from gemel.semantics.dtypes import BOOL, IntType, width_of
from gemel.semantics.ir import Const, Expr, Ref, Var
from gemel.semantics.span import BUILTIN


@dataclass(frozen=True)
class Sweep:
    """A row of a target's data: a module for each size."""

    name: str
    make: Callable[[int], Module]
    sizes: tuple[int, ...]


def module(name: str, inputs: Mapping[str, NetType], result: Callable[..., Expr]) -> Module:
    """A function of registered inputs whose result goes into a register."""
    ports = [Input(Var(f"{n}_in", t, BUILTIN)) for n, t in inputs.items()]
    held = [Var(n, t, BUILTIN) for n, t in inputs.items()]
    value = result(*(Ref(v, BUILTIN) for v in held))
    kept = Var("q", value.dtype, BUILTIN)
    registers = [Register(v, Ref(p.var, BUILTIN)) for v, p in zip(held, ports, strict=True)]
    out = Output("result", Ref(kept, BUILTIN))
    return Module(name, tuple(ports), (out,), (), (*registers, Register(kept, value)), (), (), BUILTIN)


def register_bits(m: Module) -> int:
    """The bits in registers of a measured module: they are no part of what is measured."""
    return sum(width_of(r.var.dtype) for r in m.registers)


def _unsigned(width: int) -> IntType:
    return IntType(width, False)


def _literal(width: int) -> Const:
    """A number with ones and zeros in turns."""
    return Const(int("01" * width, 2) & ((1 << width) - 1) | 1, _unsigned(width), BUILTIN)


def _apply(op: ops.Op, *args: Expr, dtype: NetType | None = None) -> Expr:
    return build.apply(op, *args, span=BUILTIN, dtype=dtype)


def _two(name: str, op: ops.Op, narrow: bool) -> Callable[[int], Module]:
    """An op of two operands of a width; `narrow` wraps its result to that width."""

    def make(w: int) -> Module:
        t = _unsigned(w)
        return module(f"{name}_{w}", {"a": t, "b": t}, lambda a, b: _apply(op, a, b, dtype=t if narrow else None))

    return make


def _with_literal(name: str, op: ops.Op, narrow: bool) -> Callable[[int], Module]:
    def make(w: int) -> Module:
        t = _unsigned(w)
        return module(f"{name}_{w}", {"a": t}, lambda a: _apply(op, a, _literal(w), dtype=t if narrow else None))

    return make


def _select(w: int) -> Module:
    t = _unsigned(w)
    return module(f"select_{w}", {"c": BOOL, "a": t, "b": t}, lambda c, a, b: _apply(ops.SELECT, c, a, b))


def _shift(name: str, op: ops.Op) -> Callable[[int], Module]:
    def make(w: int) -> Module:
        amount = _unsigned((w - 1).bit_length())
        return module(f"{name}_{w}", {"a": _unsigned(w), "n": amount}, lambda a, n: _apply(op, a, n, dtype=a.dtype))

    return make


def _multiply(w: int) -> Module:
    t = IntType(w, True)
    return module(f"multiply_{w}", {"a": t, "b": t}, lambda a, b: _apply(ops.MUL, a, b))


def _parity(w: int) -> Module:
    """As many levels of gates as its size has factors of 4, in a technology of look-up tables of up to 6 inputs."""
    return module(f"parity_{w}", {"a": _unsigned(w)}, lambda a: _reduced([_bit(a, n) for n in range(w)]))


def _bit(a: Expr, n: int) -> Expr:
    index = Const(n, _unsigned(max(1, n.bit_length())), BUILTIN)
    return build.convert(_apply(ops.BITS, a, index, index), BOOL)


def _reduced(bits: list[Expr]) -> Expr:
    while len(bits) > 1:
        bits = [_apply(ops.XOR, *bits[n : n + 2]) if n + 1 < len(bits) else bits[n] for n in range(0, len(bits), 2)]
    return bits[0]


def _register(w: int) -> Module:
    return module(f"register_{w}", {"a": _unsigned(w)}, lambda a: a)


def _memory(words: int) -> Module:
    """A memory with a read and a write port, everything around it in registers."""
    address, word = _unsigned((words - 1).bit_length()), _unsigned(MEMORY_WIDTH)
    inputs: dict[str, NetType] = {"raddr": address, "ren": BOOL, "waddr": address, "wdata": word, "wen": BOOL}
    ports = [Input(Var(f"{n}_in", t, BUILTIN)) for n, t in inputs.items()]
    held = {n: Var(n, t, BUILTIN) for n, t in inputs.items()}
    data, kept = Var("rdata", word, BUILTIN), Var("q", word, BUILTIN)
    raddr, ren, waddr, wdata, wen = (Ref(v, BUILTIN) for v in held.values())
    reads, writes = (ReadPort(raddr, ren, data),), (WritePort(waddr, wdata, wen),)
    memory = Memory("words", word, words, None, reads, writes, BUILTIN, calm=True)
    registers = [Register(v, Ref(p.var, BUILTIN)) for v, p in zip(held.values(), ports, strict=True)]
    registers.append(Register(kept, Ref(data, BUILTIN)))
    out = Output("result", Ref(kept, BUILTIN))
    return Module(f"memory_{words}", tuple(ports), (out,), (), tuple(registers), (memory,), (), BUILTIN)


def _enable(loads: int) -> Module:
    """A bit that enables as many registers."""
    word = _unsigned(loads)
    go_in, a_in = Var("go_in", BOOL, BUILTIN), Var("a_in", word, BUILTIN)
    go, kept = Var("go", BOOL, BUILTIN), Var("q", word, BUILTIN)
    registers = (Register(go, Ref(go_in, BUILTIN)), Register(kept, Ref(a_in, BUILTIN), Ref(go, BUILTIN)))
    out = Output("result", Ref(kept, BUILTIN))
    return Module(f"enable_{loads}", (Input(go_in), Input(a_in)), (out,), (), registers, (), (), BUILTIN)


LEVELS = (4, 16, 64)
"""Inputs of a parity of one, two, three levels."""

_ADDED = (4, 8, 16, 24, 32, 48, 64)
_GATED = (2, 4, 8, 16, 32, 64)

SWEEPS: tuple[Sweep, ...] = (
    Sweep("register", _register, (8,)),
    Sweep("parity", _parity, LEVELS),
    Sweep("add", _two("add", ops.ADD, True), _ADDED),
    Sweep("increment", _with_literal("increment", ops.ADD, True), _ADDED),
    Sweep("less", _two("less", ops.LT, False), _ADDED),
    Sweep("less_constant", _with_literal("less_constant", ops.LT, False), _ADDED),
    Sweep("equal", _two("equal", ops.EQ, False), _GATED),
    Sweep("equal_constant", _with_literal("equal_constant", ops.EQ, False), _GATED),
    Sweep("gate", _two("gate", ops.AND, False), (1, 8)),
    Sweep("exclusive", _two("exclusive", ops.XOR, False), (1, 8)),
    Sweep("select", _select, (1, 8, 16, 32, 64)),
    Sweep("shift_left", _shift("shift_left", ops.SHL), (4, 8, 16, 32, 64)),
    Sweep("shift_right", _shift("shift_right", ops.SHR), (4, 8, 16, 32, 64)),
    Sweep("multiply", _multiply, (4, 8, 12, 16, 18, 24, 32)),
    Sweep("memory", _memory, (8, 16, 32, 64, 128, 512, 1024, 2048, 4096)),
    Sweep("enable", _enable, (8, 32, 128, 512)),
)
