"""The step that lets stores pass by the caches."""

from __future__ import annotations

from dataclasses import replace

from gemel.semantics.ir import Buffer, For, Kernel, Load, Reduce, Stmt, Store
from gemel.semantics.schedule.names import find, find_buffer, refuse, rewritten
from gemel.semantics.traverse import exprs_of, map_body, statements, subexprs


def stream(kernel: Kernel, buffer: str, at: str) -> Kernel:
    """What the loop `at` stores to a buffer needn't be kept in a cache: stores in lanes go to memory on their own.

    That pays where the buffer is larger than the last cache. Raises ScheduleError where the loop reads the buffer, for
    then a cache is what serves it, or doesn't store to it.
    """
    b, loop = find_buffer(kernel, buffer), find(kernel, at).loop
    for s in statements(loop.body):
        _unread(s, b, loop)
    if not any(isinstance(s, Store) and s.buffer is b for s in statements(loop.body)):
        raise refuse(f"the loop {at} doesn't store to {buffer}", loop.span, "name the loop that does")

    def marked(s: Stmt) -> Stmt:
        return replace(s, streams=True) if isinstance(s, Store) and s.buffer is b else s

    return rewritten(kernel, loop, lambda s: (replace(s, body=map_body(s.body, stmt=marked)),))


def _unread(s: Stmt, b: Buffer, loop: For) -> None:
    reads = [x for e in exprs_of(s) for x in subexprs(e) if isinstance(x, Load) and x.buffer is b]
    if reads or (isinstance(s, Reduce) and s.buffer is b):
        span = reads[0].span if reads else s.span
        what = f"the loop {loop.var.hint} reads {b.hint} in line {span.line}: what is read again belongs in a cache"
        raise refuse(what, span, "stream what a loop only stores to", "K02")
