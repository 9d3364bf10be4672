"""Random orthonormal columns, uniform: any rotation of them is as likely as they are."""

import numpy as np
from jaxtyping import Float


def haar_columns(n: int, columns: int, rng: np.random.Generator) -> Float[np.ndarray, "n columns"]:
    """Draw the first columns of a matrix from the Haar measure on O(n).

    Args:
        n: length of a column.
        columns: how many, at most n.
        rng: source of randomness.

    Source: Mezzadri (2007), arXiv math-ph/0609050.
    """
    return haar_completion(np.empty((n, 0)), columns, rng)


def haar_completion(
    basis: Float[np.ndarray, "n rank"], columns: int, rng: np.random.Generator
) -> Float[np.ndarray, "n columns"]:
    """Draw orthonormal columns that are orthogonal to given ones and uniform among those.

    A singular value decomposition completes a basis too, but by whatever directions its algorithm leaves over.

    Args:
        basis: orthonormal columns; only what they span matters, up to rounding.
        columns: how many to draw, at most n - rank.
        rng: source of randomness.

    Source: Mezzadri (2007), arXiv math-ph/0609050, within the complement of the basis: a QR factorisation takes the
    columns in turn, and is unique, and so equivariant, where the diagonal of R is positive.
    """
    return completed(basis, rng.standard_normal((len(basis), columns)))


def completed(
    basis: Float[np.ndarray, "*any n rank"], normals: Float[np.ndarray, "*any n columns"]
) -> Float[np.ndarray, "*any n columns"]:
    """Make Gaussian columns orthonormal, and orthogonal to given ones: uniform among those.

    Args:
        basis: orthonormal columns.
        normals: independent standard normal numbers.

    Source: as for `haar_completion`.
    """
    rank = basis.shape[-1]
    q, r = np.linalg.qr(np.concatenate([basis, normals], axis=-1))
    diagonal = np.diagonal(r, axis1=-2, axis2=-1)[..., None, rank:]
    return q[..., rank:] * np.where(diagonal < 0, -1.0, 1.0)
