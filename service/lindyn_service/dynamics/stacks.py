"""Stacks of matrices, one for each network and time, in the memory order in which their products are fastest.

A stack is indexed (row, column, network, time) in any case. Matrices of a few rows lie in memory in this order, so that
each step of a loop over their entries works through long rows of numbers; for larger ones each matrix is contiguous, as
BLAS wants them.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.inverse_roots import inverse_roots

_LARGEST_SMALL = 10  # rows and columns, up to which loops over entries are faster than BLAS

Stack = Float[np.ndarray, "_ _ _ _"]
"""(row, column, network, time)."""


@dataclass(frozen=True)
class Stacks:
    """Arithmetic on stacks for some networks and times; stacks of one name share their memory.

    Attributes:
        n_networks: in each stack; those that are factors may have one for all.
        n_times: likewise.
        size: most rows or columns of the matrices.
        memory: kept from stacks before.
    """

    n_networks: int
    n_times: int
    size: int
    memory: dict[str, Float[np.ndarray, " number"]]

    @property
    def is_small(self) -> bool:
        """Whether the matrices are."""
        return self.size <= _LARGEST_SMALL

    def empty(self, name: str, n_rows: int, n_columns: int) -> Stack:
        """A stack of any numbers, in memory that is kept: new memory costs as much as the arithmetic."""
        shape = (n_rows, n_columns, self.n_networks, self.n_times)
        size = n_rows * n_columns * self.n_networks * self.n_times
        memory = self.memory.get(name)
        if memory is None or len(memory) < size:
            memory = self.memory[name] = np.empty(size)
        if self.is_small:
            return memory[:size].reshape(shape)
        return memory[:size].reshape(*shape[2:], *shape[:2]).transpose(2, 3, 0, 1)

    def product(self, first: Stack, second: Stack, out: Stack) -> Stack:
        """Products of the matrices."""
        if self.is_small:
            np.einsum("ikp,kjp->ijp", _flat(first), _flat(second), out=_flat(out))
        else:
            np.matmul(_last(first), _last(second), out=_last(out))
        return out

    def gram(
        self, x: Float[np.ndarray, "network row column"], weights: Float[np.ndarray, "row any_network time"], out: Stack
    ) -> Stack:
        """X^T diag(weights) X of one X for each network and weights for each time."""
        n_rows, size = x.shape[1:]
        if not self.is_small:
            weighted = self.empty("weighted", n_rows, size)
            np.multiply(weights[:, None], x.transpose(1, 2, 0)[..., None], out=weighted)
            np.matmul(x.transpose(0, 2, 1)[:, None], _last(weighted), out=_last(out))
            return out
        rows = np.ascontiguousarray(x.transpose(2, 0, 1))
        products = rows[:, None] * rows
        if weights.shape[1] == 1:
            np.matmul(products.reshape(-1, n_rows), weights[:, 0], out=out.reshape(-1, self.n_times))
            return out
        each = products.reshape(-1, self.n_networks, n_rows).transpose(1, 0, 2)
        np.matmul(each, weights.transpose(1, 0, 2), out=out.reshape(-1, *out.shape[2:]).transpose(1, 0, 2))
        return out

    def inverse_roots(self, matrices: Stack) -> tuple[Stack, Float[np.ndarray, "network time"]]:
        """Upper triangles U with U U^T the inverse of symmetric positive definite matrices, which are overwritten.

        Returns:
            U, and the ratios that `triangular.inverse_roots` returns; they are not finite, and U is wrong, where a
            matrix is not positive definite.

        Source: Golub and Van Loan, Matrix Computations, 4.2.
        """
        size, shape = len(matrices), matrices.shape[2:]
        if not self.is_small:
            found, ratio = inverse_roots(_last(matrices).reshape(-1, size, size), np.zeros((shape[0] * shape[1], size)))
            return found.reshape(*shape, size, size).transpose(2, 3, 0, 1), ratio.reshape(shape)
        inverse = self.empty("inverse", size, size)
        inverse[:] = 0.0
        return inverse, _small_inverse_roots(_flat(matrices), _flat(inverse)).reshape(shape)

    def solve(self, root: Stack, right: Stack, out: Stack) -> Stack:
        """U U^T right for upper triangles U."""
        between = self.empty("between", len(right), right.shape[1])
        if not self.is_small:
            np.matmul(_last(root).transpose(0, 1, 3, 2), _last(right), out=_last(between))
            np.matmul(_last(root), _last(between), out=_last(out))
            return out
        upper, known, half, found = (_flat(each) for each in (root, right, between, out))
        for i in range(len(upper)):
            np.einsum("kp,kjp->jp", upper[: i + 1, i], known[: i + 1], out=half[i])
        for i in range(len(upper)):
            np.einsum("kp,kjp->jp", upper[i, i:], half[i:], out=found[i])
        return out


def diagonals(stack: Stack) -> Float[np.ndarray, "row network time"]:
    """A view of the diagonals.

    Source: the definition of a diagonal.
    """
    return np.einsum("iibt->ibt", stack)


def _small_inverse_roots(
    rest: Float[np.ndarray, "size size matrix"], inverse: Float[np.ndarray, "size size matrix"]
) -> Float[np.ndarray, " matrix"]:
    """Fill the upper triangles of `inverse`; returns the ratios."""
    ratio = np.zeros(rest.shape[2])
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        for j in range(len(rest)):
            row, norm = rest[j, j:], np.sqrt(rest[j, j])
            if j:
                row -= np.einsum("kp,kip->ip", rest[:j, j], rest[:j, j:])
            np.divide(1.0, np.sqrt(row[0]), out=inverse[j, j])
            row *= inverse[j, j]
            if j:
                column = np.einsum("ikp,kp->ip", inverse[:j, :j], rest[:j, j])
                np.multiply(column, -inverse[j, j], out=inverse[:j, j])
            np.maximum(ratio, norm * inverse[j, j], out=ratio)
    return ratio


def _flat(stack: Stack) -> Float[np.ndarray, "_ _ matrix"]:
    """A view with one axis for networks and times."""
    return stack.reshape(*stack.shape[:-2], -1)


def _last(stack: Stack) -> Float[np.ndarray, "_ _ row column"]:
    """A view with the matrices last."""
    return stack.transpose(2, 3, 0, 1)
