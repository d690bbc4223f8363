"""Are default CPU schedules proved to be the kernels, for all sizes? `python benchmarks/schedules.py [group ...]`.

Groups: the standard library and three public suites. A row: what `schedule("default").validate()` says with all sizes
open, in what time, and how many of the obligations of `verify()` are proved for all sizes.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import time
from collections.abc import Iterator
from typing import Any

from harness import Row, report

import gemel.stdlib
from gemel.kernel import Kernel
from gemel.stdlib import nn

SUITES = ("polybench", "npbench", "machsuite")
GROUPS = 4
"""The static argument of group_norm."""


def kernels(group: str) -> Iterator[tuple[str, Kernel[Any, Any]]]:
    """Names and kernels of a group."""
    if group != "stdlib":
        yield from ((case.name, case.kernel) for case in importlib.import_module(f"suites.{group}").suite.cases)
        return
    for module in pkgutil.iter_modules(gemel.stdlib.__path__, "gemel.stdlib."):
        found = vars(importlib.import_module(module.name)).values()
        for k in (x for x in found if isinstance(x, Kernel)):
            yield k.__name__, (k.specialize(groups=GROUPS) if k is nn.group_norm else k)


def row(group: str, name: str, k: Kernel[Any, Any]) -> Row:
    """What is proved of a kernel."""
    start = time.perf_counter()
    found = k.schedule("default").validate()
    spent = time.perf_counter() - start
    obligations = k.verify().obligations
    return {
        "group": group,
        "kernel": name,
        "schedule": found.status,
        "sizes": "all" if found.sizes or not k.ir.dims else "",
        "floats": "as written" if found.roundings else "up to the order of sums",
        "s": round(spent, 2),
        "proved": sum(o.status == "proved" for o in obligations),
        "obligations": len(obligations),
        "why": "" if found.ok else found.why,
    }


def main() -> None:
    """Runs the benchmark."""
    rows = []
    for group in sys.argv[1:] or ("stdlib", *SUITES):
        for name, k in kernels(group):
            rows.append(row(group, name, k))
            print(*list(rows[-1].values())[:6], flush=True)
    proved, obligations = (sum(int(str(r[key])) for r in rows) for key in ("proved", "obligations"))
    ok = sum(r["schedule"] == "proved" for r in rows)
    print(f"{ok} of {len(rows)} schedules, {proved} of {obligations} obligations are proved for all sizes")
    report("schedules", rows)


if __name__ == "__main__":
    main()
