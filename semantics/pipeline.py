"""Running passes in order: verified, dumped and stopped on demand.

`GEMEL_DUMP=dir` writes the IR after each pass, `GEMEL_STOP_AFTER=n` stops after n passes, `GEMEL_VERIFY=each`
checks validity after each.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from gemel.semantics.ir import Kernel

Pass = Callable[[Kernel], Kernel]


def run(kernel: Kernel, passes: tuple[Pass, ...], label: str) -> Kernel:
    """The kernel after `passes`; `label` names the pipeline in dumps.

    Raises GemelError I02 under GEMEL_VERIFY=each where a pass leaves invalid IR.
    """
    stop = int(os.environ.get("GEMEL_STOP_AFTER", len(passes)))
    for n, one in enumerate(passes[:stop], 1):
        kernel = one(kernel)
        name = getattr(one, "__name__", type(one).__name__)
        _dump(kernel, f"{kernel.name}.{label}.{n:02d}.{name}")
        if os.environ.get("GEMEL_VERIFY") == "each":
            from gemel.semantics.check import check

            check(kernel)
    return kernel


def _dump(kernel: Kernel, name: str) -> None:
    folder = os.environ.get("GEMEL_DUMP")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        Path(folder, f"{name}.gemel").write_text(str(kernel))
