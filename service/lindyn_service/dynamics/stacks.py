"""Stacks of matrices, one for each network and time, in the memory order in which their products are fastest.

Stacks are always indexed (row, column, network, time). Small matrices are stored in this order, so that each step of a
loop over their entries processes a long contiguous array. Larger matrices are contiguous, as BLAS requires.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.inverse_roots import inverse_roots

_MAX_SMALL_SIZE = 10  # for at most this many rows and columns, loops over entries are faster than BLAS

Stack = Float[np.ndarray, "_ _ _ _"]
"""Array of matrices, (row, column, network, time)."""


@dataclass(frozen=True)
class Stacks:
    """Arithmetic on stacks of given numbers of networks and times; stacks of the same name share their memory.

    Attributes:
        n_networks: number of networks in each stack; operands may have a single one for all.
        n_times: number of times in each stack.
        size: largest number of rows or columns of the matrices.
        memory: arrays by name, reused by later stacks.
    """

    n_networks: int
    n_times: int
    size: int
    memory: dict[str, Float[np.ndarray, " number"]]

    @property
    def is_small(self) -> bool:
        """Whether the matrices are small enough for loops over entries."""
        return self.size <= _MAX_SMALL_SIZE

    def empty(self, name: str, n_rows: int, n_columns: int) -> Stack:
        """Uninitialised stack in reused memory, since allocation would take as long as the arithmetic."""
        shape = (n_rows, n_columns, self.n_networks, self.n_times)
        size = n_rows * n_columns * self.n_networks * self.n_times
        memory = self.memory.get(name)
        if memory is None or len(memory) < size:
            memory = self.memory[name] = np.empty(size)
        if self.is_small:
            return memory[:size].reshape(shape)
        return memory[:size].reshape(*shape[2:], *shape[:2]).transpose(2, 3, 0, 1)

    def product(self, first: Stack, second: Stack, out: Stack) -> Stack:
        """Matrix products of two stacks, written to `out`."""
        if self.is_small:
            np.einsum("ikp,kjp->ijp", _flat(first), _flat(second), out=_flat(out))
        else:
            np.matmul(_last(first), _last(second), out=_last(out))
        return out

    def gram(
        self, x: Float[np.ndarray, "network row column"], weights: Float[np.ndarray, "row any_network time"], out: Stack
    ) -> Stack:
        """Products X^T diag(weights) X with one X for each network and weights for each time, written to `out`."""
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
        of_networks = products.reshape(-1, self.n_networks, n_rows).transpose(1, 0, 2)
        np.matmul(of_networks, weights.transpose(1, 0, 2), out=out.reshape(-1, *out.shape[2:]).transpose(1, 0, 2))
        return out

    def inverse_roots(self, matrices: Stack) -> tuple[Stack, Float[np.ndarray, "network time"]]:
        """Upper triangular U with U U^T the inverse of positive definite matrices, which are overwritten.

        Returns:
            U, and the ratios as from `inverse_roots.inverse_roots`. If a matrix is not positive definite, its ratio is
            not finite and its U is invalid.

        Source: Golub and Van Loan (2013), Matrix Computations, section 4.2.
        """
        size, shape = len(matrices), matrices.shape[2:]
        if not self.is_small:
            zeros = np.zeros((shape[0] * shape[1], size))
            inverse_large, ratio = inverse_roots(_last(matrices).reshape(-1, size, size), zeros)
            return inverse_large.reshape(*shape, size, size).transpose(2, 3, 0, 1), ratio.reshape(shape)
        inverse = self.empty("inverse", size, size)
        inverse[:] = 0.0
        return inverse, _small_inverse_roots(_flat(matrices), _flat(inverse)).reshape(shape)

    def solve(self, root: Stack, right: Stack, out: Stack) -> Stack:
        """Products U U^T right for upper triangular U, written to `out`."""
        between = self.empty("between", len(right), right.shape[1])
        if not self.is_small:
            np.matmul(_last(root).transpose(0, 1, 3, 2), _last(right), out=_last(between))
            np.matmul(_last(root), _last(between), out=_last(out))
            return out
        upper, right_rows, half, result = (_flat(stack) for stack in (root, right, between, out))
        for i in range(len(upper)):
            np.einsum("kp,kjp->jp", upper[: i + 1, i], right_rows[: i + 1], out=half[i])
        for i in range(len(upper)):
            np.einsum("kp,kjp->jp", upper[i, i:], half[i:], out=result[i])
        return out


def diagonals(stack: Stack) -> Float[np.ndarray, "row network time"]:
    """View of the diagonals of a stack."""
    return np.einsum("iibt->ibt", stack)


def _small_inverse_roots(
    matrices: Float[np.ndarray, "size size matrix"], inverse: Float[np.ndarray, "size size matrix"]
) -> Float[np.ndarray, " matrix"]:
    """Write inverse Cholesky factors into the upper triangles of `inverse`, and return the ratios."""
    ratio = np.zeros(matrices.shape[2])
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        for j in range(len(matrices)):
            row, norm = matrices[j, j:], np.sqrt(matrices[j, j])
            if j:
                row -= np.einsum("kp,kip->ip", matrices[:j, j], matrices[:j, j:])
            np.divide(1.0, np.sqrt(row[0]), out=inverse[j, j])
            row *= inverse[j, j]
            if j:
                column = np.einsum("ikp,kp->ip", inverse[:j, :j], matrices[:j, j])
                np.multiply(column, -inverse[j, j], out=inverse[:j, j])
            np.maximum(ratio, norm * inverse[j, j], out=ratio)
    return ratio


def _flat(stack: Stack) -> Float[np.ndarray, "_ _ matrix"]:
    """View of a stack with a single axis for networks and times."""
    return stack.reshape(*stack.shape[:-2], -1)


def _last(stack: Stack) -> Float[np.ndarray, "_ _ row column"]:
    """View of a stack with the axes of the matrices last."""
    return stack.transpose(2, 3, 0, 1)
