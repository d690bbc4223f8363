"""Whether the LLVM IR of a kernel, before LLVM's own passes, computes it: for all arguments of its sizes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

from gemel.codegen.prove.machine import Machine
from gemel.codegen.prove.memory import Base, Pointer
from gemel.codegen.prove.reading import Type, read
from gemel.codegen.tables import apart, contents, symbol
from gemel.semantics.convert import to_bits
from gemel.semantics.dtypes import BoolType, DType, FloatType, storage_bits, width_of
from gemel.semantics.errors import GemelError
from gemel.semantics.ir import Alloc, Buffer, Kernel, Var
from gemel.semantics.storage import is_wide
from gemel.semantics.symbolic.decide import Decider
from gemel.semantics.symbolic.execute import Symbolic, run_kernel, shape_of
from gemel.semantics.symbolic.meaning import Unsupported, known_function
from gemel.semantics.symbolic.running import deep
from gemel.semantics.symbolic.terms import Term, Value, Words
from gemel.semantics.symbolic.verdict import PROVED, UNKNOWN, Verdict
from gemel.semantics.traverse import statements, stored

ASSUMED = (
    "arrays that a kernel stores to overlap no other",
    "elementary functions are those of the op table",
    "LLVM's passes and its code generator keep the meaning of the text",
)


SECONDS = 60
"""Time after which no further question is asked."""

RECORD = 1 << 16
"""Bytes of the record that says what a failed check was about."""


@dataclass(frozen=True)
class CodeProof:
    """What was shown of LLVM IR. `status` is "proved", "refuted" or "unknown", `why` what failed.

    `elements` counts the elements that are the same, `values` has the arguments' words for which they are not, and
    `assumed` what the proof rests on.
    """

    kernel: str
    status: str
    why: str
    elements: int
    seconds: float
    values: dict[str, int] = field(default_factory=dict)
    assumed: tuple[str, ...] = ASSUMED

    @property
    def ok(self) -> bool:
        """Whether it is proved."""
        return self.status == PROVED

    def __str__(self) -> str:
        what = f"{self.elements} elements, status and definedness" if self.ok else self.why
        return f"{self.kernel}: {self.status}: {what} ({self.seconds:.2f} s)"

    __repr__ = __str__


def prove(kernel: Kernel, text: str, seconds: float, scalars: Mapping[str, int]) -> CodeProof:
    """Proves that a module's `kernel` does what a kernel of known sizes does, where scalars have these values."""
    start = time.perf_counter()
    found: list[tuple[Verdict, str, int]] = []

    def work() -> None:
        try:
            found.append(_Comparison(kernel, text, seconds, scalars).outcome())
        except Unsupported as error:
            found.append((Verdict(UNKNOWN, ""), str(error), 0))
        except RecursionError:
            found.append((Verdict(UNKNOWN, ""), "it nests too deeply", 0))

    deep(work)
    verdict, why, elements = found[0]
    values = {str(t): v for t, v in verdict.values.items()}
    return CodeProof(kernel.name, verdict.status, why, elements, time.perf_counter() - start, values)


class _Comparison:
    """A kernel and its code on the same symbols."""

    def __init__(self, kernel: Kernel, text: str, seconds: float, scalars: Mapping[str, int]) -> None:
        self.kernel, self.words, self.scalars = kernel, Words(), scalars
        self.run = Symbolic(self.words)
        self.decider = Decider(self.words, self.run.normal, self._function, seconds)
        self.machine = Machine(read(text), self.words, self.run.normal)
        self.given: dict[Buffer | Var, Any] = {}
        self.places: dict[Buffer, Base] = {}
        self.end = time.process_time() + SECONDS

    @staticmethod
    def _function(name: str, w: int, *args: int) -> int:
        return known_function(name, args)

    def outcome(self) -> tuple[Verdict, str, int]:
        """The verdict, what failed, and how many elements were compared."""
        args = [self._argument(n, p) for n, p in enumerate((*self.kernel.params, *self.kernel.results))]
        self._data()
        if "setup" in self.machine.program.functions:
            self.machine.call("setup", [])
        status = self.machine.call("kernel", [*args, Pointer(self.machine.memory.make("error", RECORD), 0)])
        try:
            after = run_kernel(self.run, self.kernel, self.given)
        except GemelError as error:
            raise Unsupported(f"the interpreter ends with {error.code}") from None
        holds = self.words.xor(1, self._fails(), 1)
        ends = self.words.eq(64, status, 0)
        pairs = list(self._pairs(after))
        for what, found in self._questions(holds, ends, pairs):
            if found.status != PROVED:
                return found, f"{what}: {found.how}", 0
        return Verdict(PROVED, ""), "", len(pairs)

    def _questions(self, holds: Value, ends: Value, pairs: list[Any]) -> Iterator[tuple[str, Verdict]]:
        yield "whether a check fails", self.decider.same([(ends, holds, 1)])
        for d in self.machine.demands:
            if time.process_time() > self.end:
                yield "undefined behaviour", Verdict(UNKNOWN, f"not decided in {SECONDS} s")
            yield f"undefined behaviour: {d.what}", self.decider.same([(d.cond, 1, 1)], d.path)
        yield "elements", self.decider.same([(a, b, w) for _, a, b, w in pairs], holds)

    # ----------------------------------------------------------------------------------------------------- arguments

    def _argument(self, at: int, p: Buffer | Var) -> Any:
        if is_wide(p.dtype):
            raise Unsupported("values of more than 64 bits")
        return self._scalar(at, p) if isinstance(p, Var) else self._array(p)

    def _scalar(self, at: int, p: Var) -> Value:
        """A scalar as it is passed: a symbol, or the value that it is to have."""
        w, known = width_of(p.dtype), self.scalars.get(p.hint)
        word: Value = self.words.var(p.hint, w) if known is None else to_bits(known, p.dtype)
        self.given[p] = self.run.held(word, p.dtype)
        bits = self.machine.program.functions["kernel"].params[at][0].bits
        if isinstance(p.dtype, FloatType) and w != bits:
            raise Unsupported(f"an argument of {p.dtype}")
        return self.words.resized(word, w, bits, bool(getattr(p.dtype, "signed", False)))

    def _array(self, p: Buffer) -> Pointer:
        w, bits = width_of(p.dtype), storage_bits(p.dtype)
        fresh, count = p in self.kernel.results, prod(shape_of(p))
        base = self.places[p] = self.machine.memory.make(p.hint, count * bits // 8)
        cells = [None if fresh else self.words.var(f"{p.hint}[{n}]", w) for n in range(count)]
        self.given[p] = cells
        for n, cell in enumerate(cells):
            word = self.words.fresh("unset", bits) if cell is None else self._stored(cell, p.dtype)
            self.machine.memory.cells[base][n * bits // 8] = bits, word
        return Pointer(base, 0)

    def _stored(self, word: Term, dtype: DType) -> Value:
        """An element in memory; bits that a type leaves over hold anything, but for a bool."""
        bits = storage_bits(dtype)
        if isinstance(dtype, BoolType):
            return self.words.zext(word, 1, bits)
        left = bits - word.w
        return self.words.cat(left, self.words.fresh("left over", left), word.w, word) if left else word

    def _data(self) -> None:
        for name, data in self.machine.program.data.items():
            if data is not None:
                self.machine.memory.provide(name, data)
        for s in statements(self.kernel.body):
            if isinstance(s, Alloc) and s.buffer.data is not None and apart(s.buffer):
                table = contents(s.buffer.data, s.buffer.dtype)
                self.machine.memory.provide(symbol(s.buffer.data), table.tobytes())

    # ------------------------------------------------------------------------------------------------------- results

    def _fails(self) -> Value:
        found: Value = 0
        for _, fails in self.run.checks:
            found = self.words.or_(1, found, fails)
        return found

    def _pairs(self, after: dict[Buffer, list[Any]]) -> Iterator[tuple[str, Value, Value, int]]:
        changed = stored(self.kernel.body)
        for b in (*self.kernel.params, *self.kernel.results):
            if not isinstance(b, Buffer) or b not in changed:
                continue
            w, bits = width_of(b.dtype), storage_bits(b.dtype)
            for n, cell in enumerate(after[b]):
                if cell is not None:
                    place = Pointer(self.places[b], n * bits // 8)
                    raw = self.machine.memory.load(place, Type("int", bits))
                    low = self.words.ext(raw, 0, w) if w < bits else raw
                    yield f"{b.hint}[{n}]", low, self.run.word(cell, b.dtype), w
