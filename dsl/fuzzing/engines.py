"""Every way to run a kernel, and whether they agree: the same values, or the same error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gemel.codegen import compile_kernel
from gemel.codegen import pipeline as cpu
from gemel.hwsynth import synthesize
from gemel.hwsynth.pipeline import HARDWARE, SCHEDULE
from gemel.parser import parse
from gemel.semantics.arguments import bind
from gemel.semantics.check import check
from gemel.semantics.equal import same
from gemel.semantics.errors import GemelError
from gemel.semantics.interp import interpret
from gemel.semantics.ir import Kernel
from gemel.semantics.passes.specialize import specialize
from gemel.semantics.text import print_kernel

Engine = Callable[..., Any]
Outcome = tuple[str, list[bytes]]
FUEL = 100_000


class Disagreement(AssertionError):
    """Two engines differ on a kernel and arguments."""


def run(engine: Engine, arguments: list[Any]) -> Outcome:
    """The error's code, or "" and the bytes of all arrays and results; NaNs are one value."""
    own = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
    try:
        result = engine(*own)
    except GemelError as error:
        return error.code, []
    results = result if isinstance(result, tuple) else (result,)
    return "", [_canonical(np.asarray(x)) for x in (*(a for a in own if isinstance(a, np.ndarray)), *results)]


def _canonical(x: Any) -> bytes:
    if x.dtype.kind in "fV":  # V: some of ml_dtypes' formats
        wide = x.astype(np.float64)
        return bytes(np.where(np.isnan(wide), np.nan, wide).tobytes())
    return repr(x.tolist()).encode() if x.dtype.kind == "O" else bytes(x.tobytes())


def interpreted(kernel: Kernel) -> Engine:
    """The reference interpreter."""
    return lambda *a: interpret(kernel, a, fuel=FUEL)


def after(kernel: Kernel, passes: tuple[Callable[[Kernel], Kernel], ...]) -> Kernel:
    """The kernel after passes, checked after each."""
    for one in passes:
        kernel = one(kernel)
        check(kernel)
    return kernel


def sized(kernel: Kernel, arguments: list[Any]) -> Kernel:
    """The kernel at the sizes of its arguments."""
    return specialize(kernel, {d.hint: n for d, n in bind(kernel, arguments).dims.items()}) if kernel.dims else kernel


def on_cpu(kernel: Kernel, arguments: list[Any]) -> dict[str, Engine]:
    """What the CPU's passes make of it, and native code."""
    known = sized(kernel, arguments)
    passes = interpreted(after(known, (*cpu.SCHEDULE, *cpu.CPU)))
    return {"passes": passes, "cpu": compile_kernel(known)}


def verified(kernel: Kernel, arguments: list[Any]) -> dict[str, Engine]:
    """The kernel without the checks that verification proved, interpreted and as native code."""
    from gemel.semantics.verify import verify

    proved = verify(kernel).kernel
    return {"verified": interpreted(proved), "verified cpu": compile_kernel(sized(proved, arguments))}


def in_hardware(kernel: Kernel, arguments: list[Any], simulator: str = "native") -> dict[str, Engine]:
    """What the hardware's passes make of it, and simulated RTL."""
    known = sized(kernel, arguments)
    design = synthesize(known)
    scheduled = after(known, SCHEDULE)
    return {
        "scheduled": interpreted(scheduled),
        "lowered": interpreted(after(scheduled, HARDWARE)),
        simulator: lambda *a: design.simulate(*a, engine=simulator, max_cycles=1_000_000).outputs,
    }


def compare(kernel: Kernel, arguments: list[Any], engines: Mapping[str, Engine]) -> None:
    """Raises Disagreement where an engine differs from the interpreter."""
    want = run(interpreted(kernel), arguments)
    for name, engine in engines.items():
        got = run(engine, arguments)
        if got != want:
            raise Disagreement(f"{name} gives {got}, the interpreter {want}\n{print_kernel(kernel)}\n{arguments}")


def round_trip(kernel: Kernel) -> None:
    """Raises Disagreement where the text form doesn't parse back to the same kernel."""
    text = print_kernel(kernel)
    again = parse(text)
    if not same(kernel, again) or print_kernel(again) != text:
        raise Disagreement(f"the text doesn't parse back\n{text}")
