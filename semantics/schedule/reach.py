"""What is known where a loop of a kernel begins an iteration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from gemel.semantics.ir import For, If, Kernel, Stmt, While
from gemel.semantics.ranges import Ranges
from gemel.semantics.traverse import Body, statements


@contextmanager
def inside(kernel: Kernel, loop: For) -> Iterator[tuple[Ranges, tuple[For, ...]]]:
    """The ranges at the start of a loop's body, and the loops around it, itself the last one."""
    ranges = Ranges(kernel)
    path: list[For] = []
    with ExitStack() as stack:
        body = kernel.body
        while not path or path[-1] is not loop:
            s, body = _entered(ranges, body, loop, stack)
            path += [s] if isinstance(s, For) else []
        yield ranges, tuple(path)


def _entered(ranges: Ranges, body: Body, loop: For, stack: ExitStack) -> tuple[Stmt, Body]:
    """Walks to the statement of a block that holds the loop and into it: it and the block of it to go on with."""
    for s in body:
        if isinstance(s, For | While) and (s is loop or _holds(s.body, loop)):
            stack.enter_context(ranges.inside(s))
            return s, s.body
        if isinstance(s, If):
            for block, truth in ((s.then, True), (s.orelse, False)):
                if _holds(block, loop):
                    stack.enter_context(ranges.assuming(s.cond, truth))
                    return s, block
        ranges.pass_by(s)
    raise ValueError(f"{loop.var.hint} is no loop of the kernel")


def _holds(body: Body, loop: For) -> bool:
    return any(s is loop for s in statements(body))
