"""Makes semantics/tower/coefficients.py: `python benchmarks/make_coefficients.py`. Needs mpmath; takes a minute.

The polynomials have the least greatest relative error of the function that they serve, with coefficients that f32 or
f64 holds (`minimax.py`). Constants that must be known better than that are sums of two or three numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import mpmath as mp
from minimax import Function, fitted, rounded

mp.mp.prec = 1400
WORKING = 400
"""Bits while fitting; the words of 2/pi need more."""
TARGET = Path(__file__).parent.parent / "semantics" / "tower" / "coefficients.py"
BITS = {32: 24, 64: 53}
TINY = 1e-9

Polynomial = Callable[[int, int], tuple[list[mp.mpf], mp.mpf]]
"""From the number of terms and the bits of a coefficient to coefficients and error."""


def minimax(f: Function, lo: float, hi: float, weight: Function) -> Polynomial:
    """The polynomial for `f` on lo..hi whose error times the weight is least."""
    return lambda terms, bits: fitted(f, lo, hi, terms, weight, bits)


def of_root(f: Function) -> Function:
    """A function of the square root of its argument."""
    return lambda z: f(mp.sqrt(z))


def odd(g: Function, taken: int, most: float) -> Polynomial:
    """In z = x * x, for an odd function up to `most`: g(x) / x, less 1, and divided by z if `taken` is 1."""
    ratio = of_root(lambda x: g(x) / x)
    return minimax(lambda z: (ratio(z) - 1) / z**taken, TINY, most**2, lambda z: z**taken / ratio(z))


def log_series(z: mp.mpf) -> mp.mpf:
    """(log((1 + s) / (1 - s)) / s - 2) / z - 2/3, by z, for z = s * s."""
    s = mp.sqrt(z)
    return ((mp.log((1 + s) / (1 - s)) / s - 2) / z - mp.mpf(2) / 3) / z


def polynomials() -> dict[str, Polynomial]:
    """Each polynomial, by name."""
    half_ln2, quarter_pi = float(mp.log(2) / 2) * 1.0001, float(mp.pi / 4) * 1.016
    lo, hi = float(mp.sqrt(0.5)) - 1, float(mp.sqrt(2)) - 1
    s_most = (mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)
    log2 = lambda m: mp.log(1 + m) / mp.log(2)  # noqa: E731
    cos = of_root(lambda x: (mp.cos(x) - 1 + x * x / 2) / x**4)
    return {
        "EXP": minimax(lambda r: (mp.exp(r) - 1 - r) / r**2, -half_ln2, half_ln2, lambda r: r * r),
        "EXP2": minimax(lambda r: (mp.mpf(2) ** r - 1) / r, -0.5, 0.5, lambda r: r),
        "LOG": minimax(lambda m: (mp.log(1 + m) - m + m * m / 2) / m**3, lo, hi, lambda m: m**3 / mp.log(1 + m)),
        "LOG2": minimax(lambda m: (log2(m) / m - 1 / mp.log(2)) / m, lo, hi, lambda m: m * m / log2(m)),
        "LOG_SERIES": minimax(log_series, TINY, float(s_most**2) * 1.01, lambda z: z * z),
        "TANH": odd(mp.tanh, 1, 0.975),
        "SIN": odd(mp.sin, 1, quarter_pi),
        "COS": minimax(cos, TINY, quarter_pi**2, of_root(lambda x: x**4 / mp.cos(x))),
        "ERF": odd(mp.erf, 0, 1.0),
        "ERFC_LOG_32": minimax(lambda x: mp.log(mp.erfc(x)), 1.0, 4.0, mp.erfc),
        "ERFC_LOG_64": minimax(lambda x: mp.log(mp.erfc(x)), 1.0, 6.0, mp.erfc),
    }


TERMS: dict[str, dict[int, tuple[str, int]]] = {
    "EXP": {32: ("EXP", 5), 64: ("EXP", 10)},
    "EXP2": {32: ("EXP2", 6), 64: ("EXP2", 11)},
    "LOG": {32: ("LOG", 8), 64: ("LOG", 20)},
    "LOG2": {32: ("LOG2", 9), 64: ("LOG2", 21)},
    "TANH": {32: ("TANH", 7), 64: ("TANH", 15)},
    "SIN": {32: ("SIN", 3), 64: ("SIN", 6)},
    "COS": {32: ("COS", 3), 64: ("COS", 6)},
    "ERF": {32: ("ERF", 7), 64: ("ERF", 13)},
    "ERFC_LOG": {32: ("ERFC_LOG_32", 7), 64: ("ERFC_LOG_64", 19)},
}
"""For each tuple of coefficients by the width of the format: which polynomial, and its number of terms."""
ALONE = {"LOG_SERIES": ("LOG_SERIES", 9), "POW_LOG2": ("LOG2", 12), "POW_EXP2": ("EXP2", 7)}
"""Those of pow, in f64."""


def text(x: mp.mpf) -> str:
    """A float64 as Python reads it back exactly."""
    return repr(float(x))


def listed(values: list[str]) -> str:
    """A tuple as source."""
    return f"({', '.join(values)},)"


def by_width(name: str, values: dict[int, str]) -> str:
    """A dictionary as source."""
    return f"{name} = {{{', '.join(f'{width}: {value}' for width, value in values.items())}}}\n"


def sum_of(x: mp.mpf, count: int, bits: int) -> str:
    """A number as a sum of so many numbers of so many bits."""
    found = []
    for _ in range(count):
        found.append(text(rounded(x, bits)))
        x -= rounded(x, bits)
    return listed(found)


def coefficients(name: str, polynomial: Polynomial, terms: int, bits: int) -> str:
    """A fitted polynomial as source; tells how good it is."""
    with mp.workprec(WORKING):
        found, error = polynomial(terms, bits)
        print(f"{name}: {terms} terms of {bits} bits, error 2**{float(mp.log(error, 2)):.2f}")
    return listed([text(c) for c in found])


def main() -> None:
    """Writes the module."""
    lines = ['"""Coefficients of the elementary functions; made by benchmarks/make_coefficients.py.\n']
    lines += ["Where there is one for each format, it is found by the format's width.\n" + '"""\n', "# fmt: off\n"]
    known = polynomials()
    for name, chosen in TERMS.items():
        found = {w: coefficients(name, known[which], n, BITS[w]) for w, (which, n) in chosen.items()}
        lines.append(by_width(name, found))
    for name, (which, n) in ALONE.items():
        lines.append(f"{name} = {coefficients(name, known[which], n, 53)}\n")
    for name, x, count in (("LN2", mp.log(2), 2), ("PER_LN2", 1 / mp.log(2), 2), ("HALF_PI", mp.pi / 2, 3)):
        lines.append(by_width(name, {w: sum_of(x, count, bits) for w, bits in BITS.items()}))
    lines.append(by_width("PER_HALF_PI", {w: text(rounded(2 / mp.pi, bits)) for w, bits in BITS.items()}))
    lines.append(f"TWO_THIRDS = {sum_of(mp.mpf(2) / 3, 2, 53)}\n")
    words = int(mp.floor(mp.mpf(2) / mp.pi * mp.mpf(2) ** (64 * 20)))
    lines.append(f"PER_HALF_PI_WORDS = {listed([hex(words >> (64 * (19 - n)) & (2**64 - 1)) for n in range(20)])}\n")
    TARGET.write_text("\n".join(lines))


if __name__ == "__main__":
    main()
