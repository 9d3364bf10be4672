"""The closed form: two layers, white inputs up to a factor, balanced weights."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lindyn_service.dynamics.balance import Balance, balance
from lindyn_service.dynamics.closed_form import ClosedForm, closed_form
from lindyn_service.dynamics.hidden_rotation import true_weights
from lindyn_service.dynamics.modal_loss import Objective, white_objective
from lindyn_service.dynamics.modal_weights import ModalWeights
from lindyn_service.dynamics.mode_overlap import ModeOverlap, mode_overlap
from lindyn_service.dynamics.reduction import Reduction
from lindyn_service.dynamics.regimes import Regime, regime
from lindyn_service.dynamics.riccati import Factors
from lindyn_service.dynamics.white_inputs import Coloured, WhiteTask, white_task
from lindyn_service.dynamics.wide_limit import WideLayers, equivalent_balanced
from lindyn_service.errors import NotApplicableError, NotBalancedError
from lindyn_service.methods.accumulate import Accumulator
from lindyn_service.methods.base import LearningProblem, Outcome, Refusal
from lindyn_service.methods.conditioning import saddles
from lindyn_service.methods.diagnostics import of_errors, of_samples, of_wide, sizes_of_wide
from lindyn_service.methods.error_estimates import DECIDED, RUNS, bounds, disturbed, some_times, squares
from lindyn_service.methods.exact_observables import Represented, as_they_are, factors_frame, observe
from lindyn_service.methods.fewer_dimensions import reduced, remark, unreduced
from lindyn_service.methods.number_range import beyond_float64
from lindyn_service.methods.plain_flow import as_asked, balance_as_asked, clock, plain, reached_at, remark_on_training

TOLERANCE = 1e-13
"""Relative size of what is neglected: imbalance, anisotropy of the inputs, weights outside the inputs' span."""

_ROTATION = 5e-11  # relative error of the integrated rotation of the hidden units, whose steps err by 1e-12


class ExactSolver:
    """Adapter of `dynamics.exact`."""

    def examine(self, problem: LearningProblem) -> "ExactRun | Refusal":
        """Measure layers, isotropy, span and balance, the last of the plain flow's weights."""
        if problem.weight_decay:
            return Refusal(
                f"the closed form of balanced weights has no weight decay, got {problem.weight_decay:g}",
                "use method flow",
                NotApplicableError,
                "weight_decay",
            )
        problem = plain(problem)
        if len(problem.weights) != 2:
            return Refusal(
                f"the closed form needs two weight layers, got {len(problem.weights)}",
                "use method flow",
                NotApplicableError,
            )
        small = reduced(problem)
        if small.bases[0] is None and small.bases[-1] is None:  # hidden units without weights cost nothing here
            small = unreduced(problem)
        white = white_task(small.moments, TOLERANCE)
        if isinstance(white, Coloured):
            return Refusal(
                f"the closed form needs white inputs: sigma_xx is {white.residual:.3g} away from a multiple of the "
                f"identity (relative, tolerance {TOLERANCE:g})",
                "use method flow, or whiten the inputs (task.whiten = true)",
                NotApplicableError,
                "task",
            )
        w1, w2 = small.weights
        if problem.wide is not None:
            return _wide(problem, problem.wide, small, white)
        if white.basis is not None:
            within = w1 @ white.basis
            outside = _relative(w1 - within @ white.basis.T, w1)
            if outside > TOLERANCE:
                return Refusal(
                    f"the inputs span {white.basis.shape[1]} of {w1.shape[1]} dimensions and {outside:.3g} of the "
                    "first layer (relative) lies outside, where it never learns",
                    "use method flow, or remove that part, or input columns",
                    NotApplicableError,
                    "task",
                )
            w1 = within
        return _examined(problem, small, (w1, w2), white)


def _wide(problem: LearningProblem, wide: WideLayers, small: Reduction, white: WhiteTask) -> "ExactRun | Refusal":
    """Replace wide layers by the balanced ones that have the same network function at all times."""
    w1, w2 = small.weights
    if white.basis is not None:
        return Refusal(
            f"the inputs span {white.basis.shape[1]} of {w1.shape[1]} dimensions, and wide random layers have weights "
            "outside, which never learn",
            "use method flow, or remove input columns",
            NotApplicableError,
            "task",
        )
    w1, w2, lam = equivalent_balanced(w2 @ w1, wide.lambda_eff)
    return _examined(replace(problem, lam=lam), small, (w1, w2), white)


def _examined(
    problem: LearningProblem, small: Reduction, layers: tuple[np.ndarray, np.ndarray], white: WhiteTask
) -> "ExactRun | Refusal":
    """Measure size and balance of weights in the span of the inputs."""
    w1, w2 = layers
    beyond = beyond_float64(max(float(np.max(np.abs(w1))), float(np.max(np.abs(w2)))), white)
    if beyond is not None:
        return beyond
    measured = balance(w1, w2)
    if measured.relative_residual > TOLERANCE:
        return Refusal(
            f"the weights are {measured.relative_residual:.3g} away from balanced (||B - lambda I||_F = "
            f"{measured.residual:.6g} over ||W1||_F^2 + ||W2||_F^2, tolerance {TOLERANCE:g}), the nearest lambda "
            f"is {measured.lam:.8g}",
            "use method flow, or a balanced network of that lambda",
            NotBalancedError,
        )
    return ExactRun(problem, small, w1, w2, white, measured)


@dataclass(frozen=True)
class ExactRun:
    """A problem that the closed form covers, in fewer dimensions, with its white-input equivalent and its balance.

    The weights are those of the plain flow.
    """

    problem: LearningProblem
    small: Reduction
    w1: np.ndarray
    w2: np.ndarray
    white: WhiteTask
    measured: Balance

    @property
    def lam(self) -> float:
        """As the weights were drawn, else as measured."""
        return self.measured.lam if self.problem.lam is None else self.problem.lam

    @property
    def rounded(self) -> bool:
        """Whether the weights are not the numbers of the request, but drawn, or computed from these."""
        return self.problem.lam is not None or self.white.basis is not None

    @property
    def time_constant(self) -> float:
        """Of the equivalent white-input problem, without a schedule."""
        rates = self.problem.rates
        return self.problem.time_constant / (1.0 if rates is None else rates.mean) / self.white.variance

    def clock(self, times: np.ndarray) -> np.ndarray:
        """Times of the equivalent white-input problem, in units of its time constant."""
        if self.problem.rates is None:
            return times / self.time_constant
        return clock(self.problem, times) * self.white.variance

    def time_at(self, white_time: float | None) -> float | None:
        """The time at which the white-input problem is at one of its own, if there is any."""
        if self.problem.rates is None:
            return None if white_time is None else white_time * self.time_constant
        return reached_at(self.problem, None if white_time is None else white_time / self.white.variance)

    def solution(self) -> ClosedForm:
        """Solve the white-input problem; its times are those of `clock`."""
        return closed_form(self.w1, self.w2, self.white.sigma_yx, self.lam, rounded=self.rounded)

    def run(self) -> Outcome:
        """Solve once, evaluate at all times, read off what is asked."""
        solution = self.solution()
        reached = mode_overlap(solution)
        reason, diagnostics = self._reason(), self._diagnostics(solution, reached)
        collected, rotation_error = self._observed(solution), 0.0
        if "weights" in self.problem.quantities:
            found = true_weights(solution, self.w1, self.w2, self.clock(self.problem.times))
            w1 = found.w1 if self.white.basis is None else found.w1 @ self.white.basis.T
            layers = as_asked(self.problem).layers((w1, found.w2))
            collected.store(slice(None), "weights", self.small.expanded(layers))
            if found.evaluations:
                reason += "; the rotation of the hidden units, which only weights have, by DOP853 with rtol 1e-12"
                rotation_error = max(found.deviation, _ROTATION)
            diagnostics["rotation"] = {"error_estimate": rotation_error, "evaluations": found.evaluations}
        quantities = collected.quantities()
        errors = self._errors(quantities, rotation_error) if self.problem.estimate else {}
        undecided = self._undecided(solution, reached)
        errors = {name: min(1.0, max(error, undecided)) for name, error in errors.items()}
        diagnostics["errors"] = errors
        return Outcome(
            method="exact",
            reason=reason,
            lam=balance_as_asked(self.problem, self.lam),
            times=self.problem.times,
            quantities=quantities,
            diagnostics=diagnostics,
            warnings=(
                *saddles(solution, reached, self.white.variance),
                *(() if reached.missed else of_errors(errors)),  # saddles say what rounding decides
                *of_wide(self.problem),
                *of_samples(self.problem),
            ),
            regime=self._regime(solution) if self.problem.estimate and undecided < DECIDED else None,
        )

    def _regime(self, solution: ClosedForm) -> Regime | None:
        """The regime from the weights at time 0 and at the last time."""
        objective = self.small.objective(white_objective(self.white, solution.modes, self.small.moments.samples))
        last = self.clock(self.problem.times[-1:])
        start = self.frame(objective, solution.at(np.zeros(1)), None)
        frame = self.frame(objective, solution.at(last), start)
        frame = replace(frame, error=solution.errors(last, frame.strengths))
        return regime(as_asked(self.problem).frame(frame, slice(-1, None)))

    def _errors(self, quantities: Mapping[str, Any], rotation_error: float) -> dict[str, float]:
        """Bounds of the relative errors, from the same problem with other rounding errors and residuals."""
        times = some_times(len(self.problem.times))
        # weights are as exact as Q Q^T, but for the rotation of the hidden units
        names = tuple("qqt" if name == "weights" else name for name in self.problem.quantities)
        residual = max(self.measured.relative_residual, self.white.residual)
        others: list[Mapping[str, Any]] = []
        for run in range(RUNS):
            w1, w2, sigma_yx = disturbed((self.w1, self.w2, self.white.sigma_yx), residual, run)
            problem = replace(self.problem, times=self.problem.times[times], quantities=names)
            other = replace(self, problem=problem, w1=w1, w2=w2, white=replace(self.white, sigma_yx=sigma_yx))
            others.append(other._observed(other.solution()).quantities())
        found = bounds(quantities, others, times, squares((self.w1, self.w2), self.white.sigma_yx))
        if "weights" in quantities:
            sizes = [other["qqt"] for other in others]
            of_both = bounds({"qqt": sizes[0]}, others[1:], np.arange(len(times)), 0.0)
            found["weights"] = min(1.0, rotation_error + of_both["qqt"])
        return found

    def _undecided(self, solution: ClosedForm, reached: ModeOverlap) -> float:
        """Size of what would have grown by the last time from an overlap of one rounding error with a missed mode."""
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
                f"two layers{remark(self.small)}, {inputs}{remark_on_training(self.problem)}: learns as a balanced "
                f"network of lambda {balance_as_asked(self.problem, self.lam):.6g}"
            )
        return (
            f"two layers{remark(self.small)}, {inputs}{remark_on_training(self.problem)}, "
            f"balanced to {self.measured.relative_residual:.1g} (tolerance {TOLERANCE:g})"
        )

    def _observed(self, solution: ClosedForm) -> Accumulator:
        times = self.clock(self.problem.times)
        objective = white_objective(self.white, solution.modes, self.small.moments.samples)
        return observe(
            solution,
            self.small.objective(objective),
            times,
            self.problem.quantities,
            hidden=self.small.widths[1],
            time_constant=self.problem.time_constant,
            represented=self._represented,
            asked=as_asked(self.problem),
        )

    @property
    def _represented(self) -> Represented:
        return as_they_are if self.problem.wide is None else self.problem.wide.represented

    def frame(self, objective: Objective, factors: Factors, start: ModalWeights | None) -> ModalWeights:
        """Put weights of the white-input problem into the frame that observables are read from."""
        layers = self._represented(factors)
        return factors_frame(objective, layers, self.small.widths[1], self.problem.time_constant, start)

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


def _relative(part: np.ndarray, whole: np.ndarray) -> float:
    size = float(np.linalg.norm(whole))
    return float(np.linalg.norm(part)) / size if size > 0 else 0.0
