"""One step of Gauss collocation: solved in float64, then refined twice by residuals that have 32 digits."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.double_double import DoubleDouble, exact
from lindyn_service.dynamics.flow_velocity import Linearisation, VelocityField
from lindyn_service.dynamics.gauss_rule import gauss_rule

_NODES = 24
_ITERATIONS = 40  # of one fixed-point iteration; more means that the step is too long
_EASY_ITERATIONS = 24
_PREDICTED = 1e-13  # relative to the layers
_CORRECTED = 1e-9  # relative to the correction: one prediction and two corrections give 31 digits
_INTERIOR = 1e-17  # aim for the error of the polynomial within a step, relative to the displacements
_PREDICTED_INTERIOR = 1e-12, 1e-3  # largest error; displacement relative to the layers that rounding cannot tell from 0
_REFINED_INTERIOR = 1e-15, 1e-12
_INTERPOLATION = 4e-15  # error of values of the polynomials, relative to the largest value at a node
_SMALLEST_FACTOR, _LARGEST_FACTOR = 0.1, 4.0

ROUNDING = 2.0**-102
"""Bound of the rounding error of a step, relative to the layers."""


class StepTooLongError(Exception):
    """The equations of a step were not solved, or its polynomial is not accurate enough.

    Attributes:
        factor: by which the next attempt should be shorter.
    """

    def __init__(self, factor: float) -> None:
        super().__init__(factor)
        self.factor = factor


@dataclass(frozen=True)
class Step:
    """The solution over one step, and a draw of the error that it inherits from earlier steps.

    Attributes:
        start: (number,), state at the beginning.
        end: (number,), state at the end.
        displacements: (node, number), velocities at the nodes times the length of the step.
        residuals: (node, out, in), sigma_yx - W sigma_xx at the nodes.
        error: (number,), inherited error at the end.
        inherited_residual_error: Frobenius norm of the inherited error of sigma_yx - W sigma_xx, largest in the step.
        states_error: Frobenius norm of the error of `states_at`.
        residuals_error: Frobenius norm of the error of `residuals_at`.
        local_error: (number,), size of the error that the step adds.
        factor: suggested ratio of the next step's length to that of this one.
    """

    start: DoubleDouble
    end: DoubleDouble
    displacements: Float[np.ndarray, "node number"]
    residuals: Float[np.ndarray, "node out in"]
    error: Float[np.ndarray, " number"]
    inherited_residual_error: float
    states_error: float
    residuals_error: float
    local_error: Float[np.ndarray, " number"]
    factor: float

    def states_at(self, fractions: Float[np.ndarray, " time"]) -> Float[np.ndarray, "time number"]:
        """States at fractions of the step, by its polynomial."""
        return self.start.high + gauss_rule(_NODES).integrals_to(fractions) @ self.displacements

    def residuals_at(self, fractions: Float[np.ndarray, " time"]) -> Float[np.ndarray, "time out in"]:
        """The matrix sigma_yx - W sigma_xx at fractions of the step, by its polynomial."""
        return np.tensordot(gauss_rule(_NODES).values(fractions), self.residuals, 1)


@np.errstate(over="ignore", invalid="ignore")  # what overflows is refused
def collocation_step(
    field: VelocityField, start: DoubleDouble, error: Float[np.ndarray, " number"], length: DoubleDouble
) -> Step:
    """Integrate from a state, (number,), with a draw of its error, (number,), over some length, (1, 1).

    Raises:
        StepTooLongError: a shorter step should be tried.

    Source: Hairer, Norsett and Wanner (1993), 10.1007/978-3-540-78862-1, section II.7, for collocation, whose error at
    the end of a step has twice the order of that within; Higham (2002), 10.1137/1.9780898718027, chapter 12, for
    iterative refinement.
    """
    equations = _Equations(field, start, length, _rows() * length)
    states, predictions = equations.predicted()
    sizes = _positive(field.largest(states))
    last, changes, corrections = equations.refined(states, error, sizes)
    displacements = length.high * last.linearisation.velocity.high
    moved = field.largest(displacements)
    interior = _interior_error(field.largest(last.moments.high[-2:]), moved, sizes, _REFINED_INTERIOR)
    local_error = ROUNDING * sizes + interior**2 * moved + _CORRECTED * field.largest(changes[0])
    velocity_changes, residual_changes = last.linearisation.changes(changes)
    at_end = equations.rows.high[_NODES] @ velocity_changes
    residuals = last.linearisation.passes.errors[-1] + residual_changes[0]
    residual_error = _largest_norm(residual_changes[1])
    return Step(
        start=start,
        end=start + last.moments.map(lambda part: part[_NODES]) + exact(at_end[0]),
        displacements=displacements,
        residuals=residuals,
        error=error + at_end[1],
        inherited_residual_error=residual_error,
        states_error=_largest_norm(changes[1]) + _INTERPOLATION * _largest_norm(displacements),
        residuals_error=residual_error + _INTERPOLATION * _largest_norm(residuals),
        local_error=np.where(np.any(states, axis=0), local_error, 0.0),
        factor=min(_factor(interior), (_EASY_ITERATIONS / max(predictions, corrections)) ** 2, _LARGEST_FACTOR),
    )


@dataclass(frozen=True)
class _Defect:
    """Distance of states at the nodes from a solution of the equations.

    Attributes:
        linearisation: of the velocities.
        moments: (node + 3, number), of the velocities by `_rows`.
        defect: (node, number), start + integrals - states.
    """

    linearisation: Linearisation
    moments: DoubleDouble
    defect: Float[np.ndarray, "node number"]


@dataclass(frozen=True)
class _Equations:
    """The equations of collocation: states at the nodes are the start plus the integral of the velocities up to there.

    Attributes:
        field: the velocities.
        start: (number,), state at the beginning.
        length: (1, 1), of the step.
        rows: (node + 3, node), those of `_rows` times the length.
    """

    field: VelocityField
    start: DoubleDouble
    length: DoubleDouble
    rows: DoubleDouble

    def predicted(self) -> tuple[Float[np.ndarray, "node number"], int]:
        """Solve in float64 by fixed-point iteration; returns states and the number of iterations."""
        rows = self.rows.high
        states = np.broadcast_to(self.start.high, (_NODES, len(self.start.high)))
        for iteration in range(1, _ITERATIONS + 1):
            velocities = self.field.velocity(states)
            before, states = states, self.start.high + rows[:_NODES] @ velocities
            sizes = _positive(self.field.largest(states))
            if np.max(np.abs(states - before) / sizes) <= _PREDICTED:
                tails = self.field.largest(rows[-2:] @ velocities)
                moved = self.field.largest(self.length.high * velocities)
                _interior_error(tails, moved, sizes, _PREDICTED_INTERIOR)
                return states, iteration
        raise StepTooLongError(0.5)

    def refined(
        self,
        states: Float[np.ndarray, "node number"],
        error: Float[np.ndarray, " number"],
        sizes: Float[np.ndarray, " number"],
    ) -> tuple[_Defect, Float[np.ndarray, "2 node number"], int]:
        """Correct a solution twice.

        Returns:
            The equations after the first correction; the second correction, and the error within the step that grows
            from one at its start; the number of iterations of both.
        """
        first = self.defect(exact(states))
        correction, _ = self.solved(first.linearisation, first.defect, sizes)
        last = self.defect(exact(states) + exact(correction))
        inherited = np.broadcast_to(error, states.shape)
        changes, iterations = self.solved(last.linearisation, np.stack([last.defect, inherited]), sizes)
        return last, changes, iterations

    def defect(self, states: DoubleDouble) -> _Defect:
        """Linearise at states, (node, number), and evaluate the equations in 32 digits."""
        linearisation = self.field.linearised(states)
        moments = self.rows @ linearisation.velocity
        solution = self.start + moments.map(lambda part: part[:_NODES])
        return _Defect(linearisation, moments, (solution - states).high)

    def solved(
        self,
        linearisation: Linearisation,
        right: Float[np.ndarray, "*batch node number"],
        sizes: Float[np.ndarray, " number"],
    ) -> tuple[Float[np.ndarray, "*batch node number"], int]:
        """Solve change - integrals of the velocities' change = right alike; returns changes and their iterations."""
        rows = self.rows.high[:_NODES]
        changes = right
        for iteration in range(1, _ITERATIONS + 1):
            before, changes = changes, right + rows @ linearisation.changes(changes)[0]
            gaps = np.max(np.abs(changes - before) / sizes, axis=(-1, -2))
            if np.all(gaps <= _CORRECTED * np.max(np.abs(changes) / sizes, axis=(-1, -2))):
                return changes, iteration
        raise StepTooLongError(0.5)


@cache
def _rows() -> DoubleDouble:
    """Maps of values at the nodes to integrals up to each node, to the integral up to the end, and to two tails.

    The tails are the coefficients of the two highest Legendre polynomials.
    """
    rule = gauss_rule(_NODES)
    parts = [(rule.integrals.high, rule.coefficients.high), (rule.integrals.low, rule.coefficients.low)]
    return DoubleDouble(*(np.vstack([integrals, coefficients[-2:]]) for integrals, coefficients in parts))


def _interior_error(
    tails: Float[np.ndarray, " number"],
    moved: Float[np.ndarray, " number"],
    sizes: Float[np.ndarray, " number"],
    limits: tuple[float, float],
) -> float:
    """Relative error of the polynomial by its last coefficients; refuses what is above the limit."""
    largest, negligible = limits
    error = float(np.nan_to_num(np.max(tails / (moved + negligible * sizes)), nan=np.inf))
    if error > largest:
        raise StepTooLongError(_factor(error))
    return error


def _factor(interior_error: float) -> float:
    """Ratio of lengths that changes the error of the polynomial to the one that is aimed at."""
    return max(_SMALLEST_FACTOR, 0.9 * (_INTERIOR / max(interior_error, _INTERIOR**2)) ** (1 / _NODES))


def _positive(sizes: Float[np.ndarray, " number"]) -> Float[np.ndarray, " number"]:
    """Sizes to divide by: a layer of zeros has none."""
    return np.where(sizes > 0, sizes, 1.0)


def _largest_norm(values: Float[np.ndarray, "node ..."]) -> float:
    """Frobenius norm of the values at a node, largest over the nodes."""
    return float(np.max(np.linalg.norm(values.reshape(len(values), -1), axis=1)))
