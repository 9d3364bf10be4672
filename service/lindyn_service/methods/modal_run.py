"""Runs of solutions in the modes of the task: quantities, their errors, and times of convergence."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from lindyn.wire.tree import Tree
from lindyn_service.dynamics.layers import Layers
from lindyn_service.dynamics.modal_loss import Objective
from lindyn_service.dynamics.modal_weights import ModalWeights
from lindyn_service.dynamics.observables import excess_loss
from lindyn_service.dynamics.radau_collocation import TooManyStepsError
from lindyn_service.dynamics.reduction import Reduction
from lindyn_service.dynamics.regimes import Regime, regime
from lindyn_service.errors import NotApplicableError
from lindyn_service.methods.accumulate import Accumulator
from lindyn_service.methods.base import AnswerWarning, Convergence, LearningProblem, Outcome, Quantities
from lindyn_service.methods.crossing import first_below
from lindyn_service.methods.diagnostics import balances, of_errors, of_samples, of_task, of_wide
from lindyn_service.methods.error_estimates import DECIDED, RUNS, bounds, of_differences, some_times, squares
from lindyn_service.methods.plain_flow import clock, floors_with_decay, from_plain_flow, last_clock, reached_at

_INFINITE_TIME = 1e100  # in units of the shortest time scale
_GRAMS = ("input_representation", "output_representation")


@dataclass(frozen=True)
class ModalStates:
    """A network at some times, in the bases u and v of the modes.

    Attributes:
        layers: W_1 v, the layers between, and u^T W_L, up to rotations of the hidden units.
        error: u^T (W - W*) v without cancellation; None if the difference is as accurate.
    """

    layers: Layers
    error: np.ndarray | None


class ModalSolution(Protocol):
    """A solution of the plain flow, with times in units of the time constant."""

    @property
    def objective(self) -> Objective:
        """Loss function in the bases u and v of the modes."""
        ...

    @property
    def fastest_rate(self) -> float:
        """Estimate of the fastest rate of the dynamics, which is not much too small."""
        ...

    @property
    def rotation_error(self) -> float:
        """Relative error of the weights from integrating rotations of hidden units."""
        ...

    def batches(self, times: np.ndarray) -> Iterator[tuple[slice, ModalStates]]:
        """Evaluate at ascending times, in bounded batches."""
        ...

    def weights(self, times: np.ndarray) -> Layers:
        """Return all layers in the coordinates of the hidden units, (time, width l+1, width l)."""
        ...

    def disturbed(self, run: int) -> "ModalSolution":
        """Return a solution whose numbers are disturbed by rounding errors, or by the neglected residual if larger."""
        ...


@dataclass(frozen=True)
class ModalRun:
    """A problem that was solved in the modes of its task.

    Attributes:
        problem: the problem in the weights of the plain flow.
        reduction: the reduced problem, which was solved.
        solution: solution of the reduced problem.
        reason: reason of the answer, with what was measured.
        lam: lambda of the weights, for wide layers that of the equivalent network; None if each mode has its own.
        diagnostics: diagnostics of the solution.
        undecided: relative size at the last time of modes that grow from rounding errors.
        warnings: warnings about the solution.
    """

    problem: LearningProblem
    reduction: Reduction
    solution: ModalSolution
    reason: str
    lam: float | None
    diagnostics: Mapping[str, Tree]
    undecided: float = 0.0
    warnings: tuple[AnswerWarning, ...] = ()

    def run(self) -> Outcome:
        """Evaluate the requested quantities at all times."""
        try:
            return self._outcome()
        except TooManyStepsError as failure:
            raise NotApplicableError(
                f"{failure}; use method flow, or scale weights and data to the order of one"
            ) from None

    def _outcome(self) -> Outcome:
        problem = self.problem
        collected = self._observed(self.solution, problem.times, problem.quantities)
        if "weights" in problem.quantities:
            layers = from_plain_flow(problem).layers(self.solution.weights(clock(problem, problem.times)))
            collected.store(slice(None), "weights", self.reduction.expanded(layers))
        quantities = collected.quantities()
        errors = self._errors(quantities) if problem.estimate else {}
        return Outcome(
            method="exact",
            reason=self.reason,
            lam=self.lam,
            times=problem.times,
            quantities=quantities,
            diagnostics={
                **self.diagnostics,
                "errors": errors,
                **balances(problem),
                **of_task(self.reduction.objective(self.solution.objective)),
            },
            warnings=(
                *self.warnings,
                *(() if self.warnings else of_errors(errors)),
                *of_wide(problem),
                *of_samples(problem),
            ),
            regime=self._regime() if problem.estimate and self.undecided < DECIDED else None,
        )

    def _regime(self) -> Regime | None:
        """Determine the regime from the weights at time 0 and at the last time."""
        ((_, first),) = self.solution.batches(np.zeros(1))
        ((_, last),) = self.solution.batches(clock(self.problem, self.problem.times[-1:]))
        end = self.reduction.lifted(self._modal_weights(last, self._modal_weights(first, None)))
        return regime(from_plain_flow(self.problem).modal_weights(end, slice(-1, None)))

    def convergence(self, tolerance: float) -> Convergence:
        """Find the first time at which the excess loss is at most the tolerance, also after the last time."""

        def excess(times: np.ndarray) -> np.ndarray:
            return np.concatenate(
                [excess_loss(self._modal_weights(states, None)) for _, states in self.solution.batches(times)]
            )

        time = first_below(excess, tolerance, self.solution.fastest_rate, falls=not self.problem.weight_decay)
        return Convergence(reached_at(self.problem, time), self.warnings)

    def end(self) -> ModalWeights:
        """Return the plain flow as t -> infinity, as a batch of one time."""
        rate = self.solution.fastest_rate
        last = min(_INFINITE_TIME / rate if rate > 0 else 0.0, last_clock(self.problem))
        ((_, states),) = self.solution.batches(np.array([last]))
        return self.reduction.lifted(self._modal_weights(states, None))

    def _observed(self, solution: ModalSolution, times: np.ndarray, names: tuple[str, ...]) -> Accumulator:
        """Evaluate all quantities except the weights."""
        from_plain, plain_times = from_plain_flow(replace(self.problem, times=times)), clock(self.problem, times)
        collected = Accumulator(names, len(times))
        ((_, first),) = solution.batches(np.zeros(1))
        start = self._modal_weights(first, None)
        for part, states in solution.batches(plain_times):
            modal = self.reduction.lifted(self._modal_weights(states, start))
            collected.observe(part, from_plain.modal_weights(modal, part))
        return collected

    def _modal_weights(self, states: ModalStates, start: ModalWeights | None) -> ModalWeights:
        hidden = tuple(len(w) for w in self.reduction.weights[:-1])
        tau = self.problem.time_constant
        return ModalWeights(self.solution.objective, states.layers, hidden, tau, start, states.error)

    def _errors(self, quantities: Quantities) -> dict[str, float]:
        """Bound the relative errors by the differences from disturbed problems."""
        problem, times = self.problem, some_times(len(self.problem.times))
        # the error of the weights is that of their Gram matrices plus that of rotations of hidden units
        compared, with_weights = dict.fromkeys(problem.quantities), "weights" in problem.quantities
        if with_weights:
            compared |= dict.fromkeys(_GRAMS)
        names = tuple(name for name in compared if name != "weights")
        others: list[Quantities] = [
            self._observed(self.solution.disturbed(run), problem.times[times], names).quantities()
            for run in range(RUNS)
        ]
        size = squares(self.reduction.weights, self.solution.objective.best)
        # an alignment is 0 if the modes of the network are in another order, and then has no relative error
        floors = {"alignment": 1.0, **floors_with_decay(problem, self.reduction.moments.sigma_yx, size)}
        errors = bounds(quantities, others, times, size, floors)
        for name, rounding in of_differences(quantities, problem.moments).items():
            errors[name] = min(1.0, errors[name] + rounding)
        if with_weights:
            first, *rest = ({name: other[name] for name in _GRAMS} for other in others)
            of_grams = bounds(first, rest, np.arange(len(times)), 0.0)
            errors["weights"] = self.solution.rotation_error + max(of_grams.values())
        return {name: min(1.0, max(error, self.undecided)) for name, error in errors.items()}
