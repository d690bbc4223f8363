"""How exact the elementary functions are: `python benchmarks/elementary.py [function ...] [--samples N]`.

f16, bf16 and f32 over all their values, f64 and pow on samples. The references: NumPy in float64 for the 16-bit formats
(its own error, below 1e-15, is nothing beside theirs), the f64 definition for f32 (`exhaustive.py`), MPFR with 200 bits
for f64 and pow. An error is in units in the last place of the exact result. Takes half a minute to a few minutes for
each function's 2**32 values; `--quick` takes every 257th, as sin and cos always do from 2**17 on. The functions that
were not asked for keep their results.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import exhaustive
import gmpy2
import numpy as np
from harness import RESULTS, Row, report

import gemel as gm
from gemel import bf16, f16, f32, f64

N = gm.dims("N")
CHUNK = 1 << 20
UNARY = ("exp", "exp2", "log", "log2", "tanh", "erf", "sigmoid", "sin", "cos", "sqrt", "rsqrt", "reciprocal")
FORMATS = {"f16": f16, "bf16": bf16, "f32": f32}
BITS = {"f16": 16, "bf16": 16, "f32": 32}


def mapped(name: str, dtype: Any) -> gm.Kernel:
    """A kernel that applies a function to each element."""
    function = getattr(gm, name)

    @gm.kernel
    def apply(x: dtype[N]) -> dtype[N]:
        y = gm.empty((N,), dtype)
        for i in range(N):
            y[i] = function(x[i])
        return y

    return apply


@gm.kernel
def powers(x: f64[N], y: f64[N]) -> f64[N]:
    z = gm.empty((N,), f64)
    for i in range(N):
        z[i] = x[i] ** y[i]
    return z


@gm.kernel
def powers32(x: f32[N], y: f32[N]) -> f32[N]:
    z = gm.empty((N,), f32)
    for i in range(N):
        z[i] = x[i] ** y[i]
    return z


REFERENCES: dict[str, Callable[[Any], Any]] = {
    **{name: getattr(np, name) for name in ("exp", "exp2", "log", "log2", "tanh", "sin", "cos", "sqrt", "reciprocal")},
    "erf": mapped("erf", f64),  # whose own error against MPFR is in the table
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "rsqrt": lambda x: 1 / np.sqrt(x),
}
EXACT: dict[str, Callable[..., Any]] = {
    **{name: getattr(gmpy2, name) for name in ("exp", "exp2", "log", "log2", "tanh", "erf", "sin", "cos", "sqrt")},
    "sigmoid": lambda x: 1 / (1 + gmpy2.exp(-x)),
    "rsqrt": lambda x: 1 / gmpy2.sqrt(x),
    "reciprocal": lambda x: 1 / x,
    "pow": lambda x, y: x**y,
}


def patterns(name: str, step: int) -> Iterator[Any]:
    """All values of a format, or every `step`-th, in chunks."""
    bits = BITS[name]
    for start in range(0, 1 << bits, CHUNK * step):
        raw = np.arange(start, min(start + CHUNK * step, 1 << bits), step, dtype=np.uint64).astype(f"u{bits // 8}")
        yield raw.view(np.float16 if name == "f16" else np.float32) if name != "bf16" else raw


def widened(x: Any, name: str) -> Any:
    """A chunk in float64; NaNs of any pattern."""
    if name == "bf16":
        x = (x.astype(np.uint32) << 16).view(np.float32)
    with np.errstate(invalid="ignore"):
        return x.astype(np.float64)


def ulp(exact: Any, name: str) -> Any:
    """The unit in the last place of a format at a result."""
    dtype = FORMATS[name]
    _, exponent = np.frexp(exact)
    return np.ldexp(1.0, np.maximum(exponent - 1, 1 - dtype.bias) - dtype.mantissa)


def narrow(function: str, name: str, step: int) -> tuple[float, float, int]:
    """The largest error of a function over a format, where it is, and how many values were looked at."""
    kernel, worst, at, count = mapped(function, FORMATS[name]), 0.0, 0.0, 0
    most = (2.0 - 2.0 ** -FORMATS[name].mantissa) * 2.0 ** FORMATS[name].bias
    for x in patterns(name, step):
        wide = widened(x, name)
        with np.errstate(all="ignore"):
            exact = REFERENCES[function](wide)
        got = kernel(x)
        got = widened(got.view(np.uint16) if name == "bf16" else got, name)
        count += len(x)
        differ = np.nonzero(~((got == exact) | (np.isnan(got) & np.isnan(exact))))[0]
        g, e = got[differ], exact[differ]
        unit = ulp(np.clip(e, -most, most), name)
        over = np.isinf(g) & (np.abs(e) > most)  # rounded to infinity, as it should
        with np.errstate(all="ignore"):
            error = np.where(over, 0.0, np.abs(g - e) / unit)
        error = np.where(np.isnan(error), np.inf, error)
        if len(error) and error.max() > worst:
            worst, at = float(error.max()), float(wide[differ[error.argmax()]])
    return worst, at, count


def samples(function: str, count: int) -> Iterator[tuple[float, ...]]:
    """Arguments of all sizes, most of them where the function isn't constant."""
    rng = np.random.default_rng(5)
    if function == "pow":
        x = np.abs(rng.standard_normal(count)) * 2.0 ** rng.integers(-30, 30, count)
        y = rng.standard_normal(count) * 2.0 ** rng.integers(-10, 10, count)
        return zip(x.tolist(), y.tolist(), strict=True)
    widest = 9.5 if function in ("exp", "exp2", "sigmoid") else 4.0 if function in ("tanh", "erf") else 1000.0
    x = rng.standard_normal(count) * 2.0 ** rng.uniform(-30, widest, count)
    return ((v,) for v in (np.abs(x) if function in ("log", "log2", "rsqrt", "sqrt") else x).tolist())


def wide(function: str, count: int) -> tuple[float, float, int]:
    """The largest error of a function in f64 on samples, where it is, and how many were looked at."""
    gmpy2.get_context().precision = 200
    rows = list(samples(function, count))
    columns = [np.array(c) for c in zip(*rows, strict=True)]
    got = (powers if function == "pow" else mapped(function, f64))(*columns)
    worst, at = 0.0, 0.0
    for row, g in zip(rows, got.tolist(), strict=True):
        exact = EXACT[function](*map(gmpy2.mpfr, row))
        size = abs(float(exact))
        if not (2.0**-1022 <= size < math.inf):
            continue
        error = float(abs(gmpy2.mpfr(g) - exact) / math.ulp(size))
        if error > worst:
            worst, at = error, row[0]
    return worst, at, len(rows)


def pow32(count: int) -> tuple[float, float, int]:
    """The largest error of pow in f32 on samples."""
    gmpy2.get_context().precision = 200
    x, y = (np.array(c, np.float32) for c in zip(*samples("pow", count), strict=True))
    worst, at = 0.0, 0.0
    for a, b, got in zip(x.tolist(), y.tolist(), powers32(x, y).tolist(), strict=True):
        exact = gmpy2.mpfr(a) ** gmpy2.mpfr(b)
        if not 2.0**-126 <= exact < 2.0**128 * (1 - 2.0**-25):
            continue
        error = float(abs(gmpy2.mpfr(got) - exact) / float(ulp(float(exact), "f32")))
        if error > worst:
            worst, at = error, a
    return worst, at, count


def formats(function: str, quick: bool, count: int) -> Iterator[tuple[str, str, tuple[float, float, int]]]:
    """For each format below f64: what is counted, and the result."""
    if function == "pow":
        yield "f32", "samples", pow32(count)
        return
    for name in ("f16", "bf16"):
        yield name, "values", narrow(function, name, 1)
    yield "f32", "values", exhaustive.worst(function, 257 if quick else 1)


def kept(name: str) -> list[dict[str, object]]:
    """The rows of the last run."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text())["rows"] if path.exists() else []


def main() -> None:
    """Prints and keeps the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("functions", nargs="*", default=[*UNARY, "pow"])
    parser.add_argument("--samples", type=int, default=200_000)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    rows: list[Row] = []
    for function in options.functions:
        row: dict[str, object] = {"function": function}
        for name, what, (worst, at, count) in formats(function, options.quick, options.samples):
            row |= {f"{name} ulp": round(worst, 4), f"{name} {what}": count}
            print(f"{function} {name}: {worst:.4f} ulp at {at!r} of {count:,}", flush=True)
        worst, at, count = wide(function, options.samples)
        row |= {"f64 ulp": round(worst, 4), "f64 samples": count}
        print(f"{function} f64: {worst:.4f} ulp at {at!r} of {count:,}", flush=True)
        rows.append(row)
    name = "elementary" + ("_quick" if options.quick else "")
    done = {str(row["function"]): row for row in [*kept(name), *rows]}
    rows = [done[function] for function in [*UNARY, "pow"] if function in done]
    columns = {key: "" for row in rows for key in row}
    report(name, [{**columns, **row} for row in rows])


if __name__ == "__main__":
    main()
