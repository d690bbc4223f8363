"""`@gm.kernel`: the object that a decorated function becomes."""

from __future__ import annotations

import copy
import copyreg
import functools
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import FunctionType, UnionType
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from gemel import native
from gemel.native import cool, plain_class, warm
from gemel.origin import Decorated, Origin, Written
from gemel.semantics.entry import entry, trimmed
from gemel.semantics.errors import ArgumentError, GemelError, ShapeError
from gemel.underway import tracing

if TYPE_CHECKING:
    from gemel.codegen.objects import Library
    from gemel.codegen.runtime import Compiled
    from gemel.hwsynth import Design
    from gemel.schedule import Schedule
    from gemel.semantics import ir as irs
    from gemel.semantics.passes.constants import Constants
    from gemel.semantics.verify.report import Report
    from gemel.signature import Signature

Sizes = tuple[tuple[int, ...] | None, ...]


class Kernel:
    """A kernel: call it on NumPy arrays and numbers, look at its IR, interpret it, make hardware of it.

    Made by `@gm.kernel` or `gm.parse`. Arrays that the kernel stores to change in place; what it returns is new.
    """

    traces = True

    def __init__(
        self,
        name: str,
        origin: Origin,
        known: Mapping[str, Any] | None = None,
        constants: Constants | None = None,
    ) -> None:
        self.__name__ = name
        self.fn = fn = origin.fn
        self._origin = origin
        self._known = dict(known or {})
        self._constants = constants
        self._irs: dict[tuple[Any, ...], irs.Kernel] = {}
        self._compiled: dict[tuple[Any, ...], Compiled] = {}
        self._asked: set[str] = set()  # entries that were looked for on disk
        self._bases: dict[tuple[Any, ...], irs.Kernel] = {}  # shared with what `specialize` makes, as are the reports
        self._reports: dict[irs.Kernel, Report] = {}
        if fn is not None:
            functools.update_wrapper(self, fn)

    # ------------------------------------------------------------------------------------------------------------- IR

    @property
    def _signature(self) -> Signature | None:
        return self._origin.signature

    @property
    @entry
    def ir(self) -> irs.Kernel:
        """The typed IR.

        Raises ArgumentError where the kernel has static parameters that `specialize` has not set.
        """
        return self._ir_at(self._statics({}))

    def _ir_at(self, statics: Mapping[str, Any]) -> irs.Kernel:
        key = _statics_key(statics)
        if key not in self._irs:
            self._irs[key] = self._sized(self._base(statics))
        return self._irs[key]

    def _base(self, statics: Mapping[str, Any]) -> irs.Kernel:
        """The IR before sizes are put in."""
        key = _statics_key(statics)
        if key not in self._bases:
            from gemel.tracer import in_turn

            origin = self._origin
            in_turn(lambda: self._bases.setdefault(key, origin.trace(statics)), (origin, key), self.__name__)
        return self._bases[key]

    def _checked(self, statics: Mapping[str, Any]) -> irs.Kernel:
        """The IR for code: after `verify`, with checks only where something isn't proved."""
        k, base = self._ir_at(statics), self._base(statics)
        if k in self._reports:
            return self._reports[k].kernel
        return self._sized(self._reports[base].kernel) if base in self._reports else k

    def _sized(self, k: irs.Kernel) -> irs.Kernel:
        from gemel.semantics.passes.specialize import specialize

        dims = {d.hint: self._known[d.hint] for d in k.dims if d.hint in self._known}
        sized = specialize(k, dims) if dims else k
        if not self._constants:
            return sized
        from gemel.semantics.passes.constants import fix

        return fix(sized, self._constants)

    def _statics(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The static arguments: as given, as specialised, or by default."""
        found: dict[str, Any] = {}
        for p in self._signature.parameters if self._signature else ():
            if not p.static:
                continue
            value = given.get(p.name, self._known.get(p.name, p.default))
            if value is p.EMPTY:
                raise ArgumentError(
                    f"the static argument {p.name} is missing",
                    code="A08",
                    span=p.span,
                    mend=f"pass {p.name}=..., or use specialize({p.name}=...)",
                )
            found[p.name] = value
        return found

    @entry
    def specialize(self, **values: Any) -> Kernel:
        """The kernel at given sizes, static arguments and constants; it is called without these.

        A parameter's value is a constant: code may be made for it, and what depends on constants alone is computed
        once, such as the packed form of a layer's weights. An array is copied, so that later changes don't matter.

        Raises ArgumentError for a name that is none of these, a size that is no int from 0, a constant that the kernel
        stores to; ArgumentError or ShapeError for a constant that doesn't fit.
        """
        names = {p.name for p in self._signature.parameters if p.static} if self._signature else set()
        for name in values.keys() & names:
            self._check_static(name, values[name])
        fixed = self._fixed(values)
        known = {**self._known, **{n: v for n, v in values.items() if n not in fixed}}
        made = Kernel(self.__name__, self._origin, known, self._constants)
        made._bases, made._reports = self._bases, self._reports
        if not (names - known.keys() - self._defaulted()):
            self._check_names(made, known.keys() & values.keys(), names)
        if fixed or (made._constants and values.keys() & names):
            made._fix(fixed)
        return made

    def _fixed(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values that are those of parameters, and no sizes."""
        if self._signature:
            named = {p.name for p in self._signature.parameters if not p.static}
        else:
            named = {p.hint for p in self._origin.trace({}).params}
        if not values.keys() & named:
            return {}
        sizes = {d.hint for d in self._base(self._statics(values)).dims}
        return {n: v for n, v in values.items() if n in named - sizes}

    def _fix(self, fixed: Mapping[str, Any]) -> None:
        """Makes parameters constants; those that are checked against what is known now."""
        from gemel.semantics.passes.constants import constants

        held = {**self._constants.tensors, **self._constants.numbers} if self._constants else {}
        self._constants = constants(self._base(self._statics({})), {**held, **fixed})
        self._ir_at(self._statics({}))

    def _defaulted(self) -> set[str]:
        parameters = self._signature.parameters if self._signature else ()
        return {p.name for p in parameters if p.default is not p.EMPTY}

    def _check_names(self, made: Kernel, given: Iterable[str], statics: set[str]) -> None:
        whole = self._base(made._statics({}))
        dims = {d.hint for d in whole.dims}
        for name in given:
            value = made._known[name]
            if name not in dims | statics:
                known = ", ".join(sorted(dims | statics | {p.hint for p in whole.params})) or "none"
                raise ArgumentError(
                    f"{self.__name__} has no size or argument {name}",
                    code="A08",
                    span=whole.span,
                    mend=f"it has: {known}",
                )
            if name in dims and (isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0):
                raise ArgumentError(
                    f"the size {name} can't be {value!r}", code="A08", span=whole.span, mend="a size is an int from 0"
                )

    def _check_static(self, name: str, value: Any) -> None:
        from gemel.semantics.dtypes import DType

        for p in self._signature.parameters if self._signature else ():
            kind = getattr(p.annotation, "kind", object)
            wanted = DType if kind is type else kind  # gm.static[type]: an element type
            if p.name == name and isinstance(wanted, type | UnionType) and not isinstance(value, wanted):
                what = "an element type" if kind is type else f"of type {kind.__name__}"
                raise ArgumentError(
                    f"the static argument {name} is {what}, not {value!r}",
                    code="A08",
                    span=p.span,
                    mend=f"pass {'one' if kind is type else f'a value {what}'} for {name}",
                )

    # ------------------------------------------------------------------------------------------------------------ runs

    def _split(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[dict[str, Any], list[Any]]:
        """Static arguments by name, and the others in order."""
        signature = self._signature
        if signature is None:
            from gemel.semantics import arguments

            return {}, arguments.in_order(self._ir_at({}), args, kwargs) if kwargs else list(args)
        plain = not self._constants and not any(p.static for p in signature.parameters)
        if not kwargs and plain and len(args) == len(signature.parameters):
            return {}, list(args)
        return self._split_named(signature, args, kwargs)

    def _split_named(
        self, signature: Signature, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[dict[str, Any], list[Any]]:
        parameters = [p for p in signature.parameters if p.name not in (self._constants or ())]
        names = [p.name for p in parameters if not (p.static and p.name in self._known)]
        given = dict(zip(names, args, strict=False))
        extra = [n for n in kwargs if n not in names or n in given]
        if len(args) > len(names) or extra:
            what = f"there is no {extra[0]}" if extra else f"{len(args)} arguments are too many"
            import difflib

            close = difflib.get_close_matches(extra[0], names, 1) if extra else []
            raise ArgumentError(
                f"{self.__name__} takes ({', '.join(names)}); {what}",
                code="A01",
                span=signature.source.span(signature.source.node),
                mend=f"did you mean {close[0]}?" if close else "pass one argument for each parameter",
            )
        given.update(kwargs)
        values = []
        for p in parameters:
            if p.static:
                if p.name in given:
                    self._check_static(p.name, given[p.name])
                continue
            if p.name in given:
                values.append(given[p.name])
            elif p.default is not p.EMPTY:
                values.append(p.default)
            else:
                raise ArgumentError(
                    f"{self.__name__} takes ({', '.join(names)}); {p.name} is missing",
                    code="A01",
                    span=p.span,
                    mend=f"pass it: {p.name}=...",
                )
        return {p.name: given[p.name] for p in signature.parameters if p.static and p.name in given}, values

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the kernel on this CPU; compiled at the first call for these sizes, and called natively when warm.

        Arrays of other packages are used in place where DLPack, Python's buffers or `__array_interface__` say where
        they lie. With `out=` results go to that array, or a tuple of arrays, which is then what the call gives; of what
        is in them after an error nothing is known. A parameter of that name goes first.

        Raises ArgumentError, ShapeError for arguments that don't fit; BoundsError, DivisionError, CheckError where the
        run fails.
        """
        __tracebackhide__ = True
        try:
            if not kwargs:  # the short way for sizes that have been compiled
                known = self._compiled.get(tuple([a.shape if type(a) is np.ndarray else None for a in args]))
                if known is not None and tracing() is None:
                    return known(*args)
            return self._call(args, kwargs)
        except GemelError as error:
            raise trimmed(error)  # noqa: B904  it is the same error

    def _call(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if tracing() is None and kwargs.keys() <= {"out"} and native.found(self, args):
            return self(*args, **kwargs)
        out, kwargs = self._out(kwargs)
        if tracing() is not None:
            from gemel import nested
            from gemel.tracer import here

            if out is not None:
                raise ArgumentError(
                    f"{self.__name__} is called in a kernel, where there is no out=",
                    code="A01",
                    span=here(),
                    mend=f"store what it gives: y[:] = {self.__name__}(...)",
                )
            return nested.call(self, args, kwargs)
        from gemel.semantics import arguments

        statics, given = self._split(args, kwargs)
        values = [arguments.shared(v) for v in given]
        key = (*(a.shape if isinstance(a, np.ndarray) else None for a in values), *map(_key, statics.values()))
        compiled = self._compiled.get(key)
        if compiled is None:
            compiled = self._compile_for(self._checked(self._statics(statics)), given)
            compiled.when_warm = self._warm
            self._compiled[key] = compiled
            native.keep(self, compiled, args)
        try:
            return compiled(*values, out=out)
        except ArgumentError:
            arguments.bind(compiled.source, given)  # tells the mend for arrays as they were given
            raise

    def _out(self, kwargs: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
        """What `out=` says, and the other named arguments; it may be a parameter's name."""
        if "out" not in kwargs:
            return None, kwargs
        signature = self._signature
        names = [p.name for p in signature.parameters] if signature else [p.hint for p in self._ir_at({}).params]
        if "out" in names:
            return None, kwargs
        return kwargs["out"], {name: value for name, value in kwargs.items() if name != "out"}

    def _warm(self, compiled: Compiled) -> bool:
        """Calls have become frequent; static arguments that a call may pass are Python's to sort out."""
        statics = [p.name for p in self._signature.parameters if p.static] if self._signature else []
        if not self._known.keys() >= set(statics):
            return False
        return warm(self, compiled, lambda: any(c is compiled for c in [*self._compiled.values()]))

    def __reduce_ex__(self, protocol: Any) -> Any:
        """A copy is of the plain class, and compiles anew."""
        state = {**self.__dict__, "_compiled": {}, "_asked": set()}
        return copyreg.__newobj__, (plain_class(type(self)),), state  # type: ignore[attr-defined]

    def __deepcopy__(self, memo: Any) -> Kernel:
        return copy.copy(self)  # as for a function: there is nothing in it that changes

    def _compile_for(self, k: irs.Kernel, values: Sequence[Any]) -> Compiled:
        from gemel.codegen.runtime import compile_kernel

        return compile_kernel(_at_sizes(k, values))

    def _sized_ir(self, args: Sequence[Any]) -> tuple[irs.Kernel, list[Any]]:
        """The IR for the sizes of arguments, and these in order."""
        from gemel.semantics import arguments

        statics, values = self._split(args, {})
        given = [arguments.shared(v) for v in values]
        return _at_sizes(self._checked(self._statics(statics)), given), given

    def _compile_at(self, sizes: Sizes) -> Compiled:
        """Code for arguments of such sizes."""
        from gemel.codegen.runtime import compile_kernel
        from gemel.semantics.arguments import solve_dims
        from gemel.semantics.ir import Buffer
        from gemel.semantics.passes.specialize import specialize

        k = self._checked(self._statics({}))
        arrays = {p: s for p, s in zip(k.params, sizes, strict=True) if isinstance(p, Buffer) and s is not None}
        return compile_kernel(specialize(k, _hinted(solve_dims(k, arrays))))

    @entry
    def interpret(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the reference interpreter: slow and exact; arguments, results and errors as for a call."""
        from gemel.semantics.interp import interpret

        out, named = self._out(kwargs)
        statics, values = self._split(args, named)
        return interpret(self._ir_at(self._statics(statics)), values, out=out)

    @entry
    def verify(self, **statics: Any) -> Report:
        """Proves what could go wrong, for all sizes and inputs, or finds inputs for which it does.

        Gives a Report: `.ok`, and `.obligations`, each with `.status`, `.kind`, `.span`, `.counterexample`. What is
        proved is no longer checked when the kernel runs. Loads z3.
        """
        from gemel.semantics.verify import verify

        at = self.specialize(**statics) if statics else self
        k = at._ir_at(at._statics({}))
        if k not in self._reports:
            self._reports[k] = verify(k)
            cool(self, self._compiled.clear)
        return self._reports[k]

    @overload
    def compile(self, target: Literal["native"] = "native", **sizes: Any) -> Compiled: ...
    @overload
    def compile(self, target: str, **sizes: Any) -> Compiled | Library: ...
    @entry
    def compile(self, target: str = "native", **sizes: Any) -> Compiled | Library:
        """The code for given sizes: `.llvm`, `.optimized`, `.asm`, `.save("lib.so")` (or .o, .h, .s, .ll).

        Code for this machine can be called; of others `codegen/targets.toml` has the list. Raises ShapeError where a
        size is missing, CompileError for an unknown target.
        """
        from gemel.codegen.runtime import compile_for

        return compile_for(self._static_ir(sizes), target)

    def _static_ir(self, sizes: Mapping[str, Any]) -> irs.Kernel:
        at = self.specialize(**sizes) if sizes else self
        k = at._checked(at._statics({}))
        if k.dims:
            missing = ", ".join(d.hint for d in k.dims)
            raise ShapeError(
                f"{self.__name__} needs its sizes: {missing}",
                code="S04",
                span=k.span,
                mend=f"pass them: {', '.join(f'{d.hint}=8' for d in k.dims)}",
            )
        return k

    @entry
    def schedule(self, start: str = "source", **sizes: Any) -> Schedule:
        """A Schedule of the kernel: as it is written, or with start="cpu" as this CPU computes it.

        That is what `gm.tune` has found for these sizes, if it has, and else the default, which start="default" gives
        in any case. Sizes may stay open; most steps want numbers. Calls are inlined, but for those of kernels that have
        a schedule: they keep it, and the step `inline` makes them part of this one. Raises ScheduleError for another
        `start`.
        """
        from gemel.schedule import started

        at = self.specialize(**sizes) if sizes else self
        return started(at._checked(at._statics({})), start, of_ir)

    @entry
    def schedule_for(self, *args: Any, start: str = "source", **kwargs: Any) -> Schedule:
        """A Schedule for the sizes of example arguments."""
        from gemel.semantics import arguments

        statics, values = self._split(args, kwargs)
        sizes = _hinted(arguments.bind(self._ir_at(self._statics(statics)), values).dims)
        return self.schedule(start, **sizes, **statics)

    @entry
    def synth(
        self,
        target: str = "ecp5",
        clock_mhz: float = 100.0,
        interface: str = "memory",
        reset: str = "sync",
        resources: Mapping[str, int] | None = None,
        **sizes: Any,
    ) -> Design:
        """Hardware for given sizes: a Design with `.verilog`, `.report`, `.cycles`, `.simulate(...)`, `.write(dir)`.

        `reset` says how control registers get their first values: "sync", at a clock edge where `rst` is high; "async",
        at once where it is; "none", at power-up, as FPGAs can, without a port `rst`. `resources` limits functional
        units: {"mul": 2} has at most two multipliers; others are "add" and "div".
        Raises SynthesisError where the kernel can't be hardware as asked.
        """
        from gemel.hwsynth import synthesize

        at = self.specialize(**sizes) if sizes else self
        dims = {d.hint for d in at._base(at._statics({})).dims}
        return synthesize(
            at._static_ir({}),
            runnable=of_ir,
            sizes={name: size for name, size in at._known.items() if name in dims},
            at=lambda other: at.specialize(**other)._static_ir({}),
            target=target,
            clock_mhz=clock_mhz,
            interface=interface,
            reset=reset,
            resources=resources,
        )

    @entry
    def synth_for(self, *args: Any, target: str = "ecp5", clock_mhz: float = 100.0, **kwargs: Any) -> Design:
        """Hardware for the sizes of example arguments; otherwise as `synth`."""
        from gemel.hwsynth import synthesize

        statics, values = self._split(args, kwargs)
        k = self._checked(self._statics(statics))

        at = self.specialize(**statics) if statics else self
        return synthesize(
            _at_sizes(k, values),
            runnable=of_ir,
            target=target,
            clock_mhz=clock_mhz,
            interface="memory",
            sizes=_sizes_of(k, values),
            at=lambda other: at.specialize(**other)._static_ir({}),
        )

    # --------------------------------------------------------------------------------------------------------- display

    def __repr__(self) -> str:
        if self.fn is None:
            return f"<kernel {self.__name__}>"
        import inspect

        return f"<kernel {self.__name__}{inspect.signature(self.fn)}>"

    def _repr_html_(self) -> str:
        import html

        return f"<pre>{html.escape(str(self.ir))}</pre>"


def _statics_key(statics: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(sorted((name, _key(value)) for name, value in statics.items()))


def _key(value: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return (type(value), value)


def _at_sizes(k: irs.Kernel, values: Sequence[Any]) -> irs.Kernel:
    from gemel.semantics.passes.specialize import specialize

    return specialize(k, _sizes_of(k, values))


def _sizes_of(k: irs.Kernel, values: Sequence[Any]) -> dict[str, int]:
    from gemel.semantics import arguments

    return _hinted(arguments.bind(k, values).dims)


def _hinted(dims: Mapping[irs.Var, int]) -> dict[str, int]:
    return {var.hint: size for var, size in dims.items()}


@overload
def kernel(fn: Callable[..., Any], /) -> Kernel: ...
@overload
def kernel(*, fp: str = "relaxed") -> Callable[[Callable[..., Any]], Kernel]: ...
def kernel(fn: Callable[..., Any] | None = None, /, *, fp: str = "relaxed") -> Any:
    """Makes a Kernel of an annotated function; `fp="strict"` forbids schedules to change any rounding.

    The function is read and traced when the kernel is first used; that raises TraceError, TypeCheckError or ShapeError
    for what can't be a kernel. Here, ArgumentError for what is no function.
    """
    names = dict(sys._getframe(1).f_locals)
    if fp not in ("relaxed", "strict"):
        raise ArgumentError(
            f"fp is 'relaxed' or 'strict', not {fp!r}",
            code="A08",
            mend='write fp="strict" where no rounding may change',
        )
    if fn is None:
        return lambda inner: _make(inner, fp == "strict", names)
    return _make(fn, fp == "strict", names)


def _make(fn: Callable[..., Any], strict: bool, around: dict[str, Any]) -> Kernel:
    if not isinstance(fn, FunctionType):
        from gemel.values import described

        raise ArgumentError(
            f"@gm.kernel on {described(fn)}", code="A06", mend="put it above a plain function, written with def"
        )

    return Kernel(fn.__name__, Decorated(fn, strict, around))


def of_ir(k: irs.Kernel) -> Kernel:
    """A kernel object around IR."""
    return Kernel(k.name, Written(k))


@entry
def parse(text: str, filename: str = "<text>") -> Kernel:
    """The kernel that a text form of the IR describes, the last of several; nothing in the text is executed.

    `filename` is how errors call the text. Raises ParseError I01 for a malformed text, I02 for IR that is not valid.
    """
    from gemel.parser import parse as parse_ir

    return of_ir(parse_ir(text, filename))
