"""Time to trace, compile, verify and synthesise kernels of growing size: `python benchmarks/compile_time.py`.

CPU seconds of this process, so that what else the machine does doesn't count. A stage that might take more than a
minute at the next size is left out there. The last row has the ratios of the times for 4,000 and 500 statements: 8
were linear.
"""

from __future__ import annotations

import linecache
import time
from collections.abc import Callable

from harness import report

import gemel as gm


def kernel_of(statements: int) -> gm.Kernel:
    """A kernel with that many assignments, each using the one before."""
    lines = ["@gm.kernel", "def chain(x: i32[8]) -> i32:", "    v: i32 = 0"]
    lines += [f"    v = (v ^ x[{n % 8}]) + {n}" for n in range(statements)]
    text = "\n".join([*lines, "    return v", ""])
    name = f"<chain {statements}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    names: dict[str, object] = {"gm": gm, "i32": gm.i32}
    exec(compile(text, name, "exec"), names)
    made = names["chain"]
    if not isinstance(made, gm.Kernel):
        raise TypeError("a kernel was expected")
    return made


def seconds(step: Callable[[], object]) -> float:
    """The CPU seconds of one run."""
    start = time.process_time()
    step()
    return time.process_time() - start


SIZES = (10, 100, 500, 1000, 4000, 8000)
LARGE, SMALL = 4000, 500
MOST_SECONDS = 50.0
STAGES: dict[str, Callable[[gm.Kernel], object]] = {
    "trace ms": lambda k: k.ir,
    "CPU compile ms": lambda k: k.compile(),
    "verify ms": lambda k: k.verify(),
    "synthesis ms": lambda k: k.synth(),
}

Row = dict[str, float | str]


def too_long(before: Row | None, stage: str, statements: int) -> bool:
    """Whether a stage would take too long, if it grew with the size to the power of 1.5."""
    if before is None:
        return False
    took, size = before[stage], before["statements"]
    if isinstance(took, str) or isinstance(size, str):
        return True
    return took / 1e3 * (statements / size) ** 1.5 > MOST_SECONDS


def measured(statements: int, before: Row | None) -> Row:
    """The times of each stage for a kernel; `before` are those for a smaller one."""
    k = kernel_of(statements)
    row: Row = {"statements": statements}
    for stage, run in STAGES.items():
        row[stage] = "-" if too_long(before, stage, statements) else seconds(lambda run=run: run(k)) * 1e3  # type: ignore[misc]
    return row


def ratio(rows: list[Row]) -> Row:
    """How many times as long the stages take for the large kernel as for the small one."""
    large, small = (next(r for r in rows if r["statements"] == n) for n in (LARGE, SMALL))
    found: Row = {"statements": f"{LARGE} to {SMALL}"}
    for stage in STAGES:
        a, b = large[stage], small[stage]
        found[stage] = "-" if isinstance(a, str) or isinstance(b, str) else a / b
    return found


def main() -> None:
    """Runs the benchmark."""
    warm = kernel_of(5)
    for run in STAGES.values():
        run(warm)
    rows: list[Row] = []
    for statements in SIZES:
        rows.append(measured(statements, rows[-1] if rows else None))
    report("compile_time", [*rows, ratio(rows)])


if __name__ == "__main__":
    main()
