"""A kernel with arguments as a file: text IR under a JSON comment. Reading one executes nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from gemel.parser import parse
from gemel.semantics.convert import from_python
from gemel.semantics.dtypes import BoolType, DType, FloatType
from gemel.semantics.errors import ParseError
from gemel.semantics.ir import Buffer, Kernel, Var
from gemel.semantics.storage import from_values, numpy_dtype, to_values


@dataclass(frozen=True)
class Case:
    """A kernel and arguments for it."""

    kernel: Kernel
    arguments: list[Any]

    def __str__(self) -> str:
        return write(self)

    __repr__ = __str__


def write(case: Case, found: str = "") -> str:
    """The case as text; `found` is a remark."""
    values = [given(p, a) for p, a in zip(case.kernel.params, case.arguments, strict=True)]
    head = {**({"found": found} if found else {}), "arguments": values}
    return f"# {json.dumps(head)}\n{case.kernel}\n"


def read(text: str, filename: str = "<text>") -> Case:
    """The case of a text that `write` gave.

    Raises ParseError for anything else.
    """
    kernel = parse(text, filename)
    try:
        values = json.loads(text.splitlines()[0].removeprefix("#"))["arguments"]
        arguments = [taken(p, v) for p, v in zip(kernel.params, values, strict=True)]
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise ParseError(f"{filename}: the first line has no arguments: {error}", code="I01") from None
    return Case(kernel, arguments)


def given(p: Buffer | Var, argument: Any) -> Any:
    """An argument as JSON."""
    if isinstance(p, Var):
        return _number(argument, p.dtype)
    return {"shape": argument.shape, "values": [_number(v, p.dtype) for v in to_values(argument, p.dtype)]}


def _number(value: Any, dtype: DType) -> Any:
    """Floats in hexadecimal, which is exact and has NaN and infinities."""
    if isinstance(dtype, FloatType):
        return float(value).hex()
    return bool(value) if isinstance(dtype, BoolType) else int(value)


def taken(p: Buffer | Var, held: Any) -> Any:
    """An argument from JSON."""
    if isinstance(p, Var):
        return _value(held, p.dtype)
    out = np.zeros(held["shape"], numpy_dtype(p.dtype))
    from_values([_value(v, p.dtype) for v in held["values"]], p.dtype, out)
    return out


def _value(held: Any, dtype: DType) -> Any:
    return from_python(float.fromhex(held), dtype) if isinstance(dtype, FloatType) else held
