"""Network functions and losses of the exact solution at a few times, without its weights."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float

from lindyn_service.dynamics.growth_scaling import Scaled, are_still, unscaled
from lindyn_service.dynamics.late_elimination import Decay, decay_of, eliminated_errors
from lindyn_service.dynamics.modes import diagonal
from lindyn_service.dynamics.quadratic_forms import SMALL, Forms, forms, small_forms
from lindyn_service.dynamics.riccati import Solution

_LEARNED, _SMALL_ERROR = 0.1, 0.01  # ratio of what a mode has learned to what is missing; relative error of a mode
_SMALL_FUNCTION = 0.1  # relative to its error: the task minus the error loses digits of smaller functions

_Chosen = Bool[np.ndarray, " time"]
_Functions = tuple[Float[np.ndarray, "time out rank"], Float[np.ndarray, " time"]]


@dataclass(frozen=True)
class FunctionValues:
    """Values at some times.

    Attributes:
        functions: network functions u^T W v.
        losses: excess losses times e^{decay t} with `NetworkFunction.decay`, accurate relative to each.
        sizes: products of the Frobenius norms of both layers, to which rounding errors of the functions are relative.
    """

    functions: Float[np.ndarray, "time out rank"]
    losses: Float[np.ndarray, " time"]
    sizes: Float[np.ndarray, " time"]


@dataclass(frozen=True)
class NetworkFunction:
    """Network function and loss of an exact solution, which are evaluated without its weights.

    Attributes:
        solution: exact solution on white inputs.
        root: factor of the errors in the loss, the square root of the variance of the inputs.
    """

    solution: Solution
    root: float = 1.0

    @property
    def decay(self) -> float:
        """Rate, per time constant, at which the excess loss decays at least, late in training."""
        return 2 * self._decay.rate

    @cached_property
    def _all_grow(self) -> bool:
        f, pivots = self.solution.modes.eigenvalues, self.solution.echelon.pivots
        return bool(len(pivots) and f[pivots[-1]] > 0)

    @cached_property
    def _decay(self) -> Decay:
        """Decay of the errors; 0 unless all pivots grow."""
        f, pivots = self.solution.modes.eigenvalues, self.solution.echelon.pivots
        return decay_of(f, pivots) if self._all_grow else Decay(0.0, 0.0)

    @cached_property
    def _late_from(self) -> float:
        """Time from which errors are evaluated, where this is accurate, and not the functions.

        In small networks it is as fast, and with lambda it is accurate in most networks from the beginning. In others,
        errors are evaluated once they are small.
        """
        if not self._all_grow or not np.any(self.solution.modes.s):  # for a task of zero, errors are the functions
            return np.inf
        is_small = len(self.solution.echelon.pivots) <= SMALL
        if is_small and self.solution.modes.lam:
            return 0.0
        reduced = self.solution.echelon
        rates = self.solution.modes.eigenvalues[reduced.pivots]
        squares = reduced.lower[reduced.pivots, np.arange(len(rates))] ** 2
        growth = _LEARNED if is_small else 1 / _SMALL_ERROR
        return float(np.max(np.log1p(2 * rates * growth / squares) / rates)) / 2

    def at(self, times: Float[np.ndarray, " time"]) -> FunctionValues:
        """Evaluate at a few times, in units of the time constant.

        Source: Braun et al. (2022), arXiv 2206.03738, the exact solution in the eigenbasis of F; docs/theory.md,
        section 2, late in training.
        """
        solution = self.solution
        shape = (len(times), len(solution.modes.u), len(solution.modes.v))
        values = FunctionValues(np.zeros(shape), np.empty(len(times)), np.zeros(len(times)))
        late = times >= self._late_from
        if np.any(late):
            late = self._store_late(times, late, values)
        if not np.all(late):
            self._store_early(times, ~late, values)
        return values

    def _store_early(self, times: Float[np.ndarray, " time"], early: _Chosen, values: FunctionValues) -> None:
        """Store the values at early times from the functions."""
        solution = self.solution
        still = early & are_still(solution.modes, solution.start, times)
        for part, evaluate in ((still, _eliminated), (early & ~still, _scaled)):
            if np.any(part):
                functions, values.sizes[part] = evaluate(solution, times[part])
                losses = self._losses(solution.errors(times[part], functions))
                if self.decay:
                    with np.errstate(divide="ignore"):  # losses may be 0
                        losses = np.exp(np.log(losses) + self.decay * times[part])
                values.functions[part], values.losses[part] = functions, losses

    def _store_late(self, times: Float[np.ndarray, " time"], late: _Chosen, values: FunctionValues) -> _Chosen:
        """Store the values at late times from the errors, and return at which of these times they are accurate."""
        basis, of_late, decay = self.solution.modes, self.solution.late, self._decay
        found = eliminated_errors(of_late, times[late], decay)
        losses = self._losses(found.values)
        errors = found.values * np.exp(-decay.rate * times[late])[:, None, None]
        functions = errors + diagonal(basis.s, errors.shape[1:])
        norms = [np.sqrt(np.einsum("tij,tij->t", part, part)) for part in (functions, errors)]
        accurate = found.accurate & (norms[0] >= _SMALL_FUNCTION * norms[1])
        kept = late.copy()
        kept[late] = accurate
        values.functions[kept], values.losses[kept] = functions[accurate], losses[accurate]
        own = of_late.learned[of_late.learned < len(basis.s)]
        minor = np.sum(2 * (basis.kappa * basis.p**2)[own], keepdims=True)
        values.sizes[kept] = _sizes(self.solution, minor) / np.linalg.norm(basis.s) * norms[0][accurate]
        return kept

    def _losses(self, errors: Float[np.ndarray, "time out rank"]) -> Float[np.ndarray, " time"]:
        flat = errors.reshape(len(errors), errors.shape[1] * errors.shape[2])
        flat = flat if self.root == 1 else flat * self.root
        return 0.5 * np.vecdot(flat, flat)


def _eliminated(solution: Solution, times: Float[np.ndarray, " time"]) -> _Functions:
    """Functions at times without overflow, by elimination where it is accurate, and by the weights elsewhere."""
    basis, n_pivots = solution.modes, len(solution.echelon.pivots)
    if not n_pivots:
        return np.zeros((len(times), len(basis.u), len(basis.v))), np.zeros(len(times))
    scaled = unscaled(basis, solution.start, times)
    found = _small(solution, scaled) if n_pivots <= SMALL else _large(solution, scaled)
    functions = np.ascontiguousarray(found.values.transpose(0, 2, 1)) if basis.exchanged else found.values
    sizes = _sizes(solution, found.squares)
    if not np.all(found.accurate):
        functions[~found.accurate], sizes[~found.accurate] = _scaled(solution, times[~found.accurate])
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
    return forms(np.ascontiguousarray(minor.transpose(0, 2, 1)), matrices, major)


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
