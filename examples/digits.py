"""Handwritten digits: an int8 network on the CPU and as RTL, on the 1,797 images of scikit-learn's data set.

Run with `gemel demo` or `python examples/digits.py`. `train_digits.py` trained the network.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

import gemel as gm
from gemel import i8, i32, u8
from gemel.examples.digits_reference import Digits, Net, load_digits, load_net, reference

VERILATED = 8
"""How many images also go through Verilator and Icarus, where these are installed."""


def network(net: Net) -> gm.Kernel:
    """The kernel that gives the ten logits of an 8x8 image; the weights are constant tables."""
    channels, _, _ = net.conv_w.shape
    conv_w, conv_b, dense_w, dense_b = net.conv_w, net.conv_b, net.dense_w, net.dense_b
    mult, shift = int(net.mult), int(net.shift)

    @gm.kernel
    def classify(image: u8[8, 8]) -> i32[10]:
        hidden = gm.empty((channels, 6, 6), i8)
        for c, y, x in gm.grid(channels, 6, 6):
            acc: i32 = conv_b[c]
            for dy, dx in gm.grid(3, 3):
                acc += image[y + dy, x + dx] * conv_w[c, dy, dx]
            scaled = (acc * mult + (1 << (shift - 1))) >> shift
            hidden[c, y, x] = gm.cast(min(max(scaled, 0), 127), i8)
        logits = gm.empty((10,), i32)
        for digit in range(10):
            total: i32 = dense_b[digit]
            for c, y, x in gm.grid(channels, 6, 6):
                total += hidden[c, y, x] * dense_w[digit, c, y, x]
            logits[digit] = total
        return logits

    return classify


@dataclass(frozen=True)
class Outcome:
    """What the demo measured; times in seconds, logits are i32[images, 10]."""

    digits: Digits
    cpu: NDArray[np.int32]
    rtl: NDArray[np.int32]
    expected: NDArray[np.int32]
    cpu_seconds: float
    cycles: int
    predicted: int | None
    judged: tuple[str, ...]

    def accuracy(self) -> float:
        """The share of held-out images whose largest logit is the label."""
        held_out = self.digits.test
        return float((self.cpu.argmax(1) == self.digits.labels)[held_out].mean())


def measure() -> Outcome:
    """Classifies every image on the CPU, in the reference and as RTL."""
    digits, net = load_digits(), load_net()
    classify = network(net)
    images = list(digits.images)
    classify(images[0])  # compiled here, so that it isn't in the time
    start = time.perf_counter()
    cpu = np.stack([classify(image) for image in images])
    cpu_seconds = (time.perf_counter() - start) / len(images)
    design = classify.synth(target="ecp5", clock_mhz=100)
    runs = [design.simulate(image) for image in track(images, "RTL, cycle by cycle", transient=True)]
    rtl = np.stack([run.outputs for run in runs])
    judged = _judges(design, images[:VERILATED], cpu)
    expected = reference(digits.images, net)
    return Outcome(digits, cpu, rtl, expected, cpu_seconds, runs[0].cycles, design.cycles, judged)


def _judges(design: gm.Design, images: list[NDArray[np.uint8]], cpu: NDArray[np.int32]) -> tuple[str, ...]:
    lines = []
    for engine in ("verilator", "icarus"):
        try:
            same = all(
                np.array_equal(design.simulate(image, engine=engine).outputs, logits)
                for image, logits in zip(images, cpu, strict=False)
            )
        except gm.errors.ToolError as error:
            lines.append(f"{engine}: not run ({error.what})")
        else:
            lines.append(f"{engine}: {'the same bits' if same else 'DIFFERENT'} on {len(images)} images")
    return tuple(lines)


def show(outcome: Outcome, console: Console) -> None:
    """Prints what was measured and what was compared."""
    count = len(outcome.cpu)
    cpu_rtl = int((outcome.cpu == outcome.rtl).all(1).sum())
    cpu_numpy = int((outcome.cpu == outcome.expected).all(1).sum())
    table = Table(title="Handwritten digits: one kernel, two twins", show_header=False)
    for row in (
        ("accuracy, held-out images", f"{outcome.accuracy():.2%} of {int(outcome.digits.test.sum())}"),
        ("CPU time per image", f"{outcome.cpu_seconds * 1e6:.1f} us (call included)"),
        ("RTL cycles per image", f"{outcome.cycles:,} (predicted {outcome.predicted})"),
        ("RTL time per image at 100 MHz", f"{outcome.cycles / 100:.1f} us"),
        ("all ten logits, RTL == CPU", f"{cpu_rtl:,} of {count:,} images"),
        ("all ten logits, CPU == NumPy reference", f"{cpu_numpy:,} of {count:,} images"),
        ("other simulators of the SystemVerilog", "\n".join(outcome.judged)),
    ):
        table.add_row(*row)
    console.print(table)


def main() -> None:
    """The whole demo."""
    show(measure(), Console())


if __name__ == "__main__":
    main()
