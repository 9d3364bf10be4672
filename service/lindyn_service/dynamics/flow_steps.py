"""Networks within the steps of an integrated gradient flow."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq

from lindyn_service.dynamics.flow_series import FlowSeries, FlowState
from lindyn_service.dynamics.layers import Layers
from lindyn_service.dynamics.settled import Settled

_SMALLEST = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class Networks:
    """A network at some times.

    Attributes:
        layers: (time, width l+1, width l) each, first layer first.
        residual: (time, out, in), sigma_yx - W sigma_xx, accurate relative to its own size.
    """

    layers: Layers
    residual: Float[np.ndarray, "time out in"]

    def __len__(self) -> int:
        """Return the number of times."""
        return len(self.residual)


Value = Callable[[Networks], float]


@dataclass(frozen=True)
class Step:
    """A step of the integration; valid until the series is computed anew.

    Attributes:
        series: series at the start of the step.
        start: state at the start of the step.
        unit: unit of time of the series.
        length: length of the step; infinite, like the unit, if nothing changes.
    """

    series: FlowSeries
    start: FlowState
    unit: float
    length: float

    @cached_property
    def _coefficients(self) -> Float[np.ndarray, "power number"]:
        parts = (*self.series.coefficients(), self.series.residuals)
        return np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)

    def networks(self, lengths: Float[np.ndarray, " time"]) -> Networks:
        """Networks at some times after the start of the step."""
        *layers, residual = self._at(lengths)
        return Networks(tuple(layers), residual * self.series.size)

    def end(self) -> FlowState:
        """State at the end of the step."""
        *layers, residual = (part[0] for part in self._at(np.array([self.length])))
        return FlowState(tuple(layers), residual, self.series.log_size)

    def _at(self, lengths: Float[np.ndarray, " time"]) -> list[Float[np.ndarray, "time _ _"]]:
        powers = (lengths[:, None] / self.unit) ** np.arange(len(self._coefficients))
        values = np.einsum("tk,kn->tn", powers, self._coefficients)
        parts, first = list[np.ndarray](), 0
        for part in (*self.start.layers, self.start.residual):
            parts.append(values[:, first : first + part.size].reshape(-1, *part.shape))
            first += part.size
        return parts


@dataclass(frozen=True)
class Rest:
    """The end of the flow, where the layers no longer change.

    Attributes:
        start: state from which on they do not.
        ending: decay of its residual.
        length: infinity.
    """

    start: FlowState
    ending: Settled
    length: float = math.inf

    def networks(self, lengths: Float[np.ndarray, " time"]) -> Networks:
        """Networks at some times after the start."""
        parts, logarithms = self.ending.at(lengths)
        sizes = np.exp(self.start.log_size + logarithms)
        residual = parts.reshape(-1, *self.start.residual.shape) * sizes[:, None, None]
        return Networks(tuple(np.repeat(w[None], len(lengths), axis=0) for w in self.start.layers), residual)


def crossing(step: Step | Rest, value: Value, level: float, known: dict[float, float]) -> float:
    """Return the time until the value falls to the level; `known` has the values at two times, which bracket it."""

    def above(length: float) -> float:
        if length not in known:
            known[length] = value(step.networks(np.array([length])))
        return math.log(max(known[length], _SMALLEST)) - math.log(level)

    first, last = known
    return float(brentq(above, first, last, xtol=_SMALLEST, rtol=1e-14))


def at_one_time(state: FlowState) -> Networks:
    """Return the network of a state, at a single time."""
    return Networks(tuple(w[None] for w in state.layers), state.residual[None] * np.exp(state.log_size))


def repeated(state: FlowState, count: int) -> Networks:
    """Return the network of a state as often as that."""
    one = at_one_time(state)
    return Networks(tuple(np.repeat(w, count, axis=0) for w in one.layers), np.repeat(one.residual, count, axis=0))


def joined(pieces: Sequence[Networks]) -> Networks:
    """Return the networks of all pieces after each other."""
    layers = zip(*(piece.layers for piece in pieces), strict=True)
    return Networks(
        tuple(np.concatenate(layer) for layer in layers), np.concatenate([piece.residual for piece in pieces])
    )
