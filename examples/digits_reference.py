"""The handwritten-digit network in NumPy integers: what every other implementation of it has to equal, bit for bit.

For one image `x` (u8[8, 8], pixels 0..16) and a `Net`, with c in 0..7, i and j in 0..5, ky and kx in 0..2, d in 0..9:

    acc[c, i, j]    = conv_b[c] + sum over ky, kx of conv_w[c, ky, kx] * x[i + ky, j + kx]
    hidden[c, i, j] = clip((acc[c, i, j] * mult + (1 << (shift - 1))) >> shift, 0, 127)       (>> floors)
    logits[d]       = dense_b[d] + sum over c, i, j of dense_w[d, c, i, j] * hidden[c, i, j]

The answer is the index of the greatest logit, the lowest one on a tie. That is 2,592 + 2,880 = 5,472
multiply-accumulates per image. For any image in range, `acc` fits i16, `acc * mult` plus the rounding term fits i32,
and `logits` fits i24.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

DATA = Path(__file__).resolve().parent / "data"
DIGITS = DATA / "digits.npz"
NET = DATA / "digits_net.npz"


class Digits(NamedTuple):
    """The data set: 1,797 images, their classes, and which of them training never sees."""

    images: NDArray[np.uint8]  # [1797, 8, 8], 0 (paper) .. 16 (ink)
    labels: NDArray[np.uint8]  # [1797], 0..9
    test: NDArray[np.bool_]  # [1797], True = held out


class Net(NamedTuple):
    """The quantised network; the field names are the array names in `digits_net.npz`. Weights are in -127..127."""

    conv_w: NDArray[np.int8]  # [8, 3, 3]: channel, row, column
    conv_b: NDArray[np.int32]  # [8]
    mult: NDArray[np.int32]  # []: 2**14 .. 2**15 - 1
    shift: NDArray[np.int32]  # []: bits
    dense_w: NDArray[np.int8]  # [10, 8, 6, 6]: digit, channel, row, column
    dense_b: NDArray[np.int32]  # [10]


def load_digits(path: Path = DIGITS) -> Digits:
    """The data set stored at `path`."""
    with np.load(path) as arrays:
        return Digits(**arrays)


def load_net(path: Path = NET) -> Net:
    """The network stored at `path`."""
    with np.load(path) as arrays:
        return Net(**arrays)


def convolve(images: NDArray[np.uint8], net: Net) -> NDArray[np.int64]:
    """`acc` of images u8[N, 8, 8]: i64[N, 8, 6, 6], in units of the convolution's accumulator."""
    windows = sliding_window_view(images.astype(np.int64), (3, 3), axis=(1, 2))
    sums: NDArray[np.int64] = np.einsum("nijyx,cyx->ncij", windows, net.conv_w.astype(np.int64))
    return sums + net.conv_b[:, None, None]


def requantise(acc: NDArray[np.int64], net: Net) -> NDArray[np.int8]:
    """`hidden` from `acc`, of any one shape: rescaled, rounded to nearest (half up), and clipped to 0..127."""
    mult, shift = int(net.mult), int(net.shift)
    levels: NDArray[np.int64] = (acc * mult + (1 << (shift - 1))) >> shift
    return levels.clip(0, 127).astype(np.int8)


def reference(images: NDArray[np.uint8], net: Net) -> NDArray[np.int32]:
    """`logits` of images u8[N, 8, 8]: i32[N, 10], in units of the dense layer's accumulator."""
    hidden = requantise(convolve(images, net), net).astype(np.int32)
    logits: NDArray[np.int32] = np.tensordot(hidden, net.dense_w.astype(np.int32), axes=((1, 2, 3), (1, 2, 3)))
    return logits + net.dense_b


def accuracy(digits: Digits, net: Net, chosen: NDArray[np.bool_]) -> float:
    """Share (0..1) of the images that the mask `chosen` (bool[1797]) selects which the integer network gets right."""
    answers = reference(digits.images[chosen], net).argmax(axis=1)
    return float(np.mean(answers == digits.labels[chosen]))
