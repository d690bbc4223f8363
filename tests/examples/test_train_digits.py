"""The stored digit network and data are what their documentation says, and the integer reference is its formula."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def modules() -> Iterator[tuple[ModuleType, ModuleType]]:
    """`digits_reference` and `train_digits`, imported as a script beside them would."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXAMPLES))
        yield import_module("digits_reference"), import_module("train_digits")


@pytest.fixture(scope="module")
def ref(modules: tuple[ModuleType, ModuleType]) -> ModuleType:
    return modules[0]


@pytest.fixture(scope="module")
def digits(ref: ModuleType) -> Any:
    return ref.load_digits()


@pytest.fixture(scope="module")
def net(ref: ModuleType) -> Any:
    return ref.load_net()


def extremes(weights: NDArray[Any], bias: NDArray[Any], greatest: int) -> tuple[int, int]:
    """Least and greatest value of `bias + weights . x` over all x in 0..greatest, over all outputs."""
    flat = weights.reshape(len(bias), -1).astype(np.int64)
    low = bias + greatest * np.minimum(flat, 0).sum(axis=1)
    high = bias + greatest * np.maximum(flat, 0).sum(axis=1)
    return int(low.min()), int(high.max())


def by_the_formula(x: list[list[int]], net: Any) -> list[int]:
    """The ten logits of one image in Python integers, written as `digits_reference` documents them."""
    conv_w, conv_b, dense_w, dense_b = (a.tolist() for a in (net.conv_w, net.conv_b, net.dense_w, net.dense_b))
    mult, shift = int(net.mult), int(net.shift)
    logits: list[int] = dense_b
    for c in range(8):
        for i, j in np.ndindex(6, 6):
            acc = conv_b[c] + sum(conv_w[c][ky][kx] * x[i + ky][j + kx] for ky, kx in np.ndindex(3, 3))
            hidden = min(max((acc * mult + (1 << (shift - 1))) >> shift, 0), 127)
            logits = [logit + dense_w[d][c][i][j] * hidden for d, logit in enumerate(logits)]
    return logits


def test_held_out_accuracy(ref: ModuleType, digits: Any, net: Any) -> None:
    assert ref.accuracy(digits, net, digits.test) >= 0.96


def test_digits_are_as_documented(digits: Any) -> None:
    images, labels, test = digits
    assert (images.dtype, images.shape) == (np.uint8, (1797, 8, 8))
    assert (labels.dtype, labels.shape) == (np.uint8, (1797,))
    assert (test.dtype, test.shape) == (np.bool_, (1797,))
    assert (images.min(), images.max()) == (0, 16)
    assert np.unique(labels).tolist() == list(range(10))


def test_the_last_five_forms_are_held_out(modules: tuple[ModuleType, ModuleType], digits: Any) -> None:
    train = modules[1]
    assert digits.test.tolist() == (np.arange(1797) >= train.FORMS[9]).tolist()
    assert digits.test.sum() == 640
    assert max(train.FOLDS) == train.HELD_OUT == train.FORMS[9]
    for start in train.FORMS[:-1]:  # every form begins with the ten digits in order; one lacks its first 0
        assert digits.labels[start : start + 10].tolist() in ([*range(10)], [*range(1, 10), 0])


def test_net_is_as_documented(net: Any) -> None:
    shapes = {name: (array.dtype.name, array.shape) for name, array in net._asdict().items()}
    assert shapes == {
        "conv_w": ("int8", (8, 3, 3)),
        "conv_b": ("int32", (8,)),
        "mult": ("int32", ()),
        "shift": ("int32", ()),
        "dense_w": ("int8", (10, 8, 6, 6)),
        "dense_b": ("int32", (10,)),
    }
    assert all(array.flags.c_contiguous for array in net)
    assert net.conv_w.min() >= -127 and net.dense_w.min() >= -127
    assert 2**14 <= net.mult < 2**15


def test_no_image_in_range_overflows(net: Any) -> None:
    low, high = extremes(net.conv_w, net.conv_b, 16)
    assert low >= -(2**15) and high < 2**15
    assert low * int(net.mult) >= -(2**31) and high * int(net.mult) + (1 << (int(net.shift) - 1)) < 2**31
    low, high = extremes(net.dense_w, net.dense_b, 127)
    assert low >= -(2**23) and high < 2**23


def test_reference_is_the_documented_formula(ref: ModuleType, digits: Any, net: Any) -> None:
    random = np.random.default_rng(1).integers(0, 17, (4, 8, 8), dtype=np.uint8)
    flat = np.array([0, 16], np.uint8)[:, None, None].repeat(8, axis=1).repeat(8, axis=2)
    images = np.concatenate([digits.images[:4], random, flat])
    logits = ref.reference(images, net)
    assert (logits.dtype, logits.shape) == (np.int32, (10, 10))
    assert logits.tolist() == [by_the_formula(image.tolist(), net) for image in images]


def test_training_learns_and_repeats(modules: tuple[ModuleType, ModuleType], digits: Any) -> None:
    ref, train = modules
    known = ~digits.test
    recipe = train.Recipe(float_epochs=15, int8_epochs=5)
    first, second = (train.train(digits.images[known], digits.labels[known], recipe) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert ref.accuracy(digits, first, known) > 0.8


def test_digits_are_those_of_scikit_learn(modules: tuple[ModuleType, ModuleType], digits: Any) -> None:
    pytest.importorskip("sklearn")
    assert all(np.array_equal(a, b) for a, b in zip(digits, modules[1].fetch(), strict=True))


def test_photo_is_the_file_whose_licence_is_documented() -> None:
    readme = (EXAMPLES / "data" / "README.md").read_text(encoding="utf-8")
    assert hashlib.sha256((EXAMPLES / "data" / "photo.png").read_bytes()).hexdigest() in readme
