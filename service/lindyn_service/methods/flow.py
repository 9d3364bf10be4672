"""Method flow: adaptive integration of the gradient flow, for any weights, depth and inputs."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from lindyn_service.dynamics.flow import Flow, FlowError
from lindyn_service.dynamics.flow_checks import balance_drift, distance
from lindyn_service.dynamics.flow_steps import Networks
from lindyn_service.dynamics.learning_rates import ConstantSchedule
from lindyn_service.dynamics.modal_loss import Objective, objective
from lindyn_service.dynamics.modal_weights import ModalWeights, modal_weights
from lindyn_service.dynamics.observables import excess_loss
from lindyn_service.dynamics.reduction import Reduction
from lindyn_service.dynamics.regimes import Regime, regime
from lindyn_service.dynamics.tasks import fitted
from lindyn_service.errors import NotApplicableError
from lindyn_service.methods.accumulate import Accumulator
from lindyn_service.methods.base import AnswerWarning, Convergence, LearningProblem, Outcome, Refusal
from lindyn_service.methods.diagnostics import balances, initial_lambda, of_samples, of_task, of_wide
from lindyn_service.methods.error_estimates import bounds, of_differences, squares
from lindyn_service.methods.fewer_dimensions import layers_of, reduced, remark
from lindyn_service.methods.plain_flow import (
    clock,
    floors_with_decay,
    from_plain_flow,
    plain,
    plain_decay,
    reached_at,
    remark_on_training,
    time_at,
)

DEFAULT_RTOL = 1e-13

_SMALLEST = 1e-140
_MARGIN = 1e4  # ratio of the accepted error of an answer to the tolerance of a step
_CHECK = 30.0  # ratio of the tolerances of the second and the first integration
_STIFF = 1e4  # ratio of the variances of the inputs above which a failure is attributed to these
_SAFETY = 10.0  # ratio of the error estimate to the distance of both integrations, whose errors may be nearly equal


@dataclass(frozen=True)
class FlowSolver:
    """Integration of the gradient flow (`dynamics.flow`).

    Attributes:
        rtol: relative tolerance of a step.
        atol: absolute tolerance of a step, in units of the weights; None for rtol times the largest initial weight.
        step: learning rate of the gradient descent that is followed to second order; None for the flow itself.
    """

    rtol: float = DEFAULT_RTOL
    atol: float | None = None
    step: float | None = None

    def examine(self, problem: LearningProblem) -> "FlowRun | Refusal":
        """Accept problems whose numbers can be squared in float64; with a step, those without a schedule."""
        refusal = None if self.step is None else _of_step(problem)
        if refusal is not None:
            return refusal
        problem = plain(problem)
        reduction = reduced(problem)
        found = objective(reduction.moments)
        with np.errstate(over="ignore", invalid="ignore"):
            rate = np.prod([float(np.linalg.norm(w)) for w in reduction.weights]) ** 2
            rate *= float(np.sum(reduction.moments.sigma_yx**2))
            finite = np.isfinite(rate) and np.all(np.isfinite(found.best))
        if not finite:
            return Refusal(
                "the product of the layers or the best weights overflow float64 when they are squared",
                "scale the weights or the targets down, or the inputs up",
                NotApplicableError,
            )
        largest = max(float(np.max(np.abs(w))) for w in problem.weights)
        if 0 < largest < _SMALLEST:
            return Refusal(
                f"the largest weight is {largest:.3g}, whose errors vanish in float64 when they are squared (limit "
                f"{_SMALLEST:g})",
                "scale it up",
                NotApplicableError,
            )
        atol = self.atol if self.atol is not None else self.rtol * (largest or 1.0)
        return FlowRun(problem, reduction, found, self.rtol, atol, self.step)


def _of_step(problem: LearningProblem) -> Refusal | None:
    """What is not known of the flow that descent follows to second order."""
    if problem.rates is not None and problem.rates.schedule != ConstantSchedule():
        finding, remedy = "the flow that descent follows is known for rates without a schedule", "leave schedule"
    elif "loss_rate" in problem.quantities:
        finding, remedy = "loss_rate is known along the flow of the loss alone, without a step", "leave loss_rate"
    else:
        return None
    return Refusal(finding, f"{remedy} or method.step out, or use method descent", NotApplicableError, "method")


@dataclass(frozen=True)
class FlowRun:
    """A problem that is integrated twice; the distance from a looser integration estimates the error.

    Attributes:
        problem: the problem in the weights of the plain flow.
        reduction: the reduced problem, which is integrated.
        objective: loss function of the reduced problem, in its singular bases.
        rtol: relative tolerance of a step.
        atol: absolute tolerance of a step, in units of the weights.
        step: learning rate of the gradient descent that is followed to second order; None for the flow itself.
    """

    problem: LearningProblem
    reduction: Reduction
    objective: Objective
    rtol: float
    atol: float
    step: float | None = None

    def run(self) -> Outcome:
        """Integrate, and evaluate the requested quantities."""
        problem = self.problem
        found = self._integrated()
        quantities = found.fine.quantities()
        errors: dict[str, float] = {}
        if problem.estimate:
            size = squares(self.reduction.weights, self.objective.best)
            floors = floors_with_decay(problem, self.reduction.moments.sigma_yx, size)
            errors = bounds(quantities, [found.rough.quantities()], np.arange(len(problem.times)), size, floors)
            for name, rounding in of_differences(quantities, problem.moments).items():
                errors[name] = min(1.0, errors[name] + rounding)
        return Outcome(
            method="flow",
            reason=f"gradient flow{self._followed()} of {layers_of(problem)}{remark(self.reduction)}"
            f"{remark_on_training(problem)} by Taylor series, "
            f"rtol {self.rtol:.1g}, atol {self.atol:.1g}; error at most about {found.error:.1g} (relative), by "
            "thirty times looser integration",
            lam=initial_lambda(problem),
            times=problem.times,
            quantities=quantities,
            diagnostics={
                "rtol": self.rtol,
                "atol": self.atol,
                "tolerance": _MARGIN * self.rtol,
                "error_estimate": found.error,
                "balance_drift": found.drift,
                "evaluations": found.evaluations,
                "errors": errors,
                **balances(problem),
                **of_task(self.reduction.objective(self.objective)),
            },
            warnings=tuple(self._warnings(found.error)),
            regime=found.regime,
        )

    def _integrated(self) -> "_Integrated":
        """Integrate twice, and evaluate the quantities of both integrations if errors are estimated."""
        problem, n_times = self.problem, len(self.problem.times)
        times, from_plain, decay = clock(problem, problem.times), from_plain_flow(problem), set(plain_decay(problem))
        flows, error, drift = (self._flow(1.0), self._flow(_CHECK)), 0.0, 0.0
        collected = [Accumulator(problem.quantities, n_times) for _ in flows]
        start = modal_weights(self.objective, tuple(w[None] for w in self.reduction.weights), problem.time_constant)
        told: Regime | None = None

        def observed(networks: Networks, times: slice) -> ModalWeights:
            return from_plain.modal_weights(self.reduction.lifted(self._modal_weights(networks, start)), times)

        try:
            for both in zip(*(flow.batches(times) for flow in flows), strict=True):
                (part, fine), (_, rough) = both
                error = max(error, _SAFETY * distance(from_plain.layers(fine.layers), from_plain.layers(rough.layers)))
                if len(decay) < 2:  # else balance is not conserved, not even up to a factor
                    left = np.exp(-2 * sum(decay) * times[part]) if decay else None
                    drift = max(drift, balance_drift(fine.layers, self.reduction.weights, left))
                for kept, (_, found) in list(zip(collected, both, strict=True))[: 2 if problem.estimate else 1]:
                    kept.observe(part, observed(found, part))
                    if "weights" in problem.quantities:
                        kept.store(part, "weights", self.reduction.expanded(from_plain.layers(found.layers)))
                if problem.estimate and part.stop == n_times:
                    last = Networks(tuple(w[-1:] for w in fine.layers), fine.residual[-1:])
                    told = regime(observed(last, slice(-1, None)))
        except FlowError as failure:
            raise self._stopped(failure) from None
        evaluations = sum(flow.evaluations for flow in flows)
        return _Integrated(collected[0], collected[1], error, drift, evaluations, told)

    def convergence(self, tolerance: float) -> Convergence:
        """Find the first time, up to the last one, at which the excess loss is at most the tolerance."""
        end = float(clock(self.problem, self.problem.times[-1:])[0])
        try:
            (time, excess), (check, rough) = (
                self._flow(looser).until(self._excess, tolerance, end) for looser in (1.0, _CHECK)
            )
        except FlowError as failure:
            raise self._stopped(failure) from None
        found = reached_at(self.problem, time)
        if time is not None and check is not None:
            off = _SAFETY * abs(time - check)
            sure = off <= _MARGIN * self.rtol * time
            off = abs(time_at(self.problem, time + off) - time_at(self.problem, time))
            detail = f"the time at which the excess loss comes to {tolerance:g} may be {off:.3g} off"
        else:
            off = _SAFETY * abs(math.sqrt(excess) - math.sqrt(rough))  # of the root, like the weights
            sure = time is None and math.sqrt(excess) - off > math.sqrt(tolerance)
            detail = f"whether the excess loss comes to {tolerance:g} by the last time is not sure"
        warned = AnswerWarning("tolerance-not-met", f"{detail}, by thirty times looser integration")
        return Convergence(found, () if sure else (warned,))

    def _excess(self, network: Networks) -> float:
        with np.errstate(over="ignore"):
            return float(excess_loss(self._modal_weights(network, None))[0])

    def _modal_weights(self, networks: Networks, start: ModalWeights | None) -> ModalWeights:
        modal = modal_weights(self.objective, networks.layers, self.problem.time_constant, start)
        return replace(modal, error=self.objective.error_of(networks.residual))

    def _stopped(self, failure: FlowError) -> NotApplicableError:
        problem = self.problem
        return NotApplicableError(
            f"the integration came to time {time_at(problem, failure.time):.6g} of {problem.times[-1]:.6g} "
            f"({failure}); {self._remedy()}"
        )

    def _flow(self, looser: float) -> Flow:
        moments, rates = self.reduction.moments, self.problem.rates
        roots = (1.0,) if rates is None else from_plain_flow(self.problem).roots
        of_task = self.reduction.weights, moments.sigma_yx, moments.sigma_xx
        atol, decay = tuple(looser * self.atol / root for root in roots), plain_decay(self.problem)
        # without a schedule, the clock is even
        step = 0.0 if self.step is None else float(clock(self.problem, np.array([self.step]))[0])
        return Flow(*of_task, rtol=looser * self.rtol, atol=atol, weight_decay=decay, descent_step=step)

    def _followed(self) -> str:
        return (
            "" if self.step is None else f" of L + (eta/4)|grad L|^2, which descent with eta = {self.step:g} follows,"
        )

    def _remedy(self) -> str:
        """Return advice for a failed integration."""
        variances = fitted(self.reduction.moments).variances
        if np.any(variances[:1] > _STIFF * variances[-1:]):
            return (
                f"the inputs have variances from {variances[-1]:.3g} to {variances[0]:.3g}, and steps as short as the "
                "largest ask for take too many to where the smallest are learned: scale the inputs to like sizes, "
                "whiten them (task.whiten = true), or ask for less time"
            )
        return "loosen rtol and atol, scale weights and data to the order of one, or ask for less time"

    def _warnings(self, error: float) -> Iterator[AnswerWarning]:
        if error > _MARGIN * self.rtol:
            yield AnswerWarning(
                "tolerance-not-met",
                f"the error may be {error:.3g} (relative), by thirty times looser integration; the tolerance is "
                f"{_MARGIN * self.rtol:g}: small differences of the weights grow in this run, as near a saddle",
            )
        yield from of_wide(self.problem)
        yield from of_samples(self.problem)


@dataclass(frozen=True)
class _Integrated:
    """Quantities of both integrations, and their measured errors."""

    fine: Accumulator
    rough: Accumulator
    error: float
    drift: float
    evaluations: int
    regime: Regime | None
