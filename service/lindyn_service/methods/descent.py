"""Method descent: full-batch gradient descent of linear and nonlinear networks."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from lindyn_service.dynamics.back_propagation import NetworkGradient
from lindyn_service.dynamics.descent import (
    DivergedError,
    NetworkDescent,
    StepRates,
    descend,
    every_step,
)
from lindyn_service.dynamics.layers import Layers
from lindyn_service.dynamics.learning_rates import ConstantSchedule
from lindyn_service.dynamics.linear_descent import LinearDescent, first_below
from lindyn_service.dynamics.modal_loss import Objective, objective
from lindyn_service.dynamics.modal_weights import modal_weights
from lindyn_service.dynamics.reduction import Reduction
from lindyn_service.dynamics.regimes import Regime, regime
from lindyn_service.dynamics.tasks import Samples
from lindyn_service.errors import DivergedDescentError, NotApplicableError
from lindyn_service.methods.accumulate import Accumulator
from lindyn_service.methods.base import AnswerWarning, Convergence, LearningProblem, Outcome, Quantities, Refusal
from lindyn_service.methods.diagnostics import balances, initial_lambda, of_samples, of_task, of_wide
from lindyn_service.methods.error_estimates import bounds, disturbed, of_least_loss, some_times, squares
from lindyn_service.methods.fewer_dimensions import layers_of, reduced, remark
from lindyn_service.methods.nonlinear_losses import nonlinear_losses
from lindyn_service.methods.plain_flow import plain, remark_on_training, training

OF_FUNCTION = ("excess_loss", "ntk", "ntk_distance", "ntk_norm", "ntk_movement", "rsm_input", "rsm_output", "sharpness")
"""Quantities that are defined for linear networks only."""

_BATCH = 256
_BATCH_NUMBERS = 2**18
_IGNORED_ROUNDING = 1e-6  # difference of a time from a step, in steps, that needs no warning


@dataclass(frozen=True)
class DescentSolver:
    """Full-batch gradient descent; time is the learning rate times the number of steps.

    Attributes:
        learning_rate: eta, in the unit of times.
        activation: activation of the hidden units.
    """

    learning_rate: float
    activation: Literal["linear", "relu", "tanh"] = "linear"

    def examine(self, problem: LearningProblem) -> "DescentRun | Refusal":
        """Accept all linear networks, and nonlinear ones with samples and quantities that are defined for them."""
        samples = problem.moments.samples
        if problem.wide is not None and self.activation != "linear":
            return Refusal(
                f"the limit of wide layers is known for linear networks, the activation is {self.activation}",
                "use activation linear, or network kind random",
                NotApplicableError,
                "method",
            )
        if self.activation == "linear":
            return DescentRun(problem, self, reduced(problem), None)
        if samples is None:
            return Refusal(
                f"a network with activation {self.activation} needs samples, the task has only second moments",
                "use a task of kind data, regression or semantic",
                NotApplicableError,
            )
        undefined = [name for name in problem.quantities if name in OF_FUNCTION]
        if undefined:
            return Refusal(
                f"{', '.join(undefined)} are defined for linear networks, the activation is {self.activation}",
                "leave them out, or use activation linear",
                NotApplicableError,
            )
        reduction = reduced(problem, linear=False)
        return DescentRun(problem, self, reduction, reduction.moments.samples)


@dataclass(frozen=True)
class _Trained:
    """Recorded weights of networks that were trained together.

    Attributes:
        initial: initial layers, (run, width l+1, width l).
        layers: layers after the recorded steps, (step, run, width l+1, width l).
        errors: W - W*, W* the best network function, (step, run, out, in); None for nonlinear networks.
        times: times of the recorded steps.
    """

    initial: Layers
    layers: Layers
    errors: np.ndarray | None
    times: np.ndarray

    def of_run(self, number: int) -> "_Trained":
        """Select one run, and drop the axis of runs."""
        errors = None if self.errors is None else self.errors[:, number]
        layers = tuple(w[:, number] for w in self.layers)
        return _Trained(tuple(w[number] for w in self.initial), layers, errors, self.times)

    def at(self, steps: np.ndarray) -> "_Trained":
        """Select recorded steps by their indices."""
        errors = None if self.errors is None else self.errors[steps]
        return _Trained(self.initial, tuple(w[steps] for w in self.layers), errors, self.times[steps])


@dataclass(frozen=True)
class DescentRun:
    """A learning problem that is solved by gradient descent.

    Attributes:
        problem: the given problem.
        method: learning rate and activation.
        reduction: reduced problem, which is trained.
        samples: training data of a nonlinear network, in the coordinates of the reduced problem; None for a linear
            network, which is trained on moments.
    """

    problem: LearningProblem
    method: DescentSolver
    reduction: Reduction
    samples: Samples | None

    def run(self) -> Outcome:
        """Train, and evaluate the requested quantities at the steps that are nearest to the times."""
        problem, eta = self.problem, self.method.learning_rate
        steps = self.steps()
        task_objective, plain_problem = objective(self.reduction.moments), plain(problem)
        try:
            trained = self._trained(steps.tolist())
        except DivergedError as error:
            raise self._diverged(error) from None
        quantities = self._quantities(task_objective, trained.of_run(0))
        errors = self._errors(task_objective, quantities, trained) if problem.estimate else {}
        return Outcome(
            method="descent",
            reason=f"{int(steps[-1])} steps of full-batch gradient descent, learning rate {eta:g}, "
            f"{layers_of(problem)}{remark(self.reduction)}, {self.method.activation}"
            f"{remark_on_training(problem)}",
            lam=initial_lambda(plain_problem),
            times=steps * eta,
            quantities=quantities,
            diagnostics={
                "learning_rate": eta,
                "activation": self.method.activation,
                "steps": int(steps[-1]),
                "errors": errors,
                **balances(plain_problem),
                **of_task(self.reduction.objective(task_objective)),
            },
            warnings=tuple(self._warnings(steps)),
            regime=self._regime(task_objective, trained.of_run(0)) if problem.estimate else None,
        )

    def convergence(self, tolerance: float) -> Convergence:
        """Find the first step, up to the last requested one, whose excess loss is at most the tolerance."""
        last = int(self.steps()[-1])
        try:
            number = first_below(self._linear(self.reduction.weights, self.reduction.moments.sigma_yx), tolerance, last)
        except DivergedError as error:
            raise self._diverged(error) from None
        return Convergence(None if number is None else number * self.method.learning_rate, ())

    def every_step(self) -> Iterator[tuple[slice, Layers]]:
        """Layers of the network after every step, up to the last one asked for, in bounded batches."""
        weights, moments = self.reduction.weights, self.reduction.moments
        moving: LinearDescent | NetworkDescent
        if self.samples is None:
            moving = self._linear(weights, moments.sigma_yx)
        else:
            gradient = NetworkGradient(self.samples.inputs, self.samples.targets, self._activation)
            step = self.method.learning_rate / self.problem.time_constant
            moving = NetworkDescent(weights, gradient, step, self._rates())
        try:
            for part, layers in every_step(moving, int(self.steps()[-1]), _BATCH_NUMBERS):
                yield part, self.reduction.expanded(layers)
        except DivergedError as error:
            raise self._diverged(error) from None

    def steps(self) -> np.ndarray:
        """Numbers of the steps that are nearest to the times."""
        return np.rint(self.problem.times / self.method.learning_rate).astype(np.int64)

    def _linear(self, weights: Layers, sigma_yx: np.ndarray) -> LinearDescent:
        return LinearDescent(
            weights,
            sigma_yx,
            self.reduction.moments.sigma_xx,
            self.method.learning_rate / self.problem.time_constant,
            self._rates(),
        )

    def _rates(self) -> StepRates | None:
        """Return the rates of layers and steps; None if all are equal and there is no weight decay."""
        rates, decay = self.problem.rates, self.problem.weight_decay
        if rates is None and not decay:
            return None
        layers = (1.0,) * len(self.problem.weights) if rates is None else rates.layers
        schedule = ConstantSchedule() if rates is None else rates.schedule
        return StepRates(layers, schedule, self.method.learning_rate, decay)

    def _trained(self, steps: list[int]) -> _Trained:
        """Train the given network, and if errors are estimated, a disturbed one beside it."""
        weights, sigma_yx = self._runs()
        times = np.array(steps) * self.method.learning_rate
        if self.samples is None:
            recorded = self._linear(weights, sigma_yx).record(steps)
            return _Trained(weights, recorded.layers, recorded.errors, times)
        gradient = NetworkGradient(self.samples.inputs, self.samples.targets, self._activation)
        step = self.method.learning_rate / self.problem.time_constant
        return _Trained(weights, descend(weights, gradient, step, steps, self._rates()), None, times)

    def _runs(self) -> tuple[Layers, np.ndarray]:
        """Stack the initial weights and the correlations of all runs."""
        given = (*self.reduction.weights, self.reduction.moments.sigma_yx)
        runs = [given, disturbed(given, 0.0, 0)] if self.problem.estimate else [given]
        *weights, sigma_yx = (np.stack(arrays) for arrays in zip(*runs, strict=True))
        return tuple(weights), sigma_yx

    def _errors(self, task_objective: Objective, quantities: Quantities, trained: _Trained) -> dict[str, float]:
        """Bound the relative errors by the difference from the disturbed run."""
        times = some_times(len(self.problem.times))
        other = self._quantities(task_objective, trained.of_run(1).at(times))
        errors = bounds(quantities, [other], times, squares(self.reduction.weights, task_objective.best))
        added = of_least_loss(quantities, self.problem.moments)
        return errors | {name: min(1.0, errors[name] + error) for name, error in added.items()}

    def _regime(self, task_objective: Objective, trained: _Trained) -> Regime | None:
        """Determine the regime of a linear network from the weights at time 0 and after the last step."""
        if self.samples is not None:
            return None
        tau, last = self.problem.time_constant, trained.at(np.array([-1]))
        start = modal_weights(task_objective, tuple(w[None] for w in trained.initial), tau)
        modal = modal_weights(task_objective, last.layers, tau, start)
        if last.errors is not None:
            modal = replace(modal, error=task_objective.u.T @ last.errors @ task_objective.v)
        return regime(self.reduction.lifted(modal))

    @property
    def _activation(self) -> Literal["relu", "tanh"]:
        return "relu" if self.method.activation == "relu" else "tanh"

    def _diverged(self, error: DivergedError) -> DivergedDescentError:
        eta = self.method.learning_rate
        return DivergedDescentError(
            f"training diverged by step {error.step_number} (time {error.step_number * eta:.6g}): a learning rate "
            f"of {eta:g} at time constant {self.problem.time_constant:g} is too large for these weights and data; "
            "divide method.learning_rate by 2 until it trains, or scale weights and data down"
        )

    def _quantities(self, task_objective: Objective, trained: _Trained) -> Quantities:
        tau, layers, n_times = self.problem.time_constant, trained.layers, len(trained.layers[0])
        learning = training(self.problem, trained.times)
        start = modal_weights(task_objective, tuple(w[None] for w in trained.initial), tau)
        collected = Accumulator(self.problem.quantities, n_times)
        for first in range(0, n_times, _BATCH):
            part = slice(first, min(first + _BATCH, n_times))
            batch = tuple(w[part] for w in layers)
            modal = modal_weights(task_objective, batch, tau, start)
            if trained.errors is not None:
                modal = replace(modal, error=task_objective.u.T @ trained.errors[part] @ task_objective.v)
            if learning is not None:
                modal = replace(modal, training=replace(learning, factors=learning.factors[part]))
            nonlinear: dict[str, np.ndarray] = {}
            if self.samples is not None:
                nonlinear = nonlinear_losses(batch, self.samples, self._activation, modal.training, tau)
            collected.observe(part, self.reduction.lifted(modal), skip=nonlinear)
            for name, values in nonlinear.items():
                collected.store(part, name, values)
        if "weights" in self.problem.quantities:
            collected.store(slice(None), "weights", self.reduction.expanded(layers))
        return collected.quantities()

    def _warnings(self, steps: np.ndarray) -> Iterator[AnswerWarning]:
        off = float(np.max(np.abs(self.problem.times / self.method.learning_rate - steps)))
        if off > _IGNORED_ROUNDING:
            yield AnswerWarning(
                "rounded-times",
                f"some times are up to {off:.2g} steps away from a multiple of the learning rate "
                f"{self.method.learning_rate:g}; the quantities are those at the nearest steps, whose times are "
                "returned",
            )
        if self.samples is not None:
            yield AnswerWarning(
                "nonlinear",
                "quantities other than the losses are those of the product of the layers, which is not the function "
                "of a nonlinear network",
            )
        yield from of_wide(self.problem)
        yield from of_samples(self.problem)
