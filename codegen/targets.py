"""The machines for which code can be made ahead of time: data, in `targets.toml`."""

from __future__ import annotations

import platform
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from gemel.codegen.cpu import converts_half, native, scales
from gemel.codegen.host import Host, this_host
from gemel.semantics.errors import CompileError

NATIVE = "native"


@dataclass(frozen=True)
class Target:
    """A machine, by LLVM's names, the sizes that its default schedules fill, and the C compilers that link for it."""

    name: str
    description: str
    triple: str
    cpu: str
    vector_bits: int
    vector_registers: int
    linkers: tuple[str, ...]
    features: str = ""
    abi: str = ""
    half: bool = True
    scales: bool = False
    fma: bool = True
    dots: frozenset[str] = frozenset()
    pointer_bits: int = 64
    l1_bytes: int = 32 << 10
    l2_bytes: int = 512 << 10

    @property
    def host(self) -> Host:
        """What default schedules are made for; threads are not: the code runs in its caller's."""
        return Host(self.vector_bits, self.vector_registers, self.l1_bytes, self.l2_bytes, fma=self.fma, dots=self.dots)

    @property
    def here(self) -> bool:
        """Whether this process runs on a machine of the target's family and system."""
        own = f"{platform.machine().lower()}-{platform.system().lower()}"
        return self.name == NATIVE or own.replace("amd64", "x86_64") in self.triple.replace("-unknown", "")


@cache
def targets() -> dict[str, Target]:
    """All targets by name, but for `native`."""
    data = tomllib.loads(files("gemel.codegen").joinpath("targets.toml").read_text())
    return {name: Target(name, **{**row, "linkers": tuple(row["linkers"])}) for name, row in data.items()}


def target(name: str) -> Target:
    """The target of a name; `native` is this machine.

    Raises CompileError for an unknown one.
    """
    if name == NATIVE:
        return _native()
    known = targets()
    if name not in known:
        names = ", ".join([NATIVE, *known])
        raise CompileError(f"unknown target {name!r}", code="C01", mend=f"use one of {names}")
    return known[name]


@cache
def _native() -> Target:
    host, (triple, cpu, features) = this_host(), native()
    return Target(
        NATIVE,
        "this machine",
        triple,
        cpu,
        host.vector_bits,
        host.vector_registers,
        (),
        features,
        half=converts_half(),
        scales=scales(),
        fma=host.fma,
        dots=host.dots,
        l1_bytes=host.l1_bytes,
        l2_bytes=host.l2_bytes,
    )
