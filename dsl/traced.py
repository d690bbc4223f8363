"""What stands for a kernel's values while it is traced. Sizes are made at import, so this module is light."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from gemel.underway import tracing

if TYPE_CHECKING:
    from gemel.semantics.dtypes import DType
    from gemel.semantics.ir import Expr

BINARY = {
    "Add": "add", "Sub": "sub", "Mult": "mul", "Div": "truediv", "FloorDiv": "floordiv", "Mod": "mod",
    "BitAnd": "and", "BitOr": "or", "BitXor": "xor", "LShift": "lshift", "RShift": "rshift", "MatMult": "matmul",
    "Pow": "pow",
}  # fmt: skip
COMPARED = {"Eq": "eq", "NotEq": "ne", "Lt": "lt", "LtE": "le", "Gt": "gt", "GtE": "ge"}
OPERATORS = (
    *(f"__{way}{method}__" for method in BINARY.values() for way in ("", "r")),
    *(f"__{method}__" for method in COMPARED.values()),
    *("__neg__", "__invert__", "__abs__"),
)
"""Python's operators by the names of their syntax nodes, and all the methods that make them."""

_naming = threading.Lock()


class Traced:
    """What scalars and tensors have in common: operators build IR, and Python's own questions are refused."""

    __slots__ = ("__weakref__",)
    __array_ufunc__ = None
    __hash__ = object.__hash__

    def number(self) -> Expr | None:
        """The number that this is; None for a tensor with dimensions."""
        raise NotImplementedError

    def _refuse(self, what: str, mend: str) -> NoReturn:
        from gemel.semantics.errors import TraceError
        from gemel.tracer import calling, here

        if tracing() is None:
            raise TraceError(
                f"{self!r} has no value in plain Python, outside of a kernel",
                code="P10",
                mend="write @gm.kernel above the function that uses it; to run a kernel in Python, k.interpret(...)",
            )
        asked = calling()
        who = f"{asked}() asks for {what}, which" if asked else what
        raise TraceError(f"{who} isn't known while tracing", code="P06", span=here(), mend=mend)

    def __bool__(self) -> bool:
        self._refuse(
            "the truth of a kernel's value",
            "use it in the kernel's own `if`, `while`, `and`, `or`; in a Python library function it can't be used",
        )

    def __index__(self) -> int:
        self._refuse("the number behind a kernel's value", "use gm.static[int] for a number that tracing needs")

    __int__ = __float__ = __index__

    def __iter__(self) -> Any:
        self._refuse(
            "how many elements to loop over", "loop over range(...), or over gm.unroll(range(n)) with a known n"
        )


class Value(Traced):
    """A scalar of the kernel; what has become a tall tree is named, so that no traversal goes deep."""

    __slots__ = ("expr",)

    def __init__(self, expr: Expr) -> None:
        t = tracing()
        self.expr = expr if t is None else t.low(expr)

    def number(self) -> Expr:
        """The expression."""
        return self.expr

    @property
    def dtype(self) -> DType:
        """The element type."""
        return self.expr.dtype

    def __repr__(self) -> str:
        return f"<{self.dtype} value>"


class Dim(Value):
    """A size that the arrays of a call decide; outside of kernels it stands in annotations."""

    __slots__ = ("_ref", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._ref: Expr | None = None

    @property
    def expr(self) -> Expr:  # type: ignore[override]
        """The one variable that stands for it, made when something is traced."""
        with _naming:
            if self._ref is None:
                from gemel.semantics.dtypes import INDEX
                from gemel.semantics.ir import Ref, Var
                from gemel.semantics.span import BUILTIN

                self._ref = Ref(Var(self.name, INDEX, BUILTIN), BUILTIN)
        return self._ref

    def __repr__(self) -> str:
        return self.name


def _late(method: str) -> Callable[..., Any]:
    def load(self: Traced, *others: object) -> Any:
        import gemel.arith  # noqa: F401  puts the operators in the place of this

        return getattr(type(self), method)(self, *others)

    return load


for _name in OPERATORS:
    setattr(Traced, _name, _late(_name))
