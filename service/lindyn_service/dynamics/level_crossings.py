"""All places at which a function of one number has a value, on an interval on parts of which it may not exist."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq, fminbound

Function = Callable[[Float[np.ndarray, " place"]], Float[np.ndarray, " place"]]
"""Values at ascending places; NaN where there are none."""

_EVEN, _SCALED = 65, 64  # places of the first scan
_SMALLEST_SCALE = 1e-4  # of the places around 0, relative to the largest bound
_ROUNDS, _MAX_NEW = 3, 48  # of halving intervals on which the function bends
_MAX_NEAR = 16  # intervals near the level that are halved in each round
_BEND = 0.02  # of the range of values: what a straight line may be off
_PARTS, _SECTIONS = 8, 10  # an end of where the function exists is found to 8^-10 of an interval
_MAX_ENDS, _MAX_EXTREMA = 6, 12
_WITHIN, _OF_SPREAD = 1e-9, 1e-12  # error of the value at a solution, relative to it and to the range of values
_EXTREMUM = 1e-9  # error of the place of an extremum, relative to the places beside it
_TOUCHING = 1e-10  # relative distance of an extremum from the level, at which it is a double solution
_TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, eq=False)
class Crossings:
    """What was found of a function.

    Attributes:
        places: where it has the value, ascending.
        values: the function there.
        jumps: where it passes the value without having it.
        lowest: the least value that was seen; NaN where there is none at all.
        highest: the largest one.
        scanned: all places at which it was computed, ascending, and the values there.
    """

    places: tuple[float, ...]
    values: tuple[float, ...]
    jumps: tuple[float, ...]
    lowest: float
    highest: float
    scanned: tuple[Float[np.ndarray, " place"], Float[np.ndarray, " place"]]


@dataclass
class _Known:
    """Values that are known, and a function that gives more."""

    function: Function
    values: dict[float, float] = field(default_factory=dict[float, float])

    def at(self, place: float) -> float:
        """The value at one place."""
        place = float(place)
        if place not in self.values:
            self.values[place] = float(self.function(np.array([place]))[0])
        return self.values[place]

    def add(self, places: Float[np.ndarray, " place"]) -> None:
        """Compute the values at several places."""
        new = np.array([place for place in np.unique(places).tolist() if place not in self.values])
        if len(new):
            self.values.update(zip(new.tolist(), self.function(new).tolist(), strict=True))

    def curve(self) -> tuple[Float[np.ndarray, " place"], Float[np.ndarray, " place"]]:
        """All places in ascending order, and the values there."""
        places = np.array(sorted(self.values))
        return places, np.array([self.values[place] for place in places.tolist()])


def level_crossings(function: Function, low: float, high: float, level: float) -> Crossings:
    """Find all places between two bounds at which a function has a value.

    The function is scanned on a grid that is even and on one that is logarithmic, around 0 in both directions where
    the bounds have different signs. Intervals on which it bends, and those nearest to the value, are halved. The ends
    of intervals on which it exists and its extrema are found, so that two solutions between neighbouring places are
    told apart, and double ones seen.

    Args:
        function: continuous but for some places.
        low: lower bound.
        high: upper bound.
        level: the value.

    Source: Brent (1973), Algorithms for Minimization without Derivatives, chapters 4 and 5.
    """
    known = _Known(function)
    known.add(_grid(low, high))
    for _ in range(_ROUNDS):
        known.add(_where_it_bends(*known.curve()))
        known.add(_near_the_level(*known.curve(), level))
    _find_ends(known)
    extrema = _extrema(known, level)
    places, values = known.curve()
    exists = np.isfinite(values)
    if not np.any(exists):
        return Crossings((), (), (), np.nan, np.nan, (places, values))
    roots, jumps = _roots(known, level, _OF_SPREAD * float(np.ptp(values[exists])))
    found = _distinct(sorted([*roots, *(place for place, sign in extrema if _touches(known.at(place), level, sign))]))
    return Crossings(
        tuple(found),
        tuple(known.at(place) for place in found),
        tuple(jumps),
        float(np.min(values[exists])),
        float(np.max(values[exists])),
        known.curve(),
    )


def _grid(low: float, high: float) -> Float[np.ndarray, " place"]:
    """Places that are even, and places that are even in the logarithm, or in asinh where the bounds enclose 0."""
    unit = _SMALLEST_SCALE * max(abs(low), abs(high))
    scaled = np.sinh(np.linspace(math.asinh(low / unit), math.asinh(high / unit), _SCALED)) * unit
    if low > 0:
        scaled = np.geomspace(low, high, _SCALED)
    elif high < 0:
        scaled = -np.geomspace(-low, -high, _SCALED)
    return np.unique(np.clip(np.concatenate([np.linspace(low, high, _EVEN), scaled]), low, high))


def _where_it_bends(
    places: Float[np.ndarray, " place"], values: Float[np.ndarray, " place"]
) -> Float[np.ndarray, " middle"]:
    """Middles of intervals beside places at which the function is far from the line between their neighbours."""
    exists = np.isfinite(values)
    if np.count_nonzero(exists) < 3:
        return np.empty(0)
    spread = float(np.ptp(values[exists]))
    share = (places[1:-1] - places[:-2]) / (places[2:] - places[:-2])
    off = np.abs(values[:-2] * (1 - share) + values[2:] * share - values[1:-1])
    most = np.argsort(-np.nan_to_num(off), kind="stable")[: _MAX_NEW // 2]
    bent = 1 + most[np.nan_to_num(off[most]) > _BEND * spread]
    middles = [(places[bent + side] + places[bent + side - 1]) / 2 for side in (0, 1)]
    return np.concatenate(middles)


def _near_the_level(
    places: Float[np.ndarray, " place"], values: Float[np.ndarray, " place"], level: float
) -> Float[np.ndarray, " middle"]:
    """Middles of the intervals with an end at which the function is nearest to the level."""
    distances = np.nan_to_num(np.abs(values - level), nan=np.inf)
    nearest = np.argsort(np.minimum(distances[:-1], distances[1:]), kind="stable")[:_MAX_NEAR]
    return (places[nearest] + places[nearest + 1]) / 2


def _find_ends(known: _Known) -> None:
    """Add places close to where the function ceases to exist."""
    places, values = known.curve()
    changes = np.flatnonzero(np.isfinite(values[:-1]) != np.isfinite(values[1:]))[:_MAX_ENDS]
    for i in changes:
        left, right = float(places[i]), float(places[i + 1])
        left_exists = bool(np.isfinite(values[i]))
        for _ in range(_SECTIONS):
            inside = np.linspace(left, right, _PARTS + 1)[1:-1]
            known.add(inside)
            same = [bool(np.isfinite(known.at(place))) == left_exists for place in inside.tolist()]
            first = next((k for k, each in enumerate(same) if not each), len(same))
            left, right = (left, *inside.tolist())[first], (*inside.tolist(), right)[first]


def _extrema(known: _Known, level: float) -> list[tuple[float, int]]:
    """Find local minima, with the sign 1, and maxima, with -1; those towards the level first."""
    places, values = known.curve()
    before, now, after = values[:-2], values[1:-1], values[2:]
    found: list[tuple[bool, int, int]] = []
    for sign in (1, -1):
        lows = np.flatnonzero(
            (sign * now <= sign * before) & (sign * now <= sign * after) & ~((now == before) & (now == after))
        )
        found += [(not sign * now[i] > sign * level, sign, int(i)) for i in lows]
    ends = places.tolist()
    return [(_extremum(known, ends[i], ends[i + 2], sign), sign) for _, sign, i in sorted(found)[:_MAX_EXTREMA]]


def _extremum(known: _Known, low: float, high: float, sign: int) -> float:
    """Find a minimum of a function times a sign between two places."""

    def value(place: float) -> float:
        return sign * known.at(place)

    return float(fminbound(value, low, high, xtol=_EXTREMUM * (high - low)))


def _roots(known: _Known, level: float, rounding: float) -> tuple[list[float], list[float]]:
    """Solve between neighbouring places with different signs; places where a jump crosses the level are apart."""
    places, values = known.curve()
    roots = places[values == level].tolist()
    above = values - level
    jumps: list[float] = []
    for i in np.flatnonzero(above[:-1] * np.sign(above[1:]) < 0):
        root = float(
            brentq(lambda place: known.at(place) - level, places[i], places[i + 1], xtol=_TINY, rtol=1e-15, maxiter=200)
        )
        (roots if abs(known.at(root) - level) <= max(_WITHIN * abs(level), rounding) else jumps).append(root)
    return roots, jumps


def _touches(value: float, level: float, sign: int) -> bool:
    """Whether an extremum has the level without crossing it."""
    return 0 <= sign * (value - level) <= _TOUCHING * abs(level)


def _distinct(ascending: list[float]) -> list[float]:
    """Leave out places that differ from the one before by what a double solution is uncertain by."""
    kept: list[float] = []
    for place in ascending:
        if not kept or place - kept[-1] > 1e-7 * max(abs(place), abs(kept[-1])):
            kept.append(place)
    return kept
