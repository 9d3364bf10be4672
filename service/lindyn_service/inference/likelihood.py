"""Likelihood of observations given the curve that a model predicts for them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, gammaln, log_expit, xlogy

from lindyn_service.inference.box import FloatArray

_EPS, _TINY = float(np.finfo(np.float64).eps), 1e-100
_LEAST_RESIDUAL = 1e-6  # below it, a binomial residual is as good as its linear approximation


@dataclass(frozen=True)
class Observed:
    """Observations: Gaussian values, and numbers of successes in trials, whose logit is the curve.

    Attributes:
        values: values or numbers of successes, (value,).
        sigma: standard deviations of Gaussian values, (value,); ones where they are unknown.
        trials: numbers of trials, (value,); 0 for Gaussian values.
        is_sigma_unknown: whether all values are Gaussian with one standard deviation, which is estimated.
    """

    values: FloatArray
    sigma: FloatArray
    trials: FloatArray
    is_sigma_unknown: bool

    def __len__(self) -> int:
        return len(self.values)

    @property
    def _counted(self) -> npt.NDArray[np.bool_]:
        return self.trials > 0

    @property
    def rounding(self) -> float:
        """Least standard deviation that values of this size can have in float64."""
        return _EPS * max(float(np.max(np.abs(self.values))), _TINY)

    def residuals(self, curve: FloatArray) -> FloatArray:
        """Return residuals, (..., value), whose squares sum to the deviance: those of counts are its signed roots.

        Source: McCullagh and Nelder (1989), Generalized Linear Models, section 2.4.
        """
        residuals = (curve - self.values) / self.sigma
        counted = self._counted
        if not np.any(counted):
            return residuals
        y, n, logit = self.values[counted], self.trials[counted], curve[..., counted]
        twice = xlogy(y, y / n) + xlogy(n - y, (n - y) / n) - y * log_expit(logit) - (n - y) * log_expit(-logit)
        residuals[..., counted] = np.sign(n * expit(logit) - y) * np.sqrt(2 * np.maximum(twice, 0.0))
        return residuals

    def expected(self, curve: FloatArray) -> FloatArray:
        """Return the expected values, (value,): the curve itself, or numbers of successes."""
        return np.where(self._counted, self.trials * expit(curve), curve)

    def expected_slopes(self, curve: FloatArray) -> FloatArray:
        """Return the derivatives of the expected values with respect to the curve, (value,)."""
        return np.where(self._counted, self.trials * expit(curve) * expit(-curve), 1.0)

    def slopes(self, curve: FloatArray) -> FloatArray:
        """Return the derivatives of the residuals with respect to the curve, (value,)."""
        slopes, counted = 1 / self.sigma, self._counted
        if np.any(counted):
            residuals, roots = self.residuals(curve)[counted], self.information(curve)[counted]
            excess = self.trials[counted] * expit(curve[counted]) - self.values[counted]
            is_large = np.abs(residuals) > _LEAST_RESIDUAL
            slopes[counted] = np.divide(excess, residuals, out=roots, where=is_large)
        return slopes

    def information(self, curve: FloatArray) -> FloatArray:
        """Return the square roots of the expected information of each value on the curve, (value,)."""
        roots, counted = 1 / self.sigma, self._counted
        logit = curve[counted]
        roots[counted] = np.sqrt(self.trials[counted] * expit(logit) * expit(-logit))
        return roots

    def log_likelihood(self, curve: FloatArray) -> float:
        """Return the logarithm of the likelihood, at the best standard deviation where that is unknown."""
        counted = self._counted
        if self.is_sigma_unknown:
            variance = max(float(np.mean((curve - self.values) ** 2)), self.rounding**2)
            return -0.5 * len(self) * (float(np.log(2 * np.pi * variance)) + 1)
        gaussian = -0.5 * self.residuals(curve) ** 2 - np.log(self.sigma * np.sqrt(2 * np.pi))
        y, n, logit = self.values[counted], self.trials[counted], curve[counted]
        ways = gammaln(n + 1) - gammaln(y + 1) - gammaln(n - y + 1)
        binomial = ways + y * log_expit(logit) + (n - y) * log_expit(-logit)
        return float(np.sum(gaussian[~counted]) + np.sum(binomial))
