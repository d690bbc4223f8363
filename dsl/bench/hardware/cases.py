"""What is built: the kernels of the published tables, on the published inputs."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from gemel.kernel import Kernel

SEED = 2026
Arguments = tuple[Any, ...]
Figures = Mapping[str, Mapping[str, int]]
"""What is published of a kernel: figures by tool."""


@dataclass(frozen=True)
class Case:
    """A kernel to build.

    `kernel` makes it when it is needed, scheduled where the published one is; `arguments` are fresh ones. `family` are
    the cells that yosys maps to. Where interpreting takes too long (`large`), the CPU says what is right. `refused`
    says why there is nothing to build.
    """

    group: str
    name: str
    kernel: Callable[[], Kernel]
    arguments: Callable[[], Arguments]
    clock_ns: float = 7.0
    target: str = "xcup"
    family: str = "xcup"
    large: bool = False
    refused: str = ""

    @property
    def title(self) -> str:
        """Group and name."""
        return f"{self.group}/{self.name}"

    @property
    def published(self) -> Figures:
        """The figures of other tools."""
        figures: Figures = published().get(self.group, {}).get(self.name, {})
        return figures


@cache
def published() -> Mapping[str, Any]:
    """All figures by group, and what the tools are."""
    found: Mapping[str, Any] = tomllib.loads(_data("published.toml"))
    return found


def _data(name: str) -> str:
    return files("gemel.bench.hardware").joinpath(name).read_text(encoding="utf-8")


# ------------------------------------------------------------------------------------------------------------- tables


def tables() -> list[Case]:
    """The kernels of the published tables, and those whose innermost loops a goal names."""
    return [*_dahlia("tablec"), *_dahlia("unrolled"), *_systolic(), *_plain(), *_loops(), *_large()]


def _dahlia(group: str) -> Iterator[Case]:
    for name in published()[group]:
        yield Case(group, name, partial(_of_module, group, name), partial(_inputs, name))


def _of_module(group: str, name: str) -> Kernel:
    from gemel.bench.hardware import tablec, unrolled

    made = {"tablec": tablec, "unrolled": unrolled}[group]
    return getattr(made, name if name.isidentifier() else f"k{name}")  # type: ignore[no-any-return]


@cache
def _stored() -> Mapping[str, Mapping[str, list[int]]]:
    return json.loads(_data("data/inputs.json"))  # type: ignore[no-any-return]


def _inputs(name: str) -> Arguments:
    """The published inputs, in the order of the kernel's parameters."""
    params, stored = _of_module("tablec", name).ir.params, _stored()[name]
    return tuple(np.array(stored[p.hint], np.uint32).reshape(_sizes(p)) for p in params)


def _sizes(p: Any) -> tuple[int, ...]:
    from gemel.semantics.arguments import value_of

    return tuple(value_of(d, {}) or 0 for d in p.shape)


def _systolic() -> Iterator[Case]:
    for n in (2, 4, 6, 8, 16):
        yield Case("systolic", str(n), partial(_array, n), partial(small, (n, n), (n, n)))


def _array(n: int) -> Kernel:
    """All products of a step at once: rows of A, columns of B and rows of the result in memories of their own."""
    from gemel.bench.hardware.plain import outer

    s = outer.schedule(M=n, N=n, K=n).unroll("i", "j", "i_1", "j_1")
    return s.partition("A", 0, n).partition("B", 1, n).partition("C", 0, n).kernel


def _plain() -> Iterator[Case]:
    made = partial(_case, "tabled", target="xilinx7", family="xc7")
    yield made("dot 8", "dot", 8, 8)
    yield made("dot 1024", "dot", 1024, 1024)
    yield made("product", "product", (8, 8), (8, 8))
    yield made("gemm", "gemm", (), (), (8, 8), (8, 8), (8, 8))
    yield made("atax", "atax", (8, 8), 8, 8, 8)
    yield made("bicg", "bicg", (8, 8), 8, 8, 8, 8)
    yield made("mvt", "mvt", 8, 8, 8, 8, (8, 8))
    yield made("gesummv", "gesummv", (), (), (8, 8), (8, 8), 8, 8, 8)
    yield made("syrk", "syrk", (), (), (12, 12), (12, 8))


def _loops() -> Iterator[Case]:
    made = partial(_case, "loops")
    yield made("fir 64x16", "fir", 64, 16)
    yield made("conv 16x16", "conv", (18, 18), (3, 3))
    yield made("gemm 16", "product", (16, 16), (16, 16))
    yield made("fir 64x16 f32", "fir_f32", 64, 16)
    yield made("conv 16x16 f32", "conv_f32", (18, 18), (3, 3))
    yield made("gemm 16 f32", "product_f32", (16, 16), (16, 16))


def _large() -> Iterator[Case]:
    shapes = (), (), (200, 220), (200, 240), (240, 220)
    given = partial(floats, *shapes)
    yield Case("tableb", "gemm", partial(_blocked, 200, 220, 240), given, clock_ns=10 / 3, large=True)


def _blocked(m: int, n: int, k: int, rows: int = 4, columns: int = 20) -> Kernel:
    """The f32 product with a block of the result for each step: 80 products a cycle, and four by alpha."""
    from gemel.bench.hardware.plain import gemm_f32

    s = gemm_f32.schedule(M=m, N=n, K=k).fission("k", "i")
    s = s.split("i_1", rows, "ia", "ib").split("j_1", columns, "ja", "jb").reorder("ia", "ja", "ib", "jb")
    s = s.split("i", rows, "io", "ii").split("j", columns, "jo", "jj").reorder("k", "io", "jo", "ii", "jj")
    s = s.unroll("ib", "jb", "ii", "jj").partition("A", 0, rows).partition("B", 1, columns)
    return s.partition("C", 0, rows).partition("C", 1, columns).kernel


def _case(group: str, name: str, kernel: str, *shapes: Any, **given: Any) -> Case:
    kind = floats if kernel.endswith("_f32") else small
    return Case(group, name, partial(_plain_kernel, kernel), partial(kind, *shapes), **given)


def _plain_kernel(name: str) -> Kernel:
    from gemel.bench.hardware import plain

    return getattr(plain, name)  # type: ignore[no-any-return]


def small(*shapes: Any) -> Arguments:
    """Small i32 of both signs; a number where the shape is ()."""
    rng = np.random.default_rng(SEED)
    return tuple(
        rng.integers(-99, 100, s, dtype=np.int32) if s else int(rng.integers(1, 99)) for s in map(_shape, shapes)
    )


def floats(*shapes: Any) -> Arguments:
    """f32 about 0; a number where the shape is ()."""
    rng = np.random.default_rng(SEED)
    return tuple(rng.standard_normal(s, dtype=np.float32) if s else 1.5 for s in map(_shape, shapes))


def _shape(size: Any) -> tuple[int, ...]:
    return (size,) if isinstance(size, int) else size
