"""Where the native simulator keeps a circuit's values: the state, a row of the trace, the words of memories."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gemel.hwsynth.dag import driven_nets
from gemel.hwsynth.netlist import Memory, Module
from gemel.hwsynth.simplan import Plan
from gemel.semantics.dtypes import BOOL, DType, IntType, storage_bits
from gemel.semantics.ir import Var

U64 = IntType(64, False)

RESET = "rst"
"""The slot of the reset input."""


@dataclass(frozen=True)
class Slot:
    """Where a value lies: bytes from the start, size in bytes, and its type; for a control bit its place in a word."""

    offset: int
    size: int
    dtype: DType
    bit: int | None = None


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


def state_layout(m: Module, plan: Plan) -> Layout:
    """The state of a flat module; word k of control bits is called `%k`."""
    keys: list[tuple[Var | str, DType]] = [(RESET, BOOL), *((f"%{k}", U64) for k in range(plan.words))]
    keys += [(i.var, i.var.dtype) for i in m.inputs]
    keys += [(v, v.dtype) for v in cells(m) if v not in plan.places]
    found = layout([*keys, *((o.name, o.value.dtype) for o in m.outputs)])
    bits: dict[Var | str, Slot] = {
        v: Slot(found.slots[f"%{word}"].offset, 8, v.dtype, bit) for v, (word, bit) in plan.places.items()
    }
    return Layout({**found.slots, **bits}, found.size)


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
