"""Global minima of curves that are known at any time and analytic in it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy.polynomial import Chebyshev
from numpy.polynomial.chebyshev import chebder, chebvander

from lindyn_service.dynamics.chebyshev import nodes
from lindyn_service.dynamics.search_axis import SearchAxis
from lindyn_service.dynamics.tasks import EPS

Curves = Callable[[Float[np.ndarray, " time"]], Float[np.ndarray, "curve time"]]
"""Values of some curves at ascending times."""

_DEGREE = 16  # of the polynomials that approximate curves on pieces
_INITIAL_LENGTH = 0.5  # of pieces before they are halved, in the logarithm of time
_LEAST_LENGTH = 0.05  # of pieces, relative to the time scale of the fastest motion
_MAX_PIECES = 1024
_TOLERANCE = 1e-10  # of a polynomial, relative to the largest value on its piece; stationary points are evaluated
_REAL = 1e-6  # imaginary part of a root that counts as real
_NOISE = 1e-7  # smaller tails that no longer shrink when pieces are halved are rounding errors
_NEAR = 0.01  # of a piece's range, above the lowest value, up to which minima of pieces are looked at
_MAX_CANDIDATES = 8  # pieces with a minimum that is looked at, for each curve
_ROUNDINGS = 16 * EPS  # relative difference below which values count as equal

_TO_COEFFICIENTS = np.linalg.inv(chebvander(nodes(_DEGREE), _DEGREE))
_TO_SLOPE: np.ndarray = chebder(_TO_COEFFICIENTS, axis=0)
_FINE = chebvander(np.linspace(-1, 1, 4 * _DEGREE + 1), _DEGREE) @ _TO_COEFFICIENTS


@dataclass(frozen=True)
class Minimum:
    """The least value of a curve, and the earliest time that has it, up to rounding errors of the values."""

    time: float
    value: float


@dataclass(frozen=True)
class _Pieces:
    """Curves on pieces of [0, 1], by their values at Chebyshev nodes, (curve, piece, node)."""

    left: Float[np.ndarray, " piece"]
    right: Float[np.ndarray, " piece"]
    values: Float[np.ndarray, "curve piece node"]


def minima(curves: Curves, end: float, speed: float) -> list[Minimum]:
    """Find the least value of each curve between time 0 and an end, both included.

    The curves are approximated by polynomials on pieces of the time axis, which are halved until the polynomials
    converge to ten digits. The lowest stationary points of the polynomials are then evaluated on the curves
    themselves, and compared with the ends.

    Args:
        curves: some curves; all of them are evaluated at once.
        end: last time, not negative.
        speed: an estimate of the fastest rate of change, which sets where pieces are fine at first.

    Source: Trefethen (2013), Approximation Theory and Approximation Practice, chapters 8 and 18: coefficients of an
    analytic function decay geometrically, and roots of a polynomial are eigenvalues of its colleague matrix.
    """
    if end == 0:
        return [Minimum(0.0, float(values[0])) for values in curves(np.zeros(1))]
    axis = SearchAxis(end, math.log1p(end * speed))
    pieces = _resolved(curves, axis)
    places = [_candidates(pieces, curve) for curve in range(len(pieces.values))]
    every = np.unique(np.concatenate([np.array([0.0, 1.0]), *places]))
    times = axis.times(every)
    found = curves(times)
    return [
        _earliest(times, found[curve], np.isin(every, [0.0, 1.0, *own]), _lowest(pieces, axis, curve))
        for curve, own in enumerate(places)
    ]


def _resolved(curves: Curves, axis: SearchAxis) -> _Pieces:
    """Halve pieces until all curves are resolved on each."""
    edges = np.linspace(0.0, 1.0, max(1, math.ceil(axis.phase / _INITIAL_LENGTH)) + 1)
    left, right, before = edges[:-1], edges[1:], np.array(np.inf)
    done: list[_Pieces] = []
    count, share = 0, (nodes(_DEGREE) + 1) / 2
    speed = math.expm1(axis.phase) / axis.duration
    while len(left):
        count += len(left)
        x = left[:, None] * (1 - share) + right[:, None] * share
        times = axis.times(x)
        values = curves(times.ravel()).reshape(-1, *times.shape)
        largest = np.max(np.abs(values), axis=2)
        tail = np.max(np.abs(values @ _TO_COEFFICIENTS[-4:].T), axis=2)
        noise = (tail < _NOISE * largest) & (tail > 0.5 * before)
        resolved = np.all((tail <= _TOLERANCE * largest) | noise, axis=0)
        resolved |= (times[:, -1] - times[:, 0]) * speed < _LEAST_LENGTH
        if count + 2 * np.count_nonzero(~resolved) > _MAX_PIECES:
            resolved[:] = True
        done.append(_Pieces(left[resolved], right[resolved], values[:, resolved]))
        left, right, before = _halved(left, right, tail, ~resolved)
    return _Pieces(
        np.concatenate([each.left for each in done]),
        np.concatenate([each.right for each in done]),
        np.concatenate([each.values for each in done], axis=1),
    )


def _halved(
    left: Float[np.ndarray, " piece"],
    right: Float[np.ndarray, " piece"],
    tail: Float[np.ndarray, "curve piece"],
    which: Bool[np.ndarray, " piece"],
) -> tuple[Float[np.ndarray, " half"], Float[np.ndarray, " half"], Float[np.ndarray, "curve half"]]:
    """Halves of some pieces in ascending order, and the tails of the pieces that they are halves of."""
    bounds = np.stack([left[which], (left[which] + right[which]) / 2, right[which]], axis=1)
    return bounds[:, :-1].ravel(), bounds[:, 1:].ravel(), np.repeat(tail[:, which], 2, axis=1)


def _candidates(pieces: _Pieces, curve: int) -> Float[np.ndarray, " place"]:
    """Places of the lowest stationary points of a curve's polynomials."""
    fine = pieces.values[curve] @ _FINE.T
    least, spread = np.min(fine, axis=1), np.ptp(fine, axis=1)
    near = np.flatnonzero(least <= np.min(least) + _NEAR * spread)
    near = near[np.argsort(least[near], kind="stable")][:_MAX_CANDIDATES]
    return np.concatenate([np.empty(0), *(_stationary(pieces, curve, piece) for piece in near.tolist())])


def _stationary(pieces: _Pieces, curve: int, piece: int) -> Float[np.ndarray, " place"]:
    slope: np.ndarray = _TO_SLOPE @ pieces.values[curve, piece]
    if not np.any(slope):
        return np.empty(0)
    known = np.flatnonzero(np.abs(slope) > EPS * np.max(np.abs(slope)))
    roots = Chebyshev(slope[: known[-1] + 1]).roots()
    inside: np.ndarray = np.real(roots[(np.abs(np.imag(roots)) < _REAL) & (np.abs(np.real(roots)) <= 1)])
    share = (inside + 1) / 2
    return pieces.left[piece] * (1 - share) + pieces.right[piece] * share


def _lowest(pieces: _Pieces, axis: SearchAxis, curve: int) -> Minimum:
    """The lowest of all values by which a curve was approximated."""
    piece, node = np.unravel_index(np.argmin(pieces.values[curve]), pieces.values[curve].shape)
    share = (nodes(_DEGREE)[node] + 1) / 2
    x = pieces.left[piece] * (1 - share) + pieces.right[piece] * share
    return Minimum(float(axis.times(np.array([x]))[0]), float(pieces.values[curve, piece, node]))


def _earliest(
    times: Float[np.ndarray, " time"],
    values: Float[np.ndarray, " time"],
    own: Bool[np.ndarray, " time"],
    sampled: Minimum,
) -> Minimum:
    """The first of a curve's candidates that no other is below by more than rounding errors."""
    places = np.flatnonzero(own)
    least = float(np.min(values[places]))
    rounding = _ROUNDINGS * abs(least)
    if sampled.value < least - rounding:
        return sampled
    first = places[np.flatnonzero(values[places] <= least + rounding)[0]]
    return Minimum(float(times[first]), float(values[first]))
