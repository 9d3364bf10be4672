"""How far one mode of two layers has grown under weight decay, at any time.

With P = d |x + y|^2 / 4 and M = d |x - y|^2 / 4 of the rows of a mode, d a = P - M, dP/dt = 2 P (s - gamma - P + M) and
P M = k^2 e^{-4 gamma t}. The one unknown is g = log(P / P(0)) / 2, whose rate falls in g: all solutions approach each
other. It is integrated by collocation at Radau points, of which each step is as long as the solution is smooth, however
fast its neighbours approach it. The residual r = s - d a obeys dr/dt = 2 gamma s - 2 (P + M + gamma) r, and is found
beside it: where gamma is small, so is the end gamma of r beside s and d a, whose difference would lose digits. Once M
is nothing, P follows a logistic curve.
"""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from jaxtyping import Float
from numpy.polynomial import legendre
from scipy.special import roots_jacobi

from lindyn_service.dynamics.phi import phi

_NODES = 20
_SMOOTH = 1e-15  # of the last two Legendre coefficients of a step beside the size of the solution
_SHORT = 0.05  # of a step beside the fastest time scale: polynomials are exact on it
_GONE = 1e-18  # of M beside gamma: log P changes by no more than half of it from then on
_NEWTON_STEPS = 12
_LARGEST_CHANGE = 2.0  # of g in one of Newton's steps
_CONVERGED = 2e-14
_LONGER, _SHORTER = 1.5, 0.5
_MOST_TRIES = 10_000  # rarely more than 100, but thousands where rounding hides how smooth a step is


class DecayedPathError(ValueError):
    """The numbers of a mode differ by so many orders of magnitude that its path takes too many steps."""


@dataclass(frozen=True)
class DecayedPath:
    """One mode under weight decay; times are in units of the time constant.

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
        """Values of g, whose e^g is the growth of x + y, and residuals."""
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
        """Without any x + y, dM/dt = -2 M (s + gamma + M)."""
        rate = 2 * (self.s + self.gamma)
        more = 2 * self.minus * t * phi(rate * t)
        return (self.s - self.gamma) * t + 0.5 * np.log1p(more), self.s + self.minus * np.exp(-rate * t) / (1 + more)

    def _logistic(
        self, start: "_State", t: Float[np.ndarray, " time"]
    ) -> tuple[Float[np.ndarray, " time"], Float[np.ndarray, " time"]]:
        """Without any x - y, dP/dt = 2 P (s - gamma - P)."""
        excess, p = self.s - self.gamma, self.plus * np.exp(2 * start.g)
        left, more = np.exp(-2 * abs(excess) * t), 2 * p * t * phi(2 * abs(excess) * t)
        if excess > 0:
            return start.g - 0.5 * np.log(left + more), self.gamma + (excess - p) * left / (left + more)
        # here x + y decays, too, and without a task at the same rate as x - y
        g, minus = start.g + excess * t - 0.5 * np.log1p(more), self._minus(np.array([start.g]), np.array([start.time]))
        rest = minus * (1 + more) * np.exp(-2 * (self.s + self.gamma) * t)
        return g, start.residual * left / (1 + more) if self.s == 0 else self.s - p * left / (1 + more) + rest

    @cached_property
    def _path(self) -> tuple[list["_Step"], "_State"]:
        state, steps = _State(0.0, 0.0, self.s - self.plus + self.minus), list["_Step"]()
        length, tries = 0.1 / (self.s + self.gamma + self.plus + self.minus), 0
        while self._minus(np.array([state.g]), np.array([state.time]))[0] > _GONE * self.gamma:
            tries += 1
            if tries > _MOST_TRIES:
                raise DecayedPathError(f"a mode with weight decay takes more than {_MOST_TRIES} steps")
            step = self._step(state, length)
            if step is None:
                length *= _SHORTER
                continue
            steps.append(step)
            state = _State(state.time + length, float(np.sum(step.g)), float(np.sum(step.residual)))
            length *= _LONGER
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
        """One step of collocation, or None if the solution is not smooth on it."""
        rule = _rule()
        times = start.time + length * rule.nodes
        derivative = rule.derivative / length
        change = moved = np.zeros(
            _NODES
        )  # from the start, since derivatives of the whole would have its rounding errors
        for _ in range(_NEWTON_STEPS):
            g = start.g + moved
            plus, minus = self.plus * np.exp(2 * g), self._minus(g, times)
            defect = self.s - self.gamma - plus + minus - derivative @ moved
            change = np.linalg.solve(derivative + np.diag(2 * (plus + minus)), defect)
            moved = moved + np.clip(change, -_LARGEST_CHANGE, _LARGEST_CHANGE)
        g = start.g + moved
        rate = 2 * (self.plus * np.exp(2 * g) + self._minus(g, times) + self.gamma)
        pull = 2 * self.gamma * self.s - rate * start.residual
        residual = start.residual + np.linalg.solve(derivative + np.diag(rate), pull)
        found = _Step(
            time=start.time,
            length=length,
            g=rule.coefficients @ np.append(start.g, g),
            residual=rule.coefficients @ np.append(start.residual, residual),
        )
        # a rounding error of g is one of P relative to g, and so of the residual
        size = 1 + float(np.max(np.abs(g)))
        limits = _SMOOTH * size, 2 * _SMOOTH * size * float(np.max(np.abs(residual), initial=abs(start.residual)))
        ends = float(np.max(np.abs(found.g[-2:]))), float(np.max(np.abs(found.residual[-2:])))
        short = length * float(np.max(rate)) <= _SHORT  # what is left is rounding
        converged = float(np.max(np.abs(change))) <= _CONVERGED * size
        return found if converged and (short or (ends[0] <= limits[0] and ends[1] <= limits[1])) else None


@dataclass(frozen=True)
class _State:
    time: float
    g: float
    residual: float


@dataclass(frozen=True)
class _Step:
    """Legendre coefficients of g and of the residual from a time on."""

    time: float
    length: float
    g: Float[np.ndarray, " degree"]
    residual: Float[np.ndarray, " degree"]


@dataclass(frozen=True)
class _Rule:
    """Linear maps of the values of a polynomial at 0 and at the Radau points of 0..1.

    Attributes:
        nodes: the Radau points, ascending, with 1.
        derivative: (node, node), from changes since 0 at the points to derivatives there.
        coefficients: (1 + node, 1 + node), to Legendre coefficients.
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
