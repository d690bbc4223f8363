"""Values that live long."""

from __future__ import annotations

import gemel as gm
from gemel import i16

STEPS = 1200


@gm.kernel
def deep(x: i16[2], y: i16[2]):
    for i in range(2):
        a: i16 = x[i]
        for s in gm.unroll(range(STEPS)):
            a = a * x[0] ^ (a >> s % 7)
        y[i] = a + x[i]


def test_a_pipeline_of_thousands_of_stages() -> None:
    design = deep.synth(target="ecp5", clock_mhz=100)
    assert design.cycles is not None
    assert design.cycles > STEPS
    assert len(design.module.registers) > 2 * STEPS  # x[i] waits for as long
