"""The steady statements of a kernel become a function of its module, which runs once, when the code is loaded."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from gemel.codegen.once import steady
from gemel.codegen.places import Place, element_bytes, known_shape
from gemel.semantics.ir import Alloc, Buffer
from gemel.semantics.traverse import Body

if TYPE_CHECKING:
    from gemel.codegen.lower import Lowering


def emit_setup(low: Lowering, body: Body) -> Body:
    """Emits `i64 @setup()`, which gives what `@kernel` gives, for a kernel's steady statements; gives the others."""
    settled = steady(body)
    if not settled:
        return body
    inner = low.nested()
    inner.start("work")
    for s in body:
        if s in settled and isinstance(s, Alloc):
            low.places.at[s.buffer] = inner.places.at[s.buffer] = _reserved(low, s.buffer)
        elif s in settled:
            inner.body((s,))
        elif isinstance(s, Alloc) and s.buffer.data is not None:
            inner.places.table(s.buffer)
    inner._exit(0)
    low.out._count = inner.out._count
    low.vectors |= inner.vectors
    low.functions.append("\n".join(["define i64 @setup() #0 {", "entry:", *inner.closing()]))
    return tuple(s for s in body if s not in settled)


def _reserved(low: Lowering, b: Buffer) -> Place:
    """Memory of the module, zero at first."""
    name, size = f"@{low.out.name('once')}", prod(known_shape(b) or ()) * element_bytes(b.dtype)
    low.places.globals.append(f"{name} = internal global [{max(size, 1)} x i8] zeroinitializer, align 64")
    return Place(name, None, True)
