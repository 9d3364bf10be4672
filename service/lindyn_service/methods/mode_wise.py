"""Networks whose modes learn alone, or in balanced groups, and balanced ones that decay: closed forms mode by mode."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lindyn_service.dynamics.balance import balance
from lindyn_service.dynamics.decoupled_deep import DeepModes, deep_modes
from lindyn_service.dynamics.decoupling import Decoupling, decoupling
from lindyn_service.dynamics.radau_collocation import TooManyStepsError
from lindyn_service.dynamics.reduction import Reduction
from lindyn_service.errors import NotApplicableError
from lindyn_service.methods.base import LearningProblem, Refusal
from lindyn_service.methods.conditioning import saddle
from lindyn_service.methods.diagnostics import initial_lambda
from lindyn_service.methods.exact import TOLERANCE
from lindyn_service.methods.fewer_dimensions import reduced, remark
from lindyn_service.methods.modal_run import ModalRun
from lindyn_service.methods.modal_solutions import ChainSolution, PartsSolution
from lindyn_service.methods.number_range import beyond_products
from lindyn_service.methods.plain_flow import balance_as_asked, clock, plain, plain_decay, remark_on_training

_USE_FLOW = "use method flow"


@dataclass(frozen=True)
class ModeWiseSolver:
    """Adapter of `dynamics.decoupled` and `dynamics.decoupled_deep`."""

    def examine(self, problem: LearningProblem) -> ModalRun | Refusal:
        """Measure whether modes of the plain flow learn alone."""
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
        beyond = beyond_products(problem.weights, problem.moments)
        if beyond is not None:
            return beyond
        small = reduced(problem)
        moments = small.moments
        if len(small.weights) != 2:
            return _deep(problem, small, deep_modes(small.weights, moments.sigma_yx, moments.sigma_xx))
        w1, w2 = small.weights
        rounded = _is_rounded(problem, small)
        parts = decoupling(w1, w2, moments.sigma_yx, moments.sigma_xx, rounded=rounded)
        return _of_two_layers(problem, small, parts, decay[0] if decay else 0.0, rounded=rounded)


def _is_rounded(problem: LearningProblem, small: Reduction) -> bool:
    """Whether the weights are not the numbers of the request, but drawn, or computed from these."""
    return problem.drawn or small.is_smaller or (problem.rates is not None and not problem.rates.are_equal)


def _of_two_layers(
    problem: LearningProblem, small: Reduction, parts: Decoupling, gamma: float, *, rounded: bool
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
    solution = PartsSolution.of(parts, small, gamma, rounded=rounded)
    try:
        next(solution.batches(np.zeros(1)))
    except TooManyStepsError as failure:
        return Refusal(str(failure), _USE_FLOW, NotApplicableError, "weight_decay")
    groups = f", but for {n_groups} balanced groups of modes that share hidden units" if n_groups else ""
    diagnostics: dict[str, Any] = _measured(basis.mixing, parts.overlap)
    if problem.wide is None:
        diagnostics = {"lambda_per_mode": (balance_as_asked(problem, 1.0) * solution.lam).tolist(), **diagnostics}
    missed = solution.missed
    return ModalRun(
        problem,
        small,
        solution,
        reason=f"two layers{remark(small)}{remark_on_training(problem)}, each mode learns alone{groups} (inputs mix "
        f"modes to {basis.mixing:.1g}, tolerance {TOLERANCE:g}; largest cosine between rows of different modes "
        f"{parts.overlap:.1g}): closed form of each",
        lam=_shared_lambda(problem, small),
        diagnostics=diagnostics,
        undecided=solution.undecided(float(clock(problem, problem.times[-1:])[0])),
        warnings=tuple(saddle(int(mode), float(basis.s[mode])) for mode in missed),
    )


def _shared_lambda(problem: LearningProblem, small: Reduction) -> float | None:
    """Balance of all modes, as asked; None where they have their own."""
    if problem.wide is not None:
        return initial_lambda(problem)
    measured = balance(*small.weights)
    if measured.relative_residual > TOLERANCE:
        return None
    return balance_as_asked(problem, measured.lam if problem.lam is None else problem.lam)


def _deep(problem: LearningProblem, small: Reduction, modes: DeepModes) -> ModalRun | Refusal:
    basis = modes.basis
    if max(basis.mixing, basis.unseen) > TOLERANCE or modes.overlap > max(modes.bound, TOLERANCE):
        return _mixed(basis.mixing, modes.overlap, 0)
    solution = ChainSolution.of(modes, small)
    return ModalRun(
        problem,
        small,
        solution,
        reason=f"{len(small.weights)} layers{remark(small)}{remark_on_training(problem)}, each mode learns alone in "
        f"one unit of every layer (inputs mix modes to {basis.mixing:.1g}, layers to {modes.overlap:.1g}, relative): "
        "one quadrature a mode",
        lam=None,
        diagnostics={
            "lambda_per_mode": (balance_as_asked(problem, 1.0) * np.diff(modes.strengths**2)).tolist(),
            **_measured(basis.mixing, modes.overlap),
        },
        warnings=tuple(saddle(int(mode), float(basis.s[mode])) for mode in solution.missed),
    )


def _mixed(mixing: float, overlap: float, n_groups: int) -> Refusal:
    found = [f"inputs mix modes of the task (relative {mixing:.3g})"] if mixing > TOLERANCE else []
    if n_groups:
        found.append(f"{_share(n_groups)} hidden units without being balanced (largest cosine {overlap:.3g})")
    elif not found:
        found.append(f"layers mix modes of the task (relative {overlap:.3g})")
    return Refusal(f"modes do not learn alone: {' and '.join(found)}", _USE_FLOW, NotApplicableError)


def _share(n_groups: int) -> str:
    return "modes share" if n_groups == 1 else f"{n_groups} groups of modes share"


def _measured(mixing: float, overlap: float) -> dict[str, Any]:
    return {"mode_mixing": mixing, "mode_overlap": overlap}
