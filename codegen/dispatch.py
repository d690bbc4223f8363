"""One native entry for many sizes: it finds the entry for the sizes of a call in a table, by a hash of them.

The table says only where to go: the entry that it finds checks the arguments as ever. So sizes whose hashes agree, or a
table that has not all entries, cost time and nothing else.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gemel.codegen.cpython import DIMS, RANK, TYPE, declare
from gemel.codegen.entries import c_function, symbol
from gemel.codegen.jit import kept_object, load

SLOTS = 256
"""Places of the table; it holds half as many entries at most, so that there is an empty one where a search ends."""

SEED, FACTOR, WORD = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 1 << 64
TABLE, NDARRAY = symbol("table"), symbol("ndarray")

TEXT = f"""\
@"{TABLE}" = external global i8
@"{NDARRAY}" = external global i8
declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr)
declare ptr @PyTuple_GetItem(ptr, i64)
define ptr @entry(ptr %self, ptr %args, i64 %count, ptr %names) {{
entry:
  br label %arg
arg:
  %n = phi i64 [ 0, %entry ], [ %n1, %next ]
  %h = phi i64 [ {SEED - WORD}, %entry ], [ %h3, %next ]
  %more = icmp slt i64 %n, %count
  br i1 %more, label %look, label %find
look:
  %place = getelementptr ptr, ptr %args, i64 %n
  %object = load ptr, ptr %place
  %kind = getelementptr i8, ptr %object, i64 {TYPE}
  %type = load ptr, ptr %kind
  %is = icmp eq ptr %type, @"{NDARRAY}"
  br i1 %is, label %array, label %next
array:
  %where = getelementptr i8, ptr %object, i64 {RANK}
  %short = load i32, ptr %where
  %rank = zext i32 %short to i64
  %sizes = getelementptr i8, ptr %object, i64 {DIMS}
  %dims = load ptr, ptr %sizes
  %x0 = xor i64 %h, %rank
  %h0 = mul i64 %x0, {FACTOR - WORD}
  br label %axis
axis:
  %a = phi i64 [ 0, %array ], [ %a1, %size ]
  %h1 = phi i64 [ %h0, %array ], [ %h2, %size ]
  %further = icmp slt i64 %a, %rank
  br i1 %further, label %size, label %next
size:
  %at = getelementptr i64, ptr %dims, i64 %a
  %dim = load i64, ptr %at
  %x1 = xor i64 %h1, %dim
  %h2 = mul i64 %x1, {FACTOR - WORD}
  %a1 = add i64 %a, 1
  br label %axis
next:
  %h3 = phi i64 [ %h, %look ], [ %h1, %axis ]
  %n1 = add i64 %n, 1
  br label %arg
find:
  %top = lshr i64 %h, 32
  br label %probe
probe:
  %s = phi i64 [ %top, %find ], [ %s1, %on ]
  %slot = and i64 %s, {SLOTS - 1}
  %row = getelementptr {{ i64, ptr }}, ptr @"{TABLE}", i64 %slot
  %known = load i64, ptr %row
  %second = getelementptr i8, ptr %row, i64 8
  %function = load ptr, ptr %second
  %empty = icmp eq ptr %function, null
  br i1 %empty, label %slow, label %some
some:
  %same = icmp eq i64 %known, %h
  br i1 %same, label %go, label %on
on:
  %s1 = add i64 %s, 1
  br label %probe
slow:
  %fallback = call ptr @PyTuple_GetItem(ptr %self, i64 0)
  br label %go
go:
  %taken = phi ptr [ %function, %some ], [ %fallback, %slow ]
  %result = call ptr @PyObject_Vectorcall(ptr %taken, ptr %args, i64 %count, ptr %names)
  ret ptr %result
}}
"""

Function = Callable[..., Any]
Sizes = Sequence[tuple[int, ...] | None]


class _Row(ctypes.Structure):
    _fields_ = (("hash", ctypes.c_uint64), ("function", ctypes.c_void_p))


def hash_of(sizes: Sizes) -> int:
    """What the code computes of the arrays of a call."""
    found = SEED
    for shape in sizes:
        for part in () if shape is None else (len(shape), *shape):
            found = (found ^ part) * FACTOR % WORD
    return found


class Dispatch:
    """The entries of a kernel by the sizes of arguments; they live as long as this."""

    def __init__(self) -> None:
        self._rows = (_Row * SLOTS)()
        self._entries: list[Function] = []

    def function(self, name: str, fallback: Function) -> Function:
        """The Python object that goes to the entry for the sizes of a call; to `fallback` where there is none."""
        declare()
        places = {TABLE: ctypes.addressof(self._rows), NDARRAY: id(np.ndarray)}
        return c_function(name, load(kept_object(TEXT, 2, True), places), (fallback, self))

    def add(self, sizes: Sizes, entry: Function) -> None:
        """Puts an entry into the table, in the place of one that was for the same sizes."""
        wanted = hash_of(sizes)
        slot = wanted >> 32
        while (row := self._rows[slot % SLOTS]).function and row.hash != wanted:
            slot += 1
        self._entries.append(entry)
        row.hash, row.function = wanted, id(entry)
