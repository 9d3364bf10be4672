"""Numerical integration of gradient flow of linear networks of any depth, weights and inputs."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.integrate import DOP853
from scipy.optimize import brentq

Layers = tuple[Float[np.ndarray, "... _ _"], ...]
"""One array for each layer, (.., width l+1, width l), first layer first."""

_BATCH_NUMBERS = 2**18
_MIN_RESIDUAL = 1e-150  # squares of smaller residuals underflow
_TINY = float(np.finfo(np.float64).tiny)

_MAX_EVALUATIONS = 20_000, 1_000_000
"""Largest numbers of evaluations without progress and for the whole integration; stiff equations exceed them."""


@dataclass(frozen=True)
class Networks:
    """Network at some times.

    Attributes:
        layers: (time, width l+1, width l) each, first layer first.
        residual: (time, out, in), sigma_yx - W sigma_xx, accurate relative to each residual, however small.
    """

    layers: Layers
    residual: Float[np.ndarray, "time out in"]


Value = Callable[[Networks], float]


class FlowError(ValueError):
    """The integration failed at `time`, in units of the time constant."""

    def __init__(self, time: float, reason: str) -> None:
        super().__init__(reason)
        self.time = time


class Flow:
    """Integrator of tau dW_l/dt = (W_L .. W_l+1)^T (sigma_yx - W sigma_xx) (W_l-1 .. W_1)^T - gamma_l W_l, tau = 1.

    Args:
        weights: initial layers, (width l+1, width l), first layer first.
        sigma_yx: (out, in).
        sigma_xx: (in, in); None for white inputs.
        rtol: tolerance of the error of a step, relative to the weights.
        atol: tolerance of the error of a step, in units of the weights.
        weight_decay: gamma_l of each layer, in units of the task; empty for none. Equal gamma_l = gamma correspond to
            the loss term gamma / 2 sum ||W_l||_F^2.

    Source: Saxe et al. (2014), arXiv 1312.6120, the gradient flow; the method is that of Dormand and Prince of order
    8(5,3) (Hairer, Norsett and Wanner 1993, 10.1007/978-3-540-78862-1). Times within a step are reached by shorter
    steps from its start, since the error of the method's interpolant, of order 7, is hundreds of times that of a step.
    The residual E = sigma_yx - W sigma_xx is integrated together with the layers, since at late times the difference
    cancels. It is represented as E = R e^l with dR/dt = dE/dt e^-l + mu R and dl/dt = -mu, where mu is the decay rate
    of its norm. The norm of R is then constant, and a residual that decays by hundreds of factors of e needs no more
    steps than the layers. Weight decay adds the sum of gamma_l times sigma_yx - E to dE/dt; the residual then tends to
    a finite limit, and l stays 0.
    """

    def __init__(
        self,
        weights: Layers,
        sigma_yx: Float[np.ndarray, "out in"],
        sigma_xx: Float[np.ndarray, "in in"] | None,
        *,
        rtol: float,
        atol: float,
        weight_decay: tuple[float, ...] = (),
    ) -> None:
        self._weights = weights
        self._sigma_yx = sigma_yx
        self._sigma_xx = sigma_xx
        self._rtol = rtol
        self._atol = atol
        self._weight_decay = weight_decay
        self._shapes = [*(w.shape for w in weights), sigma_yx.shape]
        self._bounds = [0, *accumulate([*(w.size for w in weights), sigma_yx.size])]
        self.evaluations = 0

    def batches(self, times: Float[np.ndarray, " time"]) -> Iterator[tuple[slice, Networks]]:
        """Integrate to ascending, non-negative times, and yield the networks in batches of bounded size.

        Raises:
            FlowError: the steps are too small for float64, or there are too many of them.
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
        """Integrate until a non-increasing value has fallen to a level.

        Args:
            value: function of the network at one time.
            level: positive, in the unit of the value.
            end: time at which the integration stops.

        Returns:
            The time at which the value equals the level, or None if it is later than `end`; the value at the last step.

        Raises:
            FlowError: the steps are too small for float64, or there are too many of them.
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
        """Length of the step from a state at which the value equals the level; `known` maps two lengths to values."""

        def above(length: float) -> float:
            if length not in known:
                known[length] = value(self._networks(self._shorter_steps(start, np.array([length]))))
            return math.log(max(known[length], _TINY)) - math.log(level)

        first, last = known
        return float(brentq(above, first, last, xtol=_TINY, rtol=1e-14))

    def _states(
        self, start: Float[np.ndarray, " number"], times: Float[np.ndarray, " time"]
    ) -> Iterator[Float[np.ndarray, " number"]]:
        at_start = int(np.searchsorted(times, 0.0, side="right"))
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

    def _start(self) -> Float[np.ndarray, " number"]:
        function = self._weights[0]
        with np.errstate(over="ignore", invalid="ignore"):  # weights that overflow are refused by `_solver`
            for w in self._weights[1:]:
                function = w @ function
            residual = self._sigma_yx - self._times_inputs(function)
        return np.concatenate([*(w.ravel() for w in self._weights), residual.ravel(), np.zeros(1)])

    def _solver(self, start: Float[np.ndarray, " number"], end: float) -> DOP853:
        with np.errstate(over="ignore", invalid="ignore"):  # a yield in this block would change the caller's state
            atol: Any = self._tolerances(start)  # scipy accepts arrays, which its types do not declare
            solver = DOP853(self._velocity, 0.0, start, end, rtol=self._rtol, atol=atol)
        if not np.all(np.isfinite(solver.f)):
            raise FlowError(0.0, "its rates overflow float64, so that no step size is short enough")
        return solver

    def _tolerances(self, state: Float[np.ndarray, " number"]) -> Float[np.ndarray, " number"]:
        """Absolute tolerances of each number; those of the residual are relative to its largest entry."""
        tolerances, first = np.full(len(state), self._atol), self._bounds[-2]
        tolerances[first:-1] = self._rtol * max(float(np.max(np.abs(state[first:-1]))), _MIN_RESIDUAL)
        tolerances[-1] = self._rtol
        return tolerances

    def _step(self, solver: DOP853, end: float) -> None:
        solver.atol = self._tolerances(solver.y)  # pyright: ignore[reportAttributeAccessIssue] (as above)
        with np.errstate(over="ignore", invalid="ignore"):  # trial steps may overflow and are then rejected
            reason = solver.step()
        self.evaluations = solver.nfev
        if solver.status == "failed":
            raise FlowError(float(solver.t), str(reason))
        if solver.nfev > _MAX_EVALUATIONS[0] + _MAX_EVALUATIONS[1] * solver.t / end:
            raise FlowError(float(solver.t), f"its rates are so large that this took {solver.nfev} evaluations")

    def _shorter_steps(
        self, start: Float[np.ndarray, " number"], lengths: Float[np.ndarray, " time"]
    ) -> Float[np.ndarray, "time number"]:
        """Steps of several lengths from one state, in one batch."""
        slopes = np.empty((DOP853.n_stages, len(lengths), len(start)))
        for stage, row in enumerate(DOP853.A):
            ahead = np.tensordot(row[:stage], slopes[:stage], 1)
            slopes[stage] = self._velocity(0.0, start + lengths[:, None] * ahead)
        return start + lengths[:, None] * np.tensordot(DOP853.B, slopes, 1)

    def _velocity(self, _time: float, state: Float[np.ndarray, "*time number"]) -> Float[np.ndarray, "*time number"]:
        """Velocity of the layers and of the residual, by back-propagation of two errors together.

        The error computed from the layers gives the velocity of the layers, so that errors of integration decay. The
        integrated residual gives the velocity of the network function, and hence of the residual.
        """
        layers, residual = self._parts(state)
        rates = np.empty_like(state)
        layer_rates, residual_rate = self._parts(rates)
        products = [layers[0]]
        for layer in layers[1:]:
            products.append(layer @ products[-1])
        both = np.array([self._sigma_yx - self._times_inputs(products[-1]), residual])
        change = np.zeros_like(residual)
        above: np.ndarray | None = None
        for layer, below, rate in zip(layers[:0:-1], products[-2::-1], layer_rates[:0:-1], strict=True):
            velocity = both @ below.mT
            rate[...] = velocity[0]
            part = velocity[1] @ below
            change = change + (part if above is None else above @ part)
            above = layer if above is None else above @ layer
            both = layer.mT @ both
        layer_rates[0][...] = both[0]
        change = change + (both[1] if above is None else above @ both[1])
        if self._weight_decay:
            for rate, layer, gamma in zip(layer_rates, layers, self._weight_decay, strict=True):
                np.subtract(rate, gamma * layer, out=rate)
            residual_rate[...] = sum(self._weight_decay) * (self._sigma_yx - residual) - self._times_inputs(change)
            rates[..., -1] = 0.0
        else:
            self._residual_rates(residual, -self._times_inputs(change), residual_rate, rates[..., -1])
        return rates

    @staticmethod
    def _residual_rates(
        residual: Float[np.ndarray, "*time out in"],
        change: Float[np.ndarray, "*time out in"],
        rate: Float[np.ndarray, "*time out in"],
        growth: Float[np.ndarray, "*time"],
    ) -> None:
        """Split the rate of a residual into that of its logarithm and an orthogonal part, both written in place."""
        square = np.einsum("...ij,...ij->...", residual, residual)
        along = np.einsum("...ij,...ij->...", residual, change)
        growth[...] = along / np.where(square > 0, square, 1.0)
        np.subtract(change, growth[..., None, None] * residual, out=rate)

    def _times_inputs(self, function: Float[np.ndarray, "*time out in"]) -> Float[np.ndarray, "*time out in"]:
        """Product W sigma_xx of a network function and the input correlation."""
        return function if self._sigma_xx is None else function @ self._sigma_xx

    def _networks(self, states: Float[np.ndarray, "time number"]) -> Networks:
        layers, residual = self._parts(states)
        return Networks(layers, residual * np.exp(states[:, -1])[:, None, None])

    def _parts(self, states: Float[np.ndarray, "*time number"]) -> tuple[Layers, Float[np.ndarray, "*time out in"]]:
        """Views of the layers, and of the residual without its exponential factor."""
        batch = states.shape[:-1]
        slices = zip(self._bounds, self._bounds[1:], self._shapes, strict=False)
        matrices = [states[..., start:end].reshape(*batch, *shape) for start, end, shape in slices]
        return tuple(matrices[:-1]), matrices[-1]
