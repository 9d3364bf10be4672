"""Covariance of estimates, and the direction that the observations determine least."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import qr
from scipy.special import chdtri, stdtrit

from lindyn_service.inference.box import FloatArray
from lindyn_service.inference.objective import Objective

LEVEL = 0.95
"""Coverage of all intervals."""

LARGE_ERROR = 1.0
"""Relative standard error along a direction, from which the observations are said not to determine it."""

_FLAT = 1e-12  # of the largest eigenvalue of the information: what differences of curves cannot tell from 0


@dataclass(frozen=True)
class Uncertainty:
    """The information of the observations on the parameters at a minimum.

    Attributes:
        dispersion: variance of the residuals, 1 if their standard deviations are known.
        positions: covariance of the coordinates, (parameter, parameter); infinite where they are not determined.
        values: covariance of the values of the parameters, (parameter, parameter).
        curve: standard errors of the curve, (value,).
        condition: ratio of the extreme eigenvalues of the Fisher matrix of relative changes of the parameters.
        open_directions: relative changes of the parameters together that the observations do not determine, because
            their standard error is large, (direction, parameter); each has a change of 1 of a parameter that the
            others do not change.
    """

    dispersion: float
    positions: FloatArray
    values: FloatArray
    curve: FloatArray
    condition: float
    open_directions: FloatArray


def threshold(n_values: int, n_parameters: int, *, is_sigma_unknown: bool) -> float:
    """Return the increase of the deviance, in units of the dispersion, at the ends of an interval.

    It is a quantile of chi squared with one degree of freedom; with an estimated standard deviation it is that of the
    square of Student's t, which is exact for linear models.

    Source: Seber and Wild (1989), Nonlinear Regression, section 5.4.
    """
    if not is_sigma_unknown:
        return float(chdtri(1, 1 - LEVEL))
    return float(stdtrit(max(n_values - n_parameters, 1), (1 + LEVEL) / 2)) ** 2


def dispersion_of(objective: Objective, squares: float) -> float:
    """Return the variance of the residuals, which is 1 if their standard deviations are known."""
    if not objective.observed.is_sigma_unknown:
        return 1.0
    freedom = max(len(objective.observed) - len(objective.box), 1)
    return max(squares / freedom, objective.observed.rounding**2)


def fisher_information(objective: Objective, position: FloatArray) -> FloatArray:
    """Return the expected information on the coordinates at a dispersion of 1, (parameter, parameter)."""
    curve, derivatives = objective.evaluated(position, precise=True)
    roots = objective.observed.information(curve)[:, None] * derivatives
    return roots.T @ roots


def uncertainty(objective: Objective, position: FloatArray, squares: float) -> Uncertainty:
    """Return the uncertainty of estimates at a minimum.

    Source: Seber and Wild (1989), Nonlinear Regression, sections 2.1.2 and 3.3; the Fisher matrix is that of relative
    changes.
    """
    dispersion = dispersion_of(objective, squares)
    if not len(position):
        empty = np.zeros((0, 0))
        return Uncertainty(dispersion, empty, empty, np.zeros(len(objective.observed)), 1.0, empty)
    units, slopes = objective.box.units(position), objective.box.slopes(position)
    curve, derivatives = objective.evaluated(position, precise=True)
    roots = objective.observed.information(curve)[:, None] * derivatives * (units / np.sqrt(dispersion))
    _, singular, directions = np.linalg.svd(np.linalg.qr(roots, mode="r"), full_matrices=True)
    information = np.zeros(len(units))
    information[: len(singular)] = singular**2
    is_flat = information <= _FLAT * information[0]
    variances = np.where(is_flat, np.inf, 1 / np.where(is_flat, 1.0, information))
    positions = _covariance(directions, variances) * np.outer(units, units)
    along = (derivatives * units) @ directions.T
    return Uncertainty(
        dispersion=dispersion,
        positions=positions,
        values=positions * np.outer(slopes, slopes),
        curve=np.sqrt(along**2 @ np.where(is_flat, 0.0, variances)),
        condition=float("inf") if is_flat[-1] else float(information[0] / information[-1]),
        open_directions=_echelon(directions[variances > LARGE_ERROR**2]),
    )


def _echelon(directions: FloatArray) -> FloatArray:
    """Return the basis of the same space whose vectors have a 1 each where all others are 0, at their largest parts."""
    if not len(directions):
        return directions
    _, pivots = qr(directions, mode="r", pivoting=True)
    basis = np.linalg.solve(directions[:, pivots[: len(directions)]], directions)
    return np.asarray(basis, dtype=np.float64)


def _covariance(directions: FloatArray, variances: FloatArray) -> FloatArray:
    """Return the covariance with these principal axes; parameters with a part in a flat direction are not determined.

    Args:
        directions: unit vectors, (direction, parameter).
        variances: along them, (direction,); infinite in a flat direction.
    """
    is_flat = np.isinf(variances)
    covariance = directions[~is_flat].T @ (variances[~is_flat, None] * directions[~is_flat])
    undetermined = np.any(np.abs(directions[is_flat]) > np.sqrt(_FLAT), axis=0)
    covariance[undetermined, :] = covariance[:, undetermined] = np.inf
    return covariance
