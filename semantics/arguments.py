"""The arguments of a call, checked and bound: the one place, for interpreter, CPU and simulated RTL."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gemel.semantics import foreign, ops
from gemel.semantics.convert import Value, from_python
from gemel.semantics.dtypes import BoolType, FixedType, FloatType, IndexType, IntType
from gemel.semantics.errors import ArgumentError, ShapeError, counted
from gemel.semantics.ir import Apply, Buffer, Const, Expr, Kernel, Ref, Var
from gemel.semantics.ranges import MAX_SIZE
from gemel.semantics.storage import (
    Array,
    accepts,
    aligned,
    is_wide,
    numpy_dtype,
    numpy_name,
    odd_width,
    plain,
    to_values,
    value_range,
)
from gemel.semantics.traverse import stored, subexprs

TOO_LARGE = "no array in memory has 2**48 elements or more along an axis"

_SIZE = IntType(512, True)
"""Sizes are compared exactly, whatever the 64 bits of `index` would make of them."""


@dataclass
class Bound:
    """A kernel's names with the values of one call."""

    dims: dict[Var, int] = field(default_factory=dict)
    arrays: dict[Buffer, Array] = field(default_factory=dict)
    scalars: dict[Var, Value] = field(default_factory=dict)


def in_order(kernel: Kernel, args: Sequence[object], named: Mapping[str, object]) -> list[object]:
    """The arguments of a call in the order of the parameters.

    Raises ArgumentError A01 for a name that no parameter has, or that is given twice.
    """
    names = [p.hint for p in kernel.params]
    wrong = next((n for n in named if n not in names[len(args) :]), None)
    if wrong is not None:
        raise ArgumentError(
            f"{kernel.name} takes ({', '.join(names)}); there is no {wrong}"
            + (" beside the others" if wrong in names else ""),
            code="A01",
            span=kernel.span,
            mend="pass one argument for each parameter; static ones are known already",
        )
    return [*args, *(named[n] for n in names[len(args) :] if n in named)]


def bind(kernel: Kernel, args: Sequence[object]) -> Bound:
    """Checks the arguments of a call and solves the dims from the arrays' shapes.

    Raises ArgumentError (number, kind, element type, layout, read-only, overlap, range) or ShapeError (rank, size);
    each names the parameter.
    """
    if len(args) != len(kernel.params):
        names = ", ".join(p.hint for p in kernel.params)
        raise ArgumentError(
            f"{kernel.name} takes {counted(len(kernel.params), 'argument')} ({names}), not {len(args)}",
            code="A01",
            span=kernel.span,
            mend="pass one argument for each parameter",
        )
    bound = Bound()
    memories = [memory(arg) for arg in args]
    for param, arg, found in zip(kernel.params, args, memories, strict=True):
        if isinstance(param, Buffer):
            bound.arrays[param] = _array(param, arg, found)
        else:
            bound.scalars[param] = scalar(param, arg)
    bound.dims = solve_dims(kernel, {b: a.shape for b, a in bound.arrays.items()})
    _check_stored(kernel, bound, dict(zip(kernel.params, args, strict=True)))
    return bound


def is_masked(arg: object) -> bool:
    """Whether an argument is a masked array; NumPy loads the module for these when it is first asked for."""
    return type(arg) is not np.ndarray and "numpy.ma" in sys.modules and isinstance(arg, np.ma.MaskedArray)


def memory(arg: object) -> object:
    """An argument's memory as an array of NumPy's own class, or the NotSharedError that says why it can't be had;
    anything else, and a masked array, as it is.

    Here code of others may run: for all arguments of a call before any is checked, so that what was checked stays true.
    """
    if isinstance(arg, np.ndarray):
        return arg if is_masked(arg) else np.asarray(arg)
    try:
        found = foreign.as_array(arg)
    except foreign.NotSharedError as error:
        return error
    return arg if found is None else found


def shared(arg: object) -> object:
    """An argument's memory as an array, where it has such memory; anything else as it is."""
    found = memory(arg)
    return arg if isinstance(found, foreign.NotSharedError) else found


def _array(param: Buffer, given: object, arg: object) -> Array:
    """The memory `arg` of an argument, checked."""
    if isinstance(arg, np.generic) and not param.rank:
        arg = np.asarray(arg)
        arg.flags.writeable = False  # a store to it would be lost
    if not isinstance(arg, np.ndarray):
        raise _no_array(param, given, arg)
    if is_masked(arg):
        raise ArgumentError(
            f"{param.hint} is a masked array, and a kernel knows no masks",
            code="A06",
            span=param.span,
            mend=f"fill what is masked: {param.hint}.filled(0)",
        )
    own = isinstance(given, np.ndarray | np.generic)
    _check_element(param, arg, param.hint if own else f"np.asarray({param.hint})")
    if arg.ndim != param.rank:
        raise ShapeError(
            f"{param.hint} has rank {param.rank}, the array has rank {arg.ndim} (its shape is {arg.shape})",
            code="S01",
            span=param.span,
            mend=f"reshape the array to {param.rank} dimensions",
        )
    if not arg.flags.c_contiguous or not arg.flags.aligned:
        raise ArgumentError(
            f"{param.hint} is not contiguous (strides {arg.strides})",
            code="A07",
            span=param.span,
            mend=f"pass np.ascontiguousarray({param.hint})",
        )
    return arg


def frozen(param: Buffer, given: object) -> Array:
    """A tensor's argument as a read-only array that nobody else has, at the start of a cache line.

    Raises as `bind`, but takes any layout.
    """
    found = memory(given)
    if isinstance(found, np.ndarray) and not is_masked(found):
        found = np.ascontiguousarray(found) if found.ndim else found
    array = _array(param, given, found)
    made = aligned(array.shape, array.dtype)
    made[...] = array
    made.flags.writeable = False
    return made


def _no_array(param: Buffer, given: object, why: object) -> ArgumentError:
    what = f"{param.hint} is a tensor, not {type(given).__name__}"
    mend = f"pass a NumPy array: np.array(..., dtype={numpy_name(param.dtype)})"
    if isinstance(why, foreign.NotSharedError):
        what = f"{param.hint} is a {type(given).__name__} whose memory can't be shared: {why.why}"
        mend = why.mend.format(param.hint)
    return ArgumentError(what, code="A06", span=param.span, mend=mend)


def _check_element(param: Buffer, arg: Array, name: str) -> None:
    want = numpy_dtype(param.dtype)
    if not accepts(param.dtype, arg.dtype):
        raise ArgumentError(
            f"{param.hint} has element type {param.dtype} (NumPy {want}), not {arg.dtype}",
            code="A02",
            span=param.span,
            mend=f"convert it: {name}.astype({numpy_name(param.dtype)})",
        )
    if is_wide(param.dtype):
        _check_numbers(param, arg)
    if odd_width(param.dtype) and arg.size:
        lo, hi = value_range(param.dtype)
        low, high = int(arg.min()), int(arg.max())
        if low < lo or high > hi:
            raise ArgumentError(
                f"{param.hint} holds {low if low < lo else high}, out of the range of {param.dtype} ({lo} to {hi})",
                code="A05",
                span=param.span,
                mend=f"clip it first: np.clip({param.hint}, {lo}, {hi})",
            )


def _check_numbers(param: Buffer, arg: Array) -> None:
    """An object array can hold anything."""
    for x in arg.reshape(-1):
        if isinstance(x, bool) or not isinstance(x, int | np.integer):
            raise ArgumentError(
                f"{param.hint} is an array of {param.dtype} and holds {x!r}, which is no int",
                code="A02",
                span=param.span,
                mend="fill it with Python ints",
            )


def scalar(param: Var, arg: object) -> Value:
    """A number as the value of a scalar parameter.

    Raises ArgumentError where it is no number, would be rounded to an integer, or is out of range.
    """
    number = plain(arg)
    if not isinstance(number, bool | int | float):
        raise ArgumentError(
            f"{param.hint} is a scalar of type {param.dtype}, not {type(arg).__name__}",
            code="A06",
            span=param.span,
            mend="pass a number",
        )
    match param.dtype:
        case FloatType():
            return from_python(number, param.dtype)
        case BoolType():
            fits = isinstance(number, bool)
        case IntType() | IndexType() | FixedType():
            fits = not isinstance(number, float)
    if not fits:
        raise ArgumentError(
            f"{param.hint} is a scalar of type {param.dtype}, not {type(number).__name__} {number!r}",
            code="A02",
            span=param.span,
            mend=f"convert it: {'bool' if isinstance(param.dtype, BoolType) else 'int'}({param.hint})",
        )
    return number if isinstance(param.dtype, BoolType) else _in_range(param, int(number))


def _in_range(param: Var, number: int) -> int:
    lo, hi = value_range(param.dtype)
    if not lo <= number <= hi:
        raise ArgumentError(
            f"{param.hint} = {number} is out of the range of {param.dtype} ({lo} to {hi})",
            code="A05",
            span=param.span,
            mend=f"pass a number in this range, or give {param.hint} a wider type",
        )
    return number


def solve_dims(kernel: Kernel, shapes: dict[Buffer, tuple[int, ...]]) -> dict[Var, int]:
    """The value of each dim, from the sizes where it stands alone or as the only unknown of a sum.

    Raises ShapeError where two arrays disagree or a dim can't be found.
    """
    found: dict[Var, int] = {}
    pending = [(b, axis, dim) for b, shape in shapes.items() for axis, dim in enumerate(b.shape)]
    for _ in range(len(kernel.dims) + 1):
        for b, axis, dim in pending:
            _solve(dim, shapes[b][axis], found)
    for b, axis, dim in pending:
        if shapes[b][axis] > MAX_SIZE:
            raise ShapeError(
                f"axis {axis} of {b.hint} has size {shapes[b][axis]}", code="S02", span=b.span, mend=TOO_LARGE
            )
        _check_size(b, axis, dim, shapes, found)
    for var in kernel.dims:
        if var not in found:
            place = _first_with(var, shapes)
            raise ShapeError(
                f"the size {var.hint} can't be inferred from the arguments",
                code="S04",
                span=kernel.span if place is None else place.span,
                mend=f"give it: {kernel.name}.specialize({var.hint}=8)(...), or use it alone as a parameter's size",
            )
        if not 0 <= found[var] <= MAX_SIZE:
            mend = f"pass arrays from which {var.hint} comes out as 0 or more, and below 2**48"
            raise ShapeError(f"the size {var.hint} would be {found[var]}", code="S02", span=kernel.span, mend=mend)
    return found


def _solve(dim: Expr, size: int, found: dict[Var, int]) -> None:
    """Solves `dim == size` where one variable is unknown and stands under sums, differences and constant factors."""
    match dim:
        case Ref() if dim.var not in found:
            found[dim.var] = size
        case Apply(args=(a, b)):
            left, right = value_of(a, found), value_of(b, found)
            if dim.op is ops.ADD and left is not None and right is None:
                _solve(b, size - left, found)
            elif dim.op is ops.ADD and right is not None and left is None:
                _solve(a, size - right, found)
            elif dim.op is ops.SUB and right is not None and left is None:
                _solve(a, size + right, found)
            elif dim.op is ops.SUB and left is not None and right is None:
                _solve(b, left - size, found)
            elif dim.op is ops.MUL and left and right is None and size % left == 0:
                _solve(b, size // left, found)
            elif dim.op is ops.MUL and right and left is None and size % right == 0:
                _solve(a, size // right, found)
        case _:
            pass


def value_of(e: Expr, dims: dict[Var, int]) -> int | None:
    """The value of a size at given dims; None where a dim is missing."""
    match e:
        case Const():
            return None if isinstance(e.dtype, FloatType) else int(e.value)
        case Ref():
            return dims.get(e.var)
        case Apply():
            args = [value_of(a, dims) for a in e.args]
            if any(a is None for a in args):
                return None
            exact = (_SIZE,) * len(args)
            return int(e.op.meaning(_SIZE, exact, tuple(a for a in args if a is not None)))
        case _:
            return None


def _check_size(b: Buffer, axis: int, dim: Expr, shapes: dict[Buffer, tuple[int, ...]], found: dict[Var, int]) -> None:
    shape = shapes[b]
    want = value_of(dim, found)
    if want is None or want == shape[axis]:
        return
    known = ", ".join(f"{v.hint} = {n}" for v, n in found.items())
    others = [(v, o) for v in variables(dim) if (o := _first_with(v, shapes)) not in (None, b)]
    raise ShapeError(
        f"axis {axis} of {b.hint} has size {want}, not {shape[axis]} (the array's shape is {shape})",
        code="S02",
        span=b.span,
        mend=f"pass arrays whose sizes agree{f' (here {known})' if known else ''}",
        notes=[(f"{v.hint} = {found[v]} is from {o.hint}", o.span) for v, o in others if o is not None],
    )


def variables(size: Expr) -> list[Var]:
    """The variables of a size."""
    return [e.var for e in subexprs(size) if isinstance(e, Ref)]


def _first_with(var: Var, shapes: dict[Buffer, tuple[int, ...]]) -> Buffer | None:
    return next((b for b in shapes if any(var in variables(size) for size in b.shape)), None)


def _check_stored(kernel: Kernel, bound: Bound, given: dict[Buffer | Var, object]) -> None:
    written = stored(kernel.body)
    for b, array in bound.arrays.items():
        if b not in written:
            continue
        if not array.flags.writeable:
            raise ArgumentError(
                f"{b.hint} is read-only, and {kernel.name} stores to it",
                code="A03",
                span=b.span,
                mend=f"pass a copy: {_copy(b, given)}",
            )
        for other, second in bound.arrays.items():
            if other is not b and _overlap(array, second):
                raise ArgumentError(
                    f"{b.hint}, which {kernel.name} stores to, overlaps {other.hint} in memory",
                    code="A04",
                    span=b.span,
                    mend=f"pass a copy: {_copy(other, given)}",
                    notes=[(f"{other.hint} is here", other.span)],
                )


@dataclass(frozen=True)
class Output:
    """An array for a result: as the caller gave it, and its memory."""

    given: object
    array: Array


Places = tuple[tuple[object, object], ...]
"""What `out=` says: what was given for each result, and its memory."""


def places(out: object) -> Places | None:
    """What a call's `out=` says; before `bind`, since code of others may run here as in `memory`."""
    return None if out is None else tuple((x, memory(x)) for x in (out if isinstance(out, tuple) else (out,)))


def outputs(kernel: Kernel, bound: Bound, out: Places | None) -> list[Output | None]:
    """Checks the arrays for the results of a call, one for each, and None where a new one is made.

    Raises ArgumentError or ShapeError as `bind` does for an array that is stored to.
    """
    given = ((None, None),) * len(kernel.results) if out is None else out
    if len(given) != len(kernel.results):
        raise ArgumentError(
            f"{kernel.name} has {_results(kernel)}, and out has {len(given)}",
            code="A01",
            span=kernel.span,
            mend="pass a tuple with an array for each result, None where a new one is to be made"
            if len(kernel.results) > 1
            else "pass one array"
            if kernel.results
            else "call it without out=",
        )
    names = ["out"] if len(given) == 1 else [f"out[{n}]" for n in range(len(given))]
    made = [
        None if x is None else Output(x, _output(replace(b, hint=name), bound, x, found))
        for name, b, (x, found) in zip(names, kernel.results, given, strict=True)
    ]
    _check_apart(kernel, bound, [(n, o.array) for n, o in zip(names, made, strict=True) if o is not None])
    return made


def _results(kernel: Kernel) -> str:
    n = len(kernel.results)
    return "no result" if not n else "one result" if n == 1 else f"{n} results"


def _output(b: Buffer, bound: Bound, given: object, found: object) -> Array:
    array = _array(b, given, found)
    want = shape_of(b, bound.dims)
    if array.shape != want:
        raise ShapeError(
            f"{b.hint} has shape {array.shape}, and the result has {want}",
            code="S02",
            span=b.span,
            mend=f"pass np.empty({want}, {numpy_name(b.dtype)})",
        )
    if not array.flags.writeable:
        raise ArgumentError(
            f"{b.hint} is read-only", code="A03", span=b.span, mend="pass an array that may be stored to"
        )
    return array


def _check_apart(kernel: Kernel, bound: Bound, results: Sequence[tuple[str, Array]]) -> None:
    others: list[tuple[str, Array]] = [(b.hint, array) for b, array in bound.arrays.items()]
    for name, array in results:
        for other, second in others:
            if _overlap(array, second):
                raise ArgumentError(
                    f"{name} overlaps {other} in memory",
                    code="A04",
                    span=kernel.span,
                    mend=f"pass an array of its own for {name}",
                )
        others.append((name, array))


def _copy(b: Buffer, given: dict[Buffer | Var, object]) -> str:
    """How a user writes a copy that may be stored to."""
    return f"{b.hint}.copy()" if isinstance(given[b], np.ndarray) else f"np.array({b.hint})"


def _overlap(a: Array, b: Array) -> bool:
    return bool(a.size and b.size and np.may_share_memory(a, b))  # exact: both are contiguous


def new_results(kernel: Kernel, dims: dict[Var, int]) -> list[Array]:
    """Uninitialised arrays for the results.

    Raises ShapeError where a size is negative.
    """
    return [np.empty(shape_of(b, dims), numpy_dtype(b.dtype)) for b in kernel.results]


def shape_of(b: Buffer, dims: dict[Var, int]) -> tuple[int, ...]:
    """A buffer's sizes at given dims.

    Raises ShapeError where one is negative or not known.
    """
    sizes = []
    for axis, dim in enumerate(b.shape):
        size = value_of(dim, dims)
        if size is None or size < 0:
            what = "is not known" if size is None else f"would be {size}"
            raise ShapeError(f"the size of axis {axis} of {b.hint} {what}", code="S02", span=b.span)
        sizes.append(size)
    return tuple(sizes)


def unpack(kernel: Kernel, arrays: Iterable[Array], given: Sequence[Output | None] = ()) -> Any:
    """Results as a caller gets them: an array or number each, a tuple of several, None for none; where the caller gave
    an array, that.
    """
    places = given or (None,) * len(kernel.results)
    values = [
        o.given if o is not None else a if b.rank else to_values(a, b.dtype)[0]
        for a, b, o in zip(arrays, kernel.results, places, strict=True)
    ]
    if not values:
        return None
    return values[0] if len(values) == 1 else tuple(values)
