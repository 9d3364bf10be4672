"""Runs of solutions that are known in the modes of the task: quantities, their errors, and when a loss is reached."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from lindyn_service.dynamics.decayed_path import DecayedPathError
from lindyn_service.dynamics.flow import Layers
from lindyn_service.dynamics.modal_loss import Objective
from lindyn_service.dynamics.modal_weights import ModalWeights
from lindyn_service.dynamics.observables import excess_loss
from lindyn_service.dynamics.reduction import Reduction
from lindyn_service.dynamics.regimes import Regime, regime
from lindyn_service.errors import NotApplicableError
from lindyn_service.methods.accumulate import Accumulator
from lindyn_service.methods.base import LearningProblem, Outcome, Reached, Warned
from lindyn_service.methods.crossing import first_below
from lindyn_service.methods.diagnostics import balances, of_errors, of_samples, of_task, of_wide
from lindyn_service.methods.error_estimates import DECIDED, RUNS, bounds, of_differences, some_times, squares
from lindyn_service.methods.plain_flow import as_asked, clock, floors_with_decay, last_clock, reached_at

_FOREVER = 1e100
_GRAMS = ("input_representation", "output_representation")


@dataclass(frozen=True)
class ModalStates:
    """A network at some times.

    Attributes:
        layers: W_1 v, the layers between, and u^T W_L, up to rotations of the hidden units.
        error: u^T (W - W*) v, small ones with their digits; None where the difference is as good.
    """

    layers: Layers
    error: np.ndarray | None


class ModalSolution(Protocol):
    """A solution of the plain flow, in units of the time constant."""

    @property
    def objective(self) -> Objective:
        """What is learned, with the bases u and v."""
        ...

    @property
    def fastest_rate(self) -> float:
        """A rate that nothing exceeds by much."""
        ...

    @property
    def rotation_error(self) -> float:
        """Relative error of the weights by rotations of hidden units that are integrated."""
        ...

    def batches(self, times: np.ndarray) -> Iterator[tuple[slice, ModalStates]]:
        """Evaluate at ascending times, in bounded batches."""
        ...

    def weights(self, times: np.ndarray) -> Layers:
        """All layers with the hidden units of the initial weights."""
        ...

    def disturbed(self, run: int) -> "ModalSolution":
        """The solution with all numbers disturbed by rounding errors, or by what was neglected."""
        ...


@dataclass(frozen=True)
class ModalRun:
    """A problem that was solved in the modes of its task.

    Attributes:
        problem: with the weights of the plain flow.
        small: the problem that was solved.
        solution: of that.
        reason: what was measured.
        lam: balance of the weights, of wide layers that of the equivalent network; None where modes have their own.
        diagnostics: of the solution.
        undecided: relative size of what would have grown from rounding errors by the last time.
        warnings: of the solution.
    """

    problem: LearningProblem
    small: Reduction
    solution: ModalSolution
    reason: str
    lam: float | None
    diagnostics: Mapping[str, Any]
    undecided: float = 0.0
    warnings: tuple[Warned, ...] = ()

    def run(self) -> Outcome:
        """Evaluate at all times, read off what is asked."""
        try:
            return self._outcome()
        except DecayedPathError as failure:
            raise NotApplicableError(
                f"{failure}; use method flow, or scale weights and data to the order of one"
            ) from None

    def _outcome(self) -> Outcome:
        problem = self.problem
        collected = self._observed(self.solution, problem.times, problem.quantities)
        if "weights" in problem.quantities:
            layers = as_asked(problem).layers(self.solution.weights(clock(problem, problem.times)))
            collected.store(slice(None), "weights", self.small.expanded(layers))
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
                **of_task(self.small.objective(self.solution.objective)),
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
        """The regime from the weights at time 0 and at the last time."""
        ((_, first),) = self.solution.batches(np.zeros(1))
        ((_, last),) = self.solution.batches(clock(self.problem, self.problem.times[-1:]))
        found = self.small.lifted(self._frame(last, self._frame(first, None)))
        return regime(as_asked(self.problem).frame(found, slice(-1, None)))

    def reaching(self, tolerance: float) -> Reached:
        """When the excess loss has first fallen to the tolerance, also after the last time."""

        def excess(times: np.ndarray) -> np.ndarray:
            return np.concatenate(
                [excess_loss(self._frame(states, None)) for _, states in self.solution.batches(times)]
            )

        time = first_below(excess, tolerance, self.solution.fastest_rate, falls=not self.problem.weight_decay)
        return Reached(reached_at(self.problem, time), self.warnings)

    def end(self) -> ModalWeights:
        """The plain flow at t -> infinity, one time: nothing moves after 1e100 times of the fastest motion."""
        rate = self.solution.fastest_rate
        last = min(_FOREVER / rate if rate > 0 else 0.0, last_clock(self.problem))
        ((_, states),) = self.solution.batches(np.array([last]))
        return self.small.lifted(self._frame(states, None))

    def _observed(self, solution: ModalSolution, times: np.ndarray, names: tuple[str, ...]) -> Accumulator:
        """Quantities but the weights themselves."""
        asked, plain_times = as_asked(replace(self.problem, times=times)), clock(self.problem, times)
        collected = Accumulator(names, len(times))
        ((_, first),) = solution.batches(np.zeros(1))
        start = self._frame(first, None)
        for part, states in solution.batches(plain_times):
            frame = self.small.lifted(self._frame(states, start))
            collected.observe(part, asked.frame(frame, part))
        return collected

    def _frame(self, states: ModalStates, start: ModalWeights | None) -> ModalWeights:
        hidden = tuple(len(w) for w in self.small.weights[:-1])
        tau = self.problem.time_constant
        return ModalWeights(self.solution.objective, states.layers, hidden, tau, start, states.error)

    def _errors(self, quantities: Mapping[str, Any]) -> dict[str, float]:
        """Bounds of the relative errors, from the same problem with other rounding errors and residuals."""
        problem, times = self.problem, some_times(len(self.problem.times))
        # weights are as exact as their Gram matrices, but for rotations of hidden units
        asked, with_weights = dict.fromkeys(problem.quantities), "weights" in problem.quantities
        if with_weights:
            asked |= dict.fromkeys(_GRAMS)
        names = tuple(name for name in asked if name != "weights")
        others: list[Mapping[str, Any]] = [
            self._observed(self.solution.disturbed(run), problem.times[times], names).quantities()
            for run in range(RUNS)
        ]
        size = squares(self.small.weights, self.solution.objective.best)
        # an alignment is 0 where the modes of the network are in another order
        floors = {"alignment": 1.0, **floors_with_decay(problem, self.small.moments.sigma_yx, size)}
        found = bounds(quantities, others, times, size, floors)
        for name, rounding in of_differences(quantities).items():
            found[name] = min(1.0, found[name] + rounding)
        if with_weights:
            first, *rest = ({name: other[name] for name in _GRAMS} for other in others)
            of_grams = bounds(first, rest, np.arange(len(times)), 0.0)
            found["weights"] = self.solution.rotation_error + max(of_grams.values())
        return {name: min(1.0, max(error, self.undecided)) for name, error in found.items()}
