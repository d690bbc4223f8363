"""Block RAM with its output register, where the clock is too short for a word that comes straight from the memory.

Such a read takes two cycles. Inside of a design each read port then is a module: the cell of the target, or a memory
with a register behind it.
"""

from __future__ import annotations

from collections.abc import Hashable
from math import log2

from gemel.hwsynth.cells import stated_cell, way_of
from gemel.hwsynth.kinds import MemoryKind, kind_of
from gemel.hwsynth.netlist import Cell, Input, Instance, Memory, Module, NetType, Output, ReadPort, Register, WritePort
from gemel.hwsynth.nodes import Access
from gemel.hwsynth.schedule import Clock
from gemel.hwsynth.targets import Target
from gemel.hwsynth.targets.files import Hard, Way
from gemel.semantics.dtypes import BOOL, IntType, width_of
from gemel.semantics.errors import counted
from gemel.semantics.ir import Ref, Var
from gemel.semantics.span import BUILTIN

CELL = "memory"
"""The cell for memories in a target's file."""

ADDRESSES = 1 << 14
"""The bits of a block: addresses begin at that of a word's first bit."""


def reading(clock: Clock, words: int, constant: bool, places: int) -> Access:
    """How a memory of so many words is read, which nothing writes to where it is `constant`; at so many places."""
    t = clock.target
    plain = t.read_delay(words)
    if plain > clock.room and kind_of(t, words, constant) is MemoryKind.LOGIC:
        return Access(min(_table(t, words) + clock.choosing(places), clock.room), 1, t.rows["register"].delay(1))
    way, hard = way_of(clock, CELL), clock.target.cells.get(CELL)
    if plain <= clock.room or way is None or hard is None or constant or not _fits(clock, hard, words):
        return Access(min(clock.choosing(places), clock.room), 1, plain)
    return Access(min(way.setup + clock.choosing(places), clock.room), way.latency, way.delay)


def _table(t: Target, words: int) -> float:
    """The time of gates that give a table's word, before its register."""
    return t.level * max(1.0, log2(words) / t.fabric.inputs)


def writing(clock: Clock, places: int) -> Access:
    """How a memory is written to, at some places: of any size alike, so that cycles have one formula."""
    hard = clock.target.cells.get(CELL)
    if hard is None:
        return Access(0.0)
    return Access(min(hard.write + clock.choosing(places), clock.room))


def _fits(clock: Clock, hard: Hard, words: int) -> bool:
    return kind_of(clock.target, words, False) is MemoryKind.BLOCK and _shape(hard, words, 1) is not None


def _shape(hard: Hard, words: int, bits: int) -> tuple[int, int] | None:
    """The shape of the blocks of a memory: so that they are the fewest, then of the narrowest words."""
    able = [s for s in hard.shapes if s[0] >= words]
    return min(able, key=lambda s: (-(-bits // s[1]), s[1]), default=None)


def block(clock: Clock, words: int, dtype: NetType) -> Module:
    """A memory with one port for reads and one for writes, and a register behind the former; each kind once."""
    key = (clock.target.name, clock.period, words, dtype)
    if key not in _BLOCKS:
        _BLOCKS[key] = _block(clock, words, dtype)
    return _BLOCKS[key]


_BLOCKS: dict[Hashable, Module] = {}


def _block(clock: Clock, words: int, dtype: NetType) -> Module:
    hard, way = clock.target.cells[CELL], way_of(clock, CELL)
    shape = _shape(hard, words, width_of(dtype))
    if way is None or shape is None:
        raise TypeError("a memory that no block RAM is")
    address = IntType(max(1, (words - 1).bit_length()), False)
    ports = {"raddr": address, "waddr": address, "wdata": dtype, "wen": BOOL}
    inputs = {name: Var(name, t, BUILTIN) for name, t in ports.items()}
    raddr, waddr, wdata, wen = (Ref(v, BUILTIN) for v in inputs.values())
    word, held = Var("word", dtype, BUILTIN), Var("word_held", dtype, BUILTIN)
    reads, writes = (ReadPort(raddr, None, word),), (WritePort(waddr, wdata, wen),)
    name = f"memory_{words}_x_{width_of(dtype)}"
    return Module(
        name,
        tuple(map(Input, inputs.values())),
        (Output("rdata", Ref(held, BUILTIN)),),
        (),
        (Register(held, Ref(word, BUILTIN)),),
        (Memory("words", dtype, words, None, reads, writes, BUILTIN, calm=True),),
        (),
        BUILTIN,
        (
            f"{name}: made by Gemel for {clock.target.name} at {1000 / clock.period:g} MHz",
            f"a word comes {counted(way.latency, 'cycle')} after its address, through the memory's output register",
            f"with {clock.target.macro} defined it is the device's own cell, else the same function as text",
        ),
        cell=_cell(clock.target, way, shape, width_of(dtype)),
    )


def _cell(target: Target, way: Way, shape: tuple[int, int], width: int) -> Cell:
    words, bits = shape
    low = (ADDRESSES // words - 1).bit_length()
    return stated_cell(target, CELL, way, {"BITS": bits, "LOW": low, "WIDTH": width}, -(-width // bits))


def blocks(module: Module, m: Memory) -> tuple[Instance, ...]:
    """The instances in the place of a memory, one for each read port; what is written goes to all."""
    write = m.writes[0]
    given = {"waddr": write.addr, "wdata": write.data, "wen": write.enable}
    return tuple(
        Instance(module, f"{m.hint}_p{n}" if n else m.hint, {"raddr": r.addr, **given}, {"rdata": r.data}, m.span)
        for n, r in enumerate(m.reads)
    )
