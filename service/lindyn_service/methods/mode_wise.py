"""Networks whose modes learn alone or in balanced groups, solved mode by mode."""

from dataclasses import dataclass

import numpy as np

from lindyn.wire.tree import Tree
from lindyn_service.dynamics.balance import balance
from lindyn_service.dynamics.decoupled_deep import DeepModes, deep_modes
from lindyn_service.dynamics.decoupling import Decoupling, decoupling
from lindyn_service.dynamics.radau_collocation import TooManyStepsError
from lindyn_service.dynamics.reduction import Reduction
from lindyn_service.errors import NotApplicableError
from lindyn_service.methods.base import LearningProblem, Refusal
from lindyn_service.methods.conditioning import saddle
from lindyn_service.methods.diagnostics import initial_lambda
from lindyn_service.methods.exact_run import TOLERANCE
from lindyn_service.methods.fewer_dimensions import reduced, remark
from lindyn_service.methods.modal_run import ModalRun
from lindyn_service.methods.modal_solutions import ChainSolution, PartsSolution
from lindyn_service.methods.number_range import beyond_products
from lindyn_service.methods.plain_flow import clock, plain, plain_decay, problem_lambda, remark_on_training

_USE_FLOW = "use method flow"


@dataclass(frozen=True)
class ModeWiseSolver:
    """Solutions mode by mode (`dynamics.decoupled` and `dynamics.decoupled_deep`)."""

    def examine(self, problem: LearningProblem) -> ModalRun | Refusal:
        """Measure whether the modes of the plain flow learn alone, or in balanced groups."""
        decay = plain_decay(problem)
        if len(set(decay)) > 1:
            return Refusal(
                "with different learning rates, weight decay makes layers decay at different rates",
                f"{_USE_FLOW}, equal learning rates or no weight decay",
                NotApplicableError,
                "weight_decay",
            )
        if decay and len(problem.weights) != 2:
            return Refusal(
                f"with weight decay modes have a closed form in two layers only, got {len(problem.weights)}",
                _USE_FLOW,
                NotApplicableError,
                "weight_decay",
            )
        problem = plain(problem)
        out_of_range = beyond_products(problem.weights, problem.moments)
        if out_of_range is not None:
            return out_of_range
        reduction = reduced(problem)
        moments = reduction.moments
        if len(reduction.weights) != 2:
            return _deep(problem, reduction, deep_modes(reduction.weights, moments.sigma_yx, moments.sigma_xx))
        w1, w2 = reduction.weights
        rounded = _is_rounded(problem, reduction)
        parts = decoupling(w1, w2, moments.sigma_yx, moments.sigma_xx, rounded=rounded)
        return _of_two_layers(problem, reduction, parts, decay[0] if decay else 0.0, rounded=rounded)


def _is_rounded(problem: LearningProblem, reduction: Reduction) -> bool:
    """Return whether the weights carry rounding errors, as drawn and computed ones do; the request has exact ones."""
    return problem.drawn or reduction.is_smaller or (problem.rates is not None and not problem.rates.are_equal)


def _of_two_layers(
    problem: LearningProblem, reduction: Reduction, parts: Decoupling, gamma: float, *, rounded: bool
) -> ModalRun | Refusal:
    basis, n_groups = parts.basis, len(parts.groups)
    if parts.residual > TOLERANCE:
        return _mixed(basis.mixing, parts.overlap, n_groups)
    if gamma and n_groups:
        return Refusal(
            f"with weight decay modes must learn alone, but {_share(n_groups)} hidden units (largest cosine between "
            f"rows of different modes {parts.overlap:.3g}, rounding {parts.bound:.1g})",
            _USE_FLOW,
            NotApplicableError,
            "weight_decay",
        )
    solution = PartsSolution.of(parts, reduction, gamma, rounded=rounded)
    try:
        next(solution.batches(np.zeros(1)))
    except TooManyStepsError as failure:
        return Refusal(str(failure), _USE_FLOW, NotApplicableError, "weight_decay")
    groups = f", except in {_groups(n_groups)} of modes that share hidden units" if n_groups else ""
    diagnostics: dict[str, Tree] = _measured(basis.mixing, parts.overlap)
    if problem.wide is None:
        diagnostics = {"lambda_per_mode": (problem_lambda(problem, 1.0) * solution.lam).tolist(), **diagnostics}
    missed = solution.missed
    return ModalRun(
        problem,
        reduction,
        solution,
        reason=f"two layers{remark(reduction)}{remark_on_training(problem)}, each mode learns alone{groups} (inputs "
        f"mix modes to {basis.mixing:.1g}, tolerance {TOLERANCE:g}; largest cosine between rows of different modes "
        f"{parts.overlap:.1g}): closed form of each",
        lam=_shared_lambda(problem, reduction),
        diagnostics=diagnostics,
        undecided=solution.undecided(float(clock(problem, problem.times[-1:])[0])),
        warnings=tuple(saddle(int(mode), float(basis.s[mode])) for mode in missed),
    )


def _shared_lambda(problem: LearningProblem, reduction: Reduction) -> float | None:
    """Return lambda in the convention of the request; None if each mode has its own."""
    if problem.wide is not None:
        return initial_lambda(problem)
    measured = balance(*reduction.weights)
    if measured.relative_residual > TOLERANCE:
        return None
    return problem_lambda(problem, measured.lam if problem.lam is None else problem.lam)


def _deep(problem: LearningProblem, reduction: Reduction, modes: DeepModes) -> ModalRun | Refusal:
    basis = modes.basis
    if max(basis.mixing, basis.unseen) > TOLERANCE or modes.overlap > max(modes.bound, TOLERANCE):
        return _mixed(basis.mixing, modes.overlap, 0)
    solution = ChainSolution.of(modes, reduction)
    return ModalRun(
        problem,
        reduction,
        solution,
        reason=f"{len(reduction.weights)} layers{remark(reduction)}{remark_on_training(problem)}, each mode learns "
        f"alone in one unit of every layer (inputs mix modes to {basis.mixing:.1g}, layers to {modes.overlap:.1g}, "
        "relative): one quadrature for each mode",
        lam=None,
        diagnostics={
            "lambda_per_mode": (problem_lambda(problem, 1.0) * np.diff(modes.strengths**2)).tolist(),
            **_measured(basis.mixing, modes.overlap),
        },
        warnings=tuple(saddle(int(mode), float(basis.s[mode])) for mode in solution.missed),
    )


def _mixed(mixing: float, overlap: float, n_groups: int) -> Refusal:
    causes = [f"inputs mix modes of the task (relative {mixing:.3g})"] if mixing > TOLERANCE else []
    if n_groups:
        causes.append(f"{_share(n_groups)} hidden units without being balanced (largest cosine {overlap:.3g})")
    elif not causes:
        causes.append(f"layers mix modes of the task (relative {overlap:.3g})")
    return Refusal(f"modes do not learn alone: {' and '.join(causes)}", _USE_FLOW, NotApplicableError)


def _share(n_groups: int) -> str:
    return "modes share" if n_groups == 1 else f"{n_groups} groups of modes share"


def _groups(n_groups: int) -> str:
    return "a balanced group" if n_groups == 1 else f"{n_groups} balanced groups"


def _measured(mixing: float, overlap: float) -> dict[str, Tree]:
    return {"mode_mixing": mixing, "mode_overlap": overlap}
