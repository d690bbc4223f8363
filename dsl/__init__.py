"""Gemel: one tensor kernel in Python, two twins: fast native code and synthesizable SystemVerilog."""

from typing import TYPE_CHECKING

from gemel._version import __version__
from gemel.kernel import Kernel, kernel, parse
from gemel.late import PLACES, found
from gemel.loops import dims, grid, parallel, static, unroll
from gemel.semantics.dtypes import BF16 as bf16
from gemel.semantics.dtypes import BOOL as bool_
from gemel.semantics.dtypes import F8E4M3 as f8e4m3
from gemel.semantics.dtypes import F8E5M2 as f8e5m2
from gemel.semantics.dtypes import F16 as f16
from gemel.semantics.dtypes import F32 as f32
from gemel.semantics.dtypes import F64 as f64
from gemel.semantics.dtypes import INDEX as index
from gemel.semantics.dtypes import Fixed, Int, UFixed, UInt

if TYPE_CHECKING:
    from gemel import errors
    from gemel.functions import (
        abs_ as abs,
    )
    from gemel.functions import (
        argmax,
        argmin,
        array,
        assume,
        bitcast,
        bits,
        cast,
        ceil,
        clip,
        concat,
        cos,
        empty,
        ensures,
        erf,
        exp,
        exp2,
        floor,
        fma,
        full,
        invariant,
        log,
        log2,
        maximum,
        mean,
        minimum,
        ones,
        prod,
        reciprocal,
        requires,
        rsqrt,
        saturate,
        sigmoid,
        sin,
        sqrt,
        tanh,
        trunc,
        where,
        zeros,
    )
    from gemel.functions import (
        max_ as max,
    )
    from gemel.functions import (
        min_ as min,
    )
    from gemel.functions import (
        pow_ as pow,
    )
    from gemel.functions import (
        round_ as round,
    )
    from gemel.functions import (
        sum_ as sum,
    )
    from gemel.hwsynth import Design
    from gemel.tuning.tune import tune

i8, i16, i32, i64 = Int(8), Int(16), Int(32), Int(64)
u8, u16, u32, u64 = UInt(8), UInt(16), UInt(32), UInt(64)

__all__ = [
    "Design",
    "Fixed",
    "Int",
    "Kernel",
    "UFixed",
    "UInt",
    "__version__",
    "abs",
    "argmax",
    "argmin",
    "array",
    "assume",
    "bf16",
    "bitcast",
    "bits",
    "bool_",
    "cast",
    "ceil",
    "clip",
    "concat",
    "cos",
    "dims",
    "empty",
    "ensures",
    "erf",
    "errors",
    "exp",
    "exp2",
    "f8e4m3",
    "f8e5m2",
    "f16",
    "f32",
    "f64",
    "floor",
    "fma",
    "full",
    "grid",
    "i8",
    "i16",
    "i32",
    "i64",
    "index",
    "invariant",
    "kernel",
    "log",
    "log2",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "ones",
    "parallel",
    "parse",
    "pow",
    "prod",
    "reciprocal",
    "requires",
    "round",
    "rsqrt",
    "saturate",
    "sigmoid",
    "sin",
    "sqrt",
    "static",
    "sum",
    "tanh",
    "trunc",
    "tune",
    "u8",
    "u16",
    "u32",
    "u64",
    "unroll",
    "where",
    "zeros",
]  # fmt: skip


def __getattr__(name: str) -> object:
    if name in PLACES:
        return globals().setdefault(name, found(name))
    import difflib

    close = difflib.get_close_matches(name, __all__, 1)
    raise AttributeError(f"module 'gemel' has no attribute {name!r}" + (f"; did you mean {close[0]}?" if close else ""))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
