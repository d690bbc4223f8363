"""A float in hardware."""

import gemel as gm
from gemel import f32


@gm.kernel
def scale(a: f32[8], factor: f32) -> f32[8]:
    return a * factor


scale.synth()
