"""Gradient flow of linear networks with any weights, inputs and depth, by Taylor series in time."""

import math
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.corrected_flow import CorrectedSeries
from lindyn_service.dynamics.flow_series import FlowSeries, FlowState, Task
from lindyn_service.dynamics.flow_steps import Networks, Rest, Step, Value, at_one_time, crossing, joined, repeated
from lindyn_service.dynamics.layers import Layers
from lindyn_service.dynamics.settled import Settled, settled

_BATCH_NUMBERS = 2**18
_LEAST_ORDER, _ORDERS = 8, 0.55  # of the series; and orders for each factor of e in its tolerance
_SHARE = 1e-2  # of the tolerance of a step that its truncation may take, which costs a quarter more steps
_LARGEST_DECAY = 1.5  # exponent by which the residual may decay in a step, without losing digits relative to its size
_FAR = 1e3  # ratio of a step to the unit of time of its series, above which their powers lose range
# logarithm of the residual at which the layers may first have converged, and its decrease until they are checked again
_FIRST_CHECK, _CHECK_INTERVAL = -30.0, 3.0

_MAX_EVALUATIONS = 20_000, 1_000_000
"""Largest number of evaluations without progress, and for the full interval; stiff problems need more."""


class FlowError(ValueError):
    """The integration failed.

    Attributes:
        time: time that was reached, in units of the time constant.
    """

    def __init__(self, time: float, reason: str) -> None:
        super().__init__(reason)
        self.time = time


class Flow:
    """Integrator of the gradient flow, whose values at one time do not depend on the other times.

    Args:
        weights: initial layers, (width l+1, width l), first layer first.
        sigma_yx: input-output correlation, (out, in).
        sigma_xx: input correlation, (in, in); None for white inputs.
        rtol: tolerance of a step, relative to the weights.
        atol: tolerance of a step, in units of the weights; one number, or one for each layer.
        weight_decay: gamma_l of each layer, in units of the task; empty for none.
        descent_step: step of descent in units of the time constant, for `CorrectedSeries`; 0 for the gradient flow.

    Attributes:
        evaluations: number of coefficients of the velocity that the last integration has computed.

    Source: Jorba and Zou (2005), 10.1080/10586458.2005.10128904, the method.
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
        self._weights = tuple(np.array(w) for w in weights)
        self._task = Task(sigma_yx, sigma_xx, weight_decay)
        self._descent_step = descent_step
        self._rtol = rtol
        self._atol = np.broadcast_to(atol, len(weights))
        self._next_check = _FIRST_CHECK
        self.evaluations = 0

    def batches(self, times: Float[np.ndarray, " time"]) -> Iterator[tuple[slice, Networks]]:
        """Integrate to ascending, non-negative times, and yield the networks in bounded batches of these.

        Raises:
            FlowError: the required step size is too small for float64, or there are too many evaluations.
        """
        size = max(1, _BATCH_NUMBERS // sum(w.size for w in (*self._weights, self._task.sigma_yx)))
        pieces, first, end = list[Networks](), 0, 0
        for piece in self._pieces(times, size):
            pieces.append(piece)
            end += len(piece)
            if end - first == size or end == len(times):
                yield slice(first, end), joined(pieces)
                first, pieces = end, []

    def until(self, value: Value, level: float, end: float) -> tuple[float | None, float]:
        """Integrate until a non-increasing function of the network has fallen to a level.

        Args:
            value: the function, of a network at one time.
            level: positive, in the unit of the value.
            end: last time.

        Returns:
            The time at which the value falls to the level, or None if it does not by the last time; and the value at
            the last time, or at the end of the step in which it falls to the level.

        Raises:
            FlowError: the required step size is too small for float64, or there are too many evaluations.
        """
        now = value(at_one_time(self._start()))
        if now <= level or end <= 0:
            return (0.0 if now <= level else None), now
        for time, step in self._steps(end):
            before, length = now, min(step.length, end - time)
            now = value(step.networks(np.array([length])))
            if now <= level:
                return time + crossing(step, value, level, {0.0: before, length: now}), now
        return None, now

    def _series(self, order: int) -> FlowSeries:
        shapes = [(w.shape[0], w.shape[1]) for w in self._weights]
        if self._descent_step:
            return CorrectedSeries(self._task, shapes, order, step=self._descent_step)
        return FlowSeries(self._task, shapes, order)

    def _start(self) -> FlowState:
        with np.errstate(over="ignore", invalid="ignore"):
            return FlowState(self._weights, self._task.residual(self._weights))

    def _pieces(self, times: Float[np.ndarray, " time"], size: int) -> Iterator[Networks]:
        """Yield networks at some of the times after each other, which do not cross multiples of `size`."""
        done = int(np.searchsorted(times, 0.0, side="right"))
        for first in range(0, done, size):
            yield repeated(self._start(), min(size, done - first))
        if done == len(times):
            return
        for time, step in self._steps(float(times[-1])):
            reached = int(np.searchsorted(times, time + step.length, side="right"))
            while done < reached:
                last = min(reached, size * (done // size + 1))
                yield step.networks(times[done:last] - time)
                done = last
            if done == len(times):
                return

    def _steps(self, end: float) -> Iterator[tuple[float, Step | Rest]]:
        """Yield the steps from time 0 until one reaches the end, with the time at which each starts."""
        state, time, self._next_check, self.evaluations = self._start(), 0.0, _FIRST_CHECK, 0
        series, unit = self._series(order_of(self._rtol)), self._time_scale(state)
        while True:
            state = self._task.accurate(state)
            ending = self._ending(state)
            step = self._step(series, state, unit) if ending is None else Rest(state, ending)
            if not time + step.length > time:
                raise FlowError(time, "the required step size is less than the spacing of float64 numbers")
            yield time, step
            time += step.length
            if time >= end or isinstance(step, Rest):
                return
            if self.evaluations > _MAX_EVALUATIONS[0] + _MAX_EVALUATIONS[1] * time / end:
                raise FlowError(time, f"its rates are so fast that this took {self.evaluations} evaluations")
            state, unit = step.end(), step.length

    def _time_scale(self, state: FlowState) -> float:
        """Time in which the initial velocity would change the layers or the residual by their own size; 1 if never."""
        series = self._series(1)
        with np.errstate(over="ignore", invalid="ignore"):
            series.expand(self._task.accurate(state), 1.0)
            scale = _time_scale(series)
        if not scale > 0:
            raise FlowError(0.0, "its rates overflow float64, so that no step size is short enough")
        return scale if scale < math.inf else 1.0

    def _step(self, series: FlowSeries, state: FlowState, unit: float) -> Step:
        """Expand at a state in a unit of time that is similar to the length of the step.

        In other units, powers of the unit may overflow or vanish. Each trial narrows the range of units by `_FAR` at
        least.
        """
        shortest, longest = 0.0, math.inf  # units that are known to be too short and too long
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            while True:
                series.expand(state, unit)
                self.evaluations += series.order
                length = unit * self._length(series)
                if unit / _FAR <= length <= unit * _FAR < math.inf:
                    return Step(series, state, unit, length)
                if length > unit:
                    shortest = unit
                else:
                    longest = unit
                if not 0 < length < math.inf:
                    length = unit * _time_scale(series)
                if length == math.inf and longest == math.inf:
                    return Step(series, state, math.inf, math.inf)
                unit = min(longest / _FAR, max(length, shortest * _FAR))
                if not unit > shortest:
                    series.expand(state, shortest)
                    return Step(series, state, shortest, shortest)

    def _length(self, series: FlowSeries) -> float:
        """Length of the next step in the unit of the series, from the last two coefficients, which might vanish.

        It is 0 if they overflow.
        """
        residuals = series.residuals
        size, length = np.max(np.abs(residuals[0])), math.inf
        for k in (series.order - 1, series.order):
            ratios = [np.max(np.abs(residuals[k])) / (self._rtol * size)] if size > 0 else [0.0]
            for values, atol in zip(series.coefficients(), self._atol, strict=True):
                change = np.abs(values[k])
                ratios.append(np.max(change / np.where(change > 0, atol + self._rtol * np.abs(values[0]), 1.0)))
            largest = float(np.max(ratios))
            if not math.isfinite(largest):
                return 0.0
            if largest > 0:
                length = min(length, (_SHARE / largest) ** (1 / k))
        square, change = (float(np.sum(residuals[0] * residual)) for residual in residuals[:2])
        return min(length, _LARGEST_DECAY * square / -change) if change < 0 else length

    def _ending(self, state: FlowState) -> Settled | None:
        """Decay of the residual once the layers have converged, which is checked whenever it has fallen by e^3."""
        if self._descent_step or self._task.weight_decay or state.log_size > self._next_check:
            return None
        self._next_check = state.log_size - _CHECK_INTERVAL
        return settled(state.layers, state.residual, self._task.sigma_xx, float(np.exp(state.log_size)))


def order_of(rtol: float) -> int:
    """Order of the series for a tolerance, at which an integration takes about the least time."""
    return max(_LEAST_ORDER, math.ceil(-_ORDERS * math.log(_SHARE * rtol)))


def _time_scale(series: FlowSeries) -> float:
    """Time, in the unit of a series, in which the velocity would change the layers or the residual by their own size.

    It is infinite if nothing changes, and NaN or 0 if rates overflow.
    """
    rate = 0.0
    for values in (*series.coefficients(), series.residuals):
        now, change = np.max(np.abs(values[:2]), axis=(1, 2))
        if now > 0 or not np.isfinite(change):
            rate = np.maximum(rate, change / now)
    return float(1 / rate) if rate != 0 else math.inf
