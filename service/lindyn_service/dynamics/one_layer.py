"""Networks of one layer: along each principal direction of the inputs, W decays to the best one at its own rate."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq

from lindyn_service.dynamics.modal_loss import Objective, objective
from lindyn_service.dynamics.modal_weights import ModalWeights
from lindyn_service.dynamics.tasks import Moments, fitted

_SMALLEST = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class OneLayer:
    """A problem solved once, to be evaluated at many times; times are in units of the time constant.

    Attributes:
        objective: what the network is trained for.
        variances: of the inputs along their principal directions.
        away: u^T (W - W*) at time 0 along these directions, W* the best network function.
        directions: the principal directions in the basis v of the objective, as rows.
        resting: u^T W v outside of the span of the inputs, which does not learn.
    """

    objective: Objective
    variances: Float[np.ndarray, " rank"]
    away: Float[np.ndarray, "out rank"]
    directions: Float[np.ndarray, "rank in"]
    resting: Float[np.ndarray, "out in"]

    def errors(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, "time out in"]:
        """The distance u^T (W - W*) v on the span of the inputs, of which small ones have all their digits."""
        return (np.exp(-times[:, None] * self.variances)[:, None, :] * self.away) @ self.directions

    def frame(self, times: Float[np.ndarray, " time"], time_constant: float) -> ModalWeights:
        """The frame that observables are read from.

        Args:
            times: in units of the time constant.
            time_constant: tau, for rates.
        """
        errors = self.errors(times)
        return ModalWeights(
            self.objective, (self.objective.best + self.resting + errors,), (), time_constant, self._start, errors
        )

    def excess_loss(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Excess loss, in squared units of the targets."""
        return 0.5 * np.exp(-2 * times[:, None] * self.variances) @ self._shares

    def convergence_time(self, tolerance: float) -> float:
        """First time from which the excess loss is at most a positive tolerance; there always is one."""

        def above(time: float) -> float:
            return math.log(max(float(self.excess_loss(np.array([time]))[0]), _SMALLEST)) - math.log(tolerance)

        if above(0.0) <= 0:
            return 0.0
        # when each direction has come to its part of the tolerance, so has their sum
        parts = self._shares * (len(self._shares) / (2 * tolerance))
        last = float(np.max(np.log(np.maximum(parts, 1.0)) / (2 * self.variances)))
        return float(brentq(above, 0.0, last * (1 + 1e-12), xtol=_SMALLEST, rtol=1e-14))

    @property
    def _shares(self) -> Float[np.ndarray, " rank"]:
        return self.variances * np.sum(self.away**2, axis=0)

    @property
    def _start(self) -> ModalWeights:
        return ModalWeights(self.objective, (self.objective.best + self.resting + self.errors(np.zeros(1)),), (), 1.0)


def one_layer(weights: Float[np.ndarray, "out in"], moments: Moments) -> OneLayer:
    """Solve tau dW/dt = sigma_yx - W sigma_xx, W - W* = (W(0) - W*) e^{-sigma_xx t / tau}, for any inputs.

    Args:
        weights: W at time 0.
        moments: of the training data.

    Source: Saxe et al. (2014), arXiv 1312.6120, shallow network; Advani, Saxe and Sompolinsky (2020),
    10.1016/j.neunet.2020.08.022.
    """
    found, fit = objective(moments), fitted(moments)
    start, directions = found.u.T @ weights, fit.right @ found.v
    along = start @ fit.right.T
    resting = (start - along @ fit.right) @ found.v if len(fit.right) < weights.shape[1] else np.zeros(weights.shape)
    return OneLayer(found, fit.variances, along - found.u.T @ fit.best @ fit.right.T, directions, resting)
