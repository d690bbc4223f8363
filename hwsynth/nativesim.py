"""The native simulator: a netlist compiled by LLVM and run cycle by cycle; hundreds of Mcycle/s where it is small."""

from __future__ import annotations

import ctypes
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemel.codegen.jit import Code, compile_text
from gemel.hwsynth.flatten import Flat, Path, flatten
from gemel.hwsynth.names import KEYWORDS, Names
from gemel.hwsynth.netcheck import check
from gemel.hwsynth.netlist import Memory, Module, NetType
from gemel.hwsynth.progress import tell
from gemel.hwsynth.simcode import Simulator
from gemel.hwsynth.simlayout import RESET, Slot, cells, words
from gemel.semantics.convert import from_bits, to_bits
from gemel.semantics.dtypes import IntType, storage_bits, width_of
from gemel.semantics.ir import Var
from gemel.semantics.storage import numpy_dtype

Words = NDArray[Any]
Recorder = Callable[[Words], None]

CHUNK_SECONDS = 0.05
"""How long native code runs before Python can look for Ctrl-C."""

TRACE_BYTES = 1 << 22
"""The size of the buffer that a traced run fills before it is handed on."""


FULL = 2
"""The level of LLVM's optimisation from which on more brings nothing."""

WORTH = 4
"""How many times its build code has to have run before LLVM's passes are worth their time; they take about two."""


class Compiled:
    """Native code for one flat netlist; simulations of it share it.

    It is built in little time at first. Once it has run for `WORTH` times as long, `improve` is worth calling; not for
    what is very long, on which LLVM's passes would work for minutes.
    """

    def __init__(self, top: Module, stop: str | None = None, trace: bool = False) -> None:
        check(top)
        self.flat: Flat = flatten(top)
        self.stop = stop
        writer = Simulator(self.flat.module, stop, trace)
        self.state, self.trace = writer.state, writer.trace
        self.llvm = writer.text()
        self.level = FULL if writer.held else -1 if writer.long else 0
        self._codes: list[Code] = []
        start = time.perf_counter()
        self._build()
        self.worth = math.inf if writer.long else WORTH * (time.perf_counter() - start)

    def improve(self) -> None:
        """Builds with all of LLVM's passes, for all simulations from their next call on."""
        if self.level < FULL:
            self.level = FULL
            self._build()

    def _build(self) -> None:
        code = compile_text(self.llvm, self.level)
        self._codes.append(code)  # the one before may be running in another thread
        memories = (ctypes.c_void_p,) * len(self.flat.module.memories)
        arguments = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, *memories)
        self.run = code.function("run", ctypes.c_int64, *arguments)


class NativeSim:
    """One running circuit. After construction it is powered up and not yet reset.

    `memories` has, by dotted instance path and hint, each memory's words as a NumPy array that can be read and written
    between runs; words of more than 64 bits are rows of u64, least significant first. `record` is handed the rows of a
    traced simulation as they come, each a row of bytes as `compiled.trace` says.
    """

    def __init__(self, compiled: Compiled, record: Recorder | None = None) -> None:
        self.compiled, self.record = compiled, record
        m = compiled.flat.module
        self._state = np.zeros(compiled.state.size, np.uint8)
        row = compiled.trace.size if compiled.trace else 0
        self._rows = np.zeros((max(2, TRACE_BYTES // row) if row else 1, row), np.uint8)
        self._most = len(self._rows) - 1 if row else 1 << 20
        self._inputs = {i.var.hint: i.var for i in m.inputs}
        self._storage = [_power_up(memory) for memory in m.memories]
        self.memories: Mapping[str, Words] = {
            name: array[: memory.depth]
            for name, memory, array in zip(memory_names(compiled.flat), m.memories, self._storage, strict=True)
        }
        self.cycles = 0
        self._spent = 0.0

    # --------------------------------------------------------------------------------------------------------- values

    def __setitem__(self, name: str, value: int) -> None:
        """Sets an input, or `rst`; it keeps the value until set again. Raises KeyError for an unknown one."""
        self._write(self._slot(name if name == RESET else self._inputs[name]), int(value))

    def __getitem__(self, name: str) -> int:
        """An output, for the present state and inputs; raises KeyError for an unknown one."""
        slot = self._slot(name)
        self._call(0)
        return self._read(slot)

    def load(self, memory: str, words: Words) -> None:
        """Sets all words of a memory."""
        self.memories[memory][...] = words

    def dump(self, memory: str) -> Words:
        """A copy of all words of a memory."""
        return self.memories[memory].copy()

    def registers(self) -> Iterator[tuple[str, int]]:
        """Registers and the data of read ports, by dotted instance path and hint, with their values."""
        for v in cells(self.compiled.flat.module):
            yield ".".join((*self.compiled.flat.scope[v], v.hint)), self._read(self._slot(v))

    def scramble(self, seed: int) -> None:
        """Puts arbitrary values where power-up leaves them unspecified: all registers, memories without `init`."""
        random = np.random.default_rng(seed)
        for v in cells(self.compiled.flat.module):
            self._write(self._slot(v), int.from_bytes(random.bytes(storage_bits(v.dtype) // 8), "little"))
        for memory, array in zip(self.compiled.flat.module.memories, self._storage, strict=True):
            if memory.init is None:
                array[...] = _arbitrary(random, memory, len(array))

    def _slot(self, key: Var | str) -> Slot:
        return self.compiled.state.slots[key]

    def _read(self, slot: Slot) -> int:
        if slot.bit is not None:
            pattern = int.from_bytes(self._bytes(slot), "little") >> slot.bit & 1
            return int(from_bits(pattern, slot.dtype))
        signed = isinstance(slot.dtype, IntType) and slot.dtype.signed
        return int.from_bytes(self._bytes(slot), "little", signed=signed)

    def _bytes(self, slot: Slot) -> bytes:
        return self._state[slot.offset : slot.offset + slot.size].tobytes()

    def _write(self, slot: Slot, value: int) -> None:
        pattern = to_bits(value, slot.dtype)
        if slot.bit is not None:
            pattern = int.from_bytes(self._bytes(slot), "little") & ~(1 << slot.bit) | pattern << slot.bit
        data = pattern.to_bytes(slot.size, "little")
        self._state[slot.offset : slot.offset + slot.size] = np.frombuffer(data, np.uint8)

    # ------------------------------------------------------------------------------------------------------------ run

    def run(self, max_cycles: int) -> int:
        """Runs until `max_cycles` edges have passed, or one after which the stop output is high; gives their number.

        Ctrl-C ends it between two edges, in a state from which it can go on.
        """
        done, chunk = 0, 1024
        while done < max_cycles:
            wanted = min(chunk, max_cycles - done, self._most if self.compiled.trace else chunk)
            before = self._spent
            passed = self._edges(wanted)
            done += passed
            tell(done)
            if passed < wanted or (self.compiled.stop is not None and self[self.compiled.stop]):
                break
            if self._spent - before < CHUNK_SECONDS / 4:
                chunk *= 4
        return done

    def reset(self, cycles: int = 1) -> None:
        """Passes edges with `rst` high, whatever the stop output says."""
        self[RESET] = 1
        self.step(cycles)
        self[RESET] = 0

    def step(self, cycles: int) -> None:
        """Passes edges, whatever the stop output says."""
        while cycles:
            cycles -= self._edges(min(cycles, self._most))

    def _edges(self, wanted: int) -> int:
        if self._spent > self.compiled.worth:
            self.compiled.improve()
        start = time.perf_counter()
        passed = self._call(wanted)
        self._spent += time.perf_counter() - start
        self.cycles += passed
        if self.record is not None:
            self.record(self._rows[:passed])
        return passed

    def _call(self, cycles: int) -> int:
        """Runs the native code; afterwards the outputs are up to date."""
        pointers = [array.ctypes.data for array in self._storage]
        return int(self.compiled.run(self._state.ctypes.data, self._rows.ctypes.data, cycles, *pointers))

    def last_row(self) -> Words:
        """The row of the present state and inputs, of a traced simulation."""
        self._call(0)
        return self._rows[:1]


def memory_names(flat: Flat) -> list[str]:
    """Dotted instance path and hint of each memory, with a number where a name is taken; keywords are names here."""
    scopes: dict[Path, Names] = {}
    memories = flat.module.memories
    own = [scopes.setdefault(flat.scope[m], Names()).fresh(m.hint) for m in memories]
    names = [m.hint if m.hint in KEYWORDS else name for m, name in zip(memories, own, strict=True)]
    return [".".join((*flat.scope[m], name)) for m, name in zip(memories, names, strict=True)]


def word_dtype(dtype: NetType) -> np.dtype[Any]:
    """The NumPy type of a memory's words, or of the limbs of words of more than 64 bits."""
    return np.dtype(np.uint64) if width_of(dtype) > 64 else numpy_dtype(dtype)


def word_array(values: Sequence[int], dtype: NetType, depth: int) -> Words:
    """`depth` words that start with `values`, as the simulators hold them; the others are 0."""
    limbs = -(-width_of(dtype) // 64)
    array = np.zeros((depth, limbs) if limbs > 1 else depth, word_dtype(dtype))
    if len(values):
        array[: len(values)] = values if limbs == 1 else [_limbs(to_bits(v, dtype), limbs) for v in values]
    return array


def _limbs(bits: int, count: int) -> list[int]:
    return [bits >> (64 * i) & ((1 << 64) - 1) for i in range(count)]


def _power_up(m: Memory) -> Words:
    return word_array(m.init or (), m.dtype, words(m))


def _arbitrary(random: np.random.Generator, m: Memory, depth: int) -> Words:
    size = -(-width_of(m.dtype) // 8)
    values = [from_bits(int.from_bytes(random.bytes(size), "little"), m.dtype) for _ in range(depth)]
    return word_array([int(v) for v in values], m.dtype, depth)
