"""What a memory inside of a module is made of on a target, how much of it, and how many read ports that may have."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from gemel.hwsynth.targets import Target
from gemel.hwsynth.targets.tables import MEMORY_WIDTH
from gemel.semantics.errors import counted


class MemoryKind(StrEnum):
    """What tools make of a memory: told by its size, from what they were seen to do (`targets`)."""

    LOGIC = "logic"
    TABLES = "RAM in tables"
    BLOCK = "block RAM"
    REGISTERS = "registers"


def kind_of(t: Target, words: int, constant: bool) -> MemoryKind:
    """The kind of a memory of so many words, which nothing writes to where it is `constant`."""
    if constant and words <= t.fabric.rom_words:
        return MemoryKind.LOGIC
    row = t.rows["memory"].stepped(words)
    if row.get("block"):
        return MemoryKind.BLOCK
    return MemoryKind.REGISTERS if "um2" in row else MemoryKind.TABLES


MOST_READS = {MemoryKind.BLOCK: 2}
"""Read ports of a memory, each of which but the first costs a copy of it: dear ones have fewer than `SMALL`."""

SMALL = 4


def most_reads(t: Target, words: int, constant: bool) -> int:
    """The read ports that a memory may have."""
    return MOST_READS.get(kind_of(t, words, constant), SMALL)


def area(t: Target, words: int, bits: int, ports: int) -> Mapping[str, float]:
    """The resources of a memory: those of the measured width in proportion, whole block RAMs, a copy for each port."""
    share = bits / MEMORY_WIDTH
    found = t.rows["memory"].stepped(words)
    return {r: ports * (_blocks(n, share) if r == "block" else n * share) for r, n in found.items()}


def _blocks(measured: float, share: float) -> float:
    return float(max(1, round(measured * share + 0.499))) if measured else 0.0


def made_of(t: Target, words: int, bits: int, ports: int, constant: bool) -> str:
    """What a memory is made of, for people: `2 block RAMs of 18 Kbit`, `RAM in tables`."""
    kind = kind_of(t, words, constant)
    if kind is not MemoryKind.BLOCK:
        return str(kind)
    size = f" of {t.memories.block}" if t.memories is not None and t.memories.block else ""
    return counted(int(area(t, words, bits, ports)["block"]), str(kind)) + size
