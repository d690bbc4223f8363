"""What a kernel is to give, on symbols: made once for all texts that are compared with it."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

from gemel.semantics.dtypes import width_of
from gemel.semantics.ir import Buffer, Kernel, Var
from gemel.semantics.symbolic.execute import Symbolic, run_kernel, shape_of
from gemel.semantics.symbolic.normal import Normal
from gemel.semantics.symbolic.terms import Value, Words


class Reference:
    """The terms of a kernel's run. What is the same in a changed text is the same term, so it costs nothing anew."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.words = Words()
        self.normal = Normal(self.words)
        self.given = {p: self._symbols(p) for p in (*kernel.params, *kernel.results)}

    def _symbols(self, p: Buffer | Var) -> Any:
        w = width_of(p.dtype)
        if isinstance(p, Var):
            return self.words.var(p.hint, w)
        return [self.words.var(f"{p.hint}[{n}]", w) for n in range(math.prod(shape_of(p)))]

    @cached_property
    def run(self) -> tuple[Symbolic, dict[Buffer, list[Any]], Value]:
        """The interpreter's run, what all arrays hold in the end, and that no check fails, as a bit.

        That is known from now on where terms are made; numbers that are drawn for symbols have to be held to it.
        """
        run = Symbolic(self.words)
        expected = run_kernel(run, self.kernel, self.given)
        passes = self.words.all_of(self.words.xor(1, fails, 1) for _, fails in run.checks)
        for _, fails in run.checks:
            self.normal.assume(fails, 0)
        return run, expected, passes
