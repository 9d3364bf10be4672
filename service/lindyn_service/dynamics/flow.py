"""Gradient flow of linear networks with any weights, inputs and depth, by an adaptive method of high order."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.integrate import DOP853
from scipy.optimize import brentq

from lindyn_service.dynamics.settled import Settled, settled

Layers = tuple[Float[np.ndarray, "... _ _"], ...]
"""One array for each layer, (.., width l+1, width l), first layer first."""

_BATCH_NUMBERS = 2**18
_VANISHING = 1e-150  # residual whose square underflows
# logarithm of the residual at which the layers may first have converged, and its decrease until they are checked again
_FIRST_CHECK, _CHECK_INTERVAL = -30.0, 3.0
_SMALLEST = float(np.finfo(np.float64).tiny)

_MAX_EVALUATIONS = 20_000, 1_000_000
"""Largest number of evaluations without progress, and for the full interval; stiff problems need more."""


@dataclass(frozen=True)
class Networks:
    """A network at some times.

    Attributes:
        layers: (time, width l+1, width l) each, first layer first.
        residual: (time, out, in), sigma_yx - W sigma_xx, accurate relative to its own size.
    """

    layers: Layers
    residual: Float[np.ndarray, "time out in"]


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
    """Integrator of dW_l/dt = (W_L .. W_l+1)^T (sigma_yx - W sigma_xx) (W_l-1 .. W_1)^T - gamma_l W_l, with tau = 1.

    Times within a step are reached by shorter steps from its start, since the error of the interpolant of the method,
    of order 7, is hundreds of times that of a step.

    The residual E = sigma_yx - W sigma_xx is integrated together with the layers, since late in training the difference
    loses all digits. Without weight decay its rate is proportional to E itself. It is written as E = R e^l, with
    dR/dt = dE/dt e^{-l} + mu R and dl/dt = -mu, where mu is the rate at which the norm of E decreases. The norm of R is
    thus constant, and the decay of the residual by many orders of magnitude needs no additional steps. With weight
    decay the residual does not vanish, and l remains 0.

    Args:
        weights: initial layers, (width l+1, width l), first layer first.
        sigma_yx: input-output correlation, (out, in).
        sigma_xx: input correlation, (in, in); None for white inputs.
        rtol: tolerance of a step, relative to the weights.
        atol: tolerance of a step, in units of the weights; one number, or one for each layer.
        weight_decay: gamma_l of each layer, in units of the task; equal to gamma in all layers if gamma / 2 sum
            ||W_l||_F^2 is added to the loss. Empty for no weight decay.

    Attributes:
        evaluations: number of evaluations of the velocity.

    Source: Saxe et al. (2014), arXiv 1312.6120, the gradient flow; Hairer, Norsett and Wanner (1993),
    10.1007/978-3-540-78862-1, the method of Dormand and Prince of order 8(5,3).
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
    ) -> None:
        self._weights = weights
        self._sigma_yx = sigma_yx
        self._sigma_xx = sigma_xx
        self._rtol = rtol
        self._atol = np.broadcast_to(atol, len(weights))
        self._weight_decay = weight_decay
        shapes = [*(w.shape for w in weights), sigma_yx.shape]
        self._bounds = [0, *accumulate([*(w.size for w in weights), sigma_yx.size])]
        self._slices = [(slice(*ends), shape) for ends, shape in zip(pairwise(self._bounds), shapes, strict=True)]
        self._next_check = _FIRST_CHECK
        self.evaluations = 0

    def batches(self, times: Float[np.ndarray, " time"]) -> Iterator[tuple[slice, Networks]]:
        """Integrate to ascending, non-negative times, and yield the networks in bounded batches of these.

        Raises:
            FlowError: the required step size is too small for float64, or there are too many evaluations.
        """
        start = self._start()
        size = max(1, _BATCH_NUMBERS // len(start))
        states: list[np.ndarray] = []
        first = 0
        for state in self._states(start, times):
            states.append(state)
            end = first + len(states)
            if len(states) == size or end == len(times):
                yield slice(first, end), self._networks(np.stack(states))
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
        start = self._start()
        now = value(self._networks(start[None]))
        if now <= level:
            return 0.0, now
        if end > 0:
            solver = self._solver(start, end)
            while solver.status == "running":
                before, state, time = now, solver.y, solver.t
                self._step(solver, end)
                now = value(self._networks(solver.y[None]))
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
                known[length] = value(self._networks(self._shorter_steps(start, np.array([length]))))
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
        if state[-1] > self._next_check or self._weight_decay:
            return None
        self._next_check = float(state[-1]) - _CHECK_INTERVAL
        layers, residual = self._parts(state)
        return settled(layers, residual, self._sigma_xx, float(np.exp(state[-1])))

    def _at_rest(
        self, state: Float[np.ndarray, " number"], ending: Settled, times: Float[np.ndarray, " time"]
    ) -> Iterator[Float[np.ndarray, " number"]]:
        """States at times after that of a state, whose layers no longer change."""
        for part, logarithm in zip(*ending.at(times), strict=True):
            later = state.copy()
            later[self._bounds[-2] : -1] = part
            later[-1] += logarithm
            yield later

    def _start(self) -> Float[np.ndarray, " number"]:
        function = self._weights[0]
        with np.errstate(over="ignore", invalid="ignore"):  # an overflow is detected by `_solver`
            for w in self._weights[1:]:
                function = w @ function
            residual = self._sigma_yx - self._times_sigma_xx(function)
        return np.concatenate([*(w.ravel() for w in self._weights), residual.ravel(), np.zeros(1)])

    def _solver(self, start: Float[np.ndarray, " number"], end: float) -> DOP853:
        with np.errstate(over="ignore", invalid="ignore"):  # not around a `yield`, where it would apply to the caller
            atol: Any = self._tolerances(start)  # scipy accepts arrays, but its types do not declare this
            solver = DOP853(self._velocity, 0.0, start, end, rtol=self._rtol, atol=atol)
        if not np.all(np.isfinite(solver.f)):
            raise FlowError(0.0, "its rates overflow float64, so that no step size is short enough")
        return solver

    def _tolerances(self, state: Float[np.ndarray, " number"]) -> Float[np.ndarray, " number"]:
        """Absolute tolerances of all numbers of a state; that of the residual is relative to its largest entry."""
        tolerances, first = np.empty(len(state)), self._bounds[-2]
        tolerances[:first] = np.repeat(self._atol, np.diff(self._bounds[:-1]))
        tolerances[first:-1] = self._rtol * max(float(np.max(np.abs(state[first:-1]))), _VANISHING)
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
            slopes[stage] = self._velocity(0.0, start + lengths[:, None] * ahead)
        return start + lengths[:, None] * np.tensordot(DOP853.B, slopes, 1)

    def _velocity(self, _time: float, state: Float[np.ndarray, "*time number"]) -> Float[np.ndarray, "*time number"]:
        """Velocity of a state, by back-propagation of two residuals at once.

        The residual of the layers, sigma_yx - W sigma_xx with its rounding errors, determines the velocity of the
        layers. The integrated residual, which is accurate late in training, determines its own rate, -dW/dt sigma_xx
        with the rate dW/dt of the network function that follows from it.
        """
        layers, residual = self._parts(state)
        rates = np.empty_like(state)
        layer_rates, residual_rate = self._parts(rates)
        products = [layers[0]]
        for layer in layers[1:]:
            products.append(layer @ products[-1])
        both = np.empty((2, *residual.shape))
        np.subtract(self._sigma_yx, self._times_sigma_xx(products[-1]), out=both[0])
        both[1] = residual
        changes: list[np.ndarray] = []
        above: np.ndarray | None = None
        for layer, below, rate in zip(layers[:0:-1], products[-2::-1], layer_rates[:0:-1], strict=True):
            velocity = both @ below.mT
            rate[...] = velocity[0]
            part = velocity[1] @ below
            changes.append(part if above is None else above @ part)
            above = layer if above is None else above @ layer
            both = layer.mT @ both
        layer_rates[0][...] = both[0]
        change = sum(changes, start=both[1] if above is None else above @ both[1])
        if self._weight_decay:
            for rate, layer, gamma in zip(layer_rates, layers, self._weight_decay, strict=True):
                np.subtract(rate, gamma * layer, out=rate)
            residual_rate[...] = sum(self._weight_decay) * (self._sigma_yx - residual) - self._times_sigma_xx(change)
            rates[..., -1] = 0.0
        else:
            self._residual_rates(residual, -self._times_sigma_xx(change), residual_rate, rates[..., -1])
        return rates

    @staticmethod
    def _residual_rates(
        residual: Float[np.ndarray, "*time out in"],
        change: Float[np.ndarray, "*time out in"],
        rate: Float[np.ndarray, "*time out in"],
        growth: Float[np.ndarray, "*time"],
    ) -> None:
        """Split the rate of a residual, in place, into that of the logarithm of its norm and an orthogonal part."""
        flat = residual.reshape(*residual.shape[:-2], -1)
        square = np.vecdot(flat, flat)
        growth[...] = np.vecdot(flat, change.reshape(flat.shape)) / (square + (square == 0))
        np.subtract(change, growth[..., None, None] * residual, out=rate)

    def _times_sigma_xx(self, function: Float[np.ndarray, "*time out in"]) -> Float[np.ndarray, "*time out in"]:
        """Product W sigma_xx with a network function."""
        return function if self._sigma_xx is None else function @ self._sigma_xx

    def _networks(self, states: Float[np.ndarray, "time number"]) -> Networks:
        layers, residual = self._parts(states)
        return Networks(layers, residual * np.exp(states[:, -1])[:, None, None])

    def _parts(self, states: Float[np.ndarray, "*time number"]) -> tuple[Layers, Float[np.ndarray, "*time out in"]]:
        """Views of the layers, and of R, the residual without its factor e^l."""
        batch = states.shape[:-1]
        matrices = [states[..., part].reshape(batch + shape) for part, shape in self._slices]
        return tuple(matrices[:-1]), matrices[-1]
