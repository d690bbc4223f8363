"""Time to synthesise kernels of 10,000 operations: `python benchmarks/large_kernels.py [operations]`.

Straight-line code of drawn sums, products and the like, and a row of products whose loop is unrolled, in i32 and f32.
CPU seconds of this process: from the traced kernel to cycles and netlist, its SystemVerilog, its estimated area.
"""

from __future__ import annotations

import linecache
import random
import sys
import time
from collections.abc import Callable, Iterator

from harness import Row, report

import gemel as gm

WIDTH = 64
"""Values from which straight-line code draws operands."""

PER_COPY = 3
"""Operations in a copy of the unrolled loop's body."""


def compiled(lines: list[str]) -> gm.Kernel:
    """The kernel `big` of a text."""
    text = "\n".join([*lines, ""])
    name = f"<{len(linecache.cache)} of large kernels>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    names: dict[str, object] = {"gm": gm, "i32": gm.i32, "f32": gm.f32}
    exec(compile(text, name, "exec"), names)
    made = names["big"]
    if not isinstance(made, gm.Kernel):
        raise TypeError("a kernel was expected")
    return made


def straight(count: int, kind: str) -> gm.Kernel:
    """So many operations on drawn values of the last `WIDTH`."""
    draw = random.Random(1)
    ops = "+*-" if kind == "f32" else "+^-"
    lines = ["@gm.kernel", f"def big(x: {kind}[{WIDTH}]) -> {kind}[{WIDTH}]:", f"    y = gm.zeros(({WIDTH},), {kind})"]
    lines += [f"    v{k} = x[{k}]" for k in range(WIDTH)]
    for k in range(WIDTH, WIDTH + count):
        a, b = (draw.randrange(k - WIDTH, k) for _ in range(2))
        value = f"v{a} {draw.choice(ops)} v{b}"
        lines.append(f"    v{k} = {value}" if kind == "f32" else f"    v{k}: i32 = gm.cast({value}, i32)")
    return compiled([*lines, *(f"    y[{k}] = v{count + k}" for k in range(WIDTH)), "    return y"])


def unrolled(count: int, kind: str) -> gm.Kernel:
    """A loop over rows around so many operations: the unrolled loop along a row."""
    size = -(-count // PER_COPY)
    head = [f"def big(A: {kind}[8, {size}], B: {kind}[{size}]) -> {kind}[8]:", f"    C = gm.zeros((8,), {kind})"]
    body = [f"    for i, j in gm.grid(8, {size}):", "        C[i] += (A[i, j] - B[j]) * B[j]", "    return C"]
    return compiled(["@gm.kernel", *head, *body]).schedule().unroll("j").kernel


def seconds(step: Callable[[], object]) -> float:
    """The CPU seconds of one run."""
    start = time.process_time()
    step()
    return round(time.process_time() - start, 2)


def rows(count: int) -> Iterator[Row]:
    """The times of each kernel, which are printed as soon as they are known."""
    straight(100, "f32").synth()  # loads what is needed, and makes the units
    for name, make in (("straight line", straight), ("unrolled loop", unrolled)):
        for kind in ("i32", "f32"):
            k = make(count, kind)
            start = time.process_time()
            design = k.synth()
            made = round(time.process_time() - start, 2)
            row: Row = {"kernel": name, "type": kind, "operations": count, "cycles": design.cycles, "synthesis s": made}
            text, area = seconds(lambda d=design: d.verilog), seconds(lambda d=design: d.report.estimate)  # type: ignore[misc]
            yield {**row, "text s": text, "estimate s": area}
            print(row, text, area, flush=True)


if __name__ == "__main__":
    report("large_kernels", list(rows(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)))
