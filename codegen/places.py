"""Buffers in LLVM IR: where each one lies, how its elements are reached, and when its memory is made and freed."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

from gemel.codegen import keeping, llvmops, tables
from gemel.codegen.emitter import Emitter
from gemel.codegen.forward import Stored
from gemel.semantics.arguments import value_of
from gemel.semantics.dtypes import DType, storage_bits
from gemel.semantics.ir import Buffer
from gemel.semantics.storage import LINE, Array

STACK_BYTES = 1 << 15
"""Local arrays of known size live on the stack as long as they take no more than this together: threads may have small
stacks."""

SMALL_BYTES = 1 << 12
"""Up to this size arrays, which may be tiles that end up in registers, find room there even behind larger ones."""


def element_bytes(dtype: DType) -> int:
    """Bytes of an element in memory."""
    return storage_bits(dtype) // 8


def alignment(dtype: DType) -> int:
    """What an element's address is a multiple of."""
    return min(element_bytes(dtype), 8)


def known_shape(b: Buffer) -> tuple[int, ...] | None:
    """The sizes where all are known."""
    sizes = [value_of(size, {}) for size in b.shape]
    known = tuple(max(size, 0) for size in sizes if size is not None)
    return known if len(known) == b.rank else None


def known_bytes(b: Buffer) -> int:
    """The bytes of an array; 0 where a size is not known."""
    shape = known_shape(b)
    return prod(shape) * element_bytes(b.dtype) if shape is not None else 0


@dataclass(frozen=True)
class Place:
    """A buffer's address, and its sizes as LLVM values where they are not known."""

    pointer: str
    sizes: tuple[str, ...] | None
    clean: bool


@dataclass
class Places:
    """The buffers of a function under emission.

    `entry` holds what is to be done first. `owned` are arrays that are made on entry, each with what the function does
    with it at its end. `kept` names the places where a module keeps memory between calls; None: nobody is there who
    would provide such memory, or large tables.
    `near` are the function's own arrays of known size; `held` is what vectors have been stored to these.
    """

    out: Emitter
    at: dict[Buffer, Place] = field(default_factory=dict)
    globals: list[str] = field(default_factory=list)
    kept: list[str] | None = None
    entry: list[str] = field(default_factory=list)
    owned: list[tuple[str, str]] = field(default_factory=list)
    slots: list[str] = field(default_factory=list)
    stack: int = 0
    near: set[Buffer] = field(default_factory=set)
    held: Stored = field(init=False)

    def __post_init__(self) -> None:
        self.held = Stored(self.out)

    # ---------------------------------------------------------------------------------------------------- elements

    def load(self, b: Buffer, indices: list[str]) -> str:
        """The value of an element."""
        kind, address = llvmops.memory_type(b.dtype), self.address(b, indices)
        raw = self.out.value(f"load {kind}, ptr {address}, align {alignment(b.dtype)}")
        return llvmops.from_memory(self.out, raw, b.dtype, self.at[b].clean)

    def store(self, b: Buffer, indices: list[str], value: str) -> None:
        """Sets an element."""
        kind, address = llvmops.memory_type(b.dtype), self.address(b, indices)
        raw = llvmops.to_memory(self.out, value, b.dtype)
        self.held.drop(b)
        self.out.do(f"store {kind} {raw}, ptr {address}, align {alignment(b.dtype)}")

    def address(self, b: Buffer, indices: list[str], inside: bool = True) -> str:
        """The address of an element. `inside`: it is in range; where guards can't be sure they have ended the run."""
        place, size = self.at[b], element_bytes(b.dtype)
        if not indices:
            return place.pointer
        element = llvmops.memory_type(b.dtype) if size <= 8 else f"[{size} x i8]"
        if place.sizes is None:
            for n in reversed((known_shape(b) or ())[1:]):
                element = f"[{n} x {element}]"
        else:
            indices = [self._flat(indices, place.sizes)]
        where = ", ".join(f"i64 {i}" for i in indices)
        flags = " inbounds nuw" if inside else ""
        return self.out.value(f"getelementptr{flags} {element}, ptr {place.pointer}, {where}")

    def _flat(self, indices: list[str], sizes: tuple[str, ...]) -> str:
        flat = indices[0]
        for i, size in zip(indices[1:], sizes[1:], strict=True):
            row = self.out.value(f"mul nuw nsw i64 {flat}, {size}")
            flat = self.out.value(f"add nuw nsw i64 {row}, {i}")
        return flat

    # ------------------------------------------------------------------------------------------------------ memory

    def table(self, b: Buffer) -> None:
        """A constant in the module."""
        if b.data is None:
            raise TypeError(f"{b.hint} is no table")
        if tables.apart(b) and self.kept is not None:
            self._beside(b, b.data)
            return
        data = tables.contents(b.data, b.dtype).tobytes()
        name, size = f"@{self.out.name('table')}", max(len(data), 1)
        text = "".join(map(_BYTES.__getitem__, data)) or _BYTES[0]
        self.globals.append(f'{name} = private unnamed_addr constant [{size} x i8] c"{text}", align 64')
        self.at[b] = Place(name, None, False)

    def _beside(self, b: Buffer, data: Array) -> None:
        """A large constant beside the module."""
        name = f"@{tables.symbol(data)}"
        declared = f"{name} = external constant [{data.nbytes} x i8], align {alignment(b.dtype)}"
        if declared not in self.globals:
            self.globals.append(declared)
        self.at[b] = Place(name, None, False)

    def local(self, b: Buffer, shape: tuple[int, ...], zero: bool) -> None:
        """A local array of known size, made when the function is entered."""
        size = prod(shape) * element_bytes(b.dtype)
        name = f"%{self.out.name('local')}"
        if self.stack + size <= (STACK_BYTES if size <= SMALL_BYTES else STACK_BYTES // 2):
            self.stack += size
            self.entry.append(f"{name} = alloca [{size} x i8], align 64")
        else:
            self._own(name, -(-size // LINE) * LINE)
        self.at[b] = Place(name, None, True)
        self.near.add(b)
        if zero and size:
            self.clear(name, str(size))

    def _own(self, name: str, size: int) -> None:
        if self.kept is None or size >= keeping.LARGEST:
            self.entry.append(f"{name} = call noalias ptr @aligned_alloc(i64 {LINE}, i64 {size})")
            self.owned.append((name, f"call void @free(ptr {name})"))
            return
        slots = f"@{self.out.name('kept')}"
        self.kept.append(slots)
        self.globals.append(keeping.slots(slots))
        self.entry.append(f"{name} = call noalias ptr @gemel.take(ptr {slots}, i64 {size})")
        self.owned.append((name, f"call void @gemel.give(ptr {slots}, ptr {name})"))

    def local_of(self, b: Buffer, sizes: list[str]) -> tuple[str, str]:
        """A local array whose sizes are LLVM values, made here; gives where its address is kept, and its bytes.

        The address is null where there was no memory.
        """
        sizes = [self.out.call("i64", "llvm.smax.i64", ("i64", n), ("i64", "0")) for n in sizes]
        total, beyond = str(element_bytes(b.dtype)), "false"
        for n in sizes:
            both = self.out.call("{ i64, i1 }", "llvm.umul.with.overflow.i64", ("i64", total), ("i64", n))
            total = self.out.value(f"extractvalue {{ i64, i1 }} {both}, 0")
            over = self.out.value(f"extractvalue {{ i64, i1 }} {both}, 1")
            beyond = self.out.value(f"or i1 {beyond}, {over}")
        asked = self.out.select(beyond, "i64", "-1", total)
        slot = f"%{self.out.name('slot')}"
        self.slots.append(slot)
        self.entry += [f"{slot} = alloca ptr", f"store ptr null, ptr {slot}"]
        some = self.out.call("i64", "llvm.umax.i64", ("i64", asked), ("i64", "1"))
        pointer = self.out.value(f"call noalias ptr @malloc(i64 {some})")
        self.out.do(f"store ptr {pointer}, ptr {slot}")
        self.at[b] = Place(pointer, tuple(sizes), True)
        return slot, total

    def clear(self, pointer: str, size: str) -> None:
        """Sets bytes to zero."""
        self.held.drop()
        self.out.call("void", "llvm.memset.p0.i64", ("ptr", pointer), ("i8", "0"), ("i64", size), ("i1", "false"))

    def free(self, slot: str) -> None:
        """Frees an array of unknown size at the end of its block."""
        self.out.do(f"call void @free(ptr {self.out.value(f'load ptr, ptr {slot}')})")
        self.out.do(f"store ptr null, ptr {slot}")


_BYTES = [f"\\{byte:02X}" for byte in range(256)]
