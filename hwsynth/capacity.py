"""How much memory the largest device of a target has, against what a kernel keeps inside of its module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gemel.hwsynth.targets import Target
from gemel.semantics.dtypes import width_of
from gemel.semantics.errors import SynthesisError
from gemel.semantics.ir import Buffer


def check_capacity(arrays: Sequence[Buffer], depths: Mapping[Buffer, int], target: Target) -> None:
    """Raises SynthesisError H04 where a kernel's own arrays need more than the largest device of a target has."""
    if target.memories is None or not arrays:
        return
    device, limit = target.memories.device, target.memories.bits
    bits = {b: depths[b] * width_of(b.dtype) for b in arrays}
    needed = sum(bits.values())
    if needed <= limit:
        return
    largest = max(arrays, key=lambda b: bits[b])
    others = "" if len(arrays) == 1 else f", with the other arrays {needed:,}"
    raise SynthesisError(
        f"{largest.hint} has {bits[largest]:,} bits{others}; the largest {target.name}, {device}, has {limit:,} in "
        "memories",
        code="H04",
        span=largest.span,
        mend="take it as a parameter, whose memory is outside of the module, or work on a part of it at a time",
    )
