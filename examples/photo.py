"""Edges of a photograph: a Sobel filter with line buffers, one pixel per clock cycle as RTL.

Run with `python examples/photo.py [OUTPUT.png]`; needs the extra `gemel[examples]` for reading and writing PNG.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import gemel as gm
from gemel import u8

H, W = gm.dims("H W")
DATA = Path(__file__).parent / "data"


@gm.kernel
def sobel(image: u8[H, W]) -> u8[H - 2, W - 2]:
    """The gradient's size |dx| + |dy| at each inner pixel, clamped to 255.

    Pixels come in reading order and each is read once: two line buffers keep the rows above, nine registers the
    3x3 window.
    """
    edges = gm.empty((H - 2, W - 2), u8)
    above = gm.zeros((W,), u8)  # row y - 1
    top = gm.zeros((W,), u8)  # row y - 2
    a: u8 = 0
    b: u8 = 0
    c: u8 = 0
    d: u8 = 0
    e: u8 = 0
    f: u8 = 0
    g: u8 = 0
    h: u8 = 0
    i: u8 = 0
    for y, x in gm.grid(H, W):
        a, b, c = b, c, top[x]
        d, e, f = e, f, above[x]
        g, h, i = h, i, image[y, x]
        top[x] = f
        above[x] = i
        if y >= 2 and x >= 2:
            dx = (c + 2 * f + i) - (a + 2 * d + g)
            dy = (g + 2 * h + i) - (a + 2 * b + c)
            edges[y - 2, x - 2] = gm.saturate(abs(dx) + abs(dy), u8)
    return edges


def reference(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same filter in NumPy."""
    p = image.astype(np.int32)
    rows = p[:-2] + 2 * p[1:-1] + p[2:]
    columns = p[:, :-2] + 2 * p[:, 1:-1] + p[:, 2:]
    dx = rows[:, 2:] - rows[:, :-2]
    dy = columns[2:] - columns[:-2]
    return np.minimum(np.abs(dx) + np.abs(dy), 255).astype(np.uint8)


def load() -> NDArray[np.uint8]:
    """The photograph, u8[512, 512]."""
    return np.array(Image.open(DATA / "photo.png").convert("L"), np.uint8)


def main(output: Path) -> None:
    """Filters the photograph as RTL, compares with CPU and NumPy, writes the picture."""
    image = load()
    height, width = image.shape
    design = sobel.synth(H=height, W=width, target="ecp5", clock_mhz=100)
    run = design.simulate(image)
    for name, edges in (("CPU", sobel(image)), ("NumPy", reference(image))):
        print(f"RTL equals {name}: {np.array_equal(run.outputs, edges)}")
    print(f"{run.cycles} cycles for {image.size} pixels: {run.cycles / image.size:.4f} cycles per pixel")
    Image.fromarray(run.outputs).save(output)
    print(f"written: {output}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "edges.png"))
