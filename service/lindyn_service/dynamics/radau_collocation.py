"""Radau collocation: each step of a stiff equation is solved by one polynomial.

The length of a step is limited by the smoothness of the solution, which the last coefficients of the polynomial show,
but not by stiffness. Displacements from the start are solved for, since differentiating the solution itself would
amplify its rounding errors.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float
from numpy.polynomial import legendre
from scipy.special import roots_jacobi

NODES = 20
"""Nodes of a step."""

_GROWTH_FACTOR, _REDUCTION_FACTOR = 2.0, 0.5  # of the length of steps, after a success and after a failure
_MAX_STEPS = 4000  # rarely more than 100 are tried
_SHORT_STEP = 0.05  # in units of the fastest time scale; polynomials are exact on shorter steps
_SMOOTHNESS_TOLERANCE = 4e-15  # of the last two Legendre coefficients, relative to the solution
_NEWTON_STEPS = 30
_NEWTON_TOLERANCE = 1e-14  # of the last change, relative to the solution
_MAX_CHANGE = 2.0  # in one iteration, of solutions that are logarithms
_DIVERGED = 1e10

RightSide = Callable[
    [Float[np.ndarray, "mode node"]], tuple[Float[np.ndarray, "mode node"], Float[np.ndarray, "mode node"]]
]
"""Right-hand sides f(u) of equations du/dt = f(u) at the nodes, and -df/du."""

Step = Callable[[Float[np.ndarray, "*any"], float, float], Float[np.ndarray, "*any point"] | None]
"""From the values at the start of a step, its time and its length to those at the start and at the nodes, or None."""


class NotConvergedError(ValueError):
    """Newton's method did not converge, for instance since a step is too long."""


class TooManyStepsError(ValueError):
    """The numbers of a problem differ by so many orders of magnitude that its solution takes too many steps."""


@dataclass(frozen=True)
class RadauRule:
    """Linear maps of the values of a polynomial at 0 and at the Radau points of the interval [0, 1].

    Attributes:
        nodes: Radau points, ascending, the last of which is 1.
        derivative: (node, node), map from differences to the value at 0 to derivatives at the points.
        coefficients: (1 + node, 1 + node), map from all values to Legendre coefficients.
        integrals: (1 + node, 1 + node), map from all values to integrals from 0 to 0 and to the points.
    """

    nodes: Float[np.ndarray, " node"]
    derivative: Float[np.ndarray, "node node"]
    coefficients: Float[np.ndarray, "point point"]
    integrals: Float[np.ndarray, "point point"]


@cache
def radau_rule(nodes: int = NODES) -> RadauRule:
    """Return the rule with a number of nodes.

    Source: Hairer and Wanner (1996), 10.1007/978-3-642-05221-7, section IV.5.
    """
    points = np.append(-1.0, np.append(roots_jacobi(nodes - 1, 1.0, 0.0)[0], 1.0))
    coefficients = np.linalg.inv(legendre.legvander(points, nodes))
    slopes = legendre.legder(np.eye(nodes + 1), axis=0)
    areas = legendre.legint(np.eye(nodes + 1), lbnd=-1, axis=0)
    return RadauRule(
        nodes=(1 + points[1:]) / 2,
        derivative=2 * legendre.legvander(points[1:], nodes - 1) @ slopes @ coefficients[:, 1:],
        coefficients=coefficients,
        integrals=legendre.legvander(points, nodes + 1) @ areas @ coefficients / 2,
    )


@dataclass(frozen=True)
class Pieces:
    """Polynomials on adjacent intervals, the first of which starts at 0.

    Attributes:
        starts: start of each interval, ascending.
        lengths: length of each interval.
        coefficients: Legendre coefficients, (interval, degree, ...).
    """

    starts: Float[np.ndarray, " interval"]
    lengths: Float[np.ndarray, " interval"]
    coefficients: Float[np.ndarray, "interval degree *any"]

    def at(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, "time *any"]:
        """Evaluate at times within the intervals."""
        pieces = np.searchsorted(self.starts, times, side="right") - 1
        degree = self.coefficients.shape[1] - 1
        points = legendre.legvander(2 * (times - self.starts[pieces]) / self.lengths[pieces] - 1, degree)
        values = np.empty((len(times), *self.coefficients.shape[2:]))
        for piece in np.unique(pieces):
            inside = pieces == piece
            values[inside] = np.tensordot(points[inside], self.coefficients[piece], 1)
        return values


def integrate(
    step: Step,
    values: Float[np.ndarray, "*any"],
    length: float,
    is_finished: Callable[[float, Float[np.ndarray, "*any"]], bool],
    end: float = np.inf,
) -> tuple[Pieces, float, Float[np.ndarray, "*any"]]:
    """Integrate from time 0 until a time or a condition.

    Args:
        step: solves one step; None, or a `NotConvergedError`, means that it is too long.
        values: values at time 0.
        length: length of the first step.
        is_finished: tells from a time and the values then whether this is the end.
        end: time at which the last step ends, at most.

    Returns:
        The polynomials, the time at the end, and the values then.

    Raises:
        TooManyStepsError: the end is not reached.
    """
    time, starts, lengths, coefficients = 0.0, list[float](), list[float](), list[np.ndarray]()
    for _ in range(_MAX_STEPS):
        if time == end or is_finished(time, values):
            degrees = radau_rule().coefficients
            stacked = np.stack(coefficients) if coefficients else np.zeros((0, len(degrees), *values.shape))
            return Pieces(np.array(starts), np.array(lengths), stacked), time, values
        length = min(length, end - time)
        try:
            solution = step(values, time, length)
        except NotConvergedError:
            solution = None
        if solution is None:
            length *= _REDUCTION_FACTOR
            continue
        starts.append(time)
        lengths.append(length)
        coefficients.append(np.tensordot(radau_rule().coefficients, solution, (1, -1)))
        values, time, length = solution[..., -1], min(time + length, end), length * _GROWTH_FACTOR
    raise TooManyStepsError(f"the growth of modes under weight decay takes more than {_MAX_STEPS} steps")


def solve(
    right_side: RightSide,
    start: Float[np.ndarray, "mode 1"],
    guess: Float[np.ndarray, "mode node"],
    length: float,
) -> Float[np.ndarray, "mode point"]:
    """Solve independent equations over one step by Newton's method.

    Args:
        right_side: right-hand sides and their derivatives.
        start: solutions at the start.
        guess: first guess of the displacements.
        length: length of the step.

    Returns:
        Solutions at the start and at the nodes.

    Raises:
        NotConvergedError: the iteration does not converge.

    Source: Hairer and Wanner (1996), 10.1007/978-3-642-05221-7, section IV.8.
    """
    nodes = guess.shape[1]
    derivative, displacement, largest = radau_rule(nodes).derivative / length, guess, np.inf
    for _ in range(_NEWTON_STEPS):
        solution = start + displacement
        values, stiffness = right_side(solution)
        matrix = derivative + stiffness[:, :, None] * np.eye(nodes)
        change = np.linalg.solve(matrix, (values - displacement @ derivative.T)[:, :, None])[:, :, 0]
        displacement = displacement + np.clip(change, -_MAX_CHANGE, _MAX_CHANGE)
        largest = float(np.max(np.abs(change) / (1 + np.abs(solution))))
        if largest < _NEWTON_TOLERANCE:
            return np.concatenate([start, start + displacement], axis=1)
        if not largest < _DIVERGED:
            break
    raise NotConvergedError(f"Newton's method ends with a change of {largest:.3g}")


def linear_solution(
    source: Float[np.ndarray, "mode 1"],
    rate: Float[np.ndarray, "mode node"],
    start: Float[np.ndarray, "mode 1"],
    length: float,
) -> Float[np.ndarray, "mode point"]:
    """Solve dq/dt = source - rate q over one step; returns q at the start and at the nodes."""
    nodes = rate.shape[1]
    matrix = radau_rule(nodes).derivative / length + rate[:, :, None] * np.eye(nodes)
    change = np.linalg.solve(matrix, (source - rate * start)[:, :, None])[:, :, 0]
    return np.concatenate([start, start + change], axis=1)


def is_smooth(values: Float[np.ndarray, "*any point"], sizes: Float[np.ndarray, "*any"], fastest: float) -> bool:
    """Return whether polynomials resolve a step.

    Args:
        values: values at the start and at the nodes.
        sizes: sizes of the solutions, to which errors are relative.
        fastest: fastest rate times the length of the step.
    """
    tails = values @ radau_rule(values.shape[-1] - 1).coefficients[-2:].T
    return fastest <= _SHORT_STEP or bool(np.all(np.abs(tails) <= _SMOOTHNESS_TOLERANCE * sizes[..., None]))
