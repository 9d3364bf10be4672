"""The closed form: two layers, white inputs up to a factor, balanced weights."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lindyn_service.dynamics.balance import Balance, balance
from lindyn_service.dynamics.exact import Solution, solve
from lindyn_service.dynamics.isotropy import Coloured, WhiteTask, white_task
from lindyn_service.dynamics.observables import OBSERVABLES, Frame, Values
from lindyn_service.dynamics.reach import Reach, reach
from lindyn_service.errors import NotApplicableError, NotBalancedError, ServiceError
from lindyn_service.methods.base import Outcome, Problem, Warned

TOLERANCE = 1e-9
"""Relative size of what is neglected: imbalance, anisotropy of the inputs, weights outside the inputs' span."""

_SMALLEST, _LARGEST = 1e-150, 1e140  # of numbers whose squares, summed, are exact in float64

_DOUBTFUL_OVERLAP = 1e6  # in rounding errors: below, fewer than six digits of it are sure


class ExactMethod:
    """Adapter of `dynamics.exact`."""

    name = "exact"

    def examine(self, problem: Problem) -> "ExactRun | ServiceError":
        """Measure layers, isotropy, span and balance."""
        if len(problem.weights) != 2:
            return NotApplicableError(
                f"the closed form needs two weight layers, got {len(problem.weights)}; merge layers or drop some"
            )
        white = white_task(problem.moments, TOLERANCE)
        if isinstance(white, Coloured):
            return NotApplicableError(
                f"the closed form needs white inputs: sigma_xx is {white.residual:.3g} away from a multiple of the "
                f"identity (relative, tolerance {TOLERANCE:g}); whiten the inputs (task.whiten = true)"
            )
        w1, w2 = problem.weights
        if white.basis is not None:
            reduced = w1 @ white.basis
            outside = _relative(w1 - reduced @ white.basis.T, w1)
            if outside > TOLERANCE:
                return NotApplicableError(
                    f"the inputs span {white.basis.shape[1]} of {w1.shape[1]} dimensions and {outside:.3g} of the "
                    "first layer (relative) lies outside, where it never learns; remove that part, or input columns"
                )
            w1 = reduced
        beyond = _beyond_float64(w1, w2, white)
        if beyond is not None:
            return NotApplicableError(beyond)
        measured = balance(w1, w2)
        if measured.relative_residual > TOLERANCE:
            return NotBalancedError(
                f"the weights are {measured.relative_residual:.3g} away from balanced (||B - lambda I||_F = "
                f"{measured.residual:.6g} over ||W1||_F^2 + ||W2||_F^2, tolerance {TOLERANCE:g}); the nearest lambda "
                f"is {measured.lam:.17g}; use a balanced network of that lambda"
            )
        return ExactRun(problem, w1, w2, white, measured)


@dataclass(frozen=True)
class ExactRun:
    """A problem that the closed form covers, with its white-input equivalent and its measured balance."""

    problem: Problem
    w1: np.ndarray
    w2: np.ndarray
    white: WhiteTask
    measured: Balance

    @property
    def lam(self) -> float:
        """As the weights were drawn, else as measured."""
        return self.measured.lam if self.problem.lam is None else self.problem.lam

    @property
    def time_constant(self) -> float:
        """Of the equivalent white-input problem."""
        return self.problem.time_constant / self.white.variance

    def run(self) -> Outcome:
        """Solve once, evaluate at all times, read off what is asked."""
        solution = solve(self.w1, self.w2, self.white.sigma_yx, self.lam)
        reached = reach(solution)
        return Outcome(
            method="exact",
            reason=self._reason(),
            lam=self.lam,
            quantities=self._quantities(solution),
            diagnostics=self._diagnostics(solution, reached),
            warnings=tuple(self._warnings(solution, reached)),
        )

    def _reason(self) -> str:
        inputs = (
            "white inputs" if self.white.variance == 1 else f"isotropic inputs (variance {self.white.variance:.6g})"
        )
        if self.white.basis is not None:
            inputs += f" on their span ({self.white.basis.shape[1]} of {self.white.basis.shape[0]} dimensions)"
        return f"two layers, {inputs}, balanced to {self.measured.relative_residual:.1g} (tolerance {TOLERANCE:g})"

    def _quantities(self, solution: Solution) -> dict[str, Any]:
        times = self.problem.times / self.time_constant
        v = solution.modes.v if self.white.basis is None else self.white.basis @ solution.modes.v
        results: dict[str, Any] = {}
        for part, factors in solution.batches(times):
            frame = Frame(
                factors=factors,
                v=v,
                u=solution.modes.u,
                s=solution.modes.s,
                variance=self.white.variance,
                irreducible_loss=self.white.irreducible_loss or 0.0,
                hidden=len(self.w1),
            )
            for name in self.problem.quantities:
                _store(results, name, OBSERVABLES[name](frame), part, len(times))
        return results

    def _diagnostics(self, solution: Solution, reached: Reach) -> dict[str, Any]:
        rounding_time = reached.rounding_time
        return {
            "balance_residual": self.measured.residual,
            "relative_balance_residual": self.measured.relative_residual,
            "anisotropy": self.white.residual,
            "task_rank": reached.task_rank,
            "reached_rank": reached.reached,
            "task_singular_values": solution.modes.s * self.white.variance,
            "irreducible_loss": self.white.irreducible_loss,
            "conditioning": {
                "smallest_overlap_in_roundings": reached.smallest_overlap,
                "rounding_time": None if rounding_time is None else rounding_time * self.time_constant,
            },
        }

    def _warnings(self, solution: Solution, reached: Reach) -> Iterator[Warned]:
        for i in reached.missed:
            s = solution.modes.s[i] * self.white.variance
            yield Warned(
                "saddle",
                f"mode {i + 1} (s = {s:.3g}) has no overlap with the initial weights and is never learned",
            )
        if reached.smallest_overlap is not None and reached.smallest_overlap < _DOUBTFUL_OVERLAP:
            yield Warned(
                "ill-conditioned",
                f"the smallest overlap of the initial weights with a mode is {reached.smallest_overlap:.3g} rounding "
                f"errors: it, and what grows from it, is known to a relative {1 / reached.smallest_overlap:.1g} only",
            )
        if self.white.irreducible_loss is None and "loss" in self.problem.quantities:
            yield Warned(
                "irreducible-loss-unknown",
                "the targets' scale is not given, so the loss is the excess loss; give task.sigma_yy_trace or data",
            )


def _beyond_float64(w1: np.ndarray, w2: np.ndarray, white: WhiteTask) -> str | None:
    """Say which numbers of the white-input problem are too small or too large to be squared, if any are."""
    weight = max(float(np.max(np.abs(w1))), float(np.max(np.abs(w2))))
    if 0 < weight < _SMALLEST:
        return (
            f"the largest weight is {weight:.3g}, whose square vanishes in float64 (limit {_SMALLEST:g}); scale it up"
        )
    target = float(np.max(np.abs(white.sigma_yx)))
    if not target <= _LARGEST:
        return (
            f"the best weights, sigma_yx / variance of the inputs, are up to {target:.3g}, whose square overflows in "
            f"float64 (limit {_LARGEST:g}); scale the inputs up or the targets down"
        )
    return None


def _store(results: dict[str, Any], name: str, values: Values, part: slice, n_times: int) -> None:
    if isinstance(values, np.ndarray):
        if name not in results:
            results[name] = np.empty((n_times, *values.shape[1:]))
        results[name][part] = values
        return
    inner: dict[str, Any] = results.setdefault(name, {})
    for key, array in values.items():
        _store(inner, key, array, part, n_times)


def _relative(part: np.ndarray, whole: np.ndarray) -> float:
    size = float(np.linalg.norm(whole))
    return float(np.linalg.norm(part)) / size if size > 0 else 0.0
