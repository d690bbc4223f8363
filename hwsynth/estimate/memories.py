"""What a memory takes up: block RAM, RAM in tables, or a table of constants in gates."""

from __future__ import annotations

from collections.abc import Sequence

from gemel.hwsynth.estimate.network import FALSE, TRUE
from gemel.hwsynth.estimate.words import Bits, Hard, Words
from gemel.hwsynth.kinds import MemoryKind, area, kind_of
from gemel.hwsynth.netlist import Memory, ReadPort, WritePort
from gemel.semantics.convert import to_bits
from gemel.semantics.dtypes import width_of
from gemel.semantics.ir import Expr


def reads(w: Words, m: Memory) -> None:
    """The words of a memory's read ports, before the logic that reads them is known."""
    delay = w.target.read_delay(m.depth) if not in_gates(w, m) else 0.0
    for p in m.reads:
        w.of[p.data] = tuple(w.net.leaf(delay) for _ in range(width_of(m.dtype)))


def in_gates(w: Words, m: Memory) -> bool:
    """Whether a table of constants is logic with a register behind."""
    return kind_of(w.target, m.depth, not m.writes) is MemoryKind.LOGIC


def taken(w: Words, m: Memory) -> None:
    """Notes what a memory takes, and the bits that its ports need."""
    if in_gates(w, m):
        for p in m.reads:
            _constants(w, m, p)
        return
    needed = tuple(b for p in _ports(m) for e in _inputs(p) for b in w.bits(e) if b > TRUE)
    found = area(w.target, m.depth, width_of(m.dtype), max(1, len(m.reads)))
    w.hard.append(Hard("memories", found, tuple(b for p in m.reads for b in w.of[p.data]), needed))


def _ports(m: Memory) -> tuple[ReadPort | WritePort, ...]:
    return (*m.reads, *m.writes)


def _inputs(p: ReadPort | WritePort) -> Sequence[Expr]:
    given = (p.addr, p.enable) if isinstance(p, ReadPort) else (p.addr, p.data, p.enable)
    return [e for e in given if e is not None]


def _constants(w: Words, m: Memory, p: ReadPort) -> None:
    address = w.bits(p.addr)
    enable = w.bits(p.enable) if p.enable is not None else ()
    words = [to_bits(v, m.dtype) for v in m.init or ()]
    for n, out in enumerate(w.of[p.data]):
        bit = _chosen(w, address, [v >> n & 1 for v in words])
        w.hard.append(Hard("memories", {"ff": 1}, (out,), tuple(b for b in (bit, *enable) if b > TRUE)))


def _chosen(w: Words, address: Bits, column: list[int]) -> int:
    """The bit of a column at an address: a tree of choices, equal halves once."""
    values = column + [FALSE] * ((1 << len(address)) - len(column))
    for a in address:
        values = [w.net.choose(a, values[n + 1], values[n]) for n in range(0, len(values), 2)]
    return values[0]
