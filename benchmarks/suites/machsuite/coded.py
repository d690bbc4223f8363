"""AES and the training of a small network, of MachSuite."""

from __future__ import annotations

from typing import Any

import numpy as np

import gemel as gm
from gemel import f64, u8
from suites.case import Case

H, I, O, T = gm.dims("H I O T")  # noqa: E741


def _substitution() -> Any:
    """AES's table: the inverse in GF(2**8), then an affine map."""
    power, inverse = [1], np.zeros(256, np.uint8)
    for _ in range(254):
        x = power[-1]
        double = x << 1 ^ (0x11B if x & 0x80 else 0)
        power.append(double ^ x)
    for n, x in enumerate(power):
        inverse[x] = power[-n % 255]
    table = np.zeros(256, np.uint8)
    for n in range(256):
        b = int(inverse[n])
        turned = [(b << k | b >> (8 - k)) & 255 for k in range(5)]
        table[n] = turned[0] ^ turned[1] ^ turned[2] ^ turned[3] ^ turned[4] ^ 0x63
    return table


SBOX = _substitution()


def doubled(x):
    """x times 2 in GF(2**8)."""
    return gm.cast(gm.cast(x << 1, u8) ^ gm.where(x >= 128, u8(0x1B), u8(0)), u8)


def next_key(key, constant):
    """Eight more words of the key schedule, in place."""
    for n in gm.unroll(range(4)):
        key[n] ^= SBOX[key[28 + (n + 1) % 4]]
    key[0] ^= constant
    for n in gm.unroll(range(4, 16)):
        key[n] ^= key[n - 4]
    for n in gm.unroll(range(16, 20)):
        key[n] ^= SBOX[key[n - 4]]
    for n in gm.unroll(range(20, 32)):
        key[n] ^= key[n - 4]


def sub_and_shift(state):
    """The table for each byte, and row r turned by r places."""
    old = [state[n] for n in gm.unroll(range(16))]
    for n in gm.unroll(range(16)):
        state[n] = SBOX[old[(n + 4 * (n % 4)) % 16]]


def mix_columns(state):
    """Each column times 2 3 1 1."""
    for c in gm.unroll(range(0, 16, 4)):
        a = [state[c + r] for r in gm.unroll(range(4))]
        total = a[0] ^ a[1] ^ a[2] ^ a[3]
        for r in gm.unroll(range(4)):
            state[c + r] = a[r] ^ total ^ doubled(a[r] ^ a[(r + 1) % 4])


@gm.kernel
def aes(key: u8[32], state: u8[16]):
    """AES-256 of one block, in place; the key schedule runs along."""
    k = gm.empty((32,), u8)
    for n in range(32):
        k[n] = key[n]
    for n in range(16):
        state[n] ^= k[n]
    constant: u8 = 1
    for pair in range(7):
        sub_and_shift(state)
        mix_columns(state)
        for n in range(16):
            state[n] ^= k[16 + n]
        if pair < 6:
            next_key(k, constant)
            constant = doubled(constant)
            sub_and_shift(state)
            mix_columns(state)
            for n in range(16):
                state[n] ^= k[n]
    next_key(k, constant)
    sub_and_shift(state)
    for n in range(16):
        state[n] ^= k[n]


def aes_reference(key: Any, state: Any) -> None:
    words = [list(key[4 * n : 4 * n + 4]) for n in range(8)]
    constant = 1
    for n in range(8, 60):
        w = list(words[-1])
        if n % 8 == 0:
            w = [SBOX[w[1]] ^ constant, SBOX[w[2]], SBOX[w[3]], SBOX[w[0]]]
            constant <<= 1
        elif n % 8 == 4:
            w = [SBOX[x] for x in w]
        words.append([a ^ b for a, b in zip(w, words[-8], strict=True)])
    keys = np.array(words, np.uint8).reshape(15, 16)
    state ^= keys[0]
    double = lambda x: (x << 1 ^ np.where(x >= 128, 0x11B, 0)) & 255  # noqa: E731
    for turn in range(1, 15):
        s = SBOX[state].reshape(4, 4)
        s = np.array([[s[(c + r) % 4, r] for r in range(4)] for c in range(4)], int)
        if turn < 14:
            up = np.roll(s, -1, 1)
            s = double(s) ^ double(up) ^ up ^ np.roll(s, -2, 1) ^ np.roll(s, -3, 1)
        state[:] = s.reshape(16) ^ keys[turn]


def layer(weights, biases, inputs, act, slope):
    """act = sigmoid(weights @ inputs + biases); slope as the suite takes it, from before the sigmoid."""
    outs, ins = weights.shape
    for j in range(outs):
        total: f64 = biases[j]
        for i in range(ins):
            total += weights[j, i] * inputs[i]
        slope[j] = total * (1.0 - total)
        act[j] = gm.sigmoid(total)


def back(weights, after, slope, out):
    """out = (weights.T @ after) * slope."""
    outs, ins = weights.shape
    for i in range(ins):
        total: f64 = 0.0
        for j in range(outs):
            total += after[j] * weights[j, i]
        out[i] = total * slope[i]


def update(weights, biases, error, inputs):
    """A step along the gradient, then the weights and the biases to length 1."""
    outs, ins = weights.shape
    norm: f64 = 0.0
    bias_norm: f64 = 0.0
    for j, i in gm.grid(outs, ins):
        weights[j, i] -= error[j] * inputs[i] * 0.01
        norm += weights[j, i] * weights[j, i]
    for j in range(outs):
        biases[j] -= error[j] * 0.01
        bias_norm += biases[j] * biases[j]
    for j, i in gm.grid(outs, ins):
        weights[j, i] = weights[j, i] / gm.sqrt(norm)
    for j in range(outs):
        biases[j] = biases[j] / gm.sqrt(bias_norm)


@gm.kernel
def backprop(
    w1: f64[H, I],
    w2: f64[H, H],
    w3: f64[O, H],
    b1: f64[H],
    b2: f64[H],
    b3: f64[O],
    data: f64[T, I],
    targets: f64[T, O],
):
    """Trains two hidden layers on each sample once."""
    a1, d1, e1 = gm.zeros((H,), f64), gm.zeros((H,), f64), gm.zeros((H,), f64)
    a2, d2, e2 = gm.zeros((H,), f64), gm.zeros((H,), f64), gm.zeros((H,), f64)
    a3, d3, e3 = gm.zeros((O,), f64), gm.zeros((O,), f64), gm.zeros((O,), f64)
    for t in range(T):
        layer(w1, b1, data[t], a1, d1)
        layer(w2, b2, a1, a2, d2)
        layer(w3, b3, a2, a3, d3)
        total: f64 = 0.0
        for j in range(O):
            total += gm.exp(-a3[j])
        for j in range(O):
            e3[j] = -(gm.exp(-a3[j]) / total - targets[t, j]) * d3[j]
        back(w3, e3, d2, e2)
        back(w2, e2, d1, e1)
        update(w1, b1, e1, data[t])
        update(w2, b2, e2, a1)
        update(w3, b3, e3, a2)


def backprop_reference(w1: Any, w2: Any, w3: Any, b1: Any, b2: Any, b3: Any, data: Any, targets: Any) -> None:
    for x, wanted in zip(data, targets, strict=True):
        inputs, slopes = [x], []
        for w, b in ((w1, b1), (w2, b2), (w3, b3)):
            z = w @ inputs[-1] + b
            slopes.append(z * (1 - z))
            inputs.append(1 / (1 + np.exp(-z)))
        soft = np.exp(-inputs[3])
        e3 = -(soft / soft.sum() - wanted) * slopes[2]
        e2 = (w3.T @ e3) * slopes[1]
        e1 = (w2.T @ e2) * slopes[0]
        for w, b, e, given in ((w1, b1, e1, x), (w2, b2, e2, inputs[1]), (w3, b3, e3, inputs[2])):
            w -= 0.01 * np.outer(e, given)
            b -= 0.01 * e
            w /= np.sqrt((w * w).sum())
            b /= np.sqrt((b * b).sum())


def _network(rng: np.random.Generator, H: int, I: int, O: int, T: int) -> tuple[Any, ...]:  # noqa: E741
    shapes = [(H, I), (H, H), (O, H), (H,), (H,), (O,), (T, I)]
    return (*(rng.standard_normal(s) for s in shapes), np.eye(O)[rng.integers(0, O, T)])


def _block(rng: np.random.Generator) -> tuple[Any, ...]:
    return rng.integers(0, 256, 32, np.uint8), rng.integers(0, 256, 16, np.uint8)


CASES = [
    Case("aes/aes", aes, _block, aes_reference, {}, {}),
    Case(
        "backprop/backprop",
        backprop,
        _network,
        backprop_reference,
        {"H": 3, "I": 4, "O": 2, "T": 2},
        {"H": 64, "I": 13, "O": 3, "T": 20},
        rtol=1e-6,
        note="weights are matrices here, stored one way; the suite's flat ones are read in two orders",
    ),
]
