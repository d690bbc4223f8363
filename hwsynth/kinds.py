"""What a memory inside of a module is made of on a target, and how many read ports that may have."""

from __future__ import annotations

from enum import StrEnum

from gemel.hwsynth.targets import Target


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
