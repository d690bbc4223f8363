"""Nanoseconds an element of the elementary functions: `python benchmarks/elementwise.py [function ...]`.

On 16K elements, which stay in the cache, into an array that is there: Gemel with a vector of 16 f32 or 8 f64 in each
step and as it compiles without a schedule, NumPy, and PyTorch on one thread where it is installed. `ops` is the number
of operations of the definition, `instructions` that of the vector loop's machine code.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from harness import Row, alternate, report

import gemel as gm
from gemel import f32, f64
from gemel.semantics import ops, tower

N, REPEAT = 16384, 8
FORMATS = {"f32": (f32, 16, np.float32), "f64": (f64, 8, np.float64)}
NUMPY: dict[str, Callable[..., Any]] = {
    **{name: getattr(np, name) for name in ("exp", "exp2", "log", "log2", "tanh", "sin", "cos", "reciprocal")},
    "sigmoid": lambda x, out: np.reciprocal(np.add(np.exp(np.negative(x, out=out), out=out), 1, out=out), out=out),
    "rsqrt": lambda x, out: np.reciprocal(np.sqrt(x, out=out), out=out),
    "pow": np.power,
}
TORCH = {"pow": "pow", "sigmoid": "sigmoid", "erf": "erf", "rsqrt": "rsqrt"}


def into(name: str, dtype: Any) -> gm.Kernel:
    """A kernel that sets the elements of an array to a function of those of others."""
    if name == "pow":

        @gm.kernel
        def power(x: dtype[N], y: dtype[N], out: dtype[N]):
            for i in range(N):
                out[i] = x[i] ** y[i]

        return power
    function = getattr(gm, name)

    @gm.kernel
    def apply(x: dtype[N], out: dtype[N]):
        for i in range(N):
            out[i] = function(x[i])

    return apply


def arguments(name: str, kind: Any) -> list[Any]:
    """Numbers of usual size, in the domain."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal(N) * 3
    if name in ("log", "log2", "rsqrt", "pow"):
        x = np.abs(x) + 1e-3
    return [x.astype(kind), *([rng.standard_normal(N).astype(kind)] if name == "pow" else [])]


def torch_run(name: str, given: list[Any], out: Any) -> Callable[[], object] | None:
    """The same in PyTorch, where it is installed."""
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(1)
    tensors, result = [torch.from_numpy(x) for x in given], torch.from_numpy(out)
    function = getattr(torch, TORCH.get(name, name))
    return lambda: function(*tensors, out=result)


def instructions(asm: str) -> int:
    """The length of the vector loop; where a rare case is branched to, up to that branch."""
    own = asm.split("\nkernel:")[-1]  # other functions come before
    sizes = [0]
    for block in re.split(r"^\.L\w+:.*$", own, flags=re.MULTILINE)[1:]:
        lines = [line.split()[0] for line in block.splitlines() if re.match(r"\s+[a-z]", line)]
        jump = next((n for n, word in enumerate(lines) if word.startswith("j")), None)
        sizes += [jump + 1] if jump is not None and "zmm" in block else []
    return max(sizes)


def measured(name: str, form: str) -> Row:
    """One row of the table."""
    dtype, lanes, kind = FORMATS[form]
    given, out = arguments(name, kind), np.empty(N, kind)
    plain = into(name, dtype)
    wide = plain.schedule().split("i", lanes, "t", "l").vectorize("l").kernel.compile()
    runs: dict[str, Callable[[], object]] = {"lanes": lambda: wide(*given, out), "default": lambda: plain(*given, out)}
    if name in NUMPY:
        runs["numpy"] = lambda: NUMPY[name](*given, out=out)
    other = torch_run(name, given, out)
    if other is not None:
        runs["torch"] = other
    times = alternate(runs, 25, REPEAT)
    found = {
        key: round(times[key] / N * 1e9, 3) if key in times else "" for key in ("lanes", "default", "numpy", "torch")
    }
    size = len(tower.definition(ops.TABLE[name], dtype).lets)
    return {"function": name, "format": form, "ops": size, "instructions": instructions(wide.asm), **found}


def main() -> None:
    """Prints and keeps the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("functions", nargs="*", default=[op.name for op in ops.ELEMENTARY])
    options = parser.parse_args()
    report("elementwise", [measured(name, form) for name in options.functions for form in FORMATS])


if __name__ == "__main__":
    main()
