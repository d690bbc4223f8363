"""Arrays that each iteration of a loop fills before it reads them live in the iteration.

What is left in an array from the iteration before is then known to matter to none, so that the next iteration may fill
a second copy while this one still reads the first (`staging`). Looked at are loops around several loops.
"""

from __future__ import annotations

from dataclasses import replace

from gemel.hwsynth.passing import LOAD, Passing
from gemel.semantics.arguments import value_of
from gemel.semantics.ir import Alloc, Buffer, For, Kernel, Stmt, While
from gemel.semantics.traverse import Body, accesses, map_blocks, statements


def localize(kernel: Kernel) -> Kernel:
    """The kernel with arrays allocated in the innermost loop around several loops that uses them so."""
    return replace(kernel, body=_body(kernel.body))


def _body(body: Body) -> Body:
    for alloc in [s for s in body if isinstance(s, Alloc) and s.buffer.rank and s.buffer.data is None]:
        users = [s for s in body if _uses(s, alloc.buffer)]
        found = _inside(users[0], alloc) if len(users) == 1 and isinstance(users[0], For) else None
        if found is not None:
            body = tuple(found if s is users[0] else s for s in body if s is not alloc)
    return tuple(map_blocks(s, _body) for s in body)


def _uses(s: Stmt, b: Buffer) -> bool:
    return any(b is x for inner in statements((s,)) for x, _ in accesses(inner))


def _inside(s: For, alloc: Alloc) -> For | None:
    """The loop with the array allocated in it, or in the one loop that it has; None where it has to stay outside."""
    inner = [x for x in s.body if _has_loop(x)]
    if len(inner) > 1:
        return replace(s, body=(alloc, *s.body)) if filled(alloc.buffer, s.body) else None
    if not inner or not isinstance(inner[0], For) or any(_uses(x, alloc.buffer) for x in s.body if x is not inner[0]):
        return None
    found = _inside(inner[0], alloc)
    return None if found is None else replace(s, body=tuple(found if x is inner[0] else x for x in s.body))


def _has_loop(s: Stmt) -> bool:
    return any(isinstance(x, For | While) for x in statements((s,)))


def filled(b: Buffer, body: Body) -> bool:
    """Whether a block stores to each element of an array before it loads it, whatever was there."""
    sizes = tuple(value_of(n, {}) or 0 for n in b.shape)
    passing = Passing.of(b, sizes, body)
    if passing is None:
        return False
    loads = {site for what, site, _ in passing.events if what == LOAD}
    stores = {n for n, site in passing.sites.items() if isinstance(site, Stmt)}
    return loads <= passing.covered(range(b.rank), stores)
