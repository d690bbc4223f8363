"""What LLVM says of the CPU that this process runs on."""

from __future__ import annotations

import platform
from functools import cache


@cache
def native() -> tuple[str, str, str]:
    """The triple, the CPU and its features, by LLVM's names."""
    import llvmlite.binding as llvm

    return llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


@cache
def features() -> dict[str, bool]:
    """What the CPU has, by LLVM's names."""
    import llvmlite.binding as llvm

    return dict(llvm.get_host_cpu_features())


def is_x86() -> bool:
    """Whether it is an x86."""
    return platform.machine().lower() in ("x86_64", "amd64", "i686", "i386")


@cache
def dots() -> frozenset[str]:
    """Which products of short vectors it sums in one instruction, by the names of `codegen.dots`."""
    has = features()
    some = {"bytes": "avx512vnni", "bf16": "avx512bf16"}
    return frozenset(name for name, feature in some.items() if has.get(feature) and has.get("avx512vl"))


@cache
def converts_half() -> bool:
    """Whether it converts between half and float: elsewhere than on x86 all 64-bit ones do."""
    return not is_x86() or features().get("f16c", False)


@cache
def scales() -> bool:
    """Whether it multiplies vectors of any width by powers of two in one instruction."""
    return bool(is_x86() and features().get("avx512f", False) and features().get("avx512vl", False))
