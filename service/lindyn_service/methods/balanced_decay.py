"""Weight decay of balanced networks of two layers on white inputs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from lindyn_service.dynamics.balance import Balance, balance
from lindyn_service.dynamics.decayed_riccati import DecayedSolution, decayed_balanced
from lindyn_service.dynamics.decaying_balance import DecayingBalance, decaying_balance
from lindyn_service.dynamics.flow import Layers
from lindyn_service.dynamics.modal_loss import Objective, white_objective
from lindyn_service.dynamics.radau_collocation import TooManyStepsError
from lindyn_service.dynamics.reduction import Reduction
from lindyn_service.dynamics.tasks import Samples
from lindyn_service.dynamics.white_inputs import Coloured, WhiteTask, white_task
from lindyn_service.errors import NotApplicableError
from lindyn_service.methods.base import LearningProblem, Refusal
from lindyn_service.methods.conditioning import saddle
from lindyn_service.methods.error_estimates import disturbed
from lindyn_service.methods.exact import TOLERANCE
from lindyn_service.methods.fewer_dimensions import reduced, remark
from lindyn_service.methods.modal_run import ModalRun, ModalStates
from lindyn_service.methods.number_range import beyond_float64
from lindyn_service.methods.plain_flow import balance_as_asked, clock, plain, plain_decay, remark_on_training


@dataclass(frozen=True)
class BalancedDecaySolver:
    """Adapter of `dynamics.decayed_riccati`, for balance 0, and of `dynamics.decaying_balance`."""

    def examine(self, problem: LearningProblem) -> ModalRun | Refusal:
        """Measure layers, whiteness and balance."""
        finding = _of_request(problem)
        if finding is not None:
            return _refusal(finding)
        decay = plain_decay(problem)[0]
        problem = plain(problem)
        small = reduced(problem)
        white = white_task(small.moments, TOLERANCE)
        if isinstance(white, Coloured):
            return _refusal(f"the closed form needs white inputs: sigma_xx is {white.residual:.3g} away from those")
        if white.basis is not None:
            return _refusal("the inputs do not span all dimensions")
        w1, w2 = small.weights
        beyond = beyond_float64(max(float(np.max(np.abs(w1))), float(np.max(np.abs(w2)))), white)
        if beyond is not None:
            return beyond
        measured = balance(w1, w2)
        if measured.relative_residual > TOLERANCE:
            return _refusal(
                f"the weights are {measured.relative_residual:.3g} away from balanced (relative, tolerance "
                f"{TOLERANCE:g}; the nearest lambda is {measured.lam:.6g})"
            )
        if "weights" in problem.quantities:
            return _refusal("the weights themselves need a rotation of the hidden units that is integrated")
        try:
            return _run(problem, small, white, decay, measured)
        except TooManyStepsError as failure:
            return _refusal(str(failure))


def _run(problem: LearningProblem, small: Reduction, white: WhiteTask, decay: float, measured: Balance) -> ModalRun:
    """Solve, with balance 0 where the weights are balanced with it up to rounding.

    Raises:
        TooManyStepsError: the numbers of the problem are too many orders of magnitude apart.
    """
    w1, w2 = small.weights
    lam = measured.lam if problem.lam is None else problem.lam
    size = float(np.sum(w1 * w1) + np.sum(w2 * w2))
    if abs(lam) * len(w1) ** 0.5 <= TOLERANCE * size:
        lam = 0.0
    how = "all rates less gamma" if lam == 0 else "a balance that decays, by quadrature for each mode"
    solution = WhiteDecay.of(small, (w1, w2, white.sigma_yx), lam, decay, white, rounded=problem.drawn)
    next(solution.batches(np.zeros(1)))
    strengths = solution.solved.modes.s * white.variance
    reason = (
        f"two layers{remark(small)}, white inputs{remark_on_training(problem)}, balanced to "
        f"{measured.relative_residual:.1g} (tolerance {TOLERANCE:g}): closed form with {how}"
    )
    return ModalRun(
        problem,
        small,
        solution,
        reason,
        lam=balance_as_asked(problem, lam),
        diagnostics={"anisotropy": white.residual},
        undecided=solution.undecided(float(clock(problem, problem.times[-1:])[0])),
        warnings=tuple(saddle(int(mode), float(strengths[mode])) for mode in solution.missed),
    )


def _of_request(problem: LearningProblem) -> str | None:
    """Return what excludes a request whatever its numbers are."""
    if len(problem.weights) != 2:
        return f"balanced weights with weight decay are solved in two layers, got {len(problem.weights)}"
    if len(set(plain_decay(problem))) > 1:
        return "weights do not stay balanced with different learning rates and weight decay"
    if problem.wide is not None:
        return "the limit of wide layers with weight decay is integrated"
    return None


def _refusal(finding: str) -> Refusal:
    return Refusal(finding, "use method flow", NotApplicableError, "weight_decay")


@dataclass(frozen=True)
class WhiteDecay:
    """The solution of the white-input problem, in units of the time constant of the given one.

    Attributes:
        small: the given problem.
        numbers: both layers and the task of the white-input problem.
        lam: balance of the weights at time 0.
        gamma: weight decay of the given problem.
        white: the white-input problem.
        rounded: as in `closed_form`.
        solved: its solution.
        objective: what is learned.
    """

    small: Reduction
    numbers: tuple[np.ndarray, np.ndarray, np.ndarray]
    lam: float
    gamma: float
    white: WhiteTask
    rounded: bool
    solved: DecayedSolution | DecayingBalance
    objective: Objective

    @classmethod
    def of(
        cls,
        small: Reduction,
        numbers: tuple[np.ndarray, np.ndarray, np.ndarray],
        lam: float,
        gamma: float,
        white: WhiteTask,
        *,
        rounded: bool,
    ) -> Self:
        """Solve it."""
        w1, w2, sigma_yx = numbers
        own_gamma = gamma / white.variance
        solved = (
            decayed_balanced(w1, w2, sigma_yx, own_gamma, rounded=rounded)
            if lam == 0
            else decaying_balance(w1, w2, sigma_yx, lam, own_gamma, rounded=rounded)
        )
        samples: Samples | None = small.moments.samples
        return cls(small, numbers, lam, gamma, white, rounded, solved, white_objective(white, solved.modes, samples))

    @property
    def fastest_rate(self) -> float:
        """The largest of the task, of the weights, and of decay."""
        w1, w2, sigma_yx = self.numbers
        size = float(np.sum(w1 * w1) + np.sum(w2 * w2) + np.linalg.norm(sigma_yx, 2))
        return self.white.variance * size + self.gamma

    @property
    def missed(self) -> np.ndarray:
        """Modes above the threshold that the weights do not reach although hidden units are left."""
        unreached = self.solved.echelon.unreached
        unreached = unreached[unreached < len(self.solved.modes.s)]
        return unreached[self.solved.late_rates[unreached] > 0]

    def undecided(self, last: float) -> float:
        """Relative size, by a time, of what grows from one rounding error in the modes that are missed."""
        if not len(self.missed):
            return 0.0
        rates, errors = self.solved.late_rates[self.missed], self.solved.echelon.remainder_errors[self.missed]
        with np.errstate(divide="ignore"):
            grown = np.log(errors / np.sqrt(2 * rates)) + self.solved.growth(self.white.variance * last)[self.missed]
        return float(np.max(np.exp(np.minimum(grown, 0.0))))

    @property
    def rotation_error(self) -> float:
        """Of weights, which are not known."""
        return 1.0

    def batches(self, times: np.ndarray) -> Iterator[tuple[slice, ModalStates]]:
        """Evaluate."""
        for part, factors in self.solved.batches(self.white.variance * times):
            layers = (factors.into.transpose(0, 2, 1), factors.out)
            errors = self.solved.errors(self.white.variance * times[part], layers[1] @ layers[0])
            yield part, ModalStates(layers, errors)

    def weights(self, times: np.ndarray) -> Layers:
        """Refused before."""
        raise NotImplementedError(f"weights at {len(times)} times need a rotation of the hidden units")

    def disturbed(self, run: int) -> "WhiteDecay":
        """Disturb the weights and the task."""
        w1, w2, sigma_yx = disturbed(self.numbers, self.white.residual, run)
        return self.of(self.small, (w1, w2, sigma_yx), self.lam, self.gamma, self.white, rounded=self.rounded)
