"""Networks of one layer: W converges to the best network function at one rate per principal input direction."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq

from lindyn_service.dynamics.modal_loss import Objective, objective
from lindyn_service.dynamics.modal_weights import ModalWeights
from lindyn_service.dynamics.tasks import Moments, fitted

_TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class OneLayer:
    """Exact solution of a network of one layer; times are in units of the time constant.

    Attributes:
        objective: loss function and data.
        variances: variances of the inputs along their principal directions.
        away: u^T (W - W*) at time 0 along these directions, with the best network function W*.
        directions: principal directions in the basis v of the objective, as rows.
        resting: u^T W v outside the span of the inputs, which is constant.
    """

    objective: Objective
    variances: Float[np.ndarray, " rank"]
    away: Float[np.ndarray, "out rank"]
    directions: Float[np.ndarray, "rank in"]
    resting: Float[np.ndarray, "out in"]

    def errors(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, "time out in"]:
        """Errors u^T (W - W*) v on the span of the inputs, accurate relative to each error, however small."""
        return (np.exp(-times[:, None] * self.variances)[:, None, :] * self.away) @ self.directions

    def frame(self, times: Float[np.ndarray, " time"], time_constant: float) -> ModalWeights:
        """Weights from which observables are computed.

        Args:
            times: in units of the time constant.
            time_constant: tau, in the unit of the rates.
        """
        errors = self.errors(times)
        return ModalWeights(
            self.objective, (self.objective.best + self.resting + errors,), (), time_constant, self._start, errors
        )

    def excess_loss(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Excess loss, in squared units of the targets."""
        return 0.5 * np.exp(-2 * times[:, None] * self.variances) @ self._shares

    def convergence_time(self, tolerance: float) -> float:
        """First time at which the excess loss is at most a positive tolerance, in units of the time constant."""

        def above(time: float) -> float:
            return math.log(max(float(self.excess_loss(np.array([time]))[0]), _TINY)) - math.log(tolerance)

        if above(0.0) <= 0:
            return 0.0
        # at the latest when each direction is within its share of the tolerance
        ratios = self._shares * (len(self._shares) / (2 * tolerance))
        last = float(np.max(np.log(np.maximum(ratios, 1.0)) / (2 * self.variances)))
        return float(brentq(above, 0.0, last * (1 + 1e-12), xtol=_TINY, rtol=1e-14))

    @property
    def _shares(self) -> Float[np.ndarray, " rank"]:
        return self.variances * np.sum(self.away**2, axis=0)

    @property
    def _start(self) -> ModalWeights:
        return ModalWeights(self.objective, (self.objective.best + self.resting + self.errors(np.zeros(1)),), (), 1.0)


def one_layer(weights: Float[np.ndarray, "out in"], moments: Moments) -> OneLayer:
    """Solve tau dW/dt = sigma_yx - W sigma_xx by W - W* = (W(0) - W*) e^{-sigma_xx t / tau}, for any inputs.

    Args:
        weights: W at time 0, (out, in).
        moments: moments of the training data.

    Source: Saxe et al. (2014), arXiv 1312.6120, shallow network; Advani, Saxe and Sompolinsky (2020),
    10.1016/j.neunet.2020.08.022.
    """
    modal, fit = objective(moments), fitted(moments)
    initial, directions = modal.u.T @ weights, fit.right @ modal.v
    along = initial @ fit.right.T
    resting = (initial - along @ fit.right) @ modal.v if len(fit.right) < weights.shape[1] else np.zeros(weights.shape)
    return OneLayer(modal, fit.variances, along - modal.u.T @ fit.best @ fit.right.T, directions, resting)
