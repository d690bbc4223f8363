"""Is generated LLVM IR proved to be the kernel? `python benchmarks/code_proofs.py [suite ...]`, at tiny sizes.

Integers among a kernel's arguments have the values of the suite: they bound its loops of time.
"""

from __future__ import annotations

import importlib
import sys
from numbers import Integral
from typing import Any

from harness import Row, report
from suites.case import Case, arguments

from gemel.codegen.runtime import Compiled, compile_kernel
from gemel.semantics.dtypes import is_integer
from gemel.semantics.ir import Kernel, Var

SUITES = ("polybench", "npbench", "machsuite")
LARGE = ("lenet", "resnet")
"""Kernels with millions of operations even where they are tiny."""


def code(case: Case) -> tuple[Compiled, dict[str, Any]]:
    """The native code of a case by the default schedule, and its integers."""
    args = arguments(case, case.tiny)
    source: Kernel = case.kernel.schedule_for(*args)._inner.source
    known = {
        p.hint: int(a)
        for p, a in zip(source.params, args, strict=False)
        if isinstance(p, Var) and is_integer(p.dtype) and isinstance(a, Integral)
    }
    return compile_kernel(source, ""), known


def main() -> None:
    """Runs the benchmark."""
    rows: list[Row] = []
    for suite in sys.argv[1:] or SUITES:
        for case in importlib.import_module(f"suites.{suite}").suite.cases:
            if case.name in LARGE:
                continue
            compiled, known = code(case)
            found = compiled.prove(2.0, **known)
            row = {"suite": suite, "kernel": case.name, "code": found.status, "elements": found.elements}
            rows.append({**row, "s": round(found.seconds, 2), "why": found.why})
            print(*rows[-1].values(), flush=True)
    print(f"{sum(r['code'] == 'proved' for r in rows)} of {len(rows)} proved")
    report("code_proofs", rows)


if __name__ == "__main__":
    main()
