"""Taylor series of the gradient flow that gradient descent with a finite step follows to second order."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.flow_series import FlowSeries, Task
from lindyn_service.dynamics.matrix_series import LeftSeries, RightSeries


class CorrectedSeries(FlowSeries):
    """Taylor series of the gradient flow of L + (step / 4) ||grad L||^2; other arguments are as for `FlowSeries`.

    Descent with a step h is where this flow is after the time h for each step, up to errors of the order h^2. With the
    velocity F = -grad L, that of this flow is F - (h / 2) F' F.

    Args:
        step: h, in units of the time constant.

    Source: Barrett and Dherin (2021), arXiv 2009.11162, equations (2) to (4); Hairer, Lubich and Wanner (2006),
    10.1007/3-540-30666-8, IX.1, backward error analysis of Euler's method.
    """

    def __init__(self, task: Task, shapes: Sequence[tuple[int, int]], order: int, *, step: float) -> None:
        super().__init__(task, shapes, order)
        self._step = step
        n_in, widths = shapes[0][1], [rows for rows, _ in shapes]
        self._velocities = [LeftSeries(rows, columns, order) for rows, columns in shapes]
        self._turned = [LeftSeries(columns, rows, order) for rows, columns in shapes]  # transposed velocities
        self._whole = [RightSeries(width, n_in, order) for width in widths]  # W_l .. W_1
        self._moved = [RightSeries(width, n_in, order) for width in widths]  # derivatives of these along F
        self._moved_below = [RightSeries(n_in, width, order) for width in widths]  # their transposes
        self._moved_errors = [RightSeries(width, n_in, order) for width in widths]
        self._moved_beside = [LeftSeries(width, n_in, order) for width in widths]

    def rates(self, k: int) -> list[Float[np.ndarray, "_ _"]]:
        """Coefficients of the velocities of all layers over the size of E."""
        velocities = super().rates(k)
        for i, velocity in enumerate(velocities):
            self._velocities[i][k] = velocity
            self._turned[i][k] = velocity.T
            self._whole[i][k] = self._below[i].descending(k, 1).T
        found: list[np.ndarray] = []
        error = -self._task.times_sigma_xx(self._move_products(k, velocities))
        for level in range(len(velocities) - 1, -1, -1):
            if level < len(velocities) - 1:
                above = level + 1
                error = self._transposed[above].product(self._moved_errors[above], k)
                error += self.size * self._turned[above].product(self._errors[above], k)
            self._moved_errors[level][k] = error
            self._moved_beside[level][k] = error
            found.append(self._along(level, k) if level else error)
        gammas = self._task.weight_decay or (0.0,) * len(velocities)
        pairs = zip(velocities, found[::-1], gammas, strict=True)
        return [velocity - self._step / 2 * (change - gamma * velocity) for velocity, change, gamma in pairs]

    def _move_products(self, k: int, velocities: Sequence[Float[np.ndarray, "_ _"]]) -> Float[np.ndarray, "out in"]:
        """Derivative of the network function along F over the size of E, after those of all partial products."""
        moved = velocities[0]
        for level, velocity in enumerate(self._velocities):
            if level:
                moved = velocity.product(self._whole[level - 1], k)
                moved += self._layers[level].product(self._moved[level - 1], k)
            self._moved[level][k] = moved
            self._moved_below[level][k] = moved.T
        return moved

    def _along(self, level: int, k: int) -> Float[np.ndarray, "row column"]:
        """Derivative of the velocity of a layer other than the first along F, over the size of E."""
        change = self._moved_beside[level].product(self._below[level - 1], k)
        return change + self.size * self._beside[level].product(self._moved_below[level - 1], k)
