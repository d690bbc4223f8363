"""How much memory the largest device of a target has, against what a kernel keeps inside of its module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gemel.semantics.dtypes import width_of
from gemel.semantics.errors import SynthesisError
from gemel.semantics.ir import Buffer

CAPACITY: Mapping[str, tuple[str, int]] = {
    "ecp5": ("LFE5U-85F", 208 * 18 * 1024),
    "ice40": ("iCE40 HX8K", 32 * 4 * 1024),
    "xilinx7": ("XC7VX1140T", 1880 * 36 * 1024),
    "xcup": ("XCVU13P", 2688 * 36 * 1024 + 1280 * 288 * 1024),
}
"""Of each target that has a limit its largest device and the bits of its block RAMs (and UltraRAMs), by data sheet."""


def check_capacity(arrays: Sequence[Buffer], depths: Mapping[Buffer, int], target: str) -> None:
    """Raises SynthesisError H04 where a kernel's own arrays need more than the largest device of a target has."""
    if target not in CAPACITY or not arrays:
        return
    device, limit = CAPACITY[target]
    bits = {b: depths[b] * width_of(b.dtype) for b in arrays}
    needed = sum(bits.values())
    if needed <= limit:
        return
    largest = max(arrays, key=lambda b: bits[b])
    others = "" if len(arrays) == 1 else f", with the other arrays {needed:,}"
    raise SynthesisError(
        f"{largest.hint} has {bits[largest]:,} bits{others}; the largest {target}, {device}, has {limit:,} in memories",
        code="H04",
        span=largest.span,
        mend="take it as a parameter, whose memory is outside of the module, or work on a part of it at a time",
    )
