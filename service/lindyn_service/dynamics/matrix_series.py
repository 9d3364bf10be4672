"""Power series of matrices, whose memory lets a single product of matrices add up a coefficient of their product."""

import numpy as np
from jaxtyping import Float


class RightSeries:
    """Memory of a series of matrices, for second factors: coefficients below each other in descending order.

    Args:
        rows: rows of each coefficient.
        columns: columns of each coefficient.
        order: highest power.
    """

    def __init__(self, rows: int, columns: int, order: int) -> None:
        self._rows, self._end = rows, (order + 1) * rows
        self._memory = np.zeros((self._end, columns))

    def __setitem__(self, k: int, coefficient: Float[np.ndarray, "row column"]) -> None:
        last = self._end - k * self._rows
        self._memory[last - self._rows : last] = coefficient

    def descending(self, k: int, terms: int) -> Float[np.ndarray, "row column"]:
        """Coefficients k, k - 1, .. below each other; a view."""
        first = self._end - (k + 1) * self._rows
        return self._memory[first : first + terms * self._rows]


class LeftSeries:
    """Memory of a series of matrices, for first factors: coefficients beside each other in ascending order.

    Args:
        rows: rows of each coefficient.
        columns: columns of each coefficient.
        order: highest power.
    """

    def __init__(self, rows: int, columns: int, order: int) -> None:
        self._shape = rows, order + 1, columns
        self._columns = columns
        self._memory = np.zeros((rows, (order + 1) * columns))

    def __setitem__(self, k: int, coefficient: Float[np.ndarray, "row column"]) -> None:
        self._memory[:, k * self._columns : (k + 1) * self._columns] = coefficient

    def coefficient(self, k: int) -> Float[np.ndarray, "row column"]:
        """Return a coefficient; a view."""
        return self._memory[:, k * self._columns : (k + 1) * self._columns]

    def coefficients(self) -> Float[np.ndarray, "power row column"]:
        """Return all coefficients; a view."""
        return self._memory.reshape(self._shape).transpose(1, 0, 2)

    def product(self, second: RightSeries, k: int, *, terms: int = 0) -> Float[np.ndarray, "_ _"]:
        """Coefficient k of a product, the sum of self[i] second[k - i] over i < `terms`, by default all k + 1."""
        terms = terms or k + 1
        return self._memory[:, : terms * self._columns] @ second.descending(k, terms)
