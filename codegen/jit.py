"""LLVM IR text to machine code in this process. LLVM is loaded when something has to be compiled that isn't kept."""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Protocol

from gemel.codegen import cache as kept
from gemel.codegen import elf, keys, threads, widediv
from gemel.codegen.cpu import converts_half as converts_half
from gemel.codegen.cpu import native
from gemel.semantics.errors import CompileError

LARGE = 10_000
"""Lines of a module from which on the costly passes are left out, so that compile time stays near linear."""

_lock = threading.RLock()

_symbols: dict[str, int] = {}
"""Functions of ours that modules may call."""


@cache
def _target() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple()


def _machine(level: int) -> Any:
    """A new target machine: an engine takes its own."""
    _, cpu, features = native()
    return _target().create_target_machine(
        cpu=cpu, features=features, opt=level, reloc="default", codemodel="jitdefault"
    )


class Loaded(Protocol):
    """Code in memory, as long as this lives."""

    def address(self, name: str) -> int:
        """Where a function is."""


@dataclass(frozen=True)
class _Engine:
    """Code that LLVM has loaded."""

    engine: Any

    def address(self, name: str) -> int:
        return int(self.engine.get_function_address(name))


@dataclass(frozen=True)
class Code:
    """A module that has been compiled and loaded; its functions live as long as this. `text` gives its LLVM IR."""

    text: Callable[[], str]
    level: int
    unroll: bool
    loaded: Loaded

    def address(self, name: str) -> int:
        """Where a function is."""
        return self.loaded.address(name)

    def function(self, name: str, result: Any, *args: Any) -> Any:
        """A function of the module as a ctypes function, which releases the GIL while it runs."""
        return ctypes.CFUNCTYPE(result, *args)(self.address(name))

    def at_end(self, name: str) -> None:
        """Has a function of the module called when this is gone, and nobody can be in its code any more."""
        weakref.finalize(self, _last, self.loaded, name).atexit = False

    @property
    def llvm(self) -> str:
        """The LLVM IR as generated."""
        return self.text()

    @cached_property
    def optimized(self) -> str:
        """The LLVM IR after LLVM's passes."""
        with _lock:
            return str(_optimized(self.llvm, self.level, self.unroll)[0])

    @cached_property
    def asm(self) -> str:
        """The assembly for this CPU."""
        with _lock:
            module, machine = _optimized(self.llvm, self.level, self.unroll)
            return str(machine.emit_assembly(module))


def _last(loaded: Loaded, name: str) -> None:
    ctypes.CFUNCTYPE(None)(loaded.address(name))()


def compile_text(text: str, level: int = 3, unroll: bool = True, keep: bool = True) -> Code:
    """Compiles and loads a module; `level` is that of LLVM's optimisation, less for a very large module.

    At level 0 LLVM's passes are left out, but not the care of its code generator, at -1 that too. Without `unroll`
    loops stay as they are: a schedule has unrolled what is worth it. Without `keep` the object doesn't go to the disk
    cache.

    Raises CompileError where LLVM doesn't take the text, which is a mistake of ours; WideVectors.
    """
    data = kept_object(text, level, unroll) if keep else object_of(text, level, unroll)
    return Code(lambda: text, level, unroll, load(data))


def kept_object(text: str, level: int, unroll: bool) -> bytes:
    """The same from the disk cache, where it goes if it isn't there."""
    name = keys.of_text(text, level, unroll)
    data = kept.get(name)
    if data is None:
        data = object_of(text, level, unroll)
        kept.put(name, data)
    return data


def object_of(text: str, level: int, unroll: bool) -> bytes:
    """The object of a module for this CPU, for `load`; raises as `compile_text`."""
    with _lock:
        module, machine = _optimized(text, level, unroll)
        return bytes(machine.emit_object(module))


def _optimized(text: str, level: int, unroll: bool) -> tuple[Any, Any]:
    """The module after LLVM's passes, and what makes code of it."""
    import llvmlite.binding as llvm

    from gemel.codegen.machine import level_of_code, optimize

    level = min(level, 1) if text.count("\n") > LARGE else level
    machine = _machine(max(level, 0))
    try:
        module = llvm.parse_assembly(text)
        module.verify()
    except RuntimeError as error:
        raise CompileError(f"LLVM rejects the generated code: {error}", code="C02") from None
    module.triple, module.data_layout = native()[0], str(machine.target_data)
    optimize(module, text, machine, level, unroll)
    return module, _machine(level_of_code(text, level or 1))


def load(data: bytes, symbols: Mapping[str, int] | None = None) -> Loaded:
    """Brings an object into memory, with what it calls; `symbols` are addresses of what it alone refers to."""
    with _lock:
        _provide(data)
        return _loaded(data, symbols or {})


def _loaded(data: bytes, symbols: Mapping[str, int]) -> Loaded:
    known = {**_symbols, **symbols}
    return elf.load(data, lambda name: _find(name, known)) or _engine(data, known)


def _find(name: str, symbols: Mapping[str, int]) -> int | None:
    """The address of a function: ours, or one that the process has."""
    if name in symbols:
        return symbols[name]
    try:
        return ctypes.cast(ctypes.CDLL(None)[name], ctypes.c_void_p).value
    except AttributeError:
        return None


def _engine(data: bytes, symbols: Mapping[str, int]) -> Loaded:
    import llvmlite.binding as llvm

    for name, address in symbols.items():
        llvm.add_symbol(name, address)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine(2))
    engine.add_object_file(llvm.ObjectFileRef.from_data(data))
    engine.finalize_object()
    return _Engine(engine)


def define(name: str, address: int) -> None:
    """Makes a function known to modules to come."""
    _symbols[name] = address


def _provide(data: bytes) -> None:
    """Makes known what an object calls that the process doesn't have: division of wide integers, the threads."""
    if any(name.encode() in data for name in widediv.NAMES):
        _provided(widediv.TEXT, widediv.NAMES)
    if threads.NAME.encode() in data and threads.NAME not in _symbols:
        threads.start(_provided(threads.text(), (threads.NAME,)))


@cache
def _provided(text: str, names: tuple[str, ...]) -> Code:
    """A module of ours whose functions are made known.

    It is never unloaded: workers run it until the process ends, when Python has already cleared its modules.
    """
    code = Code(lambda: text, 2, True, _loaded(kept_object(text, 2, True), {}))
    for name in names:
        define(name, code.address(name))
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(code))
    return code
