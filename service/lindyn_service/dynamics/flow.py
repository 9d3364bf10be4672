"""Gradient flow of linear networks with any weights, inputs and depth, by an adaptive method of high order."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.integrate import DOP853
from scipy.optimize import brentq

from lindyn_service.dynamics.corrected_flow import CorrectedEquations
from lindyn_service.dynamics.flow_equations import FlowEquations, Networks
from lindyn_service.dynamics.layers import Layers
from lindyn_service.dynamics.settled import Settled

_BATCH_NUMBERS = 2**18
_VANISHING = 1e-150  # residual whose square underflows
# logarithm of the residual at which the layers may first have converged, and its decrease until they are checked again
_FIRST_CHECK, _CHECK_INTERVAL = -30.0, 3.0
_SMALLEST = float(np.finfo(np.float64).tiny)

_MAX_EVALUATIONS = 20_000, 1_000_000
"""Largest number of evaluations without progress, and for the full interval; stiff problems need more."""


Value = Callable[[Networks], float]


class FlowError(ValueError):
    """The integration failed.

    Attributes:
        time: time that was reached, in units of the time constant.
    """

    def __init__(self, time: float, reason: str) -> None:
        super().__init__(reason)
        self.time = time


class Flow:
    """Integrator of the gradient flow (`FlowEquations`), or of the one that descent with a finite step follows.

    Times within a step are reached by shorter steps from its start, since the error of the interpolant of the method,
    of order 7, is hundreds of times that of a step.

    Args:
        weights, sigma_yx, sigma_xx, weight_decay: as of `FlowEquations`.
        rtol: tolerance of a step, relative to the weights.
        atol: tolerance of a step, in units of the weights; one number, or one for each layer.
        descent_step: step of descent in units of the time constant, for `CorrectedEquations`; 0 for the gradient flow.

    Attributes:
        evaluations: number of evaluations of the velocity.

    Source: Hairer, Norsett and Wanner (1993), 10.1007/978-3-540-78862-1, the method of Dormand and Prince of order
    8(5,3).
    """

    def __init__(
        self,
        weights: Layers,
        sigma_yx: Float[np.ndarray, "out in"],
        sigma_xx: Float[np.ndarray, "in in"] | None,
        *,
        rtol: float,
        atol: float | tuple[float, ...],
        weight_decay: tuple[float, ...] = (),
        descent_step: float = 0.0,
    ) -> None:
        given = weights, sigma_yx, sigma_xx, weight_decay
        self._equations = CorrectedEquations(*given, descent_step) if descent_step else FlowEquations(*given)
        self._rtol = rtol
        self._atol = np.broadcast_to(atol, len(weights))
        self._next_check = _FIRST_CHECK
        self.evaluations = 0

    def batches(self, times: Float[np.ndarray, " time"]) -> Iterator[tuple[slice, Networks]]:
        """Integrate to ascending, non-negative times, and yield the networks in bounded batches of these.

        Raises:
            FlowError: the required step size is too small for float64, or there are too many evaluations.
        """
        start = self._equations.start()
        size = max(1, _BATCH_NUMBERS // len(start))
        states: list[np.ndarray] = []
        first = 0
        for state in self._states(start, times):
            states.append(state)
            end = first + len(states)
            if len(states) == size or end == len(times):
                yield slice(first, end), self._equations.networks(np.stack(states))
                first, states = end, []

    def until(self, value: Value, level: float, end: float) -> tuple[float | None, float]:
        """Integrate until a non-increasing function of the network has fallen to a level.

        Args:
            value: the function, of a network at one time.
            level: positive, in the unit of the value.
            end: last time.

        Returns:
            The time at which the value falls to the level, or None if it does not by the last time; and the value at
            the end of the last step.

        Raises:
            FlowError: the required step size is too small for float64, or there are too many evaluations.
        """
        start = self._equations.start()
        now = value(self._equations.networks(start[None]))
        if now <= level:
            return 0.0, now
        if end > 0:
            solver = self._solver(start, end)
            while solver.status == "running":
                before, state, time = now, solver.y, solver.t
                self._step(solver, end)
                now = value(self._equations.networks(solver.y[None]))
                if now <= level:
                    known = {0.0: before, solver.t - time: now}
                    return time + self._crossing(value, level, state, known), now
        return None, now

    def _crossing(
        self, value: Value, level: float, start: Float[np.ndarray, " number"], known: dict[float, float]
    ) -> float:
        """Length of a step from a state to the level; `known` has the values at two lengths, which bracket it."""

        def above(length: float) -> float:
            if length not in known:
                known[length] = value(self._equations.networks(self._shorter_steps(start, np.array([length]))))
            return math.log(max(known[length], _SMALLEST)) - math.log(level)

        first, last = known
        return float(brentq(above, first, last, xtol=_SMALLEST, rtol=1e-14))

    def _states(
        self, start: Float[np.ndarray, " number"], times: Float[np.ndarray, " time"]
    ) -> Iterator[Float[np.ndarray, " number"]]:
        at_start, self._next_check = int(np.searchsorted(times, 0.0, side="right")), _FIRST_CHECK
        yield from (start for _ in range(at_start))
        if at_start == len(times):
            return
        end, done = float(times[-1]), at_start
        solver = self._solver(start, end)
        while done < len(times):
            before, time = solver.y, solver.t
            self._step(solver, end)
            reached = int(np.searchsorted(times, solver.t, side="right"))
            size = max(1, _BATCH_NUMBERS // (DOP853.n_stages * len(start)))
            for first in range(done, reached, size):
                yield from self._shorter_steps(before, times[first : min(first + size, reached)] - time)
            done = reached
            if done < len(times) and (ending := self._ending(solver.y)) is not None:
                yield from self._at_rest(solver.y, ending, times[done:] - solver.t)
                return

    def _ending(self, state: Float[np.ndarray, " number"]) -> Settled | None:
        """Decay of the residual once the layers have converged, which is checked whenever it has fallen by e^3."""
        if state[-1] > self._next_check:
            return None
        self._next_check = float(state[-1]) - _CHECK_INTERVAL
        return self._equations.ending(state)

    def _at_rest(
        self, state: Float[np.ndarray, " number"], ending: Settled, times: Float[np.ndarray, " time"]
    ) -> Iterator[Float[np.ndarray, " number"]]:
        """States at times after that of a state, whose layers no longer change."""
        for part, logarithm in zip(*ending.at(times), strict=True):
            later = state.copy()
            later[self._equations.of_residual] = part
            later[-1] += logarithm
            yield later

    def _solver(self, start: Float[np.ndarray, " number"], end: float) -> DOP853:
        with np.errstate(over="ignore", invalid="ignore"):  # not around a `yield`, where it would apply to the caller
            atol: Any = self._tolerances(start)  # scipy accepts arrays, but its types do not declare this
            solver = DOP853(self._equations.velocity, 0.0, start, end, rtol=self._rtol, atol=atol)
        if not np.all(np.isfinite(solver.f)):
            raise FlowError(0.0, "its rates overflow float64, so that no step size is short enough")
        return solver

    def _tolerances(self, state: Float[np.ndarray, " number"]) -> Float[np.ndarray, " number"]:
        """Absolute tolerances of all numbers of a state; that of the residual is relative to its largest entry."""
        residual = float(np.max(np.abs(state[self._equations.of_residual])))
        tolerances = np.full(len(state), self._rtol * max(residual, _VANISHING))
        tolerances[: sum(self._equations.layer_sizes)] = np.repeat(self._atol, self._equations.layer_sizes)
        tolerances[-1] = self._rtol
        return tolerances

    def _step(self, solver: DOP853, end: float) -> None:
        solver.atol = self._tolerances(solver.y)  # pyright: ignore[reportAttributeAccessIssue] (as above)
        with np.errstate(over="ignore", invalid="ignore"):  # a trial step that is too long is rejected
            reason = solver.step()
        self.evaluations = solver.nfev
        if solver.status == "failed":
            raise FlowError(float(solver.t), str(reason))
        if solver.nfev > _MAX_EVALUATIONS[0] + _MAX_EVALUATIONS[1] * solver.t / end:
            raise FlowError(float(solver.t), f"its rates are so fast that this took {solver.nfev} evaluations")

    def _shorter_steps(
        self, start: Float[np.ndarray, " number"], lengths: Float[np.ndarray, " time"]
    ) -> Float[np.ndarray, "time number"]:
        """Take steps of several lengths from one state, in one batch."""
        slopes = np.empty((DOP853.n_stages, len(lengths), len(start)))
        for stage, row in enumerate(DOP853.A):
            ahead = np.tensordot(row[:stage], slopes[:stage], 1)
            slopes[stage] = self._equations.velocity(0.0, start + lengths[:, None] * ahead)
        return start + lengths[:, None] * np.tensordot(DOP853.B, slopes, 1)
