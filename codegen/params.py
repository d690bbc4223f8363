"""The parameters of a kernel's function in LLVM IR, and what LLVM is told about them."""

from __future__ import annotations

import re
from math import prod
from typing import TYPE_CHECKING

from gemel.codegen import llvmops
from gemel.codegen.emitter import llvm_type
from gemel.codegen.places import Place, alignment, element_bytes, known_shape
from gemel.semantics.dtypes import BoolType
from gemel.semantics.ir import Buffer, Kernel, Var
from gemel.semantics.storage import is_wide
from gemel.semantics.traverse import stored

if TYPE_CHECKING:
    from gemel.codegen.lower import Lowering


def plain(hint: str) -> str:
    """A hint as it may stand in an LLVM name."""
    return re.sub(r"[^A-Za-z0-9_]", "_", f"{hint}.")


def parameters(low: Lowering, kernel: Kernel) -> list[str]:
    """The parameters and results of `@kernel` with their types; from then on they have places and values."""
    changed = stored(kernel.body)
    names = []
    for p in (*kernel.params, *kernel.results):
        name = f"%{low.out.name(plain(p.hint))}"
        if isinstance(p, Buffer):
            low.places.at[p] = Place(name, None, p in kernel.results)
            names.append(f"ptr {_pointer_facts(p, p in changed)}{name}")
            low.params[name] = "ptr"
        elif isinstance(p.dtype, BoolType):
            low.values[p] = f"{name}bool"
            low.places.entry.append(f"{name}bool = icmp ne i8 {name}, 0")
            low.params[f"{name}bool"] = "i1"
            names.append(f"i8 {name}")
        elif is_wide(p.dtype):
            low.values[p] = name
            names.append(f"ptr {name}")
        else:
            low.values[p] = name
            low.params[name] = llvm_type(p.dtype)
            names.append(f"{llvm_type(p.dtype)} {name}")
    return names


def fetch_wide(low: Lowering, kernel: Kernel) -> None:
    """Loads the scalars that are passed by their address."""
    for p in kernel.params:
        if isinstance(p, Var) and is_wide(p.dtype):
            raw = low.out.value(f"load {llvmops.memory_type(p.dtype)}, ptr {low.values[p]}, align 8")
            low.values[p] = llvmops.from_memory(low.out, raw, p.dtype)


def _pointer_facts(b: Buffer, changed: bool) -> str:
    """What the check of the arguments makes sure of: no array that the kernel stores to overlaps another."""
    size = prod(known_shape(b) or (0,)) * element_bytes(b.dtype)
    facts = ["noalias", "noundef", f"align {alignment(b.dtype)}"]
    facts += [] if changed else ["readonly"]
    facts += [f"dereferenceable({size})"] if size else []
    return f"{' '.join(facts)} "
