"""Loads the objects that LLVM's JIT makes for x86-64 Linux, without LLVM: that is what a kept object saves.

Such an object has no relocations but 64-bit addresses, since its code may lie far from what it calls. Of all else
`load` takes nothing, and LLVM's own loader has to do it: docs/decisions/0005.
"""

from __future__ import annotations

import ctypes
import mmap
import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SECTION = struct.Struct("<IIQQQQIIQQ")
SYMBOL = struct.Struct("<IBBHQQ")
RELOCATION = struct.Struct("<QQq")

MAGIC, RELOCATABLE, X86_64 = b"\x7fELF\x02\x01", 1, 62
PROGRAM, SYMBOLS, RELOCATIONS, ZEROS, UNWIND = 1, 2, 4, 8, 0x70000001
WRITE, ALLOCATED, THREAD_LOCAL = 1, 2, 0x400
ADDRESS = 1
"""The relocation R_X86_64_64."""
UNDEFINED, RESERVED = 0, 0xFF00
"""Section numbers of symbols: elsewhere, and from which on they are none."""


class Section:
    """A row of the table of sections."""

    def __init__(self, *row: int) -> None:
        _, self.kind, self.flags, _, self.offset, self.size, self.link, self.info, self.align, _ = row

    @property
    def loaded(self) -> bool:
        """Whether it lies in memory when the code runs; nobody unwinds through a kernel."""
        return bool(self.flags & ALLOCATED) and self.kind != UNWIND and self.size > 0


class _Unknown(Exception):
    """Something that this loader doesn't do."""


@dataclass(frozen=True)
class Image:
    """Loaded code: it lies in `memory` as long as this lives."""

    memory: mmap.mmap
    start: Any
    places: dict[str, int]

    def address(self, name: str) -> int:
        """Where a function is."""
        return self.places[name]


def load(data: bytes, find: Callable[[str], int | None]) -> Image | None:
    """The code of an object, ready to run; None where it, or the system, has something that isn't known here.

    `find` gives the addresses of what the object calls.
    """
    if not sys.platform.startswith("linux") or not data.startswith(MAGIC):
        return None
    try:
        return _load(data, find)
    except (_Unknown, OSError, struct.error):
        return None


def _load(data: bytes, find: Callable[[str], int | None]) -> Image:
    sections = _sections(data)
    places, fixed, size = _layout(sections)
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    start = ctypes.c_char.from_buffer(memory)
    base = ctypes.addressof(start)
    for n, at in places.items():
        s = sections[n]
        if s.kind == PROGRAM:
            memory[at : at + s.size] = data[s.offset : s.offset + s.size]
    symbols = list(_symbols(data, sections, {n: base + at for n, at in places.items()}))
    for s in sections:
        if s.kind == RELOCATIONS and s.info in places:
            _relocate(memory, data, s, places[s.info], symbols, find)
    _make_executable(base, fixed)
    return Image(memory, start, {name: at for name, at in symbols if name and at is not None})


def _sections(data: bytes) -> list[Section]:
    head = HEADER.unpack_from(data)
    if head[1:3] != (RELOCATABLE, X86_64) or head[11] != SECTION.size:
        raise _Unknown
    table = data[head[6] : head[6] + head[12] * SECTION.size]
    if len(table) != head[12] * SECTION.size:
        raise _Unknown
    return [Section(*row) for row in SECTION.iter_unpack(table)]


def _layout(sections: list[Section]) -> tuple[dict[int, int], int, int]:
    """Where each section goes, how many bytes are never written to, and how many there are."""
    order = sorted((n for n, s in enumerate(sections) if s.loaded), key=lambda n: sections[n].flags & WRITE)
    places, at, fixed = {}, 0, None
    for n in order:
        s = sections[n]
        if s.kind not in (PROGRAM, ZEROS) or s.flags & THREAD_LOCAL or s.align > mmap.PAGESIZE:
            raise _Unknown
        if s.flags & WRITE and fixed is None:
            fixed = at = _up(at, mmap.PAGESIZE)
        at = places[n] = _up(at, s.align or 1)
        at += s.size
    end = max(_up(at, mmap.PAGESIZE), mmap.PAGESIZE)
    return places, end if fixed is None else fixed, end


def _up(at: int, align: int) -> int:
    return -(-at // align) * align


def _symbols(data: bytes, sections: list[Section], places: dict[int, int]) -> Iterator[tuple[str, int | None]]:
    """Names and addresses of the symbols; None for those that lie elsewhere."""
    table = next((s for s in sections if s.kind == SYMBOLS), None)
    if table is None:
        return
    names = data[sections[table.link].offset :][: sections[table.link].size]
    for name, _, _, section, value, _ in SYMBOL.iter_unpack(data[table.offset : table.offset + table.size]):
        text = names[name : names.index(b"\0", name)].decode()
        if section >= RESERVED:
            yield "", None
        else:
            yield text, places[section] + value if section in places else None


def _relocate(
    memory: mmap.mmap,
    data: bytes,
    table: Section,
    base: int,
    symbols: list[tuple[str, int | None]],
    find: Callable[[str], int | None],
) -> None:
    for offset, info, addend in RELOCATION.iter_unpack(data[table.offset : table.offset + table.size]):
        name, at = symbols[info >> 32]
        if at is None:
            at = find(name) if name else None
        if at is None or info & 0xFFFFFFFF != ADDRESS:
            raise _Unknown
        struct.pack_into("<Q", memory, base + offset, (at + addend) % (1 << 64))


def _make_executable(base: int, size: int) -> None:
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    protect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    if size and protect(base, size, mmap.PROT_READ | mmap.PROT_EXEC):
        raise _Unknown
