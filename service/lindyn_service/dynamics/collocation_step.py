"""One step of Gauss collocation: solved in float64, then refined twice with double-double residuals."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.double_double import DoubleDouble, exact
from lindyn_service.dynamics.flow_velocity import Linearisation, VelocityField
from lindyn_service.dynamics.gauss_rule import gauss_rule

_NODES = 24
_MAX_ITERATIONS = 40  # a fixed-point iteration that needs more shows that the step is too long
_EASY_ITERATIONS = 24  # fewer iterations let the next step be longer
_PREDICTOR_TOLERANCE = 1e-13  # relative to the layers
_CORRECTOR_TOLERANCE = 1e-9  # relative to the correction: one prediction and two corrections give 31 digits
_TARGET_ERROR = 1e-17  # of the polynomial within a step, relative to the displacements
# largest accepted interior error; displacements, relative to the layers, that rounding cannot distinguish from 0
_PREDICTOR_LIMITS = 1e-12, 1e-3
_REFINED_LIMITS = 1e-15, 1e-12
_INTERPOLATION = 4e-15  # rounding error of interpolated values, relative to the largest value at a node
_MIN_FACTOR, _MAX_FACTOR = 0.1, 4.0

ROUNDING = 2.0**-102
"""Bound of the rounding error of a step, relative to the layers."""


class StepTooLongError(Exception):
    """The step is too long: its equations were not solved, or its polynomial is not accurate enough.

    Attributes:
        factor: ratio of the length of the next attempt to that of this one.
    """

    def __init__(self, factor: float) -> None:
        super().__init__(factor)
        self.factor = factor


@dataclass(frozen=True)
class Step:
    """Solution over one step, with a sample of the error that it inherits from earlier steps.

    Attributes:
        start: (number,), state at the beginning.
        end: (number,), state at the end.
        displacements: (node, number), velocities at the nodes times the length of the step.
        residuals: (node, out, in), sigma_yx - W sigma_xx at the nodes.
        error: (number,), sample of the inherited error at the end.
        inherited_residual_error: Frobenius norm of the inherited error of sigma_yx - W sigma_xx, largest in the step.
        states_error: bound of the Frobenius norm of the error of `states_at`.
        residuals_error: bound of the Frobenius norm of the error of `residuals_at`.
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
        """Interpolate the states at fractions of the step."""
        return self.start.high + gauss_rule(_NODES).integrals_to(fractions) @ self.displacements

    def residuals_at(self, fractions: Float[np.ndarray, " time"]) -> Float[np.ndarray, "time out in"]:
        """Interpolate the matrix sigma_yx - W sigma_xx at fractions of the step."""
        return np.tensordot(gauss_rule(_NODES).values(fractions), self.residuals, 1)


@np.errstate(over="ignore", invalid="ignore")  # steps that overflow are rejected by their errors
def collocation_step(
    field: VelocityField, start: DoubleDouble, error: Float[np.ndarray, " number"], length: DoubleDouble
) -> Step:
    """Integrate one step of a given length, (1, 1), from a state, (number,), with a sample of its error, (number,).

    Raises:
        StepTooLongError: the step failed; its attribute `factor` suggests a shorter one.

    Source: Hairer, Norsett and Wanner (1993), 10.1007/978-3-540-78862-1, section II.7, for collocation, whose error at
    the end of a step has twice the order of that within it; Higham (2002), 10.1137/1.9780898718027, chapter 12, for
    iterative refinement.
    """
    equations = _Equations(field, start, length, _rows() * length)
    states, predictions = equations.predicted()
    sizes = _positive(field.largest(states))
    last, changes, corrections = equations.refined(states, error, sizes)
    displacements = length.high * last.linearisation.velocity.high
    displacement_sizes = field.largest(displacements)
    interior = _interior_error(field.largest(last.moments.high[-2:]), displacement_sizes, sizes, _REFINED_LIMITS)
    local_error = ROUNDING * sizes + interior**2 * displacement_sizes + _CORRECTOR_TOLERANCE * field.largest(changes[0])
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
        factor=min(_factor(interior), (_EASY_ITERATIONS / max(predictions, corrections)) ** 2, _MAX_FACTOR),
    )


@dataclass(frozen=True)
class _Defect:
    """Defect of the equations of collocation at given states.

    Attributes:
        linearisation: velocities and their linearisation at the states.
        moments: (node + 3, number), integrals and tails of the velocities by `_rows`.
        defect: (node, number), start + integrals - states.
    """

    linearisation: Linearisation
    moments: DoubleDouble
    defect: Float[np.ndarray, "node number"]


@dataclass(frozen=True)
class _Equations:
    """Equations of collocation: the state at each node is the start plus the integral of the velocities up to it.

    Attributes:
        field: velocity field.
        start: (number,), state at the beginning.
        length: (1, 1), length of the step.
        rows: (node + 3, node), `_rows` times the length.
    """

    field: VelocityField
    start: DoubleDouble
    length: DoubleDouble
    rows: DoubleDouble

    def predicted(self) -> tuple[Float[np.ndarray, "node number"], int]:
        """Solve in float64 by fixed-point iteration, and return the states and the number of iterations."""
        rows = self.rows.high
        states = np.broadcast_to(self.start.high, (_NODES, len(self.start.high)))
        for iteration in range(1, _MAX_ITERATIONS + 1):
            velocities = self.field.velocity(states)
            before, states = states, self.start.high + rows[:_NODES] @ velocities
            sizes = _positive(self.field.largest(states))
            if np.max(np.abs(states - before) / sizes) <= _PREDICTOR_TOLERANCE:
                tails = self.field.largest(rows[-2:] @ velocities)
                displacement_sizes = self.field.largest(self.length.high * velocities)
                _interior_error(tails, displacement_sizes, sizes, _PREDICTOR_LIMITS)
                return states, iteration
        raise StepTooLongError(0.5)

    def refined(
        self,
        states: Float[np.ndarray, "node number"],
        error: Float[np.ndarray, " number"],
        sizes: Float[np.ndarray, " number"],
    ) -> tuple[_Defect, Float[np.ndarray, "2 node number"], int]:
        """Refine a solution twice.

        Returns:
            The defect after the first correction; the second correction, stacked with the inherited error within the
            step; the number of iterations for both.
        """
        first = self.defect(exact(states))
        correction, _ = self.solved(first.linearisation, first.defect, sizes)
        last = self.defect(exact(states) + exact(correction))
        inherited = np.broadcast_to(error, states.shape)
        changes, iterations = self.solved(last.linearisation, np.stack([last.defect, inherited]), sizes)
        return last, changes, iterations

    def defect(self, states: DoubleDouble) -> _Defect:
        """Linearise at states, (node, number), and evaluate the defect in double-double arithmetic."""
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
        """Solve the linearised equations by fixed-point iteration; returns the changes and the number of iterations."""
        rows = self.rows.high[:_NODES]
        changes = right
        for iteration in range(1, _MAX_ITERATIONS + 1):
            before, changes = changes, right + rows @ linearisation.changes(changes)[0]
            gaps = np.max(np.abs(changes - before) / sizes, axis=(-1, -2))
            if np.all(gaps <= _CORRECTOR_TOLERANCE * np.max(np.abs(changes) / sizes, axis=(-1, -2))):
                return changes, iteration
        raise StepTooLongError(0.5)


@cache
def _rows() -> DoubleDouble:
    """Matrix from values at the nodes to integrals up to each node, to the integral over the step, and to two tails.

    The tails are the coefficients of the two highest Legendre polynomials.
    """
    rule = gauss_rule(_NODES)
    parts = [(rule.integrals.high, rule.coefficients.high), (rule.integrals.low, rule.coefficients.low)]
    return DoubleDouble(*(np.vstack([integrals, coefficients[-2:]]) for integrals, coefficients in parts))


def _interior_error(
    tails: Float[np.ndarray, " number"],
    displacement_sizes: Float[np.ndarray, " number"],
    sizes: Float[np.ndarray, " number"],
    limits: tuple[float, float],
) -> float:
    """Relative error of the polynomial, estimated by its last coefficients; StepTooLongError if above the limit."""
    largest, negligible = limits
    error = float(np.nan_to_num(np.max(tails / (displacement_sizes + negligible * sizes)), nan=np.inf))
    if error > largest:
        raise StepTooLongError(_factor(error))
    return error


def _factor(interior_error: float) -> float:
    """Factor of the length of the step that would bring the error of the polynomial to its target."""
    return max(_MIN_FACTOR, 0.9 * (_TARGET_ERROR / max(interior_error, _TARGET_ERROR**2)) ** (1 / _NODES))


def _positive(sizes: Float[np.ndarray, " number"]) -> Float[np.ndarray, " number"]:
    """Sizes with 0 replaced by 1, so that layers of zeros can be divided by them."""
    return np.where(sizes > 0, sizes, 1.0)


def _largest_norm(values: Float[np.ndarray, "node ..."]) -> float:
    """Largest Frobenius norm of the values at a node."""
    return float(np.max(np.linalg.norm(values.reshape(len(values), -1), axis=1)))
