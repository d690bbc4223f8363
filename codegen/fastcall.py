"""A compiled kernel as a C function of Python: its arguments are checked by native code, so a call costs some tens of
nanoseconds.

The function takes the arguments only where each is of the very type and size that the kernel wants: exact `ndarray`s of
the native element type, contiguous and not overlapping; exact `float`s, `int`s in range, `bool`s; `out=` an array
likewise, where the kernel has one result. All else it leaves to the fallback, which knows how to say what is wrong. The
text is written for the layout that CPython and NumPy objects have; `cpython.layout_is_known` makes sure of that layout.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from gemel.codegen import llvmfloat as fl
from gemel.codegen import llvmops
from gemel.codegen.cpython import (
    ALIGNED,
    CONTIGUOUS,
    DATA,
    DIMS,
    DTYPE,
    FLAGS,
    ITEMS,
    LENGTH,
    NATIVE,
    ORDER,
    RANK,
    TYPE,
    WRITEABLE,
    array_functions,
    layout_is_known,
)
from gemel.codegen.emitter import Emitter, llvm_type
from gemel.codegen.entries import GATE, KERNEL, OUT, Entry, element_name, symbol
from gemel.codegen.jit import converts_half, object_of
from gemel.codegen.places import alignment, element_bytes, known_shape
from gemel.semantics.dtypes import F64, BoolType, FixedType, FloatType, IntType, storage_bits
from gemel.semantics.ir import Buffer, Kernel, Var
from gemel.semantics.storage import is_wide, numpy_dtype, odd_width

Function = Callable[..., Any]
Maker = tuple[Function, tuple[int, ...], Any]


@dataclass(frozen=True)
class Plan:
    """What is called: the kernel as given, which parameters it stores to, the bytes of its error record, whether a run
    is brief, and how each result is made."""

    source: Kernel
    changed: Sequence[Buffer | Var]
    record: int
    brief: bool
    makers: Sequence[Maker]


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


def make(plan: Plan) -> Entry | None:
    """The code of the function; None where layout or types are such that there is none."""
    if not layout_is_known() or not fits(plan.source):
        return None
    writer = _Writer(plan)
    text = writer.text()  # straight-line code: optimised it takes thrice the time to make
    return Entry(plan.source.name, tuple(writer.objects), object_of(text, 0, True))


def _global(name: str) -> str:
    return f'@"{symbol(name)}"'


@dataclass(frozen=True)
class Extent:
    """The memory of an array, and whether the kernel stores to it."""

    pointer: str
    size: int
    changed: bool


class _Writer:
    """Writes `ptr entry(ptr self, ptr args, i64 count, ptr names)`, which refers to `objects`."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.out = plan, Emitter(half=converts_half())
        self.objects: dict[str, None] = {}
        self.stack: list[str] = []
        self.tables: list[str] = []
        self.spans: list[Extent] = []

    def text(self) -> str:
        """The module."""
        kernel = self.plan.source
        self.out.start("begin")
        self.open()
        given = [self.argument(n, p) for n, p in enumerate(kernel.params)]
        made: list[str] = []
        places = [self.only_result(kernel.results[0], made)] if self.takes_out else self.results(made)
        self.run([*given, *places], made)
        self.give(places, made)
        return "\n".join(
            [
                *self.tables,
                *(f"{_global(name)} = external global i8" for name in (KERNEL, GATE, *self.objects)),
                *sorted(self.out.declarations),
                "define ptr @entry(ptr %self, ptr %args, i64 %count, ptr %names) {",
                "entry:",
                *(f"  {line}" for line in self.stack),
                "  br label %begin",
                *self.out.lines,
                *self.slow(),
                "}",
                "",
            ]
        )

    @property
    def takes_out(self) -> bool:
        """Whether `out=` is taken here: there is one result, and no parameter has that name."""
        named = any(p.hint == OUT for p in self.plan.source.params)
        return len(self.plan.source.results) == 1 and self.plan.source.results[0].rank > 0 and not named

    def open(self) -> None:
        """What is looked at before the arguments."""
        out = self.out
        gate = out.value(f"load i64, ptr {_global(GATE)}")
        self.need(out.value(f"icmp eq i64 {gate}, 0"))
        self.need(out.value(f"icmp eq i64 %count, {len(self.plan.source.params)}"))
        if not self.takes_out:
            self.need(out.value("icmp eq ptr %names, null"))

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

    def object(self, name: str) -> str:
        """An object by the name that `entries.named` knows it by."""
        self.objects[name] = None
        return _global(name)

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
            "  %passed = call ptr @PyObject_Vectorcall(ptr %fallback, ptr %args, i64 %count, ptr %names)",
            "  ret ptr %passed",
        ]

    # ------------------------------------------------------------------------------------------------------ arguments

    def argument(self, n: int, p: Buffer | Var) -> str:
        """An argument as the kernel takes it, with its LLVM type."""
        given = self.word("%args", 8 * n, "ptr")
        if not isinstance(p, Buffer):
            return self.scalar(given, p)
        return f"ptr {self.array(given, p, p in self.plan.changed)}"

    def array(self, given: str, p: Buffer, changed: bool) -> str:
        """The address of an array that is as the kernel wants it and apart from those before."""
        out = self.out
        self.need(out.value(f"icmp eq ptr {self.word(given, TYPE, 'ptr')}, {self.object('ndarray')}"))
        flags = CONTIGUOUS | ALIGNED | (WRITEABLE if changed else 0)
        present = out.value(f"and i32 {self.word(given, FLAGS, 'i32')}, {flags}")
        tests = [
            out.value(f"icmp eq i32 {present}, {flags}"),
            out.value(f"icmp eq i32 {self.word(given, RANK, 'i32')}, {p.rank}"),
        ]
        for test in tests:
            self.need(test)
        self.element(self.word(given, DTYPE, "ptr"), numpy_dtype(p.dtype))
        shape = known_shape(p) or ()
        sizes = self.word(given, DIMS, "ptr") if shape else ""
        for axis, size in enumerate(shape):
            self.need(out.value(f"icmp eq i64 {self.word(sizes, 8 * axis, 'i64')}, {size}"))
        extent = Extent(self.word(given, DATA, "ptr"), prod(shape) * element_bytes(p.dtype), changed)
        for other in self.spans:
            self.apart(extent, other)
        self.spans.append(extent)
        return extent.pointer

    def element(self, given: str, want: np.dtype[Any]) -> None:
        """The element type: NumPy's one object for it, or, as in an array that was pickled, one of its class."""
        out, other, same = self.out, self.out.name("other"), self.out.name("same")
        out.branch(out.value(f"icmp eq ptr {given}, {self.object(f'dtype {element_name(want)}')}"), same, other)
        out.start(other)
        self.need(
            out.value(f"icmp eq ptr {self.word(given, TYPE, 'ptr')}, {self.object(f'class {element_name(want)}')}")
        )
        order = self.word(given, ORDER, "i8")
        native = [out.value(f"icmp eq i8 {order}, {letter}") for letter in NATIVE]
        self.need(out.value(f"or i1 {native[0]}, {native[1]}"))
        out.jump(same)
        out.start(same)

    def apart(self, a: Extent, b: Extent) -> None:
        """No array that is stored to may overlap another."""
        if not (a.changed or b.changed) or not a.size or not b.size:
            return
        out = self.out
        starts = [out.value(f"ptrtoint ptr {x.pointer} to i64") for x in (a, b)]
        ends = [out.value(f"add i64 {start}, {x.size}") for start, x in zip(starts, (a, b), strict=True)]
        before = out.value(f"icmp ule i64 {ends[0]}, {starts[1]}")
        after = out.value(f"icmp ule i64 {ends[1]}, {starts[0]}")
        self.need(out.value(f"or i1 {before}, {after}"))

    def scalar(self, given: str, p: Var) -> str:
        match p.dtype:
            case BoolType():
                true = self.out.value(f"icmp eq ptr {given}, {self.object('True')}")
                false = self.out.value(f"icmp eq ptr {given}, {self.object('False')}")
                self.need(self.out.value(f"or i1 {true}, {false}"))
                return f"i8 {self.out.value(f'zext i1 {true} to i8')}"
            case FloatType():
                self.need(self.out.value(f"icmp eq ptr {self.word(given, TYPE, 'ptr')}, {self.object('float')}"))
                number = self.out.call("double", "PyFloat_AsDouble", ("ptr", given))
                return f"{llvm_type(p.dtype)} {fl.convert(self.out, number, F64, p.dtype)}"
            case _:
                self.need(self.out.value(f"icmp eq ptr {self.word(given, TYPE, 'ptr')}, {self.object('int')}"))
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

    def results(self, made: list[str]) -> list[str]:
        """Where the kernel puts its results, with their LLVM types; arrays that are made are added to `made`."""
        return [self.result(n, b, made) for n, b in enumerate(self.plan.source.results)]

    def result(self, n: int, b: Buffer, made: list[str]) -> str:
        if not b.rank:
            return f"ptr {self.local(f'[{max(element_bytes(b.dtype), 8)} x i8]')}"
        array = self.new_array(self.plan.makers[n])
        failed, fine = self.out.name("failed"), self.out.name("fine")
        self.out.branch(self.out.value(f"icmp eq ptr {array}, null"), failed, fine)
        self.out.start(failed)
        self.drop(made)
        self.out.do("ret ptr null")
        self.out.start(fine)
        made.append(array)
        return f"ptr {self.word(array, DATA, 'ptr')}"

    def new_array(self, maker: Maker) -> str:
        """A new array: by NumPy's C function where that is known, else by the one that Python calls."""
        function, shape, dtype = maker
        if not array_functions():
            made = ("empty" if function is np.empty else "zeros", " ".join(map(str, ("shape", *shape))))
            return self.vector_call(*map(self.object, (*made, f"dtype {element_name(dtype)}")))
        sizes = f"@sizes{len(self.tables)}"
        items = ", ".join(f"i64 {n}" for n in shape)
        self.tables.append(f"{sizes} = private constant [{len(shape)} x i64] [{items}]")
        element = self.object(f"dtype {element_name(dtype)}")
        self.out.call("void", "Py_IncRef", ("ptr", element))  # the function takes it
        name = "PyArray_Empty" if function is np.empty else "PyArray_Zeros"
        return self.out.call("ptr", name, ("i32", str(len(shape))), ("ptr", sizes), ("ptr", element), ("i32", "0"))

    def only_result(self, b: Buffer, made: list[str]) -> str:
        """Where the kernel puts its one result: in the array that `out=` names, or in a new one."""
        out, array, place = self.out, self.local("ptr"), self.local("ptr")
        named, unnamed, both = (out.name(hint) for hint in ("named", "unnamed", "both"))
        out.branch(out.value("icmp eq ptr %names, null"), unnamed, named)
        out.start(named)
        given, data = self.given_out(b)
        out.do(f"store ptr {given}, ptr {array}")
        out.do(f"store ptr {data}, ptr {place}")
        out.jump(both)
        out.start(unnamed)
        new = self.result(0, b, made)
        out.do(f"store ptr {made.pop()}, ptr {array}")
        out.do(f"store {new}, ptr {place}")
        out.jump(both)
        out.start(both)
        made.append(out.value(f"load ptr, ptr {array}"))
        return f"ptr {out.value(f'load ptr, ptr {place}')}"

    def given_out(self, b: Buffer) -> tuple[str, str]:
        """The array that is the only named argument, and its address."""
        out = self.out
        self.need(out.value(f"icmp eq i64 {self.word('%names', LENGTH, 'i64')}, 1"))
        self.need(out.value(f"icmp eq ptr {self.word('%names', ITEMS, 'ptr')}, {self.object('out')}"))
        given = self.word("%args", 8 * len(self.plan.source.params), "ptr")
        data = self.array(given, b, True)
        if self.plan.makers[0][0] is not np.empty:
            size = self.spans[-1].size
            out.call("void", "llvm.memset.p0.i64", ("ptr", data), ("i8", "0"), ("i64", str(size)), ("i1", "0"))
        out.call("void", "Py_IncRef", ("ptr", given))
        return given, data

    def drop(self, objects: Sequence[str]) -> None:
        for thing in objects:
            self.out.call("void", "Py_DecRef", ("ptr", thing))

    def run(self, args: Sequence[str], made: Sequence[str]) -> None:
        """Calls the kernel, without the GIL where that is worth it; raises where it fails."""
        out, record = self.out, self.local(f"[{self.plan.record or 1} x i8]")
        brief = self.plan.brief
        thread = "" if brief else out.call("ptr", "PyEval_SaveThread")
        status = out.value(f"call i64 {_global(KERNEL)}({', '.join([*args, f'ptr {record}'])})")
        if not brief:
            out.call("void", "PyEval_RestoreThread", ("ptr", thread))
        failed, fine = out.name("failed"), out.name("fine")
        out.branch(out.value(f"icmp eq i64 {status}, 0"), fine, failed)
        out.start(failed)
        self.drop(made)
        self.fail(status, record)
        out.start(fine)

    def fail(self, status: str, record: str) -> None:
        """Raises the error of a failed run here, so that its traceback has the caller's lines only."""
        out = self.out
        number = out.call("ptr", "PyLong_FromLongLong", ("i64", status))
        data = out.call("ptr", "PyBytes_FromStringAndSize", ("ptr", record), ("i64", str(self.plan.record)))
        function = out.call("ptr", "PyTuple_GetItem", ("ptr", "%self"), ("i64", "1"))
        error = self.vector_call(function, number, data)
        self.drop((number, data))
        made, end = out.name("made"), out.name("end")
        out.branch(out.value(f"icmp eq ptr {error}, null"), end, made)
        out.start(made)
        out.call("void", "PyErr_SetObject", ("ptr", self.word(error, TYPE, "ptr")), ("ptr", error))
        self.drop((error,))
        out.jump(end)
        out.start(end)
        out.do("ret ptr null")

    def give(self, places: Sequence[str], made: Sequence[str]) -> None:
        """Returns the results as `arguments.unpack` does."""
        arrays = iter(made)
        kinds = self.plan.source.results
        values = [next(arrays) if b.rank else self.number(b, p) for b, p in zip(kinds, places, strict=True)]
        if not values:
            values = [self.object("None")]
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
