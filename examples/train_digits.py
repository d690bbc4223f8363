"""Train the int8 network of `digits_reference.py` on handwritten digits; writes `data/digits_net.npz`.

    python examples/train_digits.py               train, report held-out accuracy of the integer network, write the file
    python examples/train_digits.py --validate    no held-out image is touched: the figure that the recipe was chosen by
    python examples/train_digits.py --fetch       write `data/digits.npz` anew from scikit-learn's copy

Training is NumPy alone: Adam on a float network over randomly distorted images, then a quantisation-aware phase, in
which weights and activations are rounded on the way forward and gradients pass straight through the rounding. All that
is random comes from one seed, so a second run on the same machine gives the same network; another BLAS may round a sum
otherwise.

The 1,797 images come in 14 runs of about 130, each one form that a person filled in. The last five forms are held out,
so the network is judged on handwriting that it has not seen. That is harder than a random split, where the same hand is
on both sides (the source counts 13 people for the 14 forms, so one of them may have filled in two).
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from gemel.examples.digits_reference import DIGITS, NET, Digits, Net, accuracy, load_digits

Floats = NDArray[np.float32]
Params = tuple[Floats, Floats, Floats, Floats]  # conv_w [9, C], conv_b [C], dense_w [36 * C, 10], dense_b [10]

CHANNELS = 8
INK = 16  # the pixel value of full ink; the float network sees pixel / INK
LEVELS = 127  # the greatest magnitude of a quantised weight or activation
FORMS = (0, 130, 256, 386, 516, 646, 776, 906, 1029, 1157, 1287, 1415, 1545, 1667, 1797)  # where each form starts
HELD_OUT = FORMS[9]  # the first held-out image
FOLDS = (FORMS[0], FORMS[3], FORMS[6], FORMS[9])  # validation folds: three forms each


@dataclass(frozen=True)
class Recipe:
    """Everything that was chosen, by validation on the training forms only."""

    seed: int = 0
    float_epochs: int = 1500
    int8_epochs: int = 200
    batch: int = 64
    rate: float = 3e-3  # Adam's step size at the start; it falls to 0 as half a cosine
    smoothing: float = 0.1  # share of the target spread evenly over the ten digits
    turn: float = 0.15  # radians, greatest rotation and greatest shear
    stretch: float = 0.2  # log-ratio, greatest change of height and of width
    move: float = 0.5  # pixels, greatest shift along each axis

    @property
    def epochs(self) -> int:
        """Passes over the training images, both phases together."""
        return self.float_epochs + self.int8_epochs


def fetch() -> Digits:
    """The data set from scikit-learn, with the last five forms marked as held out."""
    from sklearn.datasets import load_digits as sklearn_digits  # type: ignore[import-untyped, unused-ignore]

    source = sklearn_digits()
    held_out = np.arange(len(source.target)) >= HELD_OUT
    return Digits(source.images.astype(np.uint8), source.target.astype(np.uint8), held_out)


def sample(images: Floats, row: Floats, column: Floats) -> Floats:
    """Bilinear samples of images [N, 8, 8] at fractional positions [N, 8, 8] in pixels; outside is paper (0)."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    row, column = (np.clip(position + 1, 0, 8.999) for position in (row, column))
    top, left = row.astype(np.intp), column.astype(np.intp)
    down, right = row - top, column - left
    n = np.arange(len(images))[:, None, None]
    upper: Floats = padded[n, top, left] * (1 - right) + padded[n, top, left + 1] * right
    lower: Floats = padded[n, top + 1, left] * (1 - right) + padded[n, top + 1, left + 1] * right
    return upper * (1 - down) + lower * down


def distort(images: Floats, recipe: Recipe, rng: np.random.Generator) -> Floats:
    """Each image [N, 8, 8] turned, slanted, stretched and moved a little at random, in whole pixel values 0..16."""

    def draw(limit: float) -> NDArray[np.float64]:
        return rng.uniform(-limit, limit, (len(images), 1, 1))

    centre = 3.5
    y, x = np.mgrid[0:8, 0:8] - centre
    angle = draw(recipe.turn)
    row = (np.cos(angle) * y + np.sin(angle) * x) * np.exp(draw(recipe.stretch))
    column = (np.cos(angle) * x - np.sin(angle) * y) * np.exp(draw(recipe.stretch)) + draw(recipe.turn) * row
    row, column = row + draw(recipe.move) + centre, column + draw(recipe.move) + centre
    return np.round(sample(images, row.astype(np.float32), column.astype(np.float32)))


def windows(images: Floats) -> Floats:
    """The 36 windows of 3x3 pixels of each image [N, 8, 8], as the float network sees them: [N, 36, 9], 0..1."""
    return sliding_window_view(images / np.float32(INK), (3, 3), axis=(1, 2)).reshape(len(images), 36, 9)


def smoothed(labels: NDArray[np.uint8], smoothing: float) -> Floats:
    """Target probabilities [N, 10] for labels [N]."""
    return (np.eye(10)[labels] * (1 - smoothing) + smoothing / 10).astype(np.float32)


def scale(weights: Floats) -> float:
    """The value of one quantisation level of `weights`: their greatest magnitude becomes LEVELS."""
    return float(np.abs(weights).max()) / LEVELS


def rounded(weights: Floats) -> Floats:
    """`weights`, each at its nearest quantisation level."""
    level = np.float32(scale(weights))
    return np.round(weights / level) * level


def hidden_step(params: Params, seen: Floats) -> float:
    """The value of one activation level, such that all but 1 in 2,000 activations on windows `seen` fit LEVELS."""
    hidden = np.maximum(seen @ params[0] + params[1], 0)
    return float(np.quantile(hidden, 0.9995)) / LEVELS


def activate(pre: Floats, step: float | None) -> tuple[Floats, NDArray[np.bool_]]:
    """ReLU of `pre`, quantised to multiples of `step` unless that is None, and where its gradient passes."""
    if step is None:
        return np.maximum(pre, 0), pre > 0
    levels = np.clip(np.floor(pre / np.float32(step) + np.float32(0.5)), 0, LEVELS)
    return levels * np.float32(step), (pre > 0) & (pre < LEVELS * step)


def gradient(params: Params, seen: Floats, target: Floats, step: float | None) -> Params:
    """Gradient, for each parameter, of the mean cross-entropy over windows `seen` [N, 36, 9] and `target` [N, 10]."""
    conv_w, conv_b, dense_w, dense_b = params
    if step is not None:
        conv_w, dense_w = rounded(conv_w), rounded(dense_w)
    hidden, passes = activate(seen @ conv_w + conv_b, step)
    flat = hidden.reshape(len(seen), -1)
    logits = flat @ dense_w + dense_b
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    d_logits = (odds / odds.sum(axis=1, keepdims=True) - target) / np.float32(len(seen))
    d_pre = ((d_logits @ dense_w.T).reshape(hidden.shape) * passes).reshape(-1, conv_w.shape[1])
    return seen.reshape(-1, 9).T @ d_pre, d_pre.sum(axis=0), flat.T @ d_logits, d_logits.sum(axis=0)


class Adam:
    """Adam (Kingma and Ba, 2015) with its usual decay rates; the step size falls to 0 over `steps` as half a cosine."""

    def __init__(self, params: Params, rate: float, steps: int) -> None:
        self.rate, self.steps, self.done = rate, steps, 0
        self.mean = [np.zeros_like(p) for p in params]
        self.square = [np.zeros_like(p) for p in params]

    def update(self, params: Params, slope: Params) -> None:
        """Move `params` one step down along `slope`, in place."""
        self.done += 1
        rate = self.rate * (1 + math.cos(math.pi * self.done / self.steps)) / 2
        rate *= math.sqrt(1 - 0.999**self.done) / (1 - 0.9**self.done)
        for p, g, mean, square in zip(params, slope, self.mean, self.square, strict=True):
            mean += np.float32(0.1) * (g - mean)
            square += np.float32(0.001) * (g * g - square)
            p -= np.float32(rate) * mean / (np.sqrt(square) + np.float32(1e-8))


def initial(rng: np.random.Generator) -> Params:
    """Random weights of a magnitude that suits the number of inputs, and zero biases."""
    conv_w = rng.standard_normal((9, CHANNELS)) * 0.3
    dense_w = rng.standard_normal((36 * CHANNELS, 10)) / math.sqrt(36 * CHANNELS)
    zeros = np.zeros(CHANNELS, np.float32), np.zeros(10, np.float32)
    return conv_w.astype(np.float32), zeros[0], dense_w.astype(np.float32), zeros[1]


def batches(count: int, size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """The indices 0..count-1 in random order, `size` at a time."""
    order = rng.permutation(count)
    return (order[start : start + size] for start in range(0, count, size))


def train(images: NDArray[np.uint8], labels: NDArray[np.uint8], recipe: Recipe) -> Net:
    """The integer network trained on images u8[N, 8, 8] and labels u8[N]."""
    rng = np.random.default_rng(recipe.seed)
    clean, target = images.astype(np.float32), smoothed(labels, recipe.smoothing)
    params = initial(rng)
    adam = Adam(params, recipe.rate, recipe.epochs * math.ceil(len(images) / recipe.batch))
    step = None
    for epoch in range(recipe.epochs):
        if epoch == recipe.float_epochs:
            step = hidden_step(params, windows(clean))
        seen = windows(distort(clean, recipe, rng))
        for chosen in batches(len(images), recipe.batch, rng):
            adam.update(params, gradient(params, seen[chosen], target[chosen], step))
    return quantise(params, hidden_step(params, windows(clean)) if step is None else step)


def quantise(params: Params, step: float) -> Net:
    """The integer network for float `params`, where one activation level is worth `step`."""
    conv_w, conv_b, dense_w, dense_b = params
    conv_unit = scale(conv_w) / INK  # what 1 in the convolution's accumulator is worth
    dense_unit = scale(dense_w) * step  # and in the dense layer's
    shift = 14 - math.floor(math.log2(conv_unit / step))
    return Net(
        conv_w=np.round(conv_w.T / scale(conv_w)).astype(np.int8).reshape(CHANNELS, 3, 3),
        conv_b=np.round(conv_b / conv_unit).astype(np.int32),
        mult=np.array(math.floor(conv_unit / step * 2**shift), np.int32),
        shift=np.array(shift, np.int32),
        dense_w=np.round(dense_w / scale(dense_w)).astype(np.int8).reshape(6, 6, CHANNELS, 10).transpose(3, 2, 0, 1),
        dense_b=np.round(dense_b / dense_unit).astype(np.int32),
    )


def validate(digits: Digits, recipe: Recipe) -> float:
    """Accuracy (0..1) on the training forms, each third of them judged by a network trained on the other two."""
    index = np.arange(len(digits.labels))
    right = 0.0
    for start, end in pairwise(FOLDS):
        fold = (start <= index) & (index < end)
        kept = ~fold & ~digits.test
        right += accuracy(digits, train(digits.images[kept], digits.labels[kept], recipe), fold) * fold.sum()
    return right / HELD_OUT


def report(digits: Digits, net: Net, seconds: float) -> str:
    """What the script prints about a trained network."""
    right = round(accuracy(digits, net, digits.test) * digits.test.sum())
    return (
        f"trained on {np.sum(~digits.test)} images in {seconds:.1f} s; integer network: "
        f"{accuracy(digits, net, ~digits.test):.2%} of those, and of the held-out images "
        f"{right} of {digits.test.sum()} = {right / digits.test.sum():.2%} (mult {net.mult}, shift {net.shift})"
    )


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description="Train the int8 handwritten-digit network.")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--fetch", action="store_true", help="write digits.npz anew from scikit-learn's copy, and stop")
    mode.add_argument("--validate", action="store_true", help="cross-validate on the training forms, and stop")
    options = parser.parse_args()
    if options.fetch:
        np.savez_compressed(DIGITS, **fetch()._asdict())
    elif options.validate:
        print(f"cross-validated on the training forms: {validate(load_digits(), Recipe()):.2%}")
    else:
        digits, start = load_digits(), time.perf_counter()
        net = train(digits.images[~digits.test], digits.labels[~digits.test], Recipe())
        print(report(digits, net, time.perf_counter() - start))
        np.savez_compressed(NET, **net._asdict())


if __name__ == "__main__":
    main()
