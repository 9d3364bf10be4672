"""Arithmetic with about 32 significant digits: unevaluated sums of two float64 arrays."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

_SLICES = 5
"""Number of slices of each factor of a matrix product: five slices of 21 bits hold the 105 bits of a number."""

_SPLITTER = 2.0**27 + 1  # splits the 53 bits of a float64 into halves


@dataclass(frozen=True, slots=True)
class DoubleDouble:
    """Unevaluated sum of two float64 arrays, where `low` is at most half a unit in the last place of `high`.

    Operands broadcast as numpy arrays do. The relative error of a sum or an elementwise product is at most 2^-102. The
    error of an entry of a matrix product is at most 2^-102 of the norm of its row times the norm of its column for up
    to 64 terms, and 2^-94 for up to 1024. These bounds hold while numbers and their products lie between 1e-270 and
    1e290.

    Source: Hida, Li and Bailey (2001), 10.1109/ARITH.2001.930115, for sums and products of numbers; Ozaki, Ogita, Oishi
    and Rump (2012), 10.1007/s11075-011-9478-1, for matrix products, by splitting both factors into parts whose
    products float64 holds exactly.
    """

    high: Float[np.ndarray, "..."]
    low: Float[np.ndarray, "..."]

    def map(self, function: Callable[[Float[np.ndarray, "..."]], Float[np.ndarray, "..."]]) -> "DoubleDouble":
        """Apply a function that only rearranges or repeats entries, or changes signs."""
        return DoubleDouble(function(self.high), function(self.low))

    @property
    def mT(self) -> "DoubleDouble":
        """Matrices transposed."""
        return self.map(lambda part: part.mT)

    def __add__(self, other: "DoubleDouble") -> "DoubleDouble":
        high, error = two_sum(self.high, other.high)
        middle, low = two_sum(self.low, other.low)
        high, error = _quick_two_sum(high, error + middle)
        return DoubleDouble(*_quick_two_sum(high, error + low))

    def __sub__(self, other: "DoubleDouble") -> "DoubleDouble":
        return self + other.map(np.negative)

    def __mul__(self, other: "DoubleDouble") -> "DoubleDouble":
        high, error = _two_product(self.high, other.high)
        return DoubleDouble(*_quick_two_sum(high, error + (self.high * other.low + self.low * other.high)))

    def __matmul__(self, other: "DoubleDouble") -> "DoubleDouble":
        inner = self.high.shape[-1]
        bits = int(52 - np.log2(inner)) // 2  # so that the sum of all products of one magnitude has at most 53 bits
        left = np.concatenate(_slices(self, -1, bits), axis=-1)
        right = np.concatenate(_slices(other, -2, bits)[::-1], axis=-2)
        # products of slices i and j have the magnitude i + j; one matrix product sums all products of one magnitude
        sizes = [
            left[..., : (size + 1) * inner] @ right[..., (_SLICES - 1 - size) * inner :, :] for size in range(_SLICES)
        ]
        high, low = two_sum(sizes[-3], sizes[-2] + sizes[-1])
        for larger in sizes[-4::-1]:
            high, error = two_sum(larger, high)
            low = low + error
        return DoubleDouble(*two_sum(high, low))


def exact(values: Float[np.ndarray, "..."]) -> DoubleDouble:
    """Convert float64 numbers, without rounding.

    Source: Hida, Li and Bailey (2001), 10.1109/ARITH.2001.930115.
    """
    return DoubleDouble(values, np.zeros_like(values))


def two_sum(
    first: Float[np.ndarray, "..."], second: Float[np.ndarray, "..."]
) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """Rounded sum and its rounding error, whose sum is exact.

    Source: Knuth (1998), The Art of Computer Programming, volume 2, section 4.2.2, theorem B.
    """
    total = first + second
    moved = total - first
    return total, (first - (total - moved)) + (second - moved)


def _quick_two_sum(
    larger: Float[np.ndarray, "..."], smaller: Float[np.ndarray, "..."]
) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """Rounded sum and its rounding error if |first| >= |second| (Dekker 1971, 10.1007/BF01397083)."""
    total = larger + smaller
    return total, smaller - (total - larger)


def _two_product(
    first: Float[np.ndarray, "..."], second: Float[np.ndarray, "..."]
) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """Rounded product and its rounding error (Dekker 1971, 10.1007/BF01397083)."""
    product = first * second
    (a, b), (c, d) = _halves(first), _halves(second)
    return product, ((a * c - product) + a * d + b * c) + b * d


def _halves(values: Float[np.ndarray, "..."]) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """Split numbers into sums of two numbers of at most 26 bits each."""
    spread = _SPLITTER * values
    upper = spread - (spread - values)
    return upper, values - upper


def _slices(values: DoubleDouble, axis: int, bits: int) -> list[Float[np.ndarray, "..."]]:
    """Split a matrix into a sum of slices, largest first, each a multiple of one power of two along an axis."""
    exponents = np.frexp(np.max(np.abs(values.high), axis=axis, keepdims=True))[1]
    rounder = np.ldexp(1.5 * 2.0**52, exponents - bits)  # adding and subtracting it rounds to the bits of a slice
    rest, low = values.high, values.low
    slices: list[np.ndarray] = []
    for index in range(_SLICES):
        part = (rest + rounder) - rounder
        slices.append(part)
        rest = rest - part
        if index == 1:
            rest, low = two_sum(rest, low)
        elif index == 2:
            rest = rest + low  # the rounding error is below the last slice
        rounder = rounder * 2.0**-bits
    return slices
