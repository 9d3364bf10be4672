"""Random orthonormal columns from the uniform, rotation-invariant distribution."""

import numpy as np
from jaxtyping import Float


def haar_columns(n: int, columns: int, rng: np.random.Generator) -> Float[np.ndarray, "n columns"]:
    """Draw the first columns of a matrix from the Haar measure on O(n).

    Args:
        n: length of a column.
        columns: number of columns, at most n.
        rng: random number generator.

    Source: Mezzadri (2007), arXiv math-ph/0609050.
    """
    return haar_completion(np.empty((n, 0)), columns, rng)


def haar_completion(
    basis: Float[np.ndarray, "n rank"], columns: int, rng: np.random.Generator
) -> Float[np.ndarray, "n columns"]:
    """Draw orthonormal columns uniformly from the complement of given ones.

    A singular value decomposition also completes a basis, but by directions that depend on its algorithm.

    Args:
        basis: orthonormal columns; up to rounding, only their span matters.
        columns: number of columns to draw, at most n - rank.
        rng: random number generator.

    Source: Mezzadri (2007), arXiv math-ph/0609050, within the complement of the basis: a QR factorisation whose R has a
    positive diagonal is unique, and hence equivariant.
    """
    return completed(basis, rng.standard_normal((len(basis), columns)))


def completed(
    basis: Float[np.ndarray, "*any n rank"], normals: Float[np.ndarray, "*any n columns"]
) -> Float[np.ndarray, "*any n columns"]:
    """Orthonormal columns, uniform in the complement of given ones, from Gaussian numbers.

    Args:
        basis: orthonormal columns.
        normals: independent standard normal numbers.

    Source: as for `haar_completion`.
    """
    rank = basis.shape[-1]
    q, r = np.linalg.qr(np.concatenate([basis, normals], axis=-1))
    diagonal = np.diagonal(r, axis1=-2, axis2=-1)[..., None, rank:]
    return q[..., rank:] * np.where(diagonal < 0, -1.0, 1.0)
