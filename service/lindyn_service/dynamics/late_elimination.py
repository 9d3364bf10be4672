"""Deviation from the task late in training, by elimination.

With H, S and X as in `late_deviation`, let A = p + R and B = q + T be minor and major layer as combinations of the
learned rows, where R and T come from X. The deviation from the task is

    B H^{-1} (R^T + (e^{-2 kappa t} - 2 kappa S) p) + 2 kappa p T,

minus the missed modes, without a difference of large numbers. Arrays have time last.
"""

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.late_deviation import LateDeviation
from lindyn_service.dynamics.phi import phi
from lindyn_service.dynamics.quadratic_forms import MAX_RATIO, SMALL, Forms, forms, small_forms

_MAX_EXPONENT = 345.0  # the square of e^345 is 1e299
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
    try:
        errors, ratio = eliminated_errors(late, times)
    except np.linalg.LinAlgError:
        return late.errors(times)
    inaccurate = ~(ratio <= MAX_RATIO)
    if np.any(inaccurate):
        errors[inaccurate] = late.errors(times[inaccurate])
    return errors


def eliminated_errors(
    late: LateDeviation, times: Float[np.ndarray, " time"]
) -> tuple[Float[np.ndarray, "time out rank"], Float[np.ndarray, " time"]]:
    """Errors as in `late_errors` of a network without weight decay, whose pivots all grow.

    Args:
        late: the prepared solution.
        times: in units of the time constant.

    Returns:
        The errors, and the ratios as in `Forms`, which tell where they are accurate.

    Raises:
        LinAlgError: rounding errors make a large matrix indefinite.

    Source: docs/theory.md, section 2.
    """
    basis, m = late.modes, len(late.modes.s)
    rate = late.rates[late.learned][:, None]
    s, x = _s_and_x(late, times)
    minor, major = _joined(x, basis.p, basis.q, basis.n_minor), _joined(x, basis.q, -basis.p, basis.n_major)
    own = late.learned[late.learned < m]
    columns, twice = np.arange(len(own)), (2 * basis.kappa * basis.p)[own][:, None]
    beside = major[:, columns] * twice
    minor[own] -= s[columns] * twice[:, None]
    minor[own, columns] += basis.p[own][:, None] * np.exp(-2 * rate[columns] * times)
    major[late.learned, np.arange(len(s))] += np.concatenate([basis.q[own], np.ones(len(s) - len(own))])[:, None]
    np.einsum("iit->it", s)[:] += times * phi(2 * rate * times)
    found = _forms(minor, s, major)
    errors = found.values
    errors[:, :, own] += beside.transpose(2, 0, 1)
    missed = late.missed[late.missed < m]
    errors[:, missed, missed] -= basis.s[missed]
    return np.ascontiguousarray(errors.transpose(0, 2, 1)) if basis.exchanged else errors, found.ratio


def _forms(left: _Stack, matrices: _Stack, right: _Stack) -> Forms:
    """Forms of stacks with time last."""
    if len(matrices) <= SMALL:
        return small_forms(np.concatenate([matrices, left.swapaxes(0, 1), right.swapaxes(0, 1)], axis=1), len(left))
    return forms(*(np.ascontiguousarray(stack.transpose(2, 0, 1)) for stack in (left, matrices, right)))


def _s_and_x(late: LateDeviation, times: Float[np.ndarray, " time"]) -> tuple[_Stack, _Stack]:
    """S, and X in all rows, with zeros in the learned ones."""
    f = late.rates
    behind = np.exp(np.minimum(-f[late.learned][:, None] * times - np.log(late.sizes)[:, None], _MAX_EXPONENT))
    decay = f[late.fading][:, None] * times
    s = _gram(late.fading_x, times * phi(-2 * decay))
    s += (late.inverse.T @ late.inverse)[:, :, None]
    s *= behind[:, None]
    s *= behind
    x = np.zeros((len(f), *behind.shape))
    x[late.fading] = late.fading_x[:, :, None] * behind * np.exp(decay)[:, None]
    if len(late.missed):
        rows = late.missed_x[:, :, None] * np.exp(-late.missed_behind[:, :, None] * times)
        integrals = times * phi(2 * f[late.missed][:, None] * times)
        s += np.einsum("mt,mit,mjt->ijt", integrals, rows, rows)
        x[late.missed] = rows
    return s, x


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
    joined = growing[:, None, None] * x[:m] + decaying[:, None, None] * x[n_rows - m :][::-1]
    return np.concatenate([joined, x[m : n_rows - m]]) if n_side > m else joined
