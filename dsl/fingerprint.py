"""What tells a kernel from all others without tracing it: its source, and whatever that reads when it is traced.

Tracing runs Python, so a kernel depends on the names that its source mentions, on the functions that it calls, on the
names of these, and so on. `fingerprint_of` follows them as far as it knows that a value can't change unseen and that
what is called has no other inputs; where it meets anything else there is no fingerprint, and the kernel is traced.
"""

from __future__ import annotations

import ast
import builtins
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from gemel import late
from gemel.loops import Static
from gemel.semantics.dtypes import DType, TensorType
from gemel.semantics.errors import TraceError
from gemel.source import Source, closure_of, essence, source_of
from gemel.traced import Dim

if TYPE_CHECKING:
    from gemel.origin import Decorated

ATOMS = (type(None), type(Ellipsis), bool, int, float, complex, str, bytes, range)
_PURE = (
    "abs all any bool complex dict divmod enumerate filter float frozenset int isinstance len list map max min "
    "pow range reversed round slice sorted str sum tuple type zip"
)
PURE = frozenset(_PURE.split())
"""Python's functions without other inputs than their arguments."""

_ARRAYS = (
    "abs append arange array asarray broadcast_to clip concatenate cumsum diag diff dot eye flip full hstack "
    "identity kron linspace max mean min ones outer prod ravel repeat reshape roll round sort stack sum tile "
    "transpose tril triu vstack where zeros"
)
ARRAYS = frozenset(_ARRAYS.split())
"""NumPy's, likewise."""

DTYPES = (np.dtype, *get_args(DType))

LARGEST = 1 << 20
"""Bytes of an array from which on it takes too long to look at it."""

KERNELS_OF_OURS = ("gemel.stdlib", "gemel.examples")
"""Modules of ours that hold kernels, which are followed as a user's."""


class Unknown(Exception):
    """Something whose part in a trace can't be told."""


def fingerprint_of(kernel: Decorated) -> str | None:
    """What the trace of a kernel without static parameters depends on; None where that can't be told."""
    reader = _Reader()
    try:
        reader.kernel(kernel)
    except (Unknown, TraceError, RecursionError):
        return None
    return reader.key.name()


class _Reader:
    """Takes in what it is shown. What was seen before is told by its number: two sizes of one name are two."""

    def __init__(self) -> None:
        from gemel.codegen.cache import Key

        self.key = Key()
        self.seen: dict[int, tuple[int, object]] = {}

    def kernel(self, k: Decorated) -> None:
        """A decorated function."""
        self.key.add("kernel", str(k.strict), *k.dims)
        self.function(k.fn, {**k.fn.__globals__, **k.outer()}, _annotations(source_of(k.fn).node))

    def function(self, fn: Any, names: Mapping[str, Any], more: Sequence[ast.AST] = ()) -> None:
        """A function by its source, its code and the names that it and `more` read: annotations, if it is a kernel."""
        source = source_of(fn)
        self.key.add("function", fn.__name__, source.text, repr(essence(fn.__code__)))
        self.value((fn.__defaults__, fn.__kwdefaults__))
        for name, *attributes in sorted(set(_read(source, more))):
            self.name(name, attributes, names)

    def name(self, name: str, attributes: list[str], names: Mapping[str, Any]) -> None:
        """A name that is no variable of the function, with the attributes that are read of it."""
        self.key.add("name", name)
        if name not in names and not hasattr(builtins, name):
            return  # a variable of its own
        value = names[name] if name in names else getattr(builtins, name)
        for attribute in attributes:
            if not isinstance(value, ModuleType):
                break
            self.key.add(attribute)
            if value.__name__ == "gemel" and late.untouched(vars(value), attribute):
                return
            value = vars(value).get(attribute, Unknown)
        self.value(value)

    def value(self, x: Any) -> None:
        """Whatever a name stands for."""
        kind = type(x)
        if kind in ATOMS:
            self.key.add(kind.__name__, repr(x))
        elif id(x) in self.seen:
            self.key.add("again", str(self.seen[id(x)][0]))
        else:
            self.seen[id(x)] = len(self.seen), x
            self.key.add(kind.__name__)
            self.new(x, kind)

    def new(self, x: Any, kind: type) -> None:
        """A value that was not seen before."""
        if kind in (tuple, list):
            self.several(x)
        elif kind is dict:
            self.several([part for item in x.items() for part in item])
        elif kind is np.ndarray and not x.dtype.hasobject and x.nbytes <= LARGEST:
            self.key.add(repr(x.dtype), repr(x.shape))
            self.key.bytes(np.ascontiguousarray(x).tobytes())
        elif isinstance(x, np.generic) and kind.__module__ == "numpy" and not x.dtype.hasobject:
            self.key.bytes(x.tobytes())
        elif isinstance(x, DTYPES):
            self.key.add(repr(x))
        elif kind is TensorType:
            self.several([x.element, *x.shape])
        elif kind is Dim:
            self.key.add(x.name)
        elif kind is FunctionType and not _ours(x):
            self.function(x, {**x.__globals__, **closure_of(x)})
        elif getattr(kind, "traces", False) is True:
            self.called(x)
        else:
            self.key.add(_named(x))

    def called(self, kernel: Any) -> None:
        """A kernel, as it was when it was traced."""
        if kernel._origin.fingerprint is None or kernel._constants:
            raise Unknown
        self.key.add(kernel._origin.fingerprint)
        self.several([part for item in sorted(kernel._known.items()) for part in item])

    def several(self, parts: Any) -> None:
        """The parts of a value."""
        self.key.add(str(len(parts)))
        for part in parts:
            self.value(part)


def _ours(x: Any) -> bool:
    """Whether it is a function of this package, which the versions of its files tell."""
    module = sys.modules.get(x.__module__ or "")
    own = x.__module__.partition(".")[0] == "gemel" and not x.__module__.startswith(KERNELS_OF_OURS)
    return own and getattr(module, x.__name__, None) is x


def _named(x: Any) -> str:
    """The name of what is known by it.

    Raises Unknown for anything else.
    """
    name = getattr(x, "__name__", "")
    if x is Unknown or isinstance(x, Static):
        raise Unknown
    if isinstance(x, type):
        known = x.__module__ in ("builtins", "numpy", "gemel.semantics.dtypes") and name != "object"
        known = known and (x.__module__ != "builtins" or name in PURE | {"bytes"})
    elif isinstance(x, BuiltinFunctionType):
        known = (name in PURE and getattr(builtins, name) is x) or getattr(math, name, None) is x
        known = known or (name in ARRAYS and getattr(np, name, None) is x)
    elif isinstance(x, FunctionType):
        known = _ours(x)
    else:
        known = isinstance(x, np.ufunc) or (name in ARRAYS and getattr(np, name, None) is x)
    if not known:
        raise Unknown
    return f"{getattr(x, '__module__', '')}.{name}"


def _annotations(node: ast.AST) -> list[ast.AST]:
    """The annotations of a function's parameters and result."""
    found = [n.annotation for n in ast.walk(getattr(node, "args", node)) if isinstance(n, ast.arg)]
    return [n for n in (*found, getattr(node, "returns", None)) if n is not None]


def _read(source: Source, more: Sequence[ast.AST]) -> Iterator[tuple[str, ...]]:
    """The names that a function reads from around it, each with the attributes that follow; perhaps some of its own.

    Its own are the parameters, and what it has set before, on the way that every run takes.
    """
    node, nodes = source.node, list(ast.walk(source.node))
    if any(isinstance(n, ast.Global | ast.Nonlocal | ast.Import | ast.ImportFrom) for n in nodes):
        raise Unknown
    own = {a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)}
    for part in (*more, *(n.annotation for n in nodes if isinstance(n, ast.AnnAssign))):
        if any(isinstance(n, ast.Constant) and isinstance(n.value, str) for n in ast.walk(part)):
            raise Unknown  # names in a string
        yield from _chains(part, set())
    for s in node.body if isinstance(node, ast.FunctionDef) else [node.body]:
        yield from _chains(s, own)
        if isinstance(s, ast.Assign):
            own |= {t.id for t in s.targets if isinstance(t, ast.Name)}


def _chains(node: ast.AST | None, own: set[str]) -> Iterator[tuple[str, ...]]:
    """The names in a syntax tree, `a.b.c` as one."""
    attributes: list[str] = []
    inner: ast.AST | None = node
    while isinstance(inner, ast.Attribute):
        attributes.insert(0, inner.attr)
        inner = inner.value
    if isinstance(inner, ast.Name):
        if isinstance(inner.ctx, ast.Load) and inner.id not in own:
            yield inner.id, *attributes
    elif inner is not None:
        if isinstance(inner, ast.AugAssign) and isinstance(inner.target, ast.Name) and inner.target.id not in own:
            yield (inner.target.id,)
        for child in ast.iter_child_nodes(inner):
            yield from _chains(child, own)
