"""Deviation from the task late in training, by elimination.

With H, S and X as in `late_deviation`, let A = p + R and B = q + T be minor and major layer as combinations of the
learned rows, where R and T come from X. The deviation from the task is

    B H^{-1} (R^T + (e^{-2 kappa t} - 2 kappa S) p) + 2 kappa p T,

minus the missed modes, without a difference of large numbers. Arrays have time last.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from lindyn_service.dynamics.late_deviation import LateDeviation
from lindyn_service.dynamics.phi import phi
from lindyn_service.dynamics.quadratic_forms import SMALL, Forms, forms, small_forms

_MAX_EXPONENT = 345.0  # the square of e^345 is 1e299
_MAX_MISSING = 100.0  # ratio of the missing to the learned part of a mode up to which products with S are accurate
_MAX_PRODUCTS = 2**17  # entries of outer products that are formed at once: one megabyte

_Stack = Float[np.ndarray, "_ _ time"]


def late_errors(late: LateDeviation, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, "time out rank"]:
    """Errors u^T (W - sigma_yx) v, accurate relative to each error, late in training.

    Args:
        late: the prepared solution.
        times: in units of the time constant.

    Source: docs/theory.md, section 2.
    """
    if late.fading_columns.shape[1] or late.gamma:
        return late.errors(times)
    found = eliminated_errors(late, times, Decay(0.0, 0.0))
    errors = found.values
    if not np.all(found.accurate):
        errors[~found.accurate] = late.errors(times[~found.accurate])
    return errors


@dataclass(frozen=True)
class Decay:
    """Rates at which all errors decay at least, late in training: the sum of both, per time constant.

    Attributes:
        fading: smallest rate of the fading rows, at most that of the learned ones.
        learned: smallest rate of the learned rows.
    """

    fading: float
    learned: float

    @property
    def rate(self) -> float:
        """Smallest rate of the errors."""
        return self.fading + self.learned


def decay_of(f: Float[np.ndarray, " row"], pivots: Int[np.ndarray, " pivot"]) -> Decay:
    """Decay of the errors of a network whose pivots all grow; 0 if it misses modes.

    Args:
        f: eigenvalues of F, descending.
        pivots: rows of the pivots, ascending.

    Source: docs/theory.md, section 2.
    """
    n, learned = len(pivots), float(f[pivots[-1]])
    if pivots[-1] >= n or (n < len(f) and f[n] > 0):
        return Decay(0.0, 0.0)
    return Decay(min(learned, -float(f[n])) if n < len(f) else learned, learned)


def eliminated_errors(late: LateDeviation, times: Float[np.ndarray, " time"], decay: Decay) -> Forms:
    """Errors as in `late_errors` of a network without weight decay, whose pivots all grow.

    Args:
        late: the prepared solution.
        times: in units of the time constant.
        decay: the errors are multiplied by e^{rate t} with its rate, so that they do not underflow.

    Returns:
        The errors as the values of forms, which tell where they are accurate.

    Source: docs/theory.md, section 2.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # integrals may overflow at times at which the errors vanish
        return _eliminated_errors(late, times, decay)


def _eliminated_errors(late: LateDeviation, times: Float[np.ndarray, " time"], decay: Decay) -> Forms:
    basis, m = late.modes, len(late.modes.s)
    rate, left = late.rates[late.learned][:, None], np.exp(-decay.rate * times)
    s, minor, major = _s_and_layers(late, times, decay)
    n_own, all_columns = int(np.count_nonzero(late.learned < m)), np.arange(len(s))
    columns = all_columns[:n_own]
    own = late.learned[:n_own] if len(late.missed) else slice(0, n_own)  # of equal rows, a slice is faster
    twice = (2 * basis.kappa * basis.p)[own][:, None]
    beside = major[:, :n_own] * twice
    minor[own] -= s[:n_own] * twice[:, None]
    minor[late.learned[:n_own], columns] += basis.p[own][:, None] * np.exp((decay.rate - 2 * rate[:n_own]) * times)
    if decay.rate:
        s *= left
        major *= left
    major[late.learned, all_columns] += np.concatenate([basis.q[own], np.ones(len(s) - n_own)])[:, None]
    diagonal = np.einsum("iit->it", s)
    is_learned = np.max(2 * rate * diagonal, axis=0) <= _MAX_MISSING
    diagonal += times * phi(2 * rate * times)
    found = _forms(minor, s, major)
    errors = found.values
    errors[:, :, own] += beside.transpose(2, 0, 1)
    missed = late.missed[late.missed < m]
    errors[:, missed, missed] -= basis.s[missed]
    values = np.ascontiguousarray(errors.transpose(0, 2, 1)) if basis.exchanged else errors
    return replace(found, values=values, accurate=found.accurate & is_learned)


def _forms(left: _Stack, matrices: _Stack, right: _Stack) -> Forms:
    """Forms of stacks with time last."""
    if len(matrices) <= SMALL:
        return small_forms(np.concatenate([matrices, left.swapaxes(0, 1), right.swapaxes(0, 1)], axis=1), len(left))
    stacks = left.transpose(2, 1, 0), matrices.transpose(2, 0, 1), right.transpose(2, 0, 1)
    return forms(*map(np.ascontiguousarray, stacks))


def _s_and_layers(
    late: LateDeviation, times: Float[np.ndarray, " time"], decay: Decay
) -> tuple[_Stack, _Stack, _Stack]:
    """S, R and T, multiplied by e^{rate t} with the rate of the decay."""
    f, basis, sizes = late.rates, late.modes, np.log(late.sizes)[:, None]
    behind = np.exp(np.minimum((decay.learned - f[late.learned])[:, None] * times - sizes, _MAX_EXPONENT))
    rates = f[late.fading][:, None]
    s = _gram(late.fading_x, times * phi(-2 * rates * times))
    s += (late.inverse.T @ late.inverse)[:, :, None]
    s *= behind[:, None]
    s *= behind * np.exp((decay.fading - decay.learned) * times)
    x = np.zeros((len(f), *behind.shape))  # in all rows, with zeros in the learned ones
    x[late.fading] = late.fading_x[:, :, None] * behind * np.exp((rates + decay.fading) * times)[:, None]
    if len(late.missed):  # then there is no decay
        rows = late.missed_x[:, :, None] * np.exp(-late.missed_behind[:, :, None] * times)
        integrals = times * phi(2 * f[late.missed][:, None] * times)
        s += np.einsum("mt,mit,mjt->ijt", integrals, rows, rows)
        x[late.missed] = rows
    return s, _joined(x, basis.p, basis.q, basis.n_minor), _joined(x, basis.q, -basis.p, basis.n_major)


def _gram(rows: Float[np.ndarray, "row column"], weights: Float[np.ndarray, "row time"]) -> _Stack:
    """Products rows^T diag(weights) rows for each time."""
    n_rows, size = rows.shape
    gram = np.empty((size, size, weights.shape[1]))
    step = max(1, _MAX_PRODUCTS // max(1, rows.size))
    for first in range(0, size, step):
        products = rows[:, first : first + step, None] * rows[:, None, :]
        np.matmul(products.reshape(n_rows, -1).T, weights, out=gram[first : first + step].reshape(-1, gram.shape[2]))
    return gram


def _joined(
    x: _Stack, growing: Float[np.ndarray, " mode"], decaying: Float[np.ndarray, " mode"], n_side: int
) -> Float[np.ndarray, "side learned time"]:
    """Transform rows from the eigenvectors of F to the singular vectors of one side, which may exceed the modes."""
    m, n_rows = len(growing), len(x)
    joined = decaying[:, None, None] * x[n_rows - m :][::-1]
    if x.shape[1] < m:  # otherwise all modes are learned, and these rows are zero
        joined += growing[:, None, None] * x[:m]
    return np.concatenate([joined, x[m : n_rows - m]]) if n_side > m else joined
