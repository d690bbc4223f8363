"""What runs where: processor, caches, load, versions."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

Facts = dict[str, str]


def machine() -> Facts:
    """The processor and what this process sees of it."""
    from gemel.codegen.host import this_host

    host = this_host()
    caches = ", ".join(
        f"L{n} {size >> 10} KiB" for n, size in enumerate((host.l1_bytes, host.l2_bytes, host.l3_bytes), 1)
    )
    return {
        "cpu": processor(),
        "cores": str(os.cpu_count()),
        "caches": caches,
        "vectors": f"{host.vector_bits} bits, {host.vector_registers} registers",
        "memory": f"{_memory() >> 30} GiB",
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def processor() -> str:
    """Which one it is, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    fields = dict(map(_pair, reversed(lines)))
    family = f" (family {fields['cpu family']}, model {fields['model']})" if "cpu family" in fields else ""
    return fields.get("model name", platform.processor() or platform.machine()) + family


def _pair(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip(), value.strip()


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0


def load() -> list[float]:
    """Runnable processes over 1, 5, 15 minutes."""
    return [round(x, 2) for x in os.getloadavg()] if hasattr(os, "getloadavg") else []


def now() -> str:
    """The time in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def cores(count: int) -> list[int]:
    """The last cores that this process may use: the first ones have the system's interrupts."""
    some = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    return some[-count:]


FIXED = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 34),
    "MALLOC_TOP_PAD_": str(1 << 28),
    "JAX_PLATFORMS": "cpu",
    "TORCHINDUCTOR_COMPILE_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "PYTHONWARNINGS": "ignore",
}
"""glibc keeps memory for everybody, so that nobody pays page faults for results; no compile processes stay around."""

COUNTS = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"),
    *("NUMBA_NUM_THREADS", "GEMEL_THREADS", "VECLIB_MAXIMUM_THREADS", "NPROC"),
)


def environment(threads: int) -> dict[str, str]:
    """The environment of a worker: no settings that hold a BLAS back, the thread count for everybody."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
    eigen = "true" if threads > 1 else "false"
    flags = f"--xla_cpu_multi_thread_eigen={eigen} intra_op_parallelism_threads={threads}"
    return {**kept, **FIXED, **dict.fromkeys(COUNTS, str(threads)), "XLA_FLAGS": flags}
