"""Growth along the singular modes of the task while the balance of the weights decays.

The growing solution of a mode (see `decaying_ratios`) is e^g (w, 1) / n in (minor, major) coordinates and the decaying
one e^{-d} (1, -z) / n, with n^2 = 1 + z(0)^2 and w(0) = z(0), so that both start orthogonal and of length 1, and

    dg/dt = s w + lam(t) / 2 - gamma,    dd/dt = s z + lam(t) / 2 + gamma.

With A the integral of the square of the growing solution, the level S = log(1 + k A) / 2 bounds all growth up to a
time; k is a rate. What grows beyond the level, X = g - S, obeys dX/dt = dg/dt - k (1 + w^2) e^{2X} / (2 n^2). It is
integrated by itself, since differences of large levels would lose their digits. A network of one mode whose squares
start at k has the strength k w e^{2X} / n^2; the residual q = s - k w e^{2X} / n^2 is integrated as well, by dq/dt =
2 gamma (s - q) - q k (1 + w^2) e^{2X} / n^2.
"""

from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.decaying_ratios import DecayingRatios, log_ratios
from lindyn_service.dynamics.phi import phi
from lindyn_service.dynamics.radau_collocation import (
    Pieces,
    integrate,
    is_smooth,
    linear_solution,
    radau_rule,
    solve,
)

_VANISHED = 1e-18  # of the balance relative to s + gamma, and of u, whose limit is 0
_SETTLED = 45.0  # e^-45 is negligible beside 1


@dataclass(frozen=True)
class PropagatorStates:
    """Solutions of the modes; each has a last axis for the modes.

    Attributes:
        u: logarithm of w.
        beyond: X, the growth beyond the level.
        level: S.
        excess: integral of s w, by which the growth of modes differs.
        fall: integral of s z, by which the decay of modes differs.
        decayed: integral of the square of the decaying solution.
        cross: integral of the inner product of the growing and the decaying solution.
        residual: q.
    """

    u: Float[np.ndarray, "*any mode"]
    beyond: Float[np.ndarray, "*any mode"]
    level: Float[np.ndarray, "*any mode"]
    excess: Float[np.ndarray, "*any mode"]
    fall: Float[np.ndarray, "*any mode"]
    decayed: Float[np.ndarray, "*any mode"]
    cross: Float[np.ndarray, "*any mode"]
    residual: Float[np.ndarray, "*any mode"]

    @classmethod
    def of(cls, values: Float[np.ndarray, "*any 8 mode"]) -> "PropagatorStates":
        """Take the states from one array."""
        return cls(*np.moveaxis(values, -2, 0))

    def stacked(self) -> Float[np.ndarray, "*any 8 mode"]:
        """Return one array with all states."""
        return np.stack([getattr(self, field.name) for field in fields(self)], axis=-2)


@dataclass(frozen=True)
class DecayingPropagators:
    """The equations of some modes; times are in units of the time constant.

    Attributes:
        ratios: directions of the decaying solutions, with the numbers of the problem.
    """

    ratios: DecayingRatios

    @cached_property
    def unit(self) -> float:
        """The rate k."""
        return float(np.max(self.ratios.s)) + self.ratios.lam / 2 + self.ratios.gamma

    @cached_property
    def start(self) -> Float[np.ndarray, " mode"]:
        """z(0), which is also w(0)."""
        return self.ratios.at(np.zeros(1))[0]

    def at(self, times: Float[np.ndarray, " time"]) -> PropagatorStates:
        """Evaluate at non-negative times."""
        path, end, last = self._path
        values = np.empty((len(times), *last.shape))
        late = times >= end
        values[late] = self._settled(PropagatorStates.of(last), times[late, None] - end).stacked()
        values[~late] = path.at(times[~late])
        states = PropagatorStates.of(values)
        # interpolation within the first step leaves rounding errors of its end
        positive = {"level": np.maximum(states.level, 0.0), "decayed": np.maximum(states.decayed, 0.0)}
        return replace(states, **positive)

    @cached_property
    def _path(self) -> tuple[Pieces, float, Float[np.ndarray, "8 mode"]]:
        """States as polynomials until all are settled, that time, and the states then."""
        s, z = self.ratios.s, self.start
        zeros = np.zeros(len(s))
        u = np.log(z, out=zeros.copy(), where=s > 0)
        start = np.stack([u, zeros, zeros, zeros, zeros, zeros, zeros, s - self.unit * z / (1 + z * z)])
        return integrate(self._step, start, 0.1 / self.unit, self._is_settled)

    def _is_settled(self, time: float, values: Float[np.ndarray, "8 mode"]) -> bool:
        """Return whether the balance has vanished and all directions are constant."""
        s, gamma, u = self.ratios.s, self.ratios.gamma, values[0]
        vanished = self.ratios.balance(np.array([time]))[0] <= _VANISHED * (float(np.min(s)) + gamma)
        return bool(
            vanished and 2 * gamma * time > _SETTLED and np.max(np.abs(u), where=s > 0, initial=0.0) < _VANISHED
        )

    def _step(
        self, values: Float[np.ndarray, "8 mode"], time: float, length: float
    ) -> Float[np.ndarray, "8 mode point"] | None:
        """States at the start and at the nodes of a step, or None if polynomials do not resolve it."""
        start = PropagatorStates.of(values)
        ratios, s, gamma = self.ratios, self.ratios.s[:, None], self.ratios.gamma
        t = time + length * np.append(0.0, radau_rule().nodes)
        balance = ratios.balance(t)
        u = log_ratios(ratios.s, balance, start.u, length, 2 * gamma)
        if u is None:
            return None
        w, z = np.where(s > 0, np.exp(u), 0.0), ratios.at(t).T
        growth, pull = s * w + balance / 2 - gamma, self._pull[:, None] * (1 + w * w)
        beyond = _beyond(growth, pull, start.beyond[:, None], length)
        squares = pull * np.exp(2 * beyond)
        residual = linear_solution(2 * gamma * s, 2 * gamma + squares[:, 1:], start.residual[:, None], length)
        level = start.level[:, None] + _integrals(squares / 2, length)
        excess = start.excess[:, None] + _integrals(s * w, length)
        fall = start.fall[:, None] + _integrals(s * z, length)
        below = (
            np.exp(-2 * (fall + gamma * t + ratios.half_integral(t))) * self._pull[:, None] / self.unit * (1 + z * z)
        )
        decayed = start.decayed[:, None] + _integrals(below if np.max(below[:, 0]) > _VANISHED else 0 * below, length)
        inner = np.where(s > 0, np.exp(-2 * gamma * t) * (w - z) / (1 + w * z), 0.0)
        cross = start.cross[:, None] + _integrals(inner if 2 * gamma * time < _SETTLED else 0 * inner, length)
        solution = np.stack([u, beyond, level, excess, fall, decayed, cross, residual])
        fastest = float(np.max(squares) + np.max(2 * s * np.cosh(u)) + np.max(balance)) + 2 * gamma
        sizes = self._sizes(solution)
        return solution if is_smooth(solution, sizes, length * fastest) else None

    @cached_property
    def _pull(self) -> Float[np.ndarray, " mode"]:
        """The ratio k / n^2."""
        return self.unit / (1 + self.start**2)

    def _sizes(self, values: Float[np.ndarray, "8 mode point"]) -> Float[np.ndarray, "8 mode"]:
        """Sizes to which errors of the states are relative; the cross integral matters beside the level only."""
        sizes = 1 + np.max(np.abs(values), axis=2)
        level, decayed = values[2, :, 0], values[5, :, -1]
        sizes[5], sizes[6] = decayed, np.sqrt(decayed / self.unit) * np.exp(np.minimum(level, 300.0))
        sizes[7] = sizes[1] * np.max(np.abs(values[7]), axis=1)
        return sizes

    def _settled(self, start: PropagatorStates, t: Float[np.ndarray, "time 1"]) -> PropagatorStates:
        """States without balance, where all directions are constant and squares follow a logistic curve."""
        s, rate = self.ratios.s, self.ratios.s - self.ratios.gamma
        # squares of e^X in the equation dX/dt = rate - square
        square = self._pull * np.where(s > 0, 1.0, 0.5) * np.exp(2 * start.beyond)
        left, more = np.exp(-2 * np.abs(rate) * t), 2 * square * t * phi(2 * np.abs(rate) * t)
        rising = start.beyond - 0.5 * np.log(left + np.where(rate > 0, more, 1.0))
        falling = start.beyond + rate * t - 0.5 * np.log1p(more)
        above = self.ratios.gamma + (rate - square) * left / (left + np.where(rate > 0, more, 1.0))
        residual = np.where(rate > 0, above, s - square * left / (1 + more))
        zeros, beyond = np.zeros_like(left), np.where(rate > 0, rising, falling)
        return PropagatorStates(
            u=zeros,
            beyond=beyond,
            level=start.level + np.where(rate > 0, rate * t + start.beyond - beyond, 0.5 * np.log1p(more)),
            excess=start.excess + s * t,
            fall=start.fall + s * t,
            decayed=start.decayed + zeros,
            cross=start.cross + zeros,
            residual=np.where(s > 0, residual, 0.0),
        )


def _beyond(
    growth: Float[np.ndarray, "mode point"],
    pull: Float[np.ndarray, "mode point"],
    start: Float[np.ndarray, "mode 1"],
    length: float,
) -> Float[np.ndarray, "mode point"]:
    """Solve dX/dt = growth - pull e^{2X} / 2 over one step."""
    rate, factor = growth[:, 1:], pull[:, 1:]

    def right_side(
        x: Float[np.ndarray, "mode node"],
    ) -> tuple[Float[np.ndarray, "mode node"], Float[np.ndarray, "mode node"]]:
        squares = factor * np.exp(2 * np.minimum(x, 300.0))
        return rate - squares / 2, squares

    # without squares X grows freely; a stiff solution follows the zero of the right-hand side
    free = _integrals(growth, length)[:, 1:]
    followed = 0.5 * np.log(np.maximum(2 * np.abs(rate) / factor, 1e-300)) - start
    growing = np.where(rate * length > 1, followed, np.minimum(free, np.maximum(followed, 0.0)))
    return solve(right_side, start, np.where(rate > 0, growing, free), length)


def _integrals(values: Float[np.ndarray, "mode point"], length: float) -> Float[np.ndarray, "mode point"]:
    """Integrals from the start of the step to its start and to its nodes."""
    return length * values @ radau_rule().integrals.T
