"""Weight decay of balanced networks of two layers on white inputs."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from lindyn_service.dynamics.balance import Balance, balance
from lindyn_service.dynamics.decayed_riccati import DecayedSolution, decayed_balanced
from lindyn_service.dynamics.decaying_balance import DecayingBalance, decaying_balance
from lindyn_service.dynamics.layers import Layers
from lindyn_service.dynamics.modal_loss import Objective, white_objective
from lindyn_service.dynamics.radau_collocation import TooManyStepsError
from lindyn_service.dynamics.reduction import Reduction
from lindyn_service.dynamics.tasks import Samples
from lindyn_service.dynamics.white_inputs import Coloured, WhiteTask, white_task
from lindyn_service.errors import NotApplicableError
from lindyn_service.methods.base import LearningProblem, Refusal
from lindyn_service.methods.conditioning import saddle
from lindyn_service.methods.error_estimates import disturbed
from lindyn_service.methods.exact_run import TOLERANCE
from lindyn_service.methods.fewer_dimensions import reduced, remark
from lindyn_service.methods.modal_run import ModalRun, ModalStates
from lindyn_service.methods.number_range import beyond_float64
from lindyn_service.methods.plain_flow import clock, plain, plain_decay, problem_lambda, remark_on_training


@dataclass(frozen=True)
class BalancedDecaySolver:
    """Closed form with weight decay: `dynamics.decayed_riccati` for balance 0, else `dynamics.decaying_balance`."""

    def examine(self, problem: LearningProblem) -> ModalRun | Refusal:
        """Measure number of layers, isotropy and span of the inputs, and balance."""
        finding = _of_request(problem)
        if finding is not None:
            return _refusal(finding)
        decay = plain_decay(problem)[0]
        problem = plain(problem)
        reduction = reduced(problem)
        white = white_task(reduction.moments, TOLERANCE)
        if isinstance(white, Coloured):
            return _refusal(
                f"the closed form needs white inputs: sigma_xx is {white.residual:.3g} away from a multiple of the "
                f"identity (relative, tolerance {TOLERANCE:g})"
            )
        if white.basis is not None:
            return _refusal("with weight decay the closed form needs inputs that span all dimensions")
        w1, w2 = reduction.weights
        out_of_range = beyond_float64(max(float(np.max(np.abs(w1))), float(np.max(np.abs(w2)))), white)
        if out_of_range is not None:
            return out_of_range
        measured = balance(w1, w2)
        if measured.relative_residual > TOLERANCE:
            return _refusal(
                f"the weights are {measured.relative_residual:.3g} away from balanced (relative, tolerance "
                f"{TOLERANCE:g}; the nearest lambda is {measured.lam:.6g})"
            )
        if "weights" in problem.quantities:
            return _refusal("with weight decay the closed form gives weights up to a rotation of the hidden units only")
        try:
            return _run(problem, reduction, white, decay, measured)
        except TooManyStepsError as failure:
            return _refusal(str(failure))


def _run(problem: LearningProblem, reduction: Reduction, white: WhiteTask, decay: float, measured: Balance) -> ModalRun:
    """Solve, with balance 0 where the weights are balanced with it up to rounding.

    Raises:
        TooManyStepsError: the numbers of the problem are too many orders of magnitude apart.
    """
    w1, w2 = reduction.weights
    lam = measured.lam if problem.lam is None else problem.lam
    size = float(np.sum(w1 * w1) + np.sum(w2 * w2))
    if abs(lam) * len(w1) ** 0.5 <= TOLERANCE * size:
        lam = 0.0
    how = "gamma subtracted from all rates" if lam == 0 else "a balance that decays, by quadrature for each mode"
    solution = WhiteDecay.of(reduction, (w1, w2, white.sigma_yx), lam, decay, white, rounded=problem.drawn)
    next(solution.batches(np.zeros(1)))
    strengths = solution.solved.modes.s * white.variance
    reason = (
        f"two layers{remark(reduction)}, white inputs{remark_on_training(problem)}, balanced to "
        f"{measured.relative_residual:.1g} (tolerance {TOLERANCE:g}): closed form with {how}"
    )
    return ModalRun(
        problem,
        reduction,
        solution,
        reason,
        lam=problem_lambda(problem, lam),
        diagnostics={"anisotropy": white.residual},
        undecided=solution.undecided(float(clock(problem, problem.times[-1:])[0])),
        warnings=tuple(saddle(int(mode), float(strengths[mode])) for mode in solution.missed),
    )


def _of_request(problem: LearningProblem) -> str | None:
    """Return the finding that excludes the closed form before its numbers are measured; None if there is none."""
    if len(problem.weights) != 2:
        return f"with weight decay the closed form of balanced weights needs two layers, got {len(problem.weights)}"
    if len(set(plain_decay(problem))) > 1:
        return "with weight decay and different learning rates, weights do not stay balanced"
    if problem.wide is not None:
        return "with weight decay the closed form does not cover the limit of wide layers"
    return None


def _refusal(finding: str) -> Refusal:
    return Refusal(finding, "use method flow", NotApplicableError, "weight_decay")


@dataclass(frozen=True)
class WhiteDecay:
    """Solution of the white-input problem, with times in units of the time constant of the given problem.

    Attributes:
        reduction: the reduced problem.
        numbers: both initial layers, and sigma_yx of the white-input task.
        lam: balance of the weights at time 0.
        gamma: weight decay of the given problem.
        white: the white-input task.
        rounded: whether the weights carry rounding errors, as in `closed_form`.
        solved: solution of the white-input problem.
        objective: loss function in the singular bases of the task.
        turns: u^T u' and v'^T v from the singular bases of `solved` to those of `objective`, where they differ.
    """

    reduction: Reduction
    numbers: tuple[np.ndarray, np.ndarray, np.ndarray]
    lam: float
    gamma: float
    white: WhiteTask
    rounded: bool
    solved: DecayedSolution | DecayingBalance
    objective: Objective
    turns: tuple[np.ndarray, np.ndarray] | None = None

    @classmethod
    def of(
        cls,
        reduction: Reduction,
        numbers: tuple[np.ndarray, np.ndarray, np.ndarray],
        lam: float,
        gamma: float,
        white: WhiteTask,
        *,
        rounded: bool,
    ) -> Self:
        """Solve the white-input problem."""
        w1, w2, sigma_yx = numbers
        own_gamma = gamma / white.variance
        solved = (
            decayed_balanced(w1, w2, sigma_yx, own_gamma, rounded=rounded)
            if lam == 0
            else decaying_balance(w1, w2, sigma_yx, lam, own_gamma, rounded=rounded)
        )
        samples: Samples | None = reduction.moments.samples
        return cls(
            reduction, numbers, lam, gamma, white, rounded, solved, white_objective(white, solved.modes, samples)
        )

    @property
    def fastest_rate(self) -> float:
        """Sum of the rates of the task, of the weights, and of weight decay."""
        w1, w2, sigma_yx = self.numbers
        size = float(np.sum(w1 * w1) + np.sum(w2 * w2) + np.linalg.norm(sigma_yx, 2))
        return self.white.variance * size + self.gamma

    @property
    def missed(self) -> np.ndarray:
        """Indices of modes with s > gamma that are never learned for lack of overlap with the initial weights."""
        unreached = self.solved.echelon.unreached
        unreached = unreached[unreached < len(self.solved.modes.s)]
        return unreached[self.solved.late_rates[unreached] > 0]

    def undecided(self, last: float) -> float:
        """Relative size at a time of the largest missed mode that grows from one rounding error."""
        if not len(self.missed):
            return 0.0
        rates, errors = self.solved.late_rates[self.missed], self.solved.echelon.remainder_errors[self.missed]
        with np.errstate(divide="ignore"):
            grown = np.log(errors / np.sqrt(2 * rates)) + self.solved.growth(self.white.variance * last)[self.missed]
        return float(np.max(np.exp(np.minimum(grown, 0.0))))

    @property
    def rotation_error(self) -> float:
        """Relative error of the weights, which the solution does not have."""
        return 1.0

    def batches(self, times: np.ndarray) -> Iterator[tuple[slice, ModalStates]]:
        """Evaluate at ascending times, in bounded batches."""
        for part, factors in self.solved.batches(self.white.variance * times):
            layers = (factors.into.transpose(0, 2, 1), factors.out)
            errors = self.solved.errors(self.white.variance * times[part], layers[1] @ layers[0])
            yield part, ModalStates(*self._turned(layers, errors))

    def _turned(self, layers: tuple[np.ndarray, np.ndarray], errors: np.ndarray) -> tuple[Layers, np.ndarray]:
        if self.turns is None:
            return layers, errors
        left, right = self.turns
        return (layers[0] @ right, left @ layers[1]), left @ errors @ right

    def weights(self, times: np.ndarray) -> Layers:
        """Raise an error, since the solution has the weights up to a rotation only; `examine` refuses them before."""
        raise NotImplementedError(f"weights at {len(times)} times need a rotation of the hidden units")

    def disturbed(self, run: int) -> "WhiteDecay":
        """Disturb the weights and the task, whose singular vectors may turn far where singular values are equal."""
        w1, w2, sigma_yx = disturbed(self.numbers, self.white.residual, run)
        other = self.of(self.reduction, (w1, w2, sigma_yx), self.lam, self.gamma, self.white, rounded=self.rounded)
        own, turned = self.objective, other.objective
        solved = other.solved.rounded(run) if isinstance(other.solved, DecayingBalance) else other.solved
        return replace(other, solved=solved, objective=own, turns=(own.u.T @ turned.u, turned.v.T @ own.v))
