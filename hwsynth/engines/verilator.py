"""Verilator as an engine: the printed SystemVerilog, compiled to a shared library that Python drives.

Verilator's own make flow and its run-time library are left aside: the model is one C++ file that includes what
Verilator wrote and a shim with a C interface; the run-time objects are compiled once and kept in the cache folder.
Registers and memories that power-up leaves unspecified start with arbitrary values.
"""

from __future__ import annotations

import ctypes
import hashlib
import math
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gemel.hwsynth import tools
from gemel.hwsynth.engines.run import Run, bench, no_waves, run_once
from gemel.hwsynth.engines.script import Script, Seen, play
from gemel.hwsynth.nativesim import CHUNK_SECONDS, Words, word_array
from gemel.hwsynth.netlist import Memory, NetType
from gemel.hwsynth.progress import tell
from gemel.hwsynth.system import DONE, System
from gemel.hwsynth.verilog import Printed, needs_reset, print_design
from gemel.semantics.convert import from_bits, to_bits
from gemel.semantics.dtypes import BoolType, DType, IntType, width_of

TIMEOUT = 600.0
"""Seconds for compiling a model."""

SHORT = 100_000
"""Cycles that are simulated sooner than the C++ compiler has done more for them."""

SEED = 20_240_229
"""Of the arbitrary power-up values."""

_FLAGS = ("-std=c++20", "-fPIC", "-fno-strict-aliasing", "-DVERILATOR=1", "-DVM_TRACE=0", "-DVM_COVERAGE=0", "-w")
_RUNTIME = ("verilated.cpp", "verilated_threads.cpp")


@dataclass(frozen=True)
class Settings:
    """How a model is built: the C++ compiler's level, and what Verilator makes of values that nothing defines."""

    level: str
    unknown: str = "unique"


class VerilatorModel:
    """A system compiled by Verilator."""

    def __init__(self, system: System, settings: Settings) -> None:
        self.system = system
        self.printed = print_design(bench(system.module))
        self.memories = {m.hint: m for m in self.printed[-2].module.memories}
        self.library = _library(self.printed, settings)

    def run(
        self,
        memories: Mapping[str, Words],
        scalars: Mapping[str, int],
        max_cycles: int,
        vcd: str | os.PathLike[str] | None = None,
    ) -> Run:
        """As `Model.run`; raises ToolError X02 where waves are asked for."""
        no_waves("verilator", vcd)
        return run_once(self.play, self.system, memories, scalars, max_cycles)

    def play(self, script: Script) -> list[Seen]:
        """As `Model.play`."""
        sim = VerilatorSim(self)
        try:
            return play(sim, self.system, script)
        finally:
            sim.close()


def build(system: System, cycles: int | None) -> VerilatorModel:
    """The model of a system; raises as `engines.build`."""
    return VerilatorModel(system, Settings("-O0" if cycles is not None and cycles < SHORT else "-O1"))


# ---------------------------------------------------------------------------------------------------------- simulation


class VerilatorSim:
    """One running circuit, driven as `nativesim.NativeSim`."""

    def __init__(self, model: VerilatorModel) -> None:
        self._lib = model.library
        module = model.system.module
        self._inputs = {i.var.hint: (k, i.var.dtype) for k, i in enumerate(module.inputs)}
        self._outputs = {o.name: (k, o.value.dtype) for k, o in enumerate(module.outputs)}
        self._handle = ctypes.c_void_p(self._lib.gemel_new(SEED))
        self._views = {name: _View(self._lib, self._handle, k, m) for k, (name, m) in enumerate(model.memories.items())}

    def close(self) -> None:
        """Frees the circuit; nothing else may be called afterwards."""
        self._lib.gemel_free(self._handle)

    def load(self, memory: str, words: Words) -> None:
        """Sets all words of a memory."""
        self._views[memory].load(words)

    def dump(self, memory: str) -> Words:
        """A copy of all words of a memory."""
        return self._views[memory].dump()

    def __setitem__(self, name: str, value: int) -> None:
        index, dtype = self._inputs[name]
        self._lib.gemel_input(self._handle, index, to_bits(value, dtype).to_bytes(_bytes(dtype), "little"))

    def __getitem__(self, name: str) -> int:
        index, dtype = self._outputs[name]
        data = ctypes.create_string_buffer(_bytes(dtype))
        self._lib.gemel_output(self._handle, index, data)
        return int(from_bits(int.from_bytes(data.raw, "little"), dtype))

    def run(self, max_cycles: int) -> int:
        """Runs until `max_cycles` edges have passed, or one after which `done` is high; gives their number."""
        done, chunk = 0, 256
        while done < max_cycles:
            wanted = min(chunk, max_cycles - done)
            start = time.perf_counter()
            passed = int(self._lib.gemel_run(self._handle, wanted))
            done += passed
            tell(done)
            if passed < wanted or self[DONE]:
                break
            if time.perf_counter() - start < CHUNK_SECONDS / 4:
                chunk *= 4
        return done

    def step(self, cycles: int) -> None:
        """Passes edges, whatever `done` says."""
        self._lib.gemel_step(self._handle, cycles)

    def reset(self, cycles: int = 1) -> None:
        """Passes edges with `rst` high."""
        self._lib.gemel_reset(self._handle, 1)
        self.step(cycles)
        self._lib.gemel_reset(self._handle, 0)


def _bytes(dtype: DType) -> int:
    """Bytes of a value as the shim takes it: whole 32-bit words."""
    return -(-width_of(dtype) // 32) * 4


class _View:
    """A memory inside the model: an array of the smallest of 8, 16, 32, 64 or n x 32 bits, unused bits 0."""

    def __init__(self, lib: ctypes.CDLL, handle: ctypes.c_void_p, index: int, m: Memory) -> None:
        self.dtype, self.depth, width = m.dtype, m.depth, width_of(m.dtype)
        size = next((n for n in (8, 16, 32, 64) if width <= n), 0)
        shape = (m.depth,) if size else (m.depth, -(-width // 32))
        kind = np.dtype(f"u{size // 8 if size else 4}")
        data = ctypes.c_uint8 * (math.prod(shape) * kind.itemsize)
        self.data: Words = np.ctypeslib.as_array(data.from_address(lib.gemel_memory(handle, index))).view(kind)
        self.data = self.data.reshape(shape)

    def load(self, words: Words) -> None:
        """Takes words as `nativesim` holds them."""
        if words.ndim == 1:
            self.data[...] = words.astype(self.data.dtype) & _mask(width_of(self.dtype))
        else:
            limbs = self.data.shape[1]
            self.data[...] = np.ascontiguousarray(words).view(np.uint32)[:, :limbs]
            self.data[:, -1] &= _mask(width_of(self.dtype) - 32 * (limbs - 1))

    def dump(self) -> Words:
        """All words, as `nativesim` holds them."""
        out = word_array((), self.dtype, self.depth)
        if out.ndim == 1:
            return sign_extended(self.data.astype(np.uint64), self.dtype).astype(out.dtype)
        out.view(np.uint32)[:, : self.data.shape[1]] = self.data
        rest = IntType(1 + (width_of(self.dtype) - 1) % 64, isinstance(self.dtype, IntType) and self.dtype.signed)
        out[:, -1] = sign_extended(out[:, -1], rest)
        return out


def sign_extended(patterns: Words, dtype: NetType) -> Words:
    """Patterns of up to 64 bits, in u64, with the sign of a signed type in the unused bits."""
    if isinstance(dtype, BoolType) or not dtype.signed:
        return patterns
    rest = 64 - dtype.width
    return ((patterns << np.uint64(rest)).view(np.int64) >> np.int64(rest)).view(np.uint64)


def _mask(width: int) -> int:
    return (1 << width) - 1


# ------------------------------------------------------------------------------------------------------------- compile


def _library(printed: tuple[Printed, ...], settings: Settings) -> ctypes.CDLL:
    binary, env = tools.verilator()
    compiler = tools.compiler()
    root = Path(env["VERILATOR_ROOT"]) / "include"
    with tools.scratch() as folder:
        _verilate(binary, env, printed, folder, settings.unknown)
        unity = folder / "unity.cpp"
        unity.write_text(_unity(printed, folder / "out"))
        include = [f"-I{root}", f"-I{root / 'vltstd'}", f"-I{folder / 'out'}"]
        target = folder / "model.so"
        objects = _runtime(compiler, root)
        command = [compiler, *_FLAGS, settings.level, *include, "-shared", "-o", str(target), str(unity), *objects]
        tools.must("the C++ compiler", [*command, "-pthread"], folder, TIMEOUT)
        return _declared(ctypes.CDLL(str(target)))


def _verilate(binary: str, env: Mapping[str, str], printed: tuple[Printed, ...], folder: Path, unknown: str) -> None:
    for p in printed:
        (folder / f"{p.name}.sv").write_text(p.text)
    system, top = printed[-2:]
    public = [f'public_flat_rw -module "{system.name}" -var "{name}"' for name in system.memories.values()]
    (folder / "public.vlt").write_text("\n".join(["`verilator_config", *public, ""]))
    files = ["public.vlt", *(f"{p.name}.sv" for p in printed)]
    flags = ["--cc", "-O3", "--flatten", "--x-assign", unknown, "--x-initial", unknown, "--quiet", "--Mdir", "out"]
    command = [binary, *flags, "--prefix", "Vmodel", "--top-module", top.name, *files]
    tools.must("Verilator", command, folder, TIMEOUT, env)


def _declared(lib: ctypes.CDLL) -> ctypes.CDLL:
    handle, size, text = ctypes.c_void_p, ctypes.c_int64, ctypes.c_char_p
    lib.gemel_new.argtypes, lib.gemel_new.restype = [ctypes.c_int], handle
    lib.gemel_free.argtypes, lib.gemel_free.restype = [handle], None
    lib.gemel_memory.argtypes, lib.gemel_memory.restype = [handle, ctypes.c_int], handle
    lib.gemel_input.argtypes, lib.gemel_input.restype = [handle, ctypes.c_int, text], None
    lib.gemel_output.argtypes, lib.gemel_output.restype = [handle, ctypes.c_int, text], None
    lib.gemel_run.argtypes, lib.gemel_run.restype = [handle, size], size
    lib.gemel_step.argtypes, lib.gemel_step.restype = [handle, size], None
    lib.gemel_reset.argtypes, lib.gemel_reset.restype = [handle, ctypes.c_int], None
    return lib


def _runtime(compiler: str, root: Path) -> list[str]:
    """Verilator's run-time library as object files, compiled when it is first needed."""
    version = re.search(r'VERILATOR_VERSION\s+"([^"]*)"', (root / "verilated_config.h").read_text())
    identity = repr((compiler, _FLAGS, version and version.group(1), (root / "verilated.cpp").stat().st_size))
    folder = tools.cache_dir() / f"verilator-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    with tools.locked(folder.with_suffix(".lock")):
        folder.mkdir(exist_ok=True)
        return [str(_object(compiler, root, root / name, folder)) for name in _RUNTIME]


def _object(compiler: str, root: Path, source: Path, folder: Path) -> Path:
    target = folder / f"{source.stem}.o"
    if not target.exists():
        partial = target.with_suffix(".part")
        include = [f"-I{root}", f"-I{root / 'vltstd'}"]
        command = [compiler, *_FLAGS, "-O1", *include, "-c", "-o", str(partial), str(source)]
        tools.must("the C++ compiler", command, folder, TIMEOUT)
        os.replace(partial, target)
    return target


# ---------------------------------------------------------------------------------------------------------------- shim

_SHIM = """\
{includes}
#include <cstring>
struct Circuit {{ VerilatedContext context; Vmodel* top; }};
extern "C" {{
void* gemel_new(int seed) {{
  Circuit* c = new Circuit;
  c->context.randReset(2);
  c->context.randSeed(seed);
  c->top = new Vmodel{{&c->context, "top"}};
  c->top->clk = 0;
{quiet}  c->top->eval();
  return c;
}}
void gemel_free(void* h) {{ Circuit* c = (Circuit*)h; c->top->final(); delete c->top; delete c; }}
void* gemel_memory(void* h, int index) {{
  auto* root = ((Circuit*)h)->top->rootp;
  switch (index) {{
{memories}  }}
  return nullptr;
}}
void gemel_input(void* h, int index, const char* data) {{
  Vmodel* top = ((Circuit*)h)->top;
  switch (index) {{
{inputs}  }}
}}
void gemel_output(void* h, int index, char* data) {{
  Vmodel* top = ((Circuit*)h)->top;
  top->eval();
  switch (index) {{
{outputs}  }}
}}
static inline void edge(Vmodel* top) {{ top->clk = 1; top->eval(); top->clk = 0; top->eval(); }}
long long gemel_run(void* h, long long cycles) {{
  Vmodel* top = ((Circuit*)h)->top;
  for (long long n = 0; n < cycles;) {{ edge(top); ++n; if (top->o{done}) return n; }}
  return cycles;
}}
void gemel_step(void* h, long long cycles) {{
  Vmodel* top = ((Circuit*)h)->top;
  while (cycles-- > 0) edge(top);
}}
void gemel_reset(void* h, int level) {{ {reset} }}
}}
"""


def _unity(printed: tuple[Printed, ...], out: Path) -> str:
    system, top = printed[-2:]
    sources = sorted(p.name for p in out.glob("*.cpp"))
    includes = [f'#include "{name}"' for name in sources] + ['#include "Vmodel___024root.h"', '#include "Vmodel.h"']
    reset = needs_reset(top.module)
    inputs, outputs = [i.var.hint for i in top.module.inputs], [o.name for o in top.module.outputs]
    done = [o.name for o in system.module.outputs].index(DONE)
    storage = [f"root->{top.name}__DOT__dut__DOT__{name}" for name in system.memories.values()]
    return _SHIM.format(
        includes="\n".join(includes),
        quiet="  c->top->rst = 0;\n" if reset else "",
        memories=_cases(f"return &{s}[0];" for s in storage),
        inputs=_cases(f"std::memcpy(&top->{p}, data, sizeof top->{p}); break;" for p in inputs),
        outputs=_cases(f"std::memcpy(data, &top->{p}, sizeof top->{p}); break;" for p in outputs),
        done=done,
        reset="((Circuit*)h)->top->rst = level;" if reset else "",
    )


def _cases(bodies: Iterator[str]) -> str:
    return "".join(f"  case {k}: {body}\n" for k, body in enumerate(bodies))
