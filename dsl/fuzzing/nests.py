"""Drawn loop nests with affine accesses, and drawn schedules for them: what a step may change, and what it may not."""

from __future__ import annotations

import random
import zlib
from typing import Any

import numpy as np
from hypothesis import strategies as st

from gemel.fuzzing.cases import Case
from gemel.parser import parse
from gemel.semantics.check import check
from gemel.semantics.dtypes import FloatType
from gemel.semantics.errors import ScheduleError
from gemel.semantics.ir import Alloc, Buffer, Kernel
from gemel.semantics.passes.guard import guard
from gemel.semantics.passes.inline import inline
from gemel.semantics.passes.simplify import simplify
from gemel.semantics.schedule.names import loops, nest
from gemel.semantics.schedule.schedule import Scheduled
from gemel.semantics.traverse import statements

SIZE = 40
"""Elements along an axis: no drawn index leaves it."""

STEPS = 10
KINDS = (
    *("split", "split", "tile", "reorder", "unroll", "vectorize", "parallel"),
    *("fuse", "fuse", "skew", "local", "local", "share", "common", "dot"),
    *("expand", "distribute", "square", "tighten", "clear"),
    *("separate", "box", "trim", "peel", "sums", "terms"),
)


@st.composite
def nests(draw: st.DrawFn) -> Case:
    """A kernel of one or two nests over two arrays of integers, and arguments."""
    lines = [f"kernel nests(a: i32[{SIZE}], b: i32[{SIZE}, {SIZE}], c: u8[{SIZE}]) {{"]
    for _ in range(draw(st.integers(1, 2))):
        depth = draw(st.integers(1, 3))
        names = [f"i{n}" for n in range(depth)]
        for n, name in enumerate(names):
            lines.append(f"{'  ' * (n + 1)}for {name} in 0 .. {draw(st.integers(1, 5))} {{")
        for text in _running(draw, names) if draw(st.integers(0, 3)) == 0 else _statements(draw, names):
            lines.append("  " * (depth + 1) + text)
        lines += [f"{'  ' * (n + 1)}}}" for n in reversed(range(depth))]
    kernel = parse("\n".join([*lines, "}", ""]))
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    a, b = (rng.integers(-99, 99, shape).astype(np.int32) for shape in (SIZE, (SIZE, SIZE)))
    return Case(kernel, [a, b, rng.integers(0, 256, SIZE).astype(np.uint8)])


def _statements(draw: st.DrawFn, names: list[str]) -> list[str]:
    return [_statement(draw, names) for _ in range(draw(st.integers(1, 2)))]


def _running(draw: st.DrawFn, names: list[str]) -> list[str]:
    """An accumulation whose value each iteration goes on with."""
    value, used = _place(draw, names), _place(draw, names)
    if draw(st.booleans()):
        kept = f"a[{_index(draw, names[:-1]) if names[:-1] else draw(st.integers(0, 8))}]"
        return [f"{kept} {draw(st.sampled_from(('add=', 'min=')))} {value}", f"{used} = {kept}"]
    at = f"({draw(st.integers(0, 8))} + {names[-1]})"
    return [f"a[{at} + 1] = cast(a[{at}] + {value}):i32"]


def _statement(draw: st.DrawFn, names: list[str]) -> str:
    place, value = _place(draw, names), _place(draw, names)
    if draw(st.booleans()):
        op = draw(st.sampled_from(("add=", "max=", "xor=")))
        return f"{place} {op} {value}"
    return f"{place} = cast({value} + {_place(draw, names)}):i32"


def _place(draw: st.DrawFn, names: list[str]) -> str:
    if draw(st.integers(0, 2)):
        return f"a[{_index(draw, names)}]"
    return f"b[{_index(draw, names)}, {_index(draw, names)}]"


def _index(draw: st.DrawFn, names: list[str]) -> str:
    text = str(draw(st.integers(0, 8)))
    for name in draw(st.lists(st.sampled_from(names), max_size=2, unique=True)):
        text = f"({text} + ({name} * {draw(st.integers(1, 3))}))"
    return text


# ------------------------------------------------------------------------------------------------------------ schedules


def scheduled(kernel: Kernel, seed: int) -> Scheduled:
    """The kernel after some drawn steps; those that are refused are left out."""
    rng = random.Random(seed)
    schedule = Scheduled.of(simplify(guard(inline(kernel))))
    for _ in range(STEPS):
        known = [p.loop for p in loops(schedule.kernel.body)]
        if not known:
            break
        name, args, options = _step(rng, schedule.kernel, [s.var.hint for s in known])
        try:
            schedule = schedule.step(name, *args, **options)
        except ScheduleError:
            continue
        check(schedule.kernel)
    return schedule


def _step(rng: random.Random, kernel: Kernel, names: list[str]) -> tuple[str, list[Any], dict[str, Any]]:
    kind = rng.choice(KINDS)
    loop = rng.choice(names)
    match kind:
        case "split":
            return kind, [loop, rng.randint(1, 4)], {"tail": rng.choice(("guard", "bound", "cut"))}
        case "reorder":
            chain = [s.var.hint for s in nest(next(p.loop for p in loops(kernel.body) if p.loop.var.hint == loop))]
            rng.shuffle(chain)
            return kind, chain, {}
        case "tile":
            return kind, [], {name: rng.randint(1, 4) for name in (loop, rng.choice(names))}
        case "skew":
            return kind, [loop, rng.choice(names), rng.randint(1, 3)], {}
        case "fuse":
            return kind, [loop, rng.choice(names)], {"shift": rng.randint(-1, 2)} if rng.random() < 0.5 else {}
        case "share" | "box":
            return kind, [loop, rng.choice(names)], {}
        case "common":
            return kind, [], {}
        case "local":
            return _local(rng, kernel, names)
        case _:
            return kind, [loop], {}


def _local(rng: random.Random, kernel: Kernel, names: list[str]) -> tuple[str, list[Any], dict[str, Any]]:
    buffers = [b for b in (*kernel.params, *kernel.results) if isinstance(b, Buffer)]
    buffers += [s.buffer for s in statements(kernel.body) if isinstance(s, Alloc)]
    b = rng.choice(buffers)
    kinds = [
        *("stage", "accumulate", "absorb", "hoist", "scan", "unguard"),
        *("hold", "recall", "layout", "localize", "reuse", "pad"),
    ]
    kind, at = rng.choice([*kinds, *["spread"] * (not isinstance(b.dtype, FloatType))]), rng.choice(names)
    if kind in ("unguard", "pad"):
        return kind, [at], {}
    if kind in ("absorb", "hoist", "scan", "recall", "localize"):
        return kind, [b.hint, at], {}
    if kind == "reuse":
        return kind, [b.hint, rng.choice(buffers).hint], {}
    if kind == "layout":
        return kind, [b.hint, *reversed(range(b.rank))], {}
    inner = [p.loop.var.hint for p in loops(kernel.body) if any(s.var.hint == at for s in p.around)]
    rng.shuffle(inner)
    some = inner[: rng.randint(0, 3)]
    return kind, [at, at, *some] if kind == "hold" else [b.hint, at, *some], {}


def seed_of(case: Case) -> int:
    """A number that a case always has, so that a failure is found again."""
    return zlib.crc32(str(case.kernel).encode())
