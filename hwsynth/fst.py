"""Waves in GTKWave's fast signal trace format, a tenth of a dump's size or less: `wave("x.fst")`.

A file is a row of blocks, each with a byte for its kind and its length: a header, sections of value changes, the widths
of all signals, their names. A section has the values at its begin, each signal's changes as a packed chain (a change
tells how many entries of the time table lie between it and the one before), where these chains begin, and the table
of times. All integers are big-endian, or have 7 bits a byte with the low ones first.
"""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from collections.abc import Iterable, Iterator

import numpy as np

from gemel.hwsynth.nativesim import Compiled
from gemel.hwsynth.waves import PERIOD, Rows, Signal, WaveFile, moves

HEADER, GEOMETRY, NAMES, CHANGES = 0, 3, 4, 5
"""Kinds of blocks."""

MODULE_SCOPE, SCOPE, UPSCOPE, WIRE = b"\0", b"\xfe", b"\xff", b"\x10"

NANOSECONDS = -9
"""The unit of time, as a power of ten of a second."""

SECTION = 1 << 23
"""Bytes of rows that go into a section together."""


class FstFile(WaveFile):
    """Writes a trace."""

    def __init__(self, path: str | os.PathLike[str], compiled: Compiled) -> None:
        super().__init__(path, compiled)
        self._waiting: list[Rows] = []
        self._sections = 0
        self._earlier: Rows = self._last

    def begin(self) -> None:
        """Room for the header, which says what is known at the end only."""
        self.file.write(self._header())

    def section(self, rows: Rows) -> None:
        """Keeps rows until there are enough for a section."""
        self._waiting.append(rows.copy())
        if sum(r.nbytes for r in self._waiting) >= SECTION:
            self._flush(len(rows))

    def end(self) -> None:
        """The last section, the widths and names, and the header."""
        self._flush(0)
        widths = b"".join(map(varint, [1, *(s.width for s in self.signals)]))
        packed = zlib.compress(widths)
        packed = packed if len(packed) < len(widths) else widths
        self._block(GEOMETRY, struct.pack(">QQ", len(widths), self._handles), packed)
        names = b"".join(_names(self.top, self.signals))
        self._block(NAMES, struct.pack(">Q", len(names)), gzip.compress(names, mtime=0))
        self.file.seek(0)
        self.file.write(self._header())

    @property
    def _handles(self) -> int:
        """Signals with the clock, which is the first."""
        return 1 + len(self.signals)

    def _block(self, kind: int, *parts: bytes) -> None:
        body = b"".join(parts)
        self.file.write(struct.pack(">BQ", kind, len(body) + 8) + body)

    def _header(self) -> bytes:
        end = max(0, self._count - 1) * PERIOD + PERIOD // 2
        scopes = 1 + len({s.scope[:n] for s in self.signals for n in range(1, len(s.scope) + 1)})
        numbers = struct.pack(">QQ", 0, end) + struct.pack("=d", 2.7182818284590452354)
        numbers += struct.pack(">QQQQQ", SECTION, scopes, self._handles, self._handles, self._sections)
        texts = struct.pack(">b128s119sBq", NANOSECONDS, b"Gemel", b"", 0, 0)
        return struct.pack(">BQ", HEADER, len(numbers) + len(texts) + 8) + numbers + texts

    # -------------------------------------------------------------------------------------------------------- sections

    def _flush(self, unseen: int) -> None:
        """Writes the rows that wait; `unseen` of them are not counted yet."""
        if not self._waiting:
            return
        rows = np.concatenate(self._waiting)
        first = self._count + unseen - len(rows)
        before, self._waiting = self._waiting[0][:0] if not first else self._earlier, []
        self._earlier = rows[-1:]
        self._section(first, before, rows)
        self._sections += 1

    def _section(self, first: int, before: Rows, rows: Rows) -> None:
        """A section of rows of which the first is period number `first`; `before` is the row before them, if any."""
        times = list(_times(first, len(rows)))
        clock = _bits((k, int(t > 0 and not t % PERIOD)) for k, t in enumerate(times))
        chains = [clock, *(_chain(s, first, before, rows) for s in self.signals)]
        frame = (b"0" if first else b"x") + b"".join(_text(s, before).encode() for s in self.signals)
        packed, index = _packed(chains)
        table = b"".join(varint(b - a) for a, b in zip([0, *times], times, strict=False))
        self._block(
            CHANGES,
            struct.pack(">QQQ", times[0], times[-1], sum(map(len, chains))),
            varint(len(frame)) + varint(len(frame)) + varint(self._handles) + frame,
            varint(self._handles) + b"Z" + packed,
            index + struct.pack(">Q", len(index)),
            table + struct.pack(">QQQ", len(table), len(table), len(times)),
        )


def varint(value: int) -> bytes:
    """An integer with 7 bits a byte, the low ones first; the top bit says that more come."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _times(first: int, count: int) -> Iterator[int]:
    """The times of a section: each period's begin, and its middle, where the clock falls (not before it has risen)."""
    for n in range(first, first + count):
        yield n * PERIOD
        if n:
            yield n * PERIOD + PERIOD // 2


def _entry(first: int, k: int) -> int:
    """Where in the table of times row `k` of a section begins."""
    return 2 * k if first or not k else 2 * k - 1


def _chain(s: Signal, first: int, before: Rows, rows: Rows) -> bytes:
    """A signal's changes."""
    changes = ((_entry(first, k), v) for k, v in s.changes(before, rows))
    return _bits(changes) if s.width == 1 else _words(changes, s.width)


def _bits(changes: Iterable[tuple[int, int]]) -> bytes:
    out, last = bytearray(), 0
    for at, value in changes:
        out += varint((at - last) << 2 | value << 1)
        last = at
    return bytes(out)


def _words(changes: Iterable[tuple[int, int]], width: int) -> bytes:
    """Words from the left, the last byte filled up with zeros."""
    out, last = bytearray(), 0
    size = -(-width // 8)
    for at, value in changes:
        out += varint((at - last) << 1) + (value << (8 * size - width)).to_bytes(size, "big")
        last = at
    return bytes(out)


def _text(s: Signal, row: Rows) -> str:
    """A signal's value in a row, a character for each bit; unknown where there is no row."""
    if not len(row):
        return "x" * s.width
    value = int.from_bytes(row[0, s.slot.offset : s.slot.offset + s.slot.size].tobytes(), "little")
    return f"{value & ((1 << s.width) - 1):0{s.width}b}"


def _packed(chains: Iterable[bytes]) -> tuple[bytes, bytes]:
    """The chains one after the other, and the table of where each begins: distances, and counts of empty ones."""
    data, index, at, empty, last = bytearray(), bytearray(), 1, 0, 0
    for chain in chains:
        if not chain:
            empty += 1
            continue
        small = zlib.compress(chain, 4)
        piece = varint(len(chain)) + small if len(small) < len(chain) else varint(0) + chain
        if empty:
            index += varint(empty << 1)
            empty = 0
        index += varint((at - last) << 1 | 1)
        last = at
        data += piece
        at += len(piece)
    if empty:
        index += varint(empty << 1)
    return bytes(data), bytes(index)


def _names(top: str, signals: Iterable[Signal]) -> Iterator[bytes]:
    """Scopes and signals, in the order of their handles."""
    yield SCOPE + MODULE_SCOPE + top.encode() + b"\0\0"
    yield _name("clk", 1)
    path: tuple[str, ...] = ()
    for s in signals:
        left, entered = moves(path, s.scope)
        yield UPSCOPE * left
        yield from (SCOPE + MODULE_SCOPE + name.encode() + b"\0\0" for name in entered)
        path = s.scope
        yield _name(f"{s.name} [{s.width - 1}:0]" if s.width > 1 else s.name, s.width)
    yield UPSCOPE * (len(path) + 1)


def _name(name: str, width: int) -> bytes:
    return WIRE + b"\0" + name.encode() + b"\0" + varint(width) + varint(0)
