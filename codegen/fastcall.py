"""A compiled kernel as a C function of Python: its arguments are checked by native code, so a call costs some tens of
nanoseconds.

The function takes the arguments only where each is of the very type and size that the kernel wants: exact `ndarray`s of
the native element type, contiguous and not overlapping; exact `float`s, `int`s in range, `bool`s. All else it leaves to
the fallback, which knows how to say what is wrong. The text is written for the layout that CPython and NumPy objects
have; `layout_is_known` makes sure of that layout.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import prod
from typing import Any

import numpy as np

from gemel.codegen import llvmfloat as fl
from gemel.codegen import llvmops
from gemel.codegen.emitter import Emitter, llvm_type
from gemel.codegen.jit import Code, compile_text, converts_half, define
from gemel.codegen.places import alignment, element_bytes, known_shape
from gemel.semantics.dtypes import F64, BoolType, FixedType, FloatType, IntType, storage_bits
from gemel.semantics.ir import Buffer, Kernel, Var
from gemel.semantics.storage import is_wide, numpy_dtype, odd_width

Function = Callable[..., Any]
Maker = tuple[Function, tuple[int, ...], Any]

TYPE, DATA, RANK, DIMS, DTYPE, FLAGS = 8, 16, 24, 32, 56, 64
"""Where an array object has its type, address, rank, sizes, element type and flags."""

CONTIGUOUS, ALIGNED, WRITEABLE = 0x1, 0x100, 0x400

METH_FASTCALL = 0x80

C_API = (
    *("PyObject_Vectorcall", "PyTuple_GetItem", "PyTuple_New", "PyTuple_SetItem", "Py_IncRef", "Py_DecRef"),
    *("PyFloat_AsDouble", "PyFloat_FromDouble", "PyBool_FromLong", "PyBytes_FromStringAndSize"),
    *("PyLong_AsLongLongAndOverflow", "PyLong_FromLongLong", "PyLong_FromUnsignedLongLong"),
    *("PyEval_SaveThread", "PyEval_RestoreThread"),
)


@dataclass(frozen=True)
class Plan:
    """What is called: the kernel as given, which parameters it stores to, the bytes of its error record, where its code
    is, and how each result is made."""

    source: Kernel
    changed: Sequence[Buffer | Var]
    record: int
    address: int
    makers: Sequence[Maker]


@cache
def layout_is_known() -> bool:
    """Whether Python's and NumPy's objects are laid out as the native check expects."""
    if sys.implementation.name != "cpython" or struct.calcsize("P") != 8:
        return False
    if hasattr(sys, "gettotalrefcount") or not all(hasattr(ctypes.pythonapi, name) for name in C_API):
        return False
    probe = np.arange(6, dtype=np.int16).reshape(2, 3)
    at = id(probe)

    def word(offset: int, base: int = at) -> int:
        return ctypes.c_uint64.from_address(base + offset).value

    sizes = tuple(ctypes.c_int64.from_address(word(DIMS) + 8 * n).value for n in range(2))
    flags = ctypes.c_int32.from_address(at + FLAGS).value
    want = (id(np.ndarray), probe.ctypes.data, id(probe.dtype), (2, 3), probe.flags.num, id(float))
    found = (word(TYPE), word(DATA), word(DTYPE), sizes, flags, word(TYPE, id(1.5)))
    return want == found and ctypes.c_int32.from_address(at + RANK).value == 2


def fits(kernel: Kernel) -> bool:
    """Whether the native check has all that the kernel's types need: no element's range is looked at, and no integer
    has more than 64 bits."""
    tensors = [p for p in kernel.params if isinstance(p, Buffer)]
    wide = any(is_wide(p.dtype) for p in (*kernel.params, *kernel.results))
    return not wide and not any(odd_width(p.dtype) for p in tensors)


def bare(kernel: Kernel) -> Kernel:
    """The kernel with its parameters and results at the integers that hold fixed point."""

    def raw(p: Any) -> Any:
        return replace(p, dtype=p.dtype.raw) if isinstance(p.dtype, FixedType) else p

    return replace(kernel, params=tuple(map(raw, kernel.params)), results=tuple(map(raw, kernel.results)))


def make(plan: Plan, fallback: Function, fail: Function, owner: object) -> Function | None:
    """The C function; None where layout or types are such that there is none.

    `fail(status, record)` raises the error of a failed run; `owner` keeps the kernel's code alive.
    """
    if not layout_is_known() or not fits(plan.source):
        return None
    _declare()
    writer = _Writer(plan)
    code = compile_text(
        writer.text(), level=0, keep=False
    )  # straight-line code: optimised it takes thrice the time to make
    return _c_function(plan.source.name, code, (fallback, fail, code, owner, writer.objects))


@cache
def _declare() -> None:
    """Lets LLVM find Python's functions, wherever the process has them."""
    for name in C_API:
        define(name, ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0)


class _MethodDef(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("call", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p))


def _c_function(name: str, code: Code, owned: tuple[object, ...]) -> Function:
    """The Python object around the code; its `self` is a tuple that begins with `owned` and keeps all alive."""
    definition = _MethodDef(name.encode(), code.address("entry"), METH_FASTCALL, None)
    new = ctypes.pythonapi.PyCFunction_NewEx
    new.restype, new.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    function: Function = new(ctypes.addressof(definition), (*owned, definition), None)
    return function


def _object(thing: object) -> str:
    """The address of an object that lives on."""
    return f"inttoptr (i64 {id(thing)} to ptr)"


class _Writer:
    """Writes `ptr entry(ptr self, ptr args, i64 count)`; `objects` have to live as long as the code."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.out = plan, Emitter(half=converts_half())
        self.objects: list[object] = []
        self.stack: list[str] = []
        self.spans: list[tuple[str, int, bool]] = []

    def text(self) -> str:
        """The module."""
        kernel = self.plan.source
        self.out.start("begin")
        self.need(self.out.value(f"icmp eq i64 %count, {len(kernel.params)}"))
        given = [self.argument(n, p) for n, p in enumerate(kernel.params)]
        self.apart()
        made: list[str] = []
        places = [self.result(n, b, made) for n, b in enumerate(kernel.results)]
        self.run([*given, *places], made)
        self.give(places, made)
        return "\n".join(
            [
                *sorted(self.out.declarations),
                "define ptr @entry(ptr %self, ptr %args, i64 %count) {",
                "entry:",
                *(f"  {line}" for line in self.stack),
                "  br label %begin",
                *self.out.lines,
                *self.slow(),
                "}",
                "",
            ]
        )

    # ---------------------------------------------------------------------------------------------------- small parts

    def need(self, cond: str) -> None:
        """Goes on where a condition holds; else the call is the fallback's."""
        label = self.out.name("on")
        self.out.branch(cond, label, "slow")
        self.out.start(label)

    def word(self, base: str, offset: int, kind: str) -> str:
        place = self.out.value(f"getelementptr i8, ptr {base}, i64 {offset}")
        return self.out.value(f"load {kind}, ptr {place}")

    def local(self, kind: str) -> str:
        name = f"%{self.out.name('local')}"
        self.stack.append(f"{name} = alloca {kind}, align 8")
        return name

    def owned(self, thing: object) -> str:
        self.objects.append(thing)
        return _object(thing)

    def vector_call(self, function: str, *args: str) -> str:
        """Calls a Python object."""
        array = self.local(f"[{len(args)} x ptr]")
        for n, arg in enumerate(args):
            place = self.out.value(f"getelementptr ptr, ptr {array}, i64 {n}")
            self.out.do(f"store ptr {arg}, ptr {place}")
        rest = ("ptr", array), ("i64", str(len(args))), ("ptr", "null")
        return self.out.call("ptr", "PyObject_Vectorcall", ("ptr", function), *rest)

    def slow(self) -> list[str]:
        self.out.declarations.add("declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr)")
        self.out.declarations.add("declare ptr @PyTuple_GetItem(ptr, i64)")
        return [
            "slow:",
            "  %fallback = call ptr @PyTuple_GetItem(ptr %self, i64 0)",
            "  %passed = call ptr @PyObject_Vectorcall(ptr %fallback, ptr %args, i64 %count, ptr null)",
            "  ret ptr %passed",
        ]

    # ------------------------------------------------------------------------------------------------------ arguments

    def argument(self, n: int, p: Buffer | Var) -> str:
        """An argument as the kernel takes it, with its LLVM type."""
        given = self.word("%args", 8 * n, "ptr")
        return f"ptr {self.array(given, p)}" if isinstance(p, Buffer) else self.scalar(given, p)

    def array(self, given: str, p: Buffer) -> str:
        out = self.out
        self.need(out.value(f"icmp eq ptr {self.word(given, TYPE, 'ptr')}, {_object(np.ndarray)}"))
        changed = p in self.plan.changed
        flags = CONTIGUOUS | ALIGNED | (WRITEABLE if changed else 0)
        present = out.value(f"and i32 {self.word(given, FLAGS, 'i32')}, {flags}")
        tests = [
            out.value(f"icmp eq i32 {present}, {flags}"),
            out.value(f"icmp eq i32 {self.word(given, RANK, 'i32')}, {p.rank}"),
            out.value(f"icmp eq ptr {self.word(given, DTYPE, 'ptr')}, {self.owned(numpy_dtype(p.dtype))}"),
        ]
        for test in tests:
            self.need(test)
        shape = known_shape(p) or ()
        sizes = self.word(given, DIMS, "ptr") if shape else ""
        for axis, size in enumerate(shape):
            self.need(out.value(f"icmp eq i64 {self.word(sizes, 8 * axis, 'i64')}, {size}"))
        pointer = self.word(given, DATA, "ptr")
        self.spans.append((pointer, prod(shape) * element_bytes(p.dtype), changed))
        return pointer

    def apart(self) -> None:
        """No array that is stored to may overlap another."""
        out = self.out
        for n, (a, size, changed) in enumerate(self.spans):
            for b, other, also in self.spans[:n]:
                if (changed or also) and size and other:
                    starts = [out.value(f"ptrtoint ptr {x} to i64") for x in (a, b)]
                    ends = [out.value(f"add i64 {x}, {s}") for x, s in zip(starts, (size, other), strict=True)]
                    before = out.value(f"icmp ule i64 {ends[0]}, {starts[1]}")
                    after = out.value(f"icmp ule i64 {ends[1]}, {starts[0]}")
                    self.need(out.value(f"or i1 {before}, {after}"))

    def scalar(self, given: str, p: Var) -> str:
        match p.dtype:
            case BoolType():
                true = self.out.value(f"icmp eq ptr {given}, {_object(True)}")
                false = self.out.value(f"icmp eq ptr {given}, {_object(False)}")
                self.need(self.out.value(f"or i1 {true}, {false}"))
                return f"i8 {self.out.value(f'zext i1 {true} to i8')}"
            case FloatType():
                self.need(self.out.value(f"icmp eq ptr {self.word(given, TYPE, 'ptr')}, {_object(float)}"))
                number = self.out.call("double", "PyFloat_AsDouble", ("ptr", given))
                return f"{llvm_type(p.dtype)} {fl.convert(self.out, number, F64, p.dtype)}"
            case _:
                self.need(self.out.value(f"icmp eq ptr {self.word(given, TYPE, 'ptr')}, {_object(int)}"))
                return f"{llvm_type(p.dtype)} {self.integer(given, p)}"

    def integer(self, given: str, p: Var) -> str:
        """An int in the range of the type; u64 alone has numbers that the first call doesn't give."""
        out = self.out
        flag = self.local("i32")
        number = out.call("i64", "PyLong_AsLongLongAndOverflow", ("ptr", given), ("ptr", flag))
        over = out.value(f"load i32, ptr {flag}")
        self.need(out.value(f"icmp eq i32 {over}, 0"))
        lo, hi = getattr(p.dtype, "lo", 0), getattr(p.dtype, "hi", 0)
        if lo > -(1 << 63):
            self.need(out.value(f"icmp sge i64 {number}, {lo}"))
        if hi < (1 << 63) - 1:
            self.need(out.value(f"icmp sle i64 {number}, {hi}"))
        bits = storage_bits(p.dtype)
        return number if bits == 64 else out.value(f"trunc i64 {number} to i{bits}")

    # ------------------------------------------------------------------------------------------------- run and results

    def result(self, n: int, b: Buffer, made: list[str]) -> str:
        """Where the kernel puts a result, with its LLVM type; arrays that are made are added to `made`."""
        if not b.rank:
            return f"ptr {self.local(f'[{max(element_bytes(b.dtype), 8)} x i8]')}"
        maker, shape, dtype = self.plan.makers[n]
        array = self.vector_call(*map(self.owned, (maker, shape, dtype)))
        failed, fine = self.out.name("failed"), self.out.name("fine")
        self.out.branch(self.out.value(f"icmp eq ptr {array}, null"), failed, fine)
        self.out.start(failed)
        self.drop(made)
        self.out.do("ret ptr null")
        self.out.start(fine)
        made.append(array)
        return f"ptr {self.word(array, DATA, 'ptr')}"

    def drop(self, objects: Sequence[str]) -> None:
        for thing in objects:
            self.out.call("void", "Py_DecRef", ("ptr", thing))

    def run(self, args: Sequence[str], made: Sequence[str]) -> None:
        """Calls the kernel without the GIL; raises where it fails."""
        out, record = self.out, self.local(f"[{self.plan.record or 1} x i8]")
        thread = out.call("ptr", "PyEval_SaveThread")
        address = f"inttoptr (i64 {self.plan.address} to ptr)"
        status = out.value(f"call i64 {address}({', '.join([*args, f'ptr {record}'])})")
        out.call("void", "PyEval_RestoreThread", ("ptr", thread))
        failed, fine = out.name("failed"), out.name("fine")
        out.branch(out.value(f"icmp eq i64 {status}, 0"), fine, failed)
        out.start(failed)
        self.drop(made)
        number = out.call("ptr", "PyLong_FromLongLong", ("i64", status))
        data = out.call("ptr", "PyBytes_FromStringAndSize", ("ptr", record), ("i64", str(self.plan.record)))
        fail = out.call("ptr", "PyTuple_GetItem", ("ptr", "%self"), ("i64", "1"))
        raised = self.vector_call(fail, number, data)
        self.drop((number, data))
        out.do(f"ret ptr {raised}")
        out.start(fine)

    def give(self, places: Sequence[str], made: Sequence[str]) -> None:
        """Returns the results as `arguments.unpack` does."""
        arrays = iter(made)
        kinds = self.plan.source.results
        values = [next(arrays) if b.rank else self.number(b, p) for b, p in zip(kinds, places, strict=True)]
        if not values:
            values = [_object(None)]
            self.out.call("void", "Py_IncRef", ("ptr", values[0]))
        result = values[0] if len(values) == 1 else self.tuple_of(values)
        self.out.do(f"ret ptr {result}")

    def tuple_of(self, values: Sequence[str]) -> str:
        result = self.out.call("ptr", "PyTuple_New", ("i64", str(len(values))))
        for n, value in enumerate(values):
            self.out.call("i32", "PyTuple_SetItem", ("ptr", result), ("i64", str(n)), ("ptr", value))
        return result

    def number(self, b: Buffer, place: str) -> str:
        out, dtype = self.out, b.dtype
        raw = out.value(f"load {llvmops.memory_type(dtype)}, {place}, align {alignment(dtype)}")
        value = llvmops.from_memory(out, raw, dtype, clean=True)
        match dtype:
            case BoolType():
                return out.call("ptr", "PyBool_FromLong", ("i64", out.value(f"zext i1 {value} to i64")))
            case FloatType():
                wide = fl.convert(out, value, dtype, F64)
                return out.call("ptr", "PyFloat_FromDouble", ("double", wide))
            case _:
                signed = not isinstance(dtype, IntType) or dtype.signed
                function = "PyLong_FromLongLong" if signed else "PyLong_FromUnsignedLongLong"
                return out.call("ptr", function, ("i64", llvmops.as_index(out, (value, dtype))))
