"""Rows of initial weights, scaled by the growth of their modes while the balance of the weights decays."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from lindyn_service.dynamics.decaying_propagators import DecayingPropagators, PropagatorStates

_NEGLIGIBLE = -230.0  # of exponents: beside 1 nothing, and no products are subnormal
_LARGEST_EXPONENT = 100.0  # of rows beside their pivots, which may grow faster early, but not by much
_LARGEST_FALL = 700.0  # of exponents, beyond which e^x underflows


@dataclass(frozen=True)
class Rows:
    """Rows along the growing solutions, the decaying ones, and the directions of the wider side without a mode.

    Attributes:
        growing: (time, mode, column).
        falling: (time, mode, column).
        extra: (time, extra, column).
    """

    growing: Float[np.ndarray, "time mode column"]
    falling: Float[np.ndarray, "time mode column"]
    extra: Float[np.ndarray, "time extra column"]

    def map(
        self, function: Callable[[Float[np.ndarray, "time row column"]], Float[np.ndarray, "time row column"]]
    ) -> "Rows":
        """Apply a function to each part."""
        return Rows(function(self.growing), function(self.falling), function(self.extra))


@dataclass(frozen=True)
class RootWeights:
    """Weights of the rows of R, where R^T R is the integral N, in units of the growth.

    Attributes:
        own: of growing rows, (time, mode).
        beside: of the falling rows that are added to these, (time, mode).
        rest: of falling rows, (time, mode).
        extra: of extra rows, (time, 1).
    """

    own: Float[np.ndarray, "time mode"]
    beside: Float[np.ndarray, "time mode"]
    rest: Float[np.ndarray, "time mode"]
    extra: Float[np.ndarray, "time 1"]

    def root(self, rows: Rows) -> Float[np.ndarray, "time row column"]:
        """Return R times rows."""
        growing = self.own[:, :, None] * rows.growing + self.beside[:, :, None] * rows.falling
        falling, extra = self.rest[:, :, None] * rows.falling, self.extra[:, :, None] * rows.extra
        return np.concatenate([growing, falling, extra], axis=1)


@dataclass(frozen=True)
class Coordinates:
    """Coordinates of scaled solutions in the layers, (time, mode, 1).

    Attributes:
        minor_growing: of growing solutions in the minor layer.
        major_growing: of growing solutions in the major layer.
        minor_falling: of decaying solutions in the minor layer.
        major_falling: of decaying solutions in the major layer.
        extra: of extra rows in their layer, (time, 1, 1).
    """

    minor_growing: Float[np.ndarray, "time mode 1"]
    major_growing: Float[np.ndarray, "time mode 1"]
    minor_falling: Float[np.ndarray, "time mode 1"]
    major_falling: Float[np.ndarray, "time mode 1"]
    extra: Float[np.ndarray, "time 1 1"]


@dataclass(frozen=True)
class Growth:
    """The growth of all modes by some times.

    Attributes:
        propagators: solutions of the modes and, last, of one more without a task, for the extra rows.
        times: in units of the time constant.
        extra_grow: whether the extra rows are of the major layer, which grows.
    """

    propagators: DecayingPropagators
    times: Float[np.ndarray, " time"]
    extra_grow: bool

    @cached_property
    def states(self) -> PropagatorStates:
        """Solutions of the modes."""
        return self.propagators.at(self.times)

    @property
    def level(self) -> Float[np.ndarray, "time mode_plus_one"]:
        """Levels S."""
        return self.states.level

    @cached_property
    def weights(self) -> RootWeights:
        """Weights of the rows of R."""
        decayed = self.states.decayed
        own = np.sqrt(-np.expm1(-2 * self.level) / self.propagators.unit)
        shrunk = self.states.cross * decay(-self.level)
        beside = np.divide(shrunk, own, out=np.zeros_like(own), where=own > 0)
        rest = np.sqrt(np.maximum(decayed - beside**2, 0.0))
        extra = own if self.extra_grow else np.sqrt(decayed)
        return RootWeights(own[:, :-1], beside[:, :-1], rest[:, :-1], extra[:, -1:])

    @cached_property
    def coordinates(self) -> Coordinates:
        """Coordinates of the solutions."""
        states, ratios, start = self.states, self.propagators.ratios, self.propagators.start
        length = np.sqrt(1 + start**2)
        w, z = np.where(ratios.s > 0, np.exp(states.u), 0.0), ratios.at(self.times)
        growing = np.exp(states.beyond) / length
        common = ratios.gamma * self.times + ratios.half_integral(self.times)
        falling = np.exp(-np.minimum(states.fall + common[:, None], _LARGEST_FALL)) / length
        return Coordinates(
            minor_growing=(w * growing)[:, :-1, None],
            major_growing=growing[:, :-1, None],
            minor_falling=falling[:, :-1, None],
            major_falling=(-z * falling)[:, :-1, None],
            extra=(growing if self.extra_grow else falling)[:, -1:, None],
        )

    def of_rows(self, n_rows: int) -> Float[np.ndarray, "time row"]:
        """Levels of rows in the order growing, extra, falling; rows that fall have level 0."""
        return self._by_rows(self.level, n_rows, 0.0)

    def relative(self, rows: Float[np.ndarray, "row column"], pivots: Int[np.ndarray, " column"]) -> Rows:
        """Scale rows along the solutions by their growth relative to that of the pivots of the columns.

        Args:
            rows: growing rows, extra ones, then falling ones in the opposite order.
            pivots: row to whose growth each column is relative.
        """
        m, n_rows, states = self.level.shape[1] - 1, len(rows), self.states
        level = self.of_rows(n_rows)
        # levels have a large common part, without which their differences keep more digits
        own = self._by_rows(states.excess - states.beyond, n_rows, 0.0)
        error = self._by_rows(states.excess + np.abs(states.beyond), n_rows, np.inf)
        exact = _pairs(error, pivots, 1) <= _pairs(level, pivots, 1)
        behind = np.where(exact, _pairs(own, pivots, -1), _pairs(level, pivots, -1))
        scaled = decay(np.minimum(behind, _LARGEST_EXPONENT)) * rows
        return Rows(scaled[:, :m], scaled[:, n_rows - m :][:, ::-1], scaled[:, m : n_rows - m])

    def _by_rows(
        self, values: Float[np.ndarray, "time mode_plus_one"], n_rows: int, of_falling: float
    ) -> Float[np.ndarray, "time row"]:
        m = values.shape[1] - 1
        n_extra = n_rows - 2 * m
        extra = np.repeat(values[:, -1:] if self.extra_grow else np.full((len(values), 1), of_falling), n_extra, axis=1)
        return np.concatenate([values[:, :-1], extra, np.full((len(values), m), of_falling)], axis=1)


def _pairs(
    values: Float[np.ndarray, "time row"], pivots: Int[np.ndarray, " column"], sign: int
) -> Float[np.ndarray, "time row column"]:
    """Sums or differences of the values of rows and of pivots."""
    return values[:, :, None] + sign * values[:, None, pivots]


def decay(exponent: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Return e^exponent, or zero where that is negligible."""
    return np.exp(np.where(exponent < _NEGLIGIBLE, -np.inf, exponent))
