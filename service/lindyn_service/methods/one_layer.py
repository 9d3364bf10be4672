"""Closed form of networks of one layer, for inputs of any covariance."""

from dataclasses import dataclass, replace

import numpy as np

from lindyn_service.dynamics.observables import function
from lindyn_service.dynamics.one_layer import OneLayer, one_layer
from lindyn_service.dynamics.reduction import Reduction
from lindyn_service.dynamics.regimes import regime
from lindyn_service.methods.accumulate import Accumulator
from lindyn_service.methods.base import Convergence, LearningProblem, Outcome, Quantities
from lindyn_service.methods.crossing import first_below
from lindyn_service.methods.diagnostics import of_errors, of_samples, of_task
from lindyn_service.methods.error_estimates import RUNS, bounds, disturbed, of_least_loss, some_times, squares
from lindyn_service.methods.fewer_dimensions import remark
from lindyn_service.methods.plain_flow import clock, floors_with_decay, from_plain_flow, reached_at, remark_on_training

_BATCH_NUMBERS = 2**18


@dataclass(frozen=True)
class OneLayerRun:
    """A learning problem of a network of one layer.

    Attributes:
        problem: the given problem.
        reduction: the reduced problem, which is solved.
    """

    problem: LearningProblem
    reduction: Reduction

    def solution(self) -> OneLayer:
        """Solve the reduced problem; times of the solution are those of `clock`."""
        return one_layer(self.reduction.weights[0], self.reduction.moments, self.problem.weight_decay)

    def run(self) -> Outcome:
        """Solve once, and evaluate the requested quantities at all times."""
        solution, problem = self.solution(), self.problem
        quantities = self._quantities(solution)
        errors = self._errors(solution, quantities) if problem.estimate else {}
        last = self.reduction.lifted(solution.modal_weights(clock(problem, problem.times[-1:]), problem.time_constant))
        return Outcome(
            method="exact",
            reason=f"one layer{remark(self.reduction)}{remark_on_training(problem)}: along each principal direction of "
            "the inputs, the distance from the limit decays at the rate of their variance"
            + (" plus gamma" if problem.weight_decay else ""),
            lam=None,
            times=problem.times,
            quantities=quantities,
            diagnostics={**of_task(self.reduction.objective(solution.objective)), "errors": errors},
            warnings=(*of_errors(errors), *of_samples(problem)),
            regime=regime(last) if problem.estimate else None,
        )

    def convergence(self, tolerance: float) -> Convergence:
        """Find the first time at which the excess loss is at most the tolerance, also after the last time."""
        solution, decay = self.solution(), self.problem.weight_decay
        if decay:
            fastest = float(np.max(solution.variances, initial=0.0)) + decay
            time = first_below(solution.excess_loss, tolerance, fastest, falls=False)
        else:
            time = solution.convergence_time(tolerance)
        return Convergence(reached_at(self.problem, time), ())

    def _quantities(self, solution: OneLayer) -> Quantities:
        tau, from_plain = self.problem.time_constant, from_plain_flow(self.problem)
        times = clock(self.problem, self.problem.times)
        collected = Accumulator(self.problem.quantities, len(times))
        size = max(1, _BATCH_NUMBERS // self.reduction.weights[0].size)
        for first in range(0, len(times), size):
            part = slice(first, min(first + size, len(times)))
            modal = solution.modal_weights(times[part], tau)
            collected.observe(part, from_plain.modal_weights(self.reduction.lifted(modal), part))
            if "weights" in self.problem.quantities:
                layer = function(modal.strengths, modal.objective)
                collected.store(part, "weights", self.reduction.expanded((layer,)))
        return collected.quantities()

    def _errors(self, solution: OneLayer, quantities: Quantities) -> dict[str, float]:
        """Bound the relative errors by the differences from disturbed problems."""
        times, others = some_times(len(self.problem.times)), list[Quantities]()
        for run in range(RUNS):
            (weights,) = disturbed(self.reduction.weights, 0.0, run)
            other = replace(
                self,
                problem=replace(self.problem, times=self.problem.times[times]),
                reduction=replace(self.reduction, weights=(weights,)),
            )
            others.append(other._quantities(other.solution()))
        size = squares(self.reduction.weights, solution.objective.best)
        floors = floors_with_decay(self.problem, self.reduction.moments.sigma_yx, size)
        errors = bounds(quantities, others, times, size, floors)
        added = of_least_loss(quantities, self.problem.moments)
        return errors | {name: min(1.0, errors[name] + error) for name, error in added.items()}
