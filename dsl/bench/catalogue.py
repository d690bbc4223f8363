"""All that can be measured: the workloads, and the suites where their folder is at hand."""

from __future__ import annotations

import fnmatch
import importlib
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np

from gemel.bench.workload import Arguments, Maker, Run, Workload
from gemel.bench.workloads import every

SUITES = ("npbench", "polybench")


def catalogue(suites: str = "") -> list[Workload]:
    """The workloads; with a folder of suites, their kernels too."""
    return every() + (suite_workloads(Path(suites)) if suites else [])


def suites_here() -> str:
    """The folder that holds the package `suites`, where this runs in a checkout; empty elsewhere."""
    for folder in (Path.cwd(), *Path(__file__).resolve().parents):
        if (folder / "benchmarks" / "suites" / "sizes.toml").is_file():
            return str(folder / "benchmarks")
    return ""


def chosen(known: list[Workload], names: list[str], threads: int) -> list[Workload]:
    """Those whose name or group begins with, or matches, one of `names`; without names, all but the suites."""

    def wanted(w: Workload) -> bool:
        texts = (w.name, w.group)
        return any(t.startswith(n) or fnmatch.fnmatch(t, n) for n in names for t in texts)

    kept = [w for w in known if (wanted(w) if names else w.group not in SUITES)]
    return [w for w in kept if w.least_threads <= threads]


# -------------------------------------------------------------------------------------------------------------- suites


def suite_workloads(folder: Path) -> list[Workload]:
    """The kernels of the suites at the sizes of `sizes.toml`."""
    sizes = tomllib.loads((folder / "suites" / "sizes.toml").read_text(encoding="utf-8"))
    found = []
    for suite in SUITES:
        cases = cases_of(folder, suite)
        for name, presets in sizes[suite].items():
            found += [_case(suite, cases[name], preset, at) for preset, at in presets.items()]
    return found


def cases_of(folder: Path, suite: str) -> dict[str, Any]:
    """The kernels of a suite. Its folder stays on the path no longer: its neighbours have names of packages."""
    sys.path.insert(0, str(folder))
    try:
        return {c.name: c for c in importlib.import_module(f"suites.{suite}").suite.cases}
    finally:
        sys.path.remove(str(folder))


def _case(suite: str, case: Any, preset: str, sizes: Mapping[str, int]) -> Workload:
    def inputs(rng: np.random.Generator) -> Arguments:
        return tuple(case.inputs(rng, **sizes))

    def reference(*_: Any) -> Any:
        return outcome(case.reference, inputs(np.random.default_rng(SEED_OF_CASES)))

    def arguments(_: np.random.Generator) -> Arguments:
        return inputs(np.random.default_rng(SEED_OF_CASES))

    makers = {"gemel": in_place(lambda: case.kernel), "numpy": in_place(lambda: case.reference)}
    makers["numba"] = in_place(lambda: compiled(case.reference))
    name = f"{suite}/{case.name} {preset}"
    rtol = max(case.rtol, 1e-6)
    note = "peers run the suite's NumPy reference, plain and through Numba; forms written for speed can be far faster"
    return Workload(name, name, suite, arguments, reference, 0.0, None, rtol, "f64", note=note, makers=makers)


SEED_OF_CASES = 1


def outcome(run: Callable[..., Any], args: Arguments) -> list[Any]:
    """What a run gives and what it leaves in its arguments."""
    return left(args, run(*args))


def left(args: Arguments, result: Any) -> list[Any]:
    """Arrays among the arguments, and the results."""
    results = result if isinstance(result, tuple) else () if result is None else (result,)
    return [a for a in args if isinstance(a, np.ndarray)] + list(results)


def in_place(function: Callable[[], Callable[..., Any]]) -> Maker:
    """A run whose arguments are restored before each call."""

    def make(*args: Any) -> Run:
        run = function()
        own = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
        pairs = [(o, a) for o, a in zip(own, args, strict=True) if isinstance(a, np.ndarray)]

        def reset() -> None:
            for o, a in pairs:
                o[...] = a

        return Run(lambda: run(*own), lambda result: left(tuple(own), result), reset)

    return make


def compiled(function: FunctionType) -> Callable[..., Any]:
    """The NumPy form of a suite's kernel and its helpers through Numba, as far as Numba takes it."""
    import numba

    jit, around = numba.njit(fastmath=True), dict(function.__globals__)
    used = [n for n in function.__code__.co_names if isinstance(around.get(n), FunctionType)]
    helpers = {n: compiled(around[n]) for n in used if around[n] is not function}
    return jit(FunctionType(function.__code__, around | helpers, function.__name__))  # type: ignore[no-any-return]
