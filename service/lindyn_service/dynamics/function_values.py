"""Network functions and losses of the exact solution at a few times, without its weights."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from lindyn_service.dynamics.growth_scaling import Scaled, are_still, unscaled
from lindyn_service.dynamics.late_elimination import eliminated_errors
from lindyn_service.dynamics.modes import diagonal
from lindyn_service.dynamics.quadratic_forms import MAX_RATIO, SMALL, Forms, forms, small_forms
from lindyn_service.dynamics.riccati import Factors, Solution

_LATE = 100.0  # ratio of the learned to the missing part of a mode, from which on errors are small
_SMALL_FUNCTION = 0.1  # relative to its error: the task minus the error loses digits of smaller functions

_Chosen = Bool[np.ndarray, " time"]
_Functions = tuple[Float[np.ndarray, "time out rank"], Float[np.ndarray, " time"]]


@dataclass(frozen=True)
class FunctionValues:
    """Values at some times.

    Attributes:
        functions: network functions u^T W v.
        losses: excess losses, accurate relative to each, however small.
        sizes: products of the Frobenius norms of both layers, to which rounding errors of the functions are relative.
    """

    functions: Float[np.ndarray, "time out rank"]
    losses: Float[np.ndarray, " time"]
    sizes: Float[np.ndarray, " time"]


def function_values(solution: Solution, times: Float[np.ndarray, " time"], root: float = 1.0) -> FunctionValues:
    """Evaluate network function and loss at a few times.

    Args:
        solution: exact solution on white inputs.
        times: in units of the time constant.
        root: factor of the errors in the loss, the square root of the variance of the inputs.

    Source: Braun et al. (2022), arXiv 2206.03738, the exact solution in the eigenbasis of F; docs/theory.md, section 2,
    late in training.
    """
    shape = (len(times), len(solution.modes.u), len(solution.modes.v))
    if not len(solution.echelon.pivots):
        functions = np.zeros(shape)
        return FunctionValues(functions, _losses(solution.errors(times, functions), root), np.zeros(len(times)))
    values = FunctionValues(np.empty(shape), np.empty(len(times)), np.empty(len(times)))
    late = times >= _late_from(solution)
    if np.any(late):
        late = _store_late(solution, times, root, late, values)
    still = are_still(solution.modes, solution.start, times)
    for part, evaluate in ((~late & still, _eliminated), (~late & ~still, _scaled)):
        if np.any(part):
            functions, values.sizes[part] = evaluate(solution, times[part])
            values.functions[part] = functions
            values.losses[part] = _losses(solution.errors(times[part], functions), root)
    return values


def _losses(errors: Float[np.ndarray, "time out rank"], root: float) -> Float[np.ndarray, " time"]:
    flat = errors.reshape(len(errors), errors.shape[1] * errors.shape[2])
    flat = flat if root == 1 else flat * root
    return 0.5 * np.vecdot(flat, flat)


def _late_from(solution: Solution) -> float:
    """Time from which small networks are evaluated by their errors, which costs as much as the functions alone."""
    lower, pivots = solution.echelon.lower, solution.echelon.pivots
    rates = solution.modes.eigenvalues[pivots]
    if len(pivots) > SMALL or rates[-1] <= 0:
        return np.inf
    sizes = np.abs(lower[pivots, np.arange(len(pivots))])
    return float(np.max((np.log(2 * _LATE * rates) / 2 - np.log(sizes)) / rates))


def _store_late(
    solution: Solution, times: Float[np.ndarray, " time"], root: float, late: _Chosen, values: FunctionValues
) -> _Chosen:
    """Store the values at late times from the errors, and return at which of these times they are accurate."""
    basis = solution.modes
    errors, ratio = eliminated_errors(solution.late, times[late])
    functions = errors + diagonal(basis.s, errors.shape[1:])
    sizes = [np.einsum("tij,tij->t", part, part) for part in (functions, errors)]
    accurate = (ratio <= MAX_RATIO) & (sizes[0] >= _SMALL_FUNCTION**2 * sizes[1])
    kept = late.copy()
    kept[late] = accurate
    values.functions[kept], values.losses[kept] = functions[accurate], _losses(errors[accurate], root)
    own = solution.late.learned[solution.late.learned < len(basis.s)]
    minor = np.sum(2 * (basis.kappa * basis.p**2)[own], keepdims=True)
    values.sizes[kept] = _sizes(solution, minor)
    return kept


def _eliminated(solution: Solution, times: Float[np.ndarray, " time"]) -> _Functions:
    """Functions at times without overflow, by elimination where it is accurate, and by the weights elsewhere."""
    basis, n_pivots = solution.modes, len(solution.echelon.pivots)
    scaled = unscaled(basis, solution.start, times)
    try:
        found = _small(solution, scaled) if n_pivots <= SMALL else _large(solution, scaled)
    except np.linalg.LinAlgError:
        return _scaled(solution, times)
    functions = np.ascontiguousarray(found.values.transpose(0, 2, 1)) if basis.exchanged else found.values
    sizes = _sizes(solution, found.squares)
    inaccurate = ~(found.ratio <= MAX_RATIO)
    if np.any(inaccurate):
        functions[inaccurate], sizes[inaccurate] = _scaled(solution, times[inaccurate])
    return functions, sizes


def _small(solution: Solution, scaled: Scaled) -> Forms:
    """Major times minor layer, in arrays with time last."""
    basis, lower, m = solution.modes, solution.echelon.lower, len(solution.modes.s)
    n_pivots, weights = lower.shape[1], np.ascontiguousarray(scaled.gram_weights.T) ** 2
    table = np.empty((n_pivots, n_pivots + basis.n_minor + basis.n_major, weights.shape[1]))
    table[:, :n_pivots] = (solution.products.T @ weights).reshape(n_pivots, n_pivots, -1)
    np.einsum("iit->it", table[:, :n_pivots])[:] += 1.0
    minor, major = table[:, n_pivots : n_pivots + basis.n_minor], table[:, n_pivots + basis.n_minor :]
    growing_rows, staying_rows = lower[:m].T[:, :, None], solution.start.minor.T[:, :, None]
    for rows, (growing, staying) in zip((minor, major), solution.weights_of_rows(scaled), strict=True):
        np.multiply(growing_rows, np.ascontiguousarray(growing.T), out=rows[:, :m])
        rows[:, :m] += staying_rows * np.ascontiguousarray(staying.T)
    if scaled.extra.shape[1]:
        wider = major if basis.n_major > m else minor
        np.multiply(lower[m : len(lower) - m].T[:, :, None], scaled.extra.T, out=wider[:, m:])
    return small_forms(table, basis.n_minor)


def _large(solution: Solution, scaled: Scaled) -> Forms:
    """Major times minor layer, as products of matrices for each time."""
    matrices = solution.grams(scaled)
    np.einsum("tii->ti", matrices)[:] += 1.0
    minor, major = solution.sides(scaled)
    return forms(minor, matrices, major)


def _scaled(solution: Solution, times: Float[np.ndarray, " time"]) -> _Functions:
    """Functions and sizes from the weights, at any times."""
    factors = solution.at(times)
    into, out = factors.into, factors.out
    squares = [np.einsum("trc,trc->t", side, side) for side in (into, out)]
    return out @ into.transpose(0, 2, 1), np.sqrt(squares[0] * squares[1])


def _sizes(solution: Solution, minor: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
    """Products of the norms of both layers, from the squared norm of the minor one.

    Balanced layers differ by lambda in each direction of the hidden units.
    """
    return np.sqrt(minor * (minor + abs(solution.modes.lam) * len(solution.echelon.pivots)))
