"""What a kernel is made of: a decorated function with the names that it sees, or IR."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gemel.traced import Dim

if TYPE_CHECKING:
    from gemel.semantics import ir
    from gemel.signature import Signature


class Decorated:
    """A function under `@gm.kernel`, and the names that were around it there."""

    def __init__(self, fn: Callable[..., Any], strict: bool, around: dict[str, Any]) -> None:
        self.fn, self.strict, self.around = fn, strict, around
        self.dims = {p.__name__: Dim(p.__name__) for p in getattr(fn, "__type_params__", ())}  # def f[M, N](...)
        self._print: str | None = None
        self._printed = False

    @functools.cached_property
    def signature(self) -> Signature:
        """The parameters; raises TraceError where the source can't be read."""
        import inspect

        from gemel.signature import read_signature
        from gemel.source import closure_of, source_of

        defaults = {n: p.default for n, p in inspect.signature(self.fn).parameters.items()}
        names = {**self.fn.__globals__, **self.around, **closure_of(self.fn), **self.dims}
        return read_signature(source_of(self.fn), names, defaults)

    def outer(self) -> dict[str, Any]:
        """The names that aren't those of the function's module."""
        from gemel.source import closure_of

        fn = self.fn
        scope = {**self.around, **closure_of(fn), **self.dims}
        return {n: v for n, v in scope.items() if n not in fn.__globals__ or fn.__globals__[n] is not v}

    def trace(self, statics: Mapping[str, Any]) -> ir.Kernel:
        """The IR at given static arguments."""
        from gemel.source import source_of
        from gemel.tracing import trace

        fn, before = self.fn, self._read()
        made = trace(fn.__name__, source_of(fn), self.signature, statics, self.outer(), fn.__globals__, self.strict)
        self._print, self._printed = before if before == self._read() else None, True
        return made

    @property
    def fingerprint(self) -> str | None:
        """What tells this kernel from all others before it is traced; None where that can't be told.

        Once it is traced, of what it was at that time: names may be given other values later.
        """
        if not self._printed:
            self._print, self._printed = self._read(), True
        return self._print

    def _read(self) -> str | None:
        from gemel.fingerprint import fingerprint_of

        return fingerprint_of(self)


@dataclass(frozen=True)
class Written:
    """IR that is there."""

    kernel: ir.Kernel
    fn = signature = fingerprint = None

    def trace(self, statics: Mapping[str, Any]) -> ir.Kernel:
        """The IR."""
        return self.kernel


Origin = Decorated | Written
