"""The machine that code is made for: vectors, registers, caches, cores."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gemel.codegen.cpu import dots, features, is_x86

CACHES = Path("/sys/devices/system/cpu/cpu0/cache")


@dataclass(frozen=True)
class Host:
    """Sizes of what default schedules fill: vector registers, and caches in bytes."""

    vector_bits: int = 128
    vector_registers: int = 16
    l1_bytes: int = 32 << 10
    l2_bytes: int = 512 << 10
    l3_bytes: int = 4 << 20
    threads: int = 1
    """How many threads share a loop."""
    fma: bool = True
    """Whether it multiplies and adds with one rounding in one instruction."""
    dots: frozenset[str] = frozenset()
    """Which dot products of few elements are one instruction, by the names of `codegen.dots`."""


@cache
def this_host() -> Host:
    """The machine that this process runs on."""
    has = features()
    bits, registers = (512, 32) if has.get("avx512f") else (256, 16) if has.get("avx2") else (128, 16)
    if has.get("neon"):
        registers = 32
    fma = has.get("fma", False) or not is_x86()
    l1, l2, l3 = caches()
    return Host(bits, registers, l1 or 32 << 10, l2 or 512 << 10, l3 or 4 << 20, threads(), fma, dots())


@cache
def threads() -> int:
    """How many threads share a loop: GEMEL_THREADS, or the cores that this process may use, where there can be some."""
    asked = os.environ.get("GEMEL_THREADS", "")
    return 1 if sys.platform == "win32" else max(1, int(asked)) if asked.isdigit() else cores()


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def caches() -> tuple[int | None, int | None, int | None]:
    """The bytes of this machine's data caches, where the system tells."""
    return _cache(1), _cache(2), _cache(3)


def _cache(level: int) -> int | None:
    """The bytes of a data cache of the first core, where the system tells."""
    for n in range(16):
        try:
            if int(_told(n, "level")) == level and _told(n, "type") != "Instruction":
                return _bytes(_told(n, "size"))
        except ValueError:
            continue
        except OSError:
            break
    return None


def _told(n: int, what: str) -> str:
    with open(f"{CACHES}/index{n}/{what}", encoding="ascii") as file:
        return file.read().strip()


def _bytes(text: str) -> int:
    unit = {"K": 1 << 10, "M": 1 << 20}.get(text[-1:], 1)
    return int(text.rstrip("KM")) * unit
