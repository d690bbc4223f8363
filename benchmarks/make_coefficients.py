"""Makes semantics/tower/coefficients.py: `python benchmarks/make_coefficients.py`. Needs mpmath.

Each polynomial interpolates its function at the Chebyshev nodes of its interval with 400 bits and is then rounded
coefficient by coefficient; the first of a polynomial whose rounding would show is given in two parts. Those of f32 are
fitted for the least greatest relative error of the function, rounding taken into account (`minimax.py`).
"""

from __future__ import annotations

from pathlib import Path

import mpmath as mp
from minimax import Function, fitted, rounded

mp.mp.prec = 1400
TARGET = Path(__file__).parent.parent / "semantics" / "tower" / "coefficients.py"


def text(x: mp.mpf) -> str:
    """A float64 as Python reads it back exactly."""
    return repr(float(x))


def polynomial(f: Function, lo: float, hi: float, terms: int) -> list[mp.mpf]:
    """The coefficients, lowest power first, of a polynomial that is close to `f` on lo..hi."""
    found = mp.chebyfit(f, [mp.mpf(lo), mp.mpf(hi)], terms)
    return list(reversed(found))


def even(f: Function, hi: float, terms: int) -> list[mp.mpf]:
    """As `polynomial`, in z = x * x, of a function of x that is even; |x| is at most `hi`."""
    return polynomial(lambda z: f(mp.sqrt(z)), 1e-6, hi * hi, terms)


def two(x: mp.mpf) -> tuple[str, str]:
    """A number as a float64 and the float64 of what is left."""
    return text(x), text(x - mp.mpf(float(x)))


def chopped(x: mp.mpf, bits: int) -> mp.mpf:
    """The first bits of a number."""
    exponent = mp.floor(mp.log(abs(x), 2))
    scale = mp.mpf(2) ** (bits - 1 - exponent)
    return mp.floor(x * scale) / scale


def parts(x: mp.mpf, bits: tuple[int, ...]) -> list[str]:
    """A number as a sum of float64 with so many bits each, and of what is left."""
    found = []
    for n in bits:
        found.append(text(chopped(x, n)))
        x -= chopped(x, n)
    return [*found, text(x)]


def log_series(z: mp.mpf) -> mp.mpf:
    """(log((1 + s) / (1 - s)) / s - 2) / z, for z = s * s."""
    s = mp.sqrt(z)
    return (mp.log((1 + s) / (1 - s)) / s - 2) / z


def erf_pieces() -> tuple[list[tuple[str, str]], list[list[str]]]:
    """For each eighth of 0.5..6: erf at its middle in two parts, and (erf(middle + t) - erf(middle)) / t."""
    values, slopes = [], []
    for n in range(4, 48):
        middle = mp.mpf(2 * n + 1) / 16
        values.append(two(mp.erf(middle)))
        f = lambda t, c=middle: (mp.erf(c + t) - mp.erf(c)) / t if t else 2 / mp.sqrt(mp.pi) * mp.exp(-c * c)  # noqa: E731
        slopes.append([text(c) for c in polynomial(f, -1 / 16, 1 / 16, 12)])
    return values, slopes


def listed(name: str, values: list[str]) -> str:
    """A tuple of numbers as source."""
    return f"{name} = ({', '.join(values)},)\n"


def singles(x: mp.mpf, count: int) -> list[str]:
    """A number as a sum of so many float32."""
    found = []
    for _ in range(count):
        found.append(text(rounded(x, 24)))
        x -= rounded(x, 24)
    return found


def of_root(f: Function) -> Function:
    """A function of the square root of its argument."""
    return lambda z: f(mp.sqrt(z))


TINY = 1e-9


def polynomials32() -> dict[str, tuple[list[mp.mpf], mp.mpf]]:
    """Those of f32; weights make the error relative to the function's value."""
    half_ln2, quarter_pi = float(mp.log(2) / 2) * 1.0001, float(mp.pi / 4) * 1.016
    lo, hi = float(mp.sqrt(0.5)) - 1, float(mp.sqrt(2)) - 1
    tanh_x, sin_x, erf_x = (of_root(lambda x, g=g: g(x) / x) for g in (mp.tanh, mp.sin, mp.erf))
    per_ln2 = 1 / mp.log(2)
    return {
        "EXP_32": fitted(lambda r: (mp.exp(r) - 1 - r) / r**2, -half_ln2, half_ln2, 5, lambda r: r * r),
        "EXP2_32": fitted(lambda r: (mp.mpf(2) ** r - 1) / r, -0.5, 0.5, 6, lambda r: r),
        "LOG_32": fitted(
            lambda m: (mp.log(1 + m) - m + m * m / 2) / m**3, lo, hi, 8, lambda m: m**3 / mp.log(1 + m)
        ),
        "LOG2_32": fitted(
            lambda m: (mp.log(1 + m, 2) / m - per_ln2) / m, lo, hi, 9, lambda m: m * m / mp.log(1 + m, 2)
        ),
        "TANH_32": fitted(lambda z: (tanh_x(z) - 1) / z, TINY, 0.975**2, 7, lambda z: z / tanh_x(z)),
        "SIN_32": fitted(lambda z: (sin_x(z) - 1) / z, TINY, quarter_pi**2, 3, lambda z: z / sin_x(z)),
        "COS_32": fitted(
            of_root(lambda x: (mp.cos(x) - 1 + x * x / 2) / x**4),
            TINY,
            quarter_pi**2,
            3,
            of_root(lambda x: x**4 / mp.cos(x)),
        ),
        "ERF_32": fitted(lambda z: erf_x(z) - 1, TINY, 1.0, 7, lambda z: 1 / erf_x(z)),
        "ERFC_LOG_32": fitted(lambda x: mp.log(mp.erfc(x)), 1.0, 4.0, 7, mp.erfc),
    }


def lines32() -> list[str]:
    """The coefficients of f32 as source, each with the logarithm of its error."""
    lines = []
    for name, (found, error) in polynomials32().items():
        print(f"{name}: error 2**{float(mp.log(error, 2)):.2f}")
        lines.append(listed(name, [text(c) for c in found]))
    lines.append(listed("LN2_32", singles(mp.log(2), 2)))
    lines.append(listed("LOG2_FIRST_32", singles(1 / mp.log(2), 2)))
    lines.append(listed("HALF_PI_32", singles(mp.pi / 2, 3)))
    lines.append(f"PER_LN2_32 = {text(rounded(1 / mp.log(2), 24))}\n")
    lines.append(f"PER_HALF_PI_32 = {text(rounded(2 / mp.pi, 24))}\n")
    return lines


def main() -> None:
    """Writes the module."""
    ln2, half_pi = mp.log(2), mp.pi / 2
    s_most = (mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)
    two_thirds = mp.mpf(2) / 3
    lines = ['"""Coefficients of the elementary functions; made by benchmarks/make_coefficients.py."""\n\n# fmt: off\n']
    series: dict[str, list[mp.mpf]] = {
        "EXP": polynomial(lambda r: (mp.exp(r) - 1 - r) / r**2 if r else mp.mpf(1) / 2, -0.35, 0.35, 11),
        "LOG": polynomial(lambda z: (log_series(z) - two_thirds) / z, 1e-9, float(s_most**2) * 1.01, 9),
        "SIN": even(lambda x: (mp.sin(x) - x) / x**3, 0.79, 8),
        "COS": even(lambda x: (mp.cos(x) - 1 + x * x / 2) / x**4, 0.79, 8),
        "TANH": even(lambda x: (mp.tanh(x) - x) / x**3, 0.31, 10),
    }
    small_erf = even(lambda x: mp.erf(x) / x, 0.51, 13)
    for name, found in series.items():
        lines.append(listed(name, [text(c) for c in found]))
    lines.append(listed("ERF_FIRST", list(two(small_erf[0]))))
    lines.append(listed("ERF", [text(c) for c in small_erf[1:]]))
    values, slopes = erf_pieces()
    lines.append(listed("ERF_VALUES", [x for pair in values for x in pair]))
    lines.append(listed("ERF_SLOPES", [x for row in slopes for x in row]))
    lines.append(listed("LN2", parts(ln2, (40,))))
    lines.append(listed("LN2_FULL", list(two(ln2))))
    lines.append(listed("PER_LN2", list(two(1 / ln2))))
    lines.append(listed("TWO_THIRDS", list(two(two_thirds))))
    lines.append(listed("HALF_PI", parts(half_pi, (33, 33, 33))))
    lines.append(listed("HALF_PI_FULL", list(two(half_pi))))
    lines.append(f"PER_HALF_PI = {text(1 / half_pi)}\n")
    words = int(mp.floor(mp.mpf(2) / mp.pi * mp.mpf(2) ** (64 * 20)))
    lines.append(listed("PER_HALF_PI_WORDS", [hex(words >> (64 * (19 - n)) & (2**64 - 1)) for n in range(20)]))
    lines += lines32()
    TARGET.write_text("\n".join(lines))


if __name__ == "__main__":
    main()
