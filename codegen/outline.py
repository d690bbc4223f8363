"""Parallel loops: the body becomes a function of its own, which threads call on parts of the range.

What the body needs from around it (addresses, sizes, values) is passed in a record. Such a body has no checks: which
of several errors came first would depend on the threads; a loop with checks runs in one thread.
"""

from __future__ import annotations

import re
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

from gemel.codegen import threads
from gemel.codegen.places import alignment, element_bytes, known_shape
from gemel.semantics.arguments import value_of
from gemel.semantics.ir import Assert, Buffer, For, LoopKind, While
from gemel.semantics.traverse import statements

if TYPE_CHECKING:
    from gemel.codegen.lower import Lowering

NAME = re.compile(r'%[\w."-]+')
DEFINED = re.compile(r"^\s*(%[\w.]+) = (.*)$")
TYPE = r"(<[^>]+>|i\d+|float|double|half|ptr)"
TYPES = [
    re.compile(rf"(?:phi|load|call|select i1 [^,]+,) {TYPE}\b.*"),
    re.compile(rf"\w+(?: nneg)? {TYPE} \S+ to {TYPE}"),
    re.compile(rf"\w+(?: (?:nuw|nsw|exact|disjoint))* {TYPE} [^,]+, .*"),
]
"""How the type of an instruction's value is read off its text."""
PIECES = 8
"""Pieces for each thread, so that they end at about the same time."""


def may_outline(s: For) -> bool:
    """Whether a loop is one that threads can share."""
    plain = s.until is None and not s.carry and value_of(s.step, {}) == 1
    return plain and not any(isinstance(x, Assert | While) for x in statements(s.body))


def emit_parallel_loop(low: Lowering, s: For) -> bool:
    """Emits a loop that threads share; False, with nothing emitted, where it has to run in one."""
    if s.kind is not LoopKind.PARALLEL or low.lanes is not None or low.parallel or not threads.available():
        return False
    if not may_outline(s):
        return False
    lo, hi = low._indices((s.lo, s.hi))
    inner = low.nested()
    inner.start("work")
    first, end = "%first", "%end"
    body = replace(s, kind=LoopKind.SERIAL)
    inner.counted(body, first, end, "1")
    inner._exit(0)
    low.out._count = inner.out._count
    low.vectors |= inner.vectors
    name = low.out.name("part")
    captured = _captured(low, inner)
    low.functions.append(_functions(name, inner, captured, lo))
    _call(low, name, captured, lo, hi)
    return True


def _captured(low: Lowering, inner: Lowering) -> list[tuple[str, str]]:
    """The values from around the loop that its body names, with their types."""
    own = {m[1] for line in inner.out.lines for part in line.split("\n") if (m := DEFINED.match(part))}
    own |= {m[1] for line in inner.places.entry if (m := DEFINED.match(line))}
    labels = {f"%{line[:-1]}" for line in inner.out.lines if line.endswith(":")}
    used = dict.fromkeys(w for line in [*inner.places.entry, *inner.out.lines] for w in NAME.findall(line))
    names = [w for w in used if w not in own and w not in labels and w not in ("%first", "%end", "%error", "%leave")]
    known = _types(low)
    return [(known[name], name) for name in names]


def _types(low: Lowering) -> dict[str, str]:
    """The types of the values of a function so far."""
    found = dict(low.params)
    for line in [*low.places.entry, *low.out.lines]:
        for part in line.split("\n"):
            if m := DEFINED.match(part):
                found[m[1]] = _type(m[2])
    return found


def _type(text: str) -> str:
    if text.startswith(("icmp", "fcmp")):
        return "i1"
    if text.startswith(("getelementptr", "alloca", "call noalias ptr")):
        return "ptr"
    for pattern in TYPES:
        if m := pattern.fullmatch(text):
            return str(m[m.lastindex or 1])
    return "?"


def _functions(name: str, inner: Lowering, captured: list[tuple[str, str]], lo: str) -> str:
    """The text of the function `i64 name(ptr closure, i64 from, i64 to)`, and of the one with the values themselves.

    What is known of arrays would be lost where their addresses come from memory.
    """
    facts = {place.pointer: _facts(b) for b, place in inner.places.at.items()}
    given = [f"{kind} {facts.get(value, '') if kind == 'ptr' else ''}{value}" for kind, value in captured]
    passed = [f"{kind} {value}" for kind, value in captured]
    unpacked = []
    for n, (kind, value) in enumerate(captured):
        unpacked.append(f"  {value}.at = getelementptr i64, ptr %closure, i64 {n}")
        unpacked.append(f"  {value} = load {kind}, ptr {value}.at")
    bounds = [f"  %first = add i64 %from, {lo}", f"  %end = add i64 %to, {lo}"]
    head = f"define internal i64 @{name}(ptr %closure, i64 %from, i64 %to) #0 {{"
    call = f"  %done = call i64 @{name}.work({', '.join([*passed, 'i64 %first', 'i64 %end'])})"
    work = f"define internal i64 @{name}.work({', '.join([*given, 'i64 %first', 'i64 %end'])}) noinline #0 {{"
    wrapper = [head, "entry:", *unpacked, *bounds, call, "  ret i64 %done", "}"]
    return "\n".join([*wrapper, work, "entry:", *inner.closing()])


def _facts(b: Buffer) -> str:
    """What holds of the address of an array: no two overlap."""
    size = prod(known_shape(b) or (0,)) * element_bytes(b.dtype)
    return f"noalias align {alignment(b.dtype)} {f'dereferenceable({size}) ' if size else ''}"


def _call(low: Lowering, name: str, captured: list[tuple[str, str]], lo: str, hi: str) -> None:
    out = low.out
    record = f"%{out.name('closure')}"
    low.places.entry.append(f"{record} = alloca [{max(len(captured), 1)} x i64]")
    for n, (kind, value) in enumerate(captured):
        place = out.value(f"getelementptr i64, ptr {record}, i64 {n}")
        out.do(f"store {kind} {value}, ptr {place}")
    count = out.value(f"sub i64 {hi}, {lo}")
    grain = out.value(f"sdiv i64 {count}, {PIECES * threads.count()}")
    piece = out.call("i64", "llvm.smax.i64", ("i64", grain), ("i64", "1"))
    out.declarations.add(threads.DECLARATION)
    status = out.value(f"call i64 @{threads.NAME}(ptr @{name}, ptr {record}, i64 {count}, i64 {piece})")
    fine, full = out.name("fine"), out.name("full")
    out.branch(out.value(f"icmp eq i64 {status}, 0"), fine, full)
    low.start(full)
    low._exit(-1)
    low.start(fine)
