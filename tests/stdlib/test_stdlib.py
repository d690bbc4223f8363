"""The kernels of the standard library against NumPy, hashlib and definitions, at several sizes."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest

import gemel as gm
from gemel.stdlib import coding, crypto, graph, nn, signal, sorting

Rng = np.random.Generator
SAFE = [
    *(crypto.sha256, crypto.poly1305, coding.rs_parity, coding.viterbi, signal.biquads, signal.dct8x8, sorting.top),
    *(nn.softmax, nn.layer_norm, nn.group_norm, nn.gelu, nn.rope, nn.causal_attention),
]


@pytest.fixture
def rng() -> Rng:
    return np.random.default_rng(5)


def both(kernel: gm.Kernel, *args: Any) -> Any:
    """What the CPU gives, which the interpreter and the arrays that it changes must equal."""
    mine, theirs = ([a.copy() if isinstance(a, np.ndarray) else a for a in args] for _ in range(2))
    result, other = kernel(*mine), kernel.interpret(*theirs)
    np.testing.assert_array_equal(result, other)
    for a, b, given in zip(mine, theirs, args, strict=True):
        np.testing.assert_array_equal(a, b)
        if isinstance(given, np.ndarray) and given.flags.writeable:
            given[...] = a
    return result


def floats(rng: Rng, *shape: int) -> Any:
    return rng.standard_normal(shape).astype(np.float32)


def bits(rng: Rng, dtype: type, *shape: int) -> Any:
    return rng.integers(0, 256, shape).astype(dtype)


# ------------------------------------------------------------------------------------------------------------- crypto


@pytest.mark.parametrize("size", [0, 3, 55, 56, 200])
def test_sha256(rng: Rng, size: int) -> None:
    message = rng.bytes(size)
    words = both(crypto.sha256, crypto.sha256_blocks(message))
    assert words.astype(">u4").tobytes() == hashlib.sha256(message).digest()


def tag(key: bytes, message: bytes) -> bytes:
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for n in range(0, len(message), 16):
        total = (total + int.from_bytes(message[n : n + 16] + b"\1", "little")) * r % ((1 << 130) - 5)
    return ((total + int.from_bytes(key[16:], "little")) & ((1 << 128) - 1)).to_bytes(16, "little")


@pytest.mark.parametrize("size", [0, 1, 16, 45])
def test_poly1305(rng: Rng, size: int) -> None:
    key, message = rng.bytes(32), rng.bytes(size)
    made = both(crypto.poly1305, *(np.frombuffer(x, np.uint8) for x in (key, message)))
    assert made.tobytes() == tag(key, message)


def test_poly1305_of_the_rfc() -> None:
    key = bytes.fromhex("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b")
    message = b"Cryptographic Forum Research Group"
    made = crypto.poly1305(np.frombuffer(key, np.uint8), np.frombuffer(message, np.uint8))
    assert made.tobytes().hex() == "a8061dc1305136c6c22b8baf0c0127a9"


# ------------------------------------------------------------------------------------------------------------- coding


def product(x: int, y: int) -> int:
    out = 0
    for n in range(8):
        out ^= (x << n) * (y >> n & 1)
    for n in range(15, 7, -1):
        out ^= (0x11D << (n - 8)) * (out >> n & 1)
    return out


@pytest.mark.parametrize("parity", [1, 4, 16])
def test_every_root_of_the_generator_is_one_of_the_code_word(rng: Rng, parity: int) -> None:
    message = bits(rng, np.uint8, 30)
    word = [*message.tolist(), *both(coding.rs_parity, message, coding.rs_generator(parity)).tolist()]
    root = 1
    for _ in range(parity):
        value = 0
        for c in word:
            value = product(value, root) ^ c
        assert value == 0
        root = product(root, 2)


def encoded(message: Any) -> Any:
    state, out = 0, []
    for bit in message.tolist():
        register = bit << 2 | state
        out.append([(register ^ register >> 1 ^ register >> 2) & 1, (register ^ register >> 2) & 1])
        state = register >> 1
    return np.array(out, np.uint8).reshape(-1, 2)


def test_viterbi_mends_errors_far_apart(rng: Rng) -> None:
    message = rng.integers(0, 2, 40).astype(np.uint8)
    symbols = encoded(message)
    symbols[[4, 14, 24], [0, 1, 0]] ^= 1
    assert both(coding.viterbi, symbols).tolist() == message.tolist()


def lz4(sequences: list[tuple[bytes, int, int]], last: bytes) -> bytes:
    """A block of literals, offset and length of each match, and the last literals."""

    def more(length: int) -> bytes:
        return b"" if length < 15 else b"\xff" * ((length - 15) // 255) + bytes([(length - 15) % 255])

    out = b""
    for literals, offset, length in [*sequences, (last, 0, 4)]:
        out += bytes([min(len(literals), 15) << 4 | min(length - 4, 15)]) + more(len(literals)) + literals
        out += offset.to_bytes(2, "little") + more(length - 4) if offset else b""
    return out


def test_lz4_block(rng: Rng) -> None:
    text = rng.bytes(300)
    block = lz4([(text, 300, 40), (b"ab", 2, 600), (b"", 1, 4)], b"the end")
    want = text + text[:40] + b"ab" + b"ab" * 300 + b"bbbb" + b"the end"
    out = np.zeros(len(want), np.uint8)
    assert both(coding.lz4_block, np.frombuffer(block, np.uint8), out) == len(want)
    assert out.tobytes() == want


@pytest.mark.parametrize("block", [b"\x00\x01\x00", b"\xf0\xff", b"\x40ab", lz4([(b"a", 1, 90)], b"")])
def test_what_is_no_lz4_block_is_refused(block: bytes) -> None:
    with pytest.raises((gm.errors.BoundsError, gm.errors.CheckError)):
        coding.lz4_block(np.frombuffer(block, np.uint8), np.zeros(8, np.uint8))


# ------------------------------------------------------------------------------------------------------------- signal


def test_biquads_follow_the_recurrence(rng: Rng) -> None:
    x = rng.integers(-6000, 6000, 50).astype(np.int16)
    coefficients = (rng.uniform(-0.4, 0.4, (3, 5)) * (1 << 14)).astype(np.int16)
    v = x / 2**14
    for b0, b1, b2, a1, a2 in coefficients / 2**14:
        y = np.zeros(50)
        for n in range(50):
            y[n] = b0 * v[n] + (b1 * v[n - 1] - a1 * y[n - 1] if n > 0 else 0)
            y[n] += b2 * v[n - 2] - a2 * y[n - 2] if n > 1 else 0
        v = y
    assert np.abs(both(signal.biquads, x, coefficients) / 2**14 - v).max() < 16 / 2**14


def test_dct8x8(rng: Rng) -> None:
    pixels = bits(rng, np.uint8, 8, 8)
    rows = np.arange(8)
    matrix = np.cos((2 * rows + 1) * rows[:, None] * np.pi / 16) * np.where(rows == 0, np.sqrt(1 / 8), 0.5)[:, None]
    assert np.abs(both(signal.dct8x8, pixels) - matrix @ (pixels - 128.0) @ matrix.T).max() < 1


@pytest.mark.parametrize("size", [1, 2, 16, 128])
def test_fft(rng: Rng, size: int) -> None:
    re, im = floats(rng, size), floats(rng, size)
    want = np.fft.fft(re + 1j * im)
    both(signal.fft, re, im)
    np.testing.assert_allclose(re + 1j * im, want, atol=1e-5 * size)


def test_fft_of_other_sizes_is_refused() -> None:
    with pytest.raises(gm.errors.CheckError):
        signal.fft(np.zeros(6, np.float32), np.zeros(6, np.float32))


# ----------------------------------------------------------------------------------------------------------------- nn


def softmax(x: Any) -> Any:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def test_softmax(rng: Rng) -> None:
    x = floats(rng, 3, 7)
    np.testing.assert_allclose(both(nn.softmax, x), softmax(x), rtol=1e-5)


def normal(x: Any) -> Any:
    return (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)


def test_layer_norm(rng: Rng) -> None:
    x, gain, bias = floats(rng, 3, 7), floats(rng, 7), floats(rng, 7)
    np.testing.assert_allclose(both(nn.layer_norm, x, gain, bias), normal(x) * gain + bias, atol=1e-5)


def test_group_norm(rng: Rng) -> None:
    x, gain, bias = floats(rng, 2, 6, 5), floats(rng, 6), floats(rng, 6)
    want = normal(x.reshape(2, 3, 10)).reshape(2, 6, 5) * gain[:, None] + bias[:, None]
    np.testing.assert_allclose(both(nn.group_norm, 3, x, gain, bias), want, atol=1e-5)


def test_gelu() -> None:
    x = np.array([[-2, 0, 1]], np.float32)
    np.testing.assert_allclose(both(nn.gelu, x), [[-0.04550026, 0, 0.84134475]], rtol=1e-5)


def test_rope(rng: Rng) -> None:
    x = floats(rng, 6, 8)
    turned = (x[:, ::2] + 1j * x[:, 1::2]) * np.exp(1j * np.arange(6)[:, None] * 10000.0 ** (-np.arange(4) / 4))
    got = both(nn.rope, x)
    np.testing.assert_allclose(got[:, ::2] + 1j * got[:, 1::2], turned, atol=1e-5)


def test_causal_attention(rng: Rng) -> None:
    q, k, v = (floats(rng, 6, 4) for _ in range(3))
    scores = np.where(np.tri(6, dtype=bool), q @ k.T / 2, -np.inf)
    np.testing.assert_allclose(both(nn.causal_attention, q, k, v), softmax(scores) @ v, atol=1e-5)


# -------------------------------------------------------------------------------------------------- graphs and sorting


def parts(image: Any) -> tuple[int, Any]:
    label = np.zeros(image.shape, np.int64)
    for start in np.argwhere(image):
        stack = [tuple(start)]
        name = start[0] * image.shape[1] + start[1] + 1
        while stack:
            i, j = stack.pop()
            if 0 <= i < image.shape[0] and 0 <= j < image.shape[1] and image[i, j] and not label[i, j]:
                label[i, j] = name
                stack += [(i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)]
    return len(np.unique(label[label > 0])), label


def test_components(rng: Rng) -> None:
    image = rng.integers(0, 5, (13, 11)) > 1
    label = np.zeros(image.shape, np.int64)
    count, want = parts(image)
    assert both(graph.components, image, label) == count
    assert label.tolist() == want.tolist()


def test_top(rng: Rng) -> None:
    x = rng.integers(-9, 9, 30).astype(np.int32)
    best, where = np.zeros(5, np.int32), np.zeros(5, np.int64)
    both(sorting.top, x, best, where)
    assert where.tolist() == np.argsort(-x, kind="stable")[:5].tolist() and best.tolist() == x[where].tolist()


def test_top_of_too_few() -> None:
    best, where = np.zeros(3, np.int32), np.zeros(3, np.int64)
    both(sorting.top, np.array([-(1 << 31), 4], np.int32), best, where)
    assert where.tolist() == [1, 0, -1]


# ---------------------------------------------------------------------------------------------- hardware and proofs


def examples(rng: Rng) -> dict[gm.Kernel, tuple[Any, ...]]:
    return {
        crypto.sha256: (crypto.sha256_blocks(b"abc"),),
        crypto.poly1305: (bits(rng, np.uint8, 32), bits(rng, np.uint8, 20)),
        coding.rs_parity: (bits(rng, np.uint8, 9), coding.rs_generator(4)),
        coding.viterbi: (encoded(rng.integers(0, 2, 12)),),
        coding.lz4_block: (np.frombuffer(lz4([(b"ab", 2, 30)], b"c"), np.uint8), np.zeros(33, np.uint8)),
        signal.biquads: (bits(rng, np.int16, 6), bits(rng, np.int16, 2, 5)),
        signal.dct8x8: (bits(rng, np.uint8, 8, 8),),
        graph.components: (rng.integers(0, 3, (4, 5)) > 0, np.zeros((4, 5), np.int64)),
        sorting.top: (bits(rng, np.int32, 9), np.zeros(3, np.int32), np.zeros(3, np.int64)),
    }


@pytest.mark.slow
@pytest.mark.parametrize("kernel", examples(np.random.default_rng(0)), ids=lambda k: k.__name__)
def test_hardware_gives_the_same_bits(rng: Rng, kernel: gm.Kernel) -> None:
    args = examples(rng)[kernel]
    own = [a.copy() for a in args]
    run = kernel.synth_for(*args, clock_mhz=50).simulate(*own)
    np.testing.assert_array_equal(run.outputs, kernel(*args))
    for a, b in zip(own, args, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
@pytest.mark.parametrize("kernel", SAFE, ids=lambda k: k.__name__)
def test_nothing_can_go_wrong_at_any_size(kernel: gm.Kernel) -> None:
    report = kernel.verify(**{"groups": 4} if kernel is nn.group_norm else {})
    assert report.ok, str(report)
