"""Time to trace, compile and synthesise kernels of growing size: `python benchmarks/compile_time.py`."""

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
    """The wall seconds of one run."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def main() -> None:
    """Runs the benchmark; the last row has the ratios of the times for 8,000 and 1,000 statements."""
    kernel_of(5).compile()
    kernel_of(5).synth()
    rows: list[dict[str, float | str]] = []
    for statements in (10, 100, 1000, 8000):
        k = kernel_of(statements)
        trace, cpu, rtl = seconds(lambda k=k: k.ir), seconds(k.compile), seconds(k.synth)
        rows.append(
            {"statements": statements, "trace ms": trace * 1e3, "CPU compile ms": cpu * 1e3, "synthesis ms": rtl * 1e3}
        )
    rows.append({"statements": "8000 to 1000", **{k: rows[-1][k] / rows[-2][k] for k in rows[-1] if k != "statements"}})
    report("compile_time", rows)


if __name__ == "__main__":
    main()
