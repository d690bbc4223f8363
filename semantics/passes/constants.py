"""Parameters become constants: tensors tables, numbers literals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gemel.semantics import arguments, build
from gemel.semantics.convert import Value
from gemel.semantics.errors import ArgumentError
from gemel.semantics.fold import Folding
from gemel.semantics.ir import Alloc, Buffer, Const, Expr, Kernel, Stmt, Var
from gemel.semantics.storage import Array
from gemel.semantics.traverse import stored


@dataclass(frozen=True)
class Constants:
    """The values of some parameters by name, checked and apart from any array of the user's."""

    tensors: Mapping[str, Array]
    numbers: Mapping[str, Value]

    def __bool__(self) -> bool:
        return bool(self.tensors or self.numbers)

    def __contains__(self, name: str) -> bool:
        return name in self.tensors or name in self.numbers


def constants(kernel: Kernel, given: Mapping[str, object]) -> Constants:
    """Arguments for some of a kernel's parameters.

    Raises as `arguments.bind`; ArgumentError A03 for a tensor that the kernel stores to.
    """
    params, written = {p.hint: p for p in kernel.params}, stored(kernel.body)
    tensors, numbers = {}, {}
    for name, value in given.items():
        match params[name]:
            case Buffer() as p if p in written:
                raise ArgumentError(
                    f"{kernel.name} stores to {name}, so it can't be a constant",
                    code="A03",
                    span=p.span,
                    mend=f"pass {name} at each call, or have the kernel copy it first",
                )
            case Buffer() as p:
                tensors[name] = arguments.frozen(p, value)
            case Var() as p:
                numbers[name] = arguments.scalar(p, value)
    return Constants(tensors, numbers)


def fix(kernel: Kernel, values: Constants) -> Kernel:
    """The kernel with parameters at constant values, and with the sizes that follow from them.

    Raises ShapeError where sizes don't fit.
    """
    tensors = {p: values.tensors[p.hint] for p in kernel.params if isinstance(p, Buffer) and p.hint in values.tensors}
    numbers = {p: values.numbers[p.hint] for p in kernel.params if isinstance(p, Var) and p.hint in values.numbers}
    sizes = _sizes(kernel, {b: data.shape for b, data in tensors.items()})
    known: dict[Var, Expr] = {d: build.index(n, d.span) for d, n in sizes.items()}
    known.update((p, Const(value, p.dtype, p.span)) for p, value in numbers.items())
    copier, tables = Folding(vars=known), list[Stmt]()
    for b, data in tensors.items():
        copier.buffers[b] = Buffer(b.hint, b.dtype, tuple(build.index(n, b.span) for n in data.shape), b.span, data)
        tables.append(Alloc(copier.buffers[b], b.span))
    params = [p for p in kernel.params if p not in tensors and p not in numbers]
    return replace(
        kernel,
        dims=tuple(d for d in kernel.dims if d not in sizes),
        params=tuple(copier.fresh_buffer(p) if isinstance(p, Buffer) else p for p in params),
        results=tuple(map(copier.fresh_buffer, kernel.results)),
        body=(*tables, *copier.body(kernel.body)),
    )


def _sizes(kernel: Kernel, shapes: dict[Buffer, tuple[int, ...]]) -> dict[Var, int]:
    """The dims that the shapes of some parameters give."""
    said = {v for b in shapes for size in b.shape for v in arguments.variables(size)}
    part = replace(kernel, dims=tuple(d for d in kernel.dims if d in said))
    return arguments.solve_dims(part, shapes)
