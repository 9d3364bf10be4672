"""Problems that the closed form of two balanced layers covers: white inputs, or isotropic ones."""

from dataclasses import replace

import numpy as np

from lindyn_service.dynamics.balance import balance
from lindyn_service.dynamics.reduction import Reduction
from lindyn_service.dynamics.white_inputs import Coloured, WhiteTask, white_task
from lindyn_service.dynamics.wide_limit import WideLayers, equivalent_balanced
from lindyn_service.errors import NotApplicableError, NotBalancedError
from lindyn_service.methods.base import LearningProblem, Refusal
from lindyn_service.methods.exact_run import TOLERANCE, ExactRun
from lindyn_service.methods.fewer_dimensions import reduced, unreduced
from lindyn_service.methods.number_range import beyond_float64
from lindyn_service.methods.plain_flow import plain


class ExactSolver:
    """Closed form of balanced networks (`dynamics.closed_form`)."""

    def examine(self, problem: LearningProblem) -> ExactRun | Refusal:
        """Measure number of layers, isotropy and span of the inputs, and balance of the plain flow's weights."""
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
        reduction = reduced(problem)
        if reduction.bases[0] is None and reduction.bases[-1] is None:  # the closed form skips unused hidden units
            reduction = unreduced(problem)
        white = white_task(reduction.moments, TOLERANCE)
        if isinstance(white, Coloured):
            return Refusal(
                f"the closed form needs white inputs: sigma_xx is {white.residual:.3g} away from a multiple of the "
                f"identity (relative, tolerance {TOLERANCE:g})",
                "use method flow, or whiten the inputs (task.whiten = true)",
                NotApplicableError,
                "task",
            )
        w1, w2 = reduction.weights
        if problem.wide is not None:
            return _wide(problem, problem.wide, reduction, white)
        if white.basis is not None:
            within = w1 @ white.basis
            outside = _relative(w1 - within @ white.basis.T, w1)
            if outside > TOLERANCE:
                return Refusal(
                    f"the inputs span {white.basis.shape[1]} of {w1.shape[1]} dimensions and {outside:.3g} of the "
                    "first layer (relative) lies outside this span, where it never learns",
                    "use method flow, remove that part of the first layer, or remove dependent input columns",
                    NotApplicableError,
                    "task",
                )
            w1 = within
        return _examined(problem, reduction, (w1, w2), white)


def _wide(problem: LearningProblem, wide: WideLayers, reduction: Reduction, white: WhiteTask) -> ExactRun | Refusal:
    """Replace wide layers by balanced ones with the same network function at all times, and examine these."""
    w1, w2 = reduction.weights
    if white.basis is not None:
        return Refusal(
            f"the inputs span {white.basis.shape[1]} of {w1.shape[1]} dimensions, and wide random layers have weights "
            "outside this span, which never learn",
            "use method flow, or remove dependent input columns",
            NotApplicableError,
            "task",
        )
    w1, w2, lam = equivalent_balanced(w2 @ w1, wide.lambda_eff)
    return _examined(replace(problem, lam=lam), reduction, (w1, w2), white)


def _examined(
    problem: LearningProblem, reduction: Reduction, layers: tuple[np.ndarray, np.ndarray], white: WhiteTask
) -> ExactRun | Refusal:
    """Measure size and balance of weights in the span of the inputs."""
    w1, w2 = layers
    out_of_range = beyond_float64(max(float(np.max(np.abs(w1))), float(np.max(np.abs(w2)))), white)
    if out_of_range is not None:
        return out_of_range
    measured = balance(w1, w2)
    if measured.relative_residual > TOLERANCE:
        return Refusal(
            f"the weights are {measured.relative_residual:.3g} away from balanced (||B - lambda I||_F = "
            f"{measured.residual:.6g} over ||W1||_F^2 + ||W2||_F^2, tolerance {TOLERANCE:g}), the nearest lambda "
            f"is {measured.lam:.8g}",
            "use method flow, or a balanced network of that lambda",
            NotBalancedError,
        )
    return ExactRun(problem, reduction, w1, w2, white, measured)


def _relative(part: np.ndarray, whole: np.ndarray) -> float:
    size = float(np.linalg.norm(whole))
    return float(np.linalg.norm(part)) / size if size > 0 else 0.0
