"""Makes the pictures of the README from real runs: `python docs/make_pictures.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console

import gemel as gm
from gemel import i32
from gemel.cli import table_of
from gemel.examples import digits, photo

PICTURES = Path(__file__).parent / "pictures"
M, N = gm.dims("M N")


@gm.kernel
def gather(x: i32[N], at: i32[M]) -> i32[M]:
    out = gm.empty((M,), i32)
    for i in range(M):
        out[i] = x[at[i]]
    return out


def demo() -> None:
    """What `gemel demo` prints, as SVG."""
    console = Console(record=True, width=90)
    digits.show(digits.measure(), console)
    console.save_svg(str(PICTURES / "demo.svg"), title="gemel demo")


def verification() -> None:
    """What `gemel verify` prints, as SVG."""
    console = Console(record=True, width=92)
    report = gather.verify()
    console.print(table_of(report))
    console.print(report.summary())
    console.save_svg(str(PICTURES / "verify.svg"), title="gemel verify kernels.py:gather")


def edges() -> None:
    """The photograph beside its edges, both halved in size; the edges come from simulated RTL."""
    image = photo.load()
    height, width = image.shape
    run = photo.sobel.synth(H=height, W=width).simulate(image)
    both = np.concatenate([image[1:-1, 1:-1], run.outputs], axis=1)
    picture = Image.fromarray(both)
    picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS).save(PICTURES / "photo.png")


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    demo()
    verification()
    edges()
