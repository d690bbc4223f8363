"""Codes: Reed-Solomon parity, a Viterbi decoder, LZ4 blocks."""

from __future__ import annotations

import numpy as np

import gemel as gm
from gemel import index, u8, u16

M, N, P = gm.dims("M N P")
U2 = gm.UInt(2)


def _powers() -> np.ndarray:
    powers, x = [], 1
    for _ in range(255):
        powers.append(x)
        x = x << 1 ^ (0x11D if x & 128 else 0)
    return np.array(powers * 2, np.uint8)


EXP = _powers()
LOG = np.array([0, *(EXP.tolist().index(x) for x in range(1, 256))], np.uint8)


def gf256_product(x, y):  # traced, and on plain numbers
    """The product in GF(256) with the polynomial 0x11d."""
    return gm.where((x == 0) | (y == 0), 0, EXP[gm.cast(LOG[x], u16) + LOG[y]])


def rs_generator(parity: int) -> np.ndarray:
    """The generator polynomial for so many parity bytes, highest power first, without the leading 1."""
    g = [1]
    for n in range(parity):
        scaled = [0] + [0 if c == 0 else int(EXP[int(LOG[c]) + n]) for c in g]
        g = [a ^ b for a, b in zip([*g, 0], scaled, strict=True)]
    return np.array(g[1:], np.uint8)


@gm.kernel
def rs_parity(message: u8[N], generator: u8[P]) -> u8[P]:
    """The parity bytes of a Reed-Solomon code; `generator` is what `rs_generator` gives."""
    gm.requires(P > 0)
    parity = gm.zeros((P,), u8)
    for i in range(N):
        feedback = message[i] ^ parity[0]
        for j in range(P - 1):
            parity[j] = parity[j + 1] ^ gf256_product(feedback, generator[j])
        parity[P - 1] = gf256_product(feedback, generator[P - 1])
    return parity


@gm.kernel
def viterbi(symbols: u8[N, 2]) -> u8[N]:
    """The likeliest bits behind the symbols of the rate-1/2 code with the polynomials 7 and 5, from state 0."""
    gm.requires(all(symbols[i, 0] <= 1 and symbols[i, 1] <= 1 for i in range(N)))
    distance = gm.full((4,), 1000, u16)
    distance[0] = 0
    came = gm.empty((N, 4), U2)
    for t in range(N):
        new = gm.empty((4,), u16)
        for s in range(4):
            first = _after(distance, symbols[t], s, 0)
            second = _after(distance, symbols[t], s, 1)
            new[s] = min(first, second, 60000)
            came[t, s] = gm.cast((s << 1) | (second < first), U2)
        distance[:] = new
    out = gm.empty((N,), u8)
    state: U2 = gm.cast(distance.argmin(), U2)
    for t in reversed(range(N)):
        out[t] = state >> 1
        state = came[t, state]
    return out


def _after(distance, symbol, s, low):  # traced
    """The distance of the way into state `s` from the state before whose lowest bit is `low`."""
    before = ((s << 1) | low) & 3
    bits = ((s >> 1) << 2) | before
    return (
        distance[before] + ((bits ^ (bits >> 1) ^ (bits >> 2) ^ symbol[0]) & 1) + ((bits ^ (bits >> 2) ^ symbol[1]) & 1)
    )


def _length(data, at, nibble):  # traced
    """A length that goes on in further bytes where the nibble is 15, and where to read on."""
    length: index = nibble
    place: index = at
    if nibble == 15:
        while True:
            more = data[place]
            place += 1
            length += more
            if more != 255:
                break
    return length, place


@gm.kernel
def lz4_block(data: u8[N], out: u8[M]) -> index:
    """Decompresses an LZ4 block; gives the number of bytes.

    Data that is no block ends with a BoundsError or CheckError.
    """
    at: index = 0
    end: index = 0
    while at < N:
        token = data[at]
        count, at = _length(data, at + 1, token >> 4)
        for n in range(count):
            out[end + n] = data[at + n]
        at += count
        end += count
        if at >= N:
            break
        offset = data[at] | (data[at + 1] << 8)
        assert 0 < offset <= end, "the offset points before the start"
        count, at = _length(data, at + 2, token & 15)
        for n in range(count + 4):
            out[end + n] = out[end + n - offset]
        end += count + 4
    return end
