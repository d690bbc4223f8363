"""Drawn partitions: arrays spread over memories in any way that there is."""

from __future__ import annotations

import random
from contextlib import suppress

from gemel.semantics.errors import ScheduleError
from gemel.semantics.ir import Alloc, Buffer, Kernel
from gemel.semantics.schedule.hardware import partition
from gemel.semantics.schedule.names import named
from gemel.semantics.traverse import statements

KINDS = ("cyclic", "cyclic", "block", "complete")


def spread(kernel: Kernel, seed: int) -> Kernel:
    """The kernel, in every second case with some of its arrays in banks."""
    rng = random.Random(seed)
    if rng.random() < 0.5:
        return kernel
    kernel = named(kernel)
    locals_ = [s.buffer for s in statements(kernel.body) if isinstance(s, Alloc)]
    for b in [b for b in (*kernel.params, *kernel.results, *locals_) if isinstance(b, Buffer)]:
        for axis in range(b.rank):
            if rng.random() < 0.4:
                kind = rng.choice(KINDS)
                with suppress(ScheduleError):
                    kernel = partition(kernel, b.hint, axis, 0 if kind == "complete" else rng.choice((2, 3, 4)), kind)
    return kernel
