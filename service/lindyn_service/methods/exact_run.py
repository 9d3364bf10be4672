"""Answers of the closed form of two balanced layers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lindyn_service.dynamics.balance import Balance
from lindyn_service.dynamics.closed_form import ClosedForm, closed_form
from lindyn_service.dynamics.hidden_rotation import ROTATION_ROUNDING, true_weights
from lindyn_service.dynamics.modal_loss import Objective, white_objective
from lindyn_service.dynamics.modal_weights import ModalWeights
from lindyn_service.dynamics.mode_overlap import ModeOverlap, mode_overlap
from lindyn_service.dynamics.reduction import Reduction
from lindyn_service.dynamics.regimes import Regime, regime
from lindyn_service.dynamics.riccati import Factors
from lindyn_service.dynamics.white_inputs import WhiteTask
from lindyn_service.methods.accumulate import Accumulator
from lindyn_service.methods.base import LearningProblem, Outcome
from lindyn_service.methods.conditioning import saddles
from lindyn_service.methods.diagnostics import of_errors, of_samples, of_wide, sizes_of_wide
from lindyn_service.methods.error_estimates import (
    DECIDED,
    RUNS,
    bounds,
    disturbed,
    of_exponents,
    of_least_loss,
    some_times,
    squares,
)
from lindyn_service.methods.exact_observables import Represented, as_they_are, observe, weights_of_factors
from lindyn_service.methods.fewer_dimensions import remark
from lindyn_service.methods.plain_flow import (
    clock,
    from_plain_flow,
    problem_lambda,
    reached_at,
    remark_on_training,
)

TOLERANCE = 1e-13
"""Relative imbalance, anisotropy of the inputs, and size of weights outside the inputs' span that are neglected."""


@dataclass(frozen=True)
class ExactRun:
    """A problem that the closed form covers.

    Attributes:
        problem: the problem in the weights of the plain flow.
        reduction: the reduced problem.
        w1: initial first layer of the reduced problem in the span of the inputs, (hidden, rank).
        w2: its initial second layer, (out, hidden).
        white: the equivalent white-input task.
        measured: balance of w1 and w2.
    """

    problem: LearningProblem
    reduction: Reduction
    w1: np.ndarray
    w2: np.ndarray
    white: WhiteTask
    measured: Balance

    @property
    def lam(self) -> float:
        """Lambda that the weights were drawn with, or the measured one."""
        return self.measured.lam if self.problem.lam is None else self.problem.lam

    @property
    def rounded(self) -> bool:
        """Whether the weights carry rounding errors, as drawn and computed ones do, unlike numbers of the request."""
        return self.problem.lam is not None or self.white.basis is not None

    @property
    def time_constant(self) -> float:
        """Time constant of the equivalent white-input problem, without a schedule."""
        rates = self.problem.rates
        return self.problem.time_constant / (1.0 if rates is None else rates.mean) / self.white.variance

    def clock(self, times: np.ndarray) -> np.ndarray:
        """Convert times to those of the equivalent white-input problem, in units of its time constant."""
        if self.problem.rates is None:
            return times / self.time_constant
        return clock(self.problem, times) * self.white.variance

    def time_at(self, white_time: float | None) -> float | None:
        """Convert a time of the white-input problem, as from `clock`, to a time of the problem.

        Returns:
            The time; None for None, and for a time that the schedule never reaches.
        """
        if self.problem.rates is None:
            return None if white_time is None else white_time * self.time_constant
        return reached_at(self.problem, None if white_time is None else white_time / self.white.variance)

    def solution(self) -> ClosedForm:
        """Solve the white-input problem; its times are those of `clock`."""
        return closed_form(self.w1, self.w2, self.white.sigma_yx, self.lam, rounded=self.rounded)

    def run(self) -> Outcome:
        """Solve once, and evaluate the requested quantities at all times."""
        solution = self.solution()
        reached = mode_overlap(solution)
        reason, diagnostics = self._reason(), self._diagnostics(solution, reached)
        collected, rotation_error = self._observed(solution), 0.0
        if "weights" in self.problem.quantities:
            true = true_weights(solution, self.w1, self.w2, self.clock(self.problem.times))
            w1 = true.w1 if self.white.basis is None else true.w1 @ self.white.basis.T
            layers = from_plain_flow(self.problem).layers((w1, true.w2))
            collected.store(slice(None), "weights", self.reduction.expanded(layers))
            if true.evaluations:
                reason += "; the rotation of the hidden units, which weights alone have, by successive approximations"
                rotation_error = true.deviation + ROTATION_ROUNDING
            diagnostics["rotation"] = {"error_estimate": rotation_error, "evaluations": true.evaluations}
        quantities = collected.quantities()
        errors = self._errors(quantities, rotation_error) if self.problem.estimate else {}
        undecided = self._undecided(solution, reached)
        errors = {name: min(1.0, max(error, undecided)) for name, error in errors.items()}
        diagnostics["errors"] = errors
        return Outcome(
            method="exact",
            reason=reason,
            lam=problem_lambda(self.problem, self.lam),
            times=self.problem.times,
            quantities=quantities,
            diagnostics=diagnostics,
            warnings=(
                *saddles(solution, reached, self.white.variance),
                *(() if reached.missed else of_errors(errors)),  # warnings of saddles already say so
                *of_wide(self.problem),
                *of_samples(self.problem),
            ),
            regime=self._regime(solution) if self.problem.estimate and undecided < DECIDED else None,
        )

    def _regime(self, solution: ClosedForm) -> Regime | None:
        """Determine the regime from the weights at time 0 and at the last time."""
        objective = self._objective(solution)
        last = self.clock(self.problem.times[-1:])
        start = self.modal_weights(objective, solution.at(np.zeros(1)), None)
        modal = self.modal_weights(objective, solution.at(last), start)
        modal = replace(modal, error=solution.errors(last, modal.strengths))
        return regime(from_plain_flow(self.problem).modal_weights(modal, slice(-1, None)))

    def _errors(self, quantities: Mapping[str, Any], rotation_error: float) -> dict[str, float]:
        """Bound the relative errors by the differences from disturbed problems."""
        times = some_times(len(self.problem.times))
        # the error of the weights is that of Q Q^T plus that of the rotation of the hidden units
        names = tuple("qqt" if name == "weights" else name for name in self.problem.quantities)
        residual = max(self.measured.relative_residual, self.white.residual)
        others: list[Mapping[str, Any]] = []
        for run in range(RUNS):
            w1, w2, sigma_yx = disturbed((self.w1, self.w2, self.white.sigma_yx), residual, run)
            problem = replace(self.problem, times=self.problem.times[times], quantities=names)
            measured = replace(self.measured, lam=self.measured.lam + (-1) ** run * self.measured.uncertainty)
            white = replace(self.white, sigma_yx=sigma_yx)
            other = replace(self, problem=problem, w1=w1, w2=w2, white=white, measured=measured)
            others.append(other._observed(other.solution()).quantities())
        errors = bounds(quantities, others, times, squares((self.w1, self.w2), self.white.sigma_yx))
        for added in (of_exponents(quantities), of_least_loss(quantities, self.problem.moments)):
            errors |= {name: min(1.0, errors[name] + error) for name, error in added.items()}
        if "weights" in quantities:
            first, *rest = others
            of_qqt = bounds({"qqt": first["qqt"]}, rest, np.arange(len(times)), 0.0)
            errors["weights"] = min(1.0, rotation_error + of_qqt["qqt"])
        return errors

    def _undecided(self, solution: ClosedForm, reached: ModeOverlap) -> float:
        """Relative size at the last time of a missed mode that grows from an overlap of one rounding error."""
        if reached.rounding_time is None:
            return 0.0
        late = float(self.clock(self.problem.times[-1:])[0]) - reached.rounding_time
        return float(np.exp(min(0.0, solution.modes.kappa[reached.missed[0]] * late)))

    def _reason(self) -> str:
        inputs = (
            "white inputs" if self.white.variance == 1 else f"isotropic inputs (variance {self.white.variance:.6g})"
        )
        if self.white.basis is not None:
            inputs += f" on their span ({self.white.basis.shape[1]} of {self.white.basis.shape[0]} dimensions)"
        if self.problem.wide is not None:
            return (
                f"two layers{remark(self.reduction)}, {inputs}{remark_on_training(self.problem)}: learns as a balanced "
                f"network of lambda {problem_lambda(self.problem, self.lam):.6g}"
            )
        return (
            f"two layers{remark(self.reduction)}, {inputs}{remark_on_training(self.problem)}, "
            f"balanced to {self.measured.relative_residual:.1g} (tolerance {TOLERANCE:g})"
        )

    def _observed(self, solution: ClosedForm) -> Accumulator:
        return observe(
            solution,
            self._objective(solution),
            self.clock(self.problem.times),
            self.problem.quantities,
            hidden=self.reduction.widths[1],
            time_constant=self.problem.time_constant,
            represented=self._represented,
            from_plain=from_plain_flow(self.problem),
        )

    def _objective(self, solution: ClosedForm) -> Objective:
        white = white_objective(self.white, solution.modes, self.reduction.moments.samples)
        return self.reduction.objective(white)

    @property
    def _represented(self) -> Represented:
        return as_they_are if self.problem.wide is None else self.problem.wide.represented

    def modal_weights(self, objective: Objective, factors: Factors, start: ModalWeights | None) -> ModalWeights:
        """Return weights of the white-input problem in the singular bases of the task, as `weights_of_factors` does."""
        layers = self._represented(factors)
        return weights_of_factors(objective, layers, self.reduction.widths[1], self.problem.time_constant, start)

    def _diagnostics(self, solution: ClosedForm, reached: ModeOverlap) -> dict[str, Any]:
        rounding_time = reached.rounding_time
        return {
            "balance_residual": self.measured.residual,
            "relative_balance_residual": self.measured.relative_residual,
            "anisotropy": self.white.residual,
            "task_rank": reached.task_rank,
            "reached_rank": reached.reached,
            "task_singular_values": (solution.modes.s * self.white.variance).tolist(),
            "target": dict.fromkeys(("singular_values", "mode_strengths"), solution.modes.s.tolist()),
            "irreducible_loss": self.white.irreducible_loss,
            **sizes_of_wide(self.problem),
            "conditioning": {
                "smallest_overlap_in_roundings": reached.smallest_overlap,
                "rounding_time": self.time_at(rounding_time),
            },
        }
