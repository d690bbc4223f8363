"""Every way to run a kernel, and whether they agree: the same values, or the same error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from gemel.codegen import pipeline as cpu
from gemel.codegen.runtime import compile_kernel
from gemel.fuzzing import banks, control, nests, options, programs, scripts
from gemel.fuzzing.cases import Case, read, write
from gemel.fuzzing.draws import cases
from gemel.hwsynth import synthesize
from gemel.hwsynth.pipeline import HARDWARE, SCHEDULE
from gemel.hwsynth.placement import on_banks
from gemel.semantics.arguments import bind
from gemel.semantics.check import check
from gemel.semantics.equal import same
from gemel.semantics.errors import GemelError
from gemel.semantics.interp import interpret
from gemel.semantics.ir import Kernel
from gemel.semantics.passes.specialize import specialize
from gemel.semantics.schedule.validate import validate
from gemel.semantics.storage import one_nan

Engine = Callable[..., Any]
Judge = Callable[[Any], None]
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
    return repr(x.tolist()).encode() if x.dtype.kind == "O" else one_nan(x).tobytes()


def interpreted(kernel: Kernel) -> Engine:
    """The reference interpreter."""
    return lambda *a: interpret(kernel, a, fuel=FUEL)


def after(kernel: Kernel, passes: tuple[Callable[[Kernel], Kernel], ...]) -> Kernel:
    """The kernel after passes, checked after each."""
    for one in passes:
        kernel = one(kernel)
        check(kernel)
    return kernel


def sized(case: Case) -> Kernel:
    """The kernel at the sizes of its arguments."""
    kernel = case.kernel
    if not kernel.dims:
        return kernel
    return specialize(kernel, {d.hint: n for d, n in bind(kernel, case.arguments).dims.items()})


def on_cpu(case: Case) -> dict[str, Engine]:
    """What the CPU's passes make of it, and native code."""
    known = sized(case)
    passes = interpreted(after(known, (*cpu.SCHEDULE, *cpu.CPU)))
    return {"passes": passes, "cpu": compile_kernel(known)}


def verified(case: Case) -> dict[str, Engine]:
    """The kernel without the checks that verification proved, interpreted and as native code."""
    from gemel.semantics.verify import verify

    proved = verify(case.kernel).kernel
    return {"verified": interpreted(proved), "verified cpu": compile_kernel(sized(Case(proved, case.arguments)))}


def in_hardware(case: Case, simulator: str = "native") -> dict[str, Engine]:
    """What the hardware's passes make of it with some arrays in banks, and simulated RTL."""
    known = banks.spread(sized(case), nests.seed_of(case))
    design = synthesize(known)
    scheduled = after(known, SCHEDULE)
    lowered = on_banks(scheduled, after(scheduled, HARDWARE))
    return {
        "scheduled": interpreted(scheduled),
        "lowered": lambda *a: lowered(*a, fuel=FUEL),
        simulator: lambda *a: design.simulate(*a, engine=simulator, max_cycles=1_000_000).outputs,
    }


def _cpu(case: Case) -> None:
    compare(case, on_cpu(case))


def _verified(case: Case) -> None:
    compare(case, verified(case))


def _scheduled(case: Case) -> None:
    made = nests.scheduled(sized(case), nests.seed_of(case))
    steps = f"after {made.text}" if made.steps else "as it is"
    found = validate(made)
    if found.status == "refuted":
        raise Disagreement(f"{steps}: validation says {found}")
    try:
        compare(case, {"schedule": interpreted(made.kernel), "scheduled cpu": compile_kernel(made.kernel)})
    except Disagreement as error:
        raise Disagreement(f"{steps}: {error}") from None


def _simulated(simulator: str) -> Judge:
    return lambda case: compare(case, in_hardware(case, simulator))


def _static(case: Case) -> None:
    """Native RTL, which takes the cycles that were predicted."""
    design = synthesize(sized(case))
    found: list[int] = []

    def simulated(*arguments: Any) -> Any:
        run = design.simulate(*arguments, max_cycles=1_000_000)
        found.append(run.cycles)
        return run.outputs

    compare(case, {"native": simulated})
    if found and design.cycles not in (None, *found):
        raise Disagreement(f"{found[0]} cycles where {design.cycles} were predicted\n{design.report}")


def compare(case: Case, engines: Mapping[str, Engine]) -> None:
    """Raises Disagreement where an engine differs from the interpreter."""
    want = run(interpreted(case.kernel), case.arguments)
    for name, engine in engines.items():
        got = run(engine, case.arguments)
        if got != want:
            raise Disagreement(f"{name} gives {got}, the interpreter {want}")


def round_trip(case: Case) -> None:
    """Raises Disagreement where the text form doesn't parse back to the same kernel and arguments."""
    text = write(case)
    again = read(text)
    if not same(case.kernel, again.kernel) or write(again) != text:
        raise Disagreement(f"the text doesn't parse back, but gives\n{again.kernel}")


@dataclass(frozen=True)
class Subject:
    """What a run of the fuzzer puts to the test: drawn cases, and a judge that raises where they fail."""

    cases: st.SearchStrategy[Any]
    judge: Judge


SUBJECTS: dict[str, Subject] = {
    "text": Subject(cases(options.CPU), round_trip),
    "python": Subject(scripts.programs(), programs.judge),
    "cpu": Subject(st.one_of(cases(options.CPU), cases(options.FLOATING)), _cpu),
    "schedule": Subject(st.one_of(nests.nests(), nests.nests(), cases(options.HARDWARE)), _scheduled),
    "verified": Subject(cases(options.CPU), _verified),
    "control": Subject(control.nests(), _static),
    "rtl": Subject(st.one_of(cases(options.HARDWARE), nests.nests()), _simulated("native")),
    "verilator": Subject(cases(options.SIMULATED), _simulated("verilator")),
    "icarus": Subject(cases(options.SIMULATED), _simulated("icarus")),
}
"""The text form and its parser; Python source; native code; drawn
schedules; native code without the checks that were proved; loops in hardware and their cycles; RTL."""
