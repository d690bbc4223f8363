"""Words that are known, as numbers."""

from __future__ import annotations


def signed(value: int, w: int) -> int:
    """A word as a number of two's complement."""
    return value - (1 << w) if value >> (w - 1) else value


def _udiv(a: int, b: int, w: int) -> int:
    return a // b if b else 0


def _urem(a: int, b: int, w: int) -> int:
    return a % b if b else 0


def _sdiv(a: int, b: int, w: int) -> int:
    x, y = signed(a, w), signed(b, w)
    return (abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)) & ((1 << w) - 1) if y else 0


def _srem(a: int, b: int, w: int) -> int:
    x, y = signed(a, w), signed(b, w)
    return (abs(x) % abs(y) * (-1 if x < 0 else 1)) & ((1 << w) - 1) if y else 0


DIVISIONS = {"udiv": _udiv, "urem": _urem, "sdiv": _sdiv, "srem": _srem}
"""The divisions of known words."""
