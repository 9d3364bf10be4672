"""Growth of one mode of two layers under weight decay as a function of time.

Let P = d |x + y|^2 / 4 and M = d |x - y|^2 / 4 for the rows x and y of a mode. Then d a = P - M,
dP/dt = 2 P (s - gamma - P + M) and P M = k^2 e^{-4 gamma t}. The single unknown is g = log(P / P(0)) / 2. Its rate
decreases with g, so that all solutions converge to each other and the equation may be stiff. It is integrated by Radau
collocation, whose step length is limited by the smoothness of the solution but not by stiffness. The residual
r = s - d a follows dr/dt = 2 gamma s - 2 (P + M + gamma) r and is integrated, too, since the difference of s and d a
loses digits when gamma, the limit of r, is small. Once M is negligible, P follows a logistic curve.
"""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from jaxtyping import Float
from numpy.polynomial import legendre
from scipy.special import roots_jacobi

from lindyn_service.dynamics.phi import phi

_NODES = 20
_SMOOTHNESS_TOLERANCE = 1e-15  # of the last two Legendre coefficients of a step, relative to the solution
_SHORT_STEP = 0.05  # relative to the fastest time scale; polynomials are exact on shorter steps
_NEGLIGIBLE_MINUS = 1e-18  # of M relative to gamma; log P changes by at most half of this ratio afterwards
_NEWTON_STEPS = 12
_MAX_CHANGE = 2.0  # of g in one iteration of Newton's method
_NEWTON_TOLERANCE = 2e-14
_GROWTH_FACTOR, _REDUCTION_FACTOR = 1.5, 0.5  # of the length of steps
_MAX_TRIES = 10_000  # rarely more than 100, but thousands where rounding hides how smooth a step is


class DecayedPathError(ValueError):
    """The numbers of a mode differ by so many orders of magnitude that its path takes too many steps."""


@dataclass(frozen=True)
class DecayedPath:
    """Solution for one mode under weight decay; times are in units of the time constant.

    Attributes:
        s: singular value of the task, non-negative.
        gamma: weight decay, positive.
        plus: P at time 0.
        minus: M at time 0.
    """

    s: float
    gamma: float
    plus: float
    minus: float

    def at(self, times: Float[np.ndarray, " time"]) -> tuple[Float[np.ndarray, " time"], Float[np.ndarray, " time"]]:
        """Evaluate g, where x + y grows by the factor e^g, and the residuals s - d a."""
        if self.plus == 0:
            return self._fall(times)
        steps, end = self._steps, self._end
        g, residuals = np.empty(len(times)), np.empty(len(times))
        late = times >= end.time
        g[late], residuals[late] = self._logistic(end, times[late] - end.time)
        if not np.all(late):
            starts = np.array([step.time for step in steps])
            at = np.searchsorted(starts, times[~late], side="right") - 1
            lengths = np.array([step.length for step in steps])
            points = legendre.legvander(2 * (times[~late] - starts[at]) / lengths[at] - 1, _NODES)
            g[~late] = np.vecdot(points, np.stack([step.g for step in steps])[at])
            residuals[~late] = np.vecdot(points, np.stack([step.residual for step in steps])[at])
        return g, residuals

    def _fall(self, t: Float[np.ndarray, " time"]) -> tuple[Float[np.ndarray, " time"], Float[np.ndarray, " time"]]:
        """Solution for x + y = 0, where dM/dt = -2 M (s + gamma + M)."""
        rate = 2 * (self.s + self.gamma)
        more = 2 * self.minus * t * phi(rate * t)
        return (self.s - self.gamma) * t + 0.5 * np.log1p(more), self.s + self.minus * np.exp(-rate * t) / (1 + more)

    def _logistic(
        self, start: "_State", t: Float[np.ndarray, " time"]
    ) -> tuple[Float[np.ndarray, " time"], Float[np.ndarray, " time"]]:
        """Solution for negligible x - y, where dP/dt = 2 P (s - gamma - P)."""
        excess, p = self.s - self.gamma, self.plus * np.exp(2 * start.g)
        left, more = np.exp(-2 * abs(excess) * t), 2 * p * t * phi(2 * abs(excess) * t)
        if excess > 0:
            return start.g - 0.5 * np.log(left + more), self.gamma + (excess - p) * left / (left + more)
        # x + y decays as well, and without a task it decays at the same rate as x - y
        g, minus = start.g + excess * t - 0.5 * np.log1p(more), self._minus(np.array([start.g]), np.array([start.time]))
        rest = minus * (1 + more) * np.exp(-2 * (self.s + self.gamma) * t)
        return g, start.residual * left / (1 + more) if self.s == 0 else self.s - p * left / (1 + more) + rest

    @cached_property
    def _path(self) -> tuple[list["_Step"], "_State"]:
        state, steps = _State(0.0, 0.0, self.s - self.plus + self.minus), list["_Step"]()
        length, tries = 0.1 / (self.s + self.gamma + self.plus + self.minus), 0
        while self._minus(np.array([state.g]), np.array([state.time]))[0] > _NEGLIGIBLE_MINUS * self.gamma:
            tries += 1
            if tries > _MAX_TRIES:
                raise DecayedPathError(f"a mode with weight decay takes more than {_MAX_TRIES} steps")
            step = self._step(state, length)
            if step is None:
                length *= _REDUCTION_FACTOR
                continue
            steps.append(step)
            state = _State(state.time + length, float(np.sum(step.g)), float(np.sum(step.residual)))
            length *= _GROWTH_FACTOR
        return steps, state

    @property
    def _steps(self) -> list["_Step"]:
        return self._path[0]

    @property
    def _end(self) -> "_State":
        return self._path[1]

    def _minus(self, g: Float[np.ndarray, " any"], times: Float[np.ndarray, " any"]) -> Float[np.ndarray, " any"]:
        return self.minus * np.exp(-2 * g - 4 * self.gamma * times)

    def _step(self, start: "_State", length: float) -> "_Step | None":
        """Solution over one step of collocation, or None if the polynomial does not resolve it."""
        rule = _rule()
        times = start.time + length * rule.nodes
        derivative = rule.derivative / length
        # the unknown is the displacement from the start, since differentiating g itself would amplify rounding errors
        change = displacement = np.zeros(_NODES)
        for _ in range(_NEWTON_STEPS):
            g = start.g + displacement
            plus, minus = self.plus * np.exp(2 * g), self._minus(g, times)
            defect = self.s - self.gamma - plus + minus - derivative @ displacement
            change = np.linalg.solve(derivative + np.diag(2 * (plus + minus)), defect)
            displacement = displacement + np.clip(change, -_MAX_CHANGE, _MAX_CHANGE)
        g = start.g + displacement
        rate = 2 * (self.plus * np.exp(2 * g) + self._minus(g, times) + self.gamma)
        pull = 2 * self.gamma * self.s - rate * start.residual
        residual = start.residual + np.linalg.solve(derivative + np.diag(rate), pull)
        step = _Step(
            time=start.time,
            length=length,
            g=rule.coefficients @ np.append(start.g, g),
            residual=rule.coefficients @ np.append(start.residual, residual),
        )
        # a relative rounding error of g is multiplied by g in P, and hence in the residual
        size = 1 + float(np.max(np.abs(g)))
        largest_residual = float(np.max(np.abs(residual), initial=abs(start.residual)))
        limits = _SMOOTHNESS_TOLERANCE * size, 2 * _SMOOTHNESS_TOLERANCE * size * largest_residual
        ends = float(np.max(np.abs(step.g[-2:]))), float(np.max(np.abs(step.residual[-2:])))
        short = length * float(np.max(rate)) <= _SHORT_STEP  # the coefficients are at rounding level
        converged = float(np.max(np.abs(change))) <= _NEWTON_TOLERANCE * size
        return step if converged and (short or (ends[0] <= limits[0] and ends[1] <= limits[1])) else None


@dataclass(frozen=True)
class _State:
    time: float
    g: float
    residual: float


@dataclass(frozen=True)
class _Step:
    """Legendre coefficients of g and of the residual over a step that begins at `time`."""

    time: float
    length: float
    g: Float[np.ndarray, " degree"]
    residual: Float[np.ndarray, " degree"]


@dataclass(frozen=True)
class _Rule:
    """Linear maps of the values of a polynomial at 0 and at the Radau points of the interval [0, 1].

    Attributes:
        nodes: Radau points, ascending, the last of which is 1.
        derivative: (node, node), map from differences to the value at 0 to derivatives at the points.
        coefficients: (1 + node, 1 + node), map from all values to Legendre coefficients.
    """

    nodes: Float[np.ndarray, " node"]
    derivative: Float[np.ndarray, "node node"]
    coefficients: Float[np.ndarray, "point point"]


@cache
def _rule() -> _Rule:
    nodes = np.append(roots_jacobi(_NODES - 1, 1.0, 0.0)[0], 1.0)
    coefficients = np.linalg.inv(legendre.legvander(np.append(-1.0, nodes), _NODES))
    slopes = legendre.legder(np.eye(_NODES + 1), axis=0)
    derivative = 2 * legendre.legvander(nodes, _NODES - 1) @ slopes @ coefficients[:, 1:]
    return _Rule((1 + nodes) / 2, derivative, coefficients)
