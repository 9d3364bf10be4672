"""Networks of one layer: W converges at one rate per principal direction of the inputs, with weight decay too."""

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
        resting: u^T W v outside the span of the inputs at time 0, which only decays.
        shrinkage: u^T (W* - W_inf) along the directions, with the limit W_inf in time; zero without weight decay.
        weight_decay: gamma, in units of the task.
    """

    objective: Objective
    variances: Float[np.ndarray, " rank"]
    away: Float[np.ndarray, "out rank"]
    directions: Float[np.ndarray, "rank in"]
    resting: Float[np.ndarray, "out in"]
    shrinkage: Float[np.ndarray, "out rank"]
    weight_decay: float

    def errors(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, "time out in"]:
        """Errors u^T (W - W*) v on the span of the inputs, accurate relative to each error, however small."""
        return self._along(times) @ self.directions

    def modal_weights(self, times: Float[np.ndarray, " time"], time_constant: float) -> ModalWeights:
        """Weights from which observables are computed.

        Args:
            times: in units of the time constant.
            time_constant: tau, in the unit of the rates.
        """
        errors = self.errors(times)
        left = np.exp(-times * self.weight_decay)[:, None, None] if self.weight_decay else 1.0
        layer = self.objective.best + left * self.resting + errors
        return ModalWeights(self.objective, (layer,), (), time_constant, self._start, errors)

    def excess_loss(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Excess loss, in squared units of the targets."""
        return 0.5 * np.einsum("tok,k->t", self._along(times) ** 2, self.variances)

    def convergence_time(self, tolerance: float) -> float:
        """First time at which the excess loss is at most a positive tolerance, without weight decay.

        The time is in units of the time constant.
        """

        def above(time: float) -> float:
            return math.log(max(float(self.excess_loss(np.array([time]))[0]), _TINY)) - math.log(tolerance)

        if above(0.0) <= 0:
            return 0.0
        # at the latest when each direction is within its share of the tolerance
        ratios = self._shares * (len(self._shares) / (2 * tolerance))
        last = float(np.max(np.log(np.maximum(ratios, 1.0)) / (2 * self.variances)))
        return float(brentq(above, 0.0, last * (1 + 1e-12), xtol=_TINY, rtol=1e-14))

    def _along(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, "time out rank"]:
        exponents = -times[:, None, None] * (self.variances + self.weight_decay)
        return np.exp(exponents) * self.away + np.expm1(exponents) * self.shrinkage

    @property
    def _shares(self) -> Float[np.ndarray, " rank"]:
        return self.variances * np.sum(self.away**2, axis=0)

    @property
    def _start(self) -> ModalWeights:
        return ModalWeights(self.objective, (self.objective.best + self.resting + self.errors(np.zeros(1)),), (), 1.0)


def one_layer(weights: Float[np.ndarray, "out in"], moments: Moments, weight_decay: float = 0.0) -> OneLayer:
    """Solve tau dW/dt = sigma_yx - W (sigma_xx + gamma I), for any inputs.

    The solution is W - W_inf = (W(0) - W_inf) e^{-(sigma_xx + gamma I) t / tau}. Without weight decay, W_inf is the
    best network function W*; with it, that of ridge regression, W* v / (v + gamma) along a direction of variance v.

    Args:
        weights: W at time 0, (out, in).
        moments: moments of the training data.
        weight_decay: gamma, in units of the task.

    Source: Saxe et al. (2014), arXiv 1312.6120, shallow network; Advani, Saxe and Sompolinsky (2020),
    10.1016/j.neunet.2020.08.022.
    """
    modal, fit = objective(moments), fitted(moments)
    initial, directions = modal.u.T @ weights, fit.right @ modal.v
    along = initial @ fit.right.T
    best = modal.u.T @ fit.best @ fit.right.T
    resting = (initial - along @ fit.right) @ modal.v if len(fit.right) < weights.shape[1] else np.zeros(weights.shape)
    shrinkage = best * (weight_decay / (fit.variances + weight_decay))
    return OneLayer(modal, fit.variances, along - best, directions, resting, shrinkage, weight_decay)
