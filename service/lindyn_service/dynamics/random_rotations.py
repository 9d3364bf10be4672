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
    n, rank = basis.shape
    q, r = np.linalg.qr(np.concatenate([basis, rng.standard_normal((n, columns))], axis=1))
    return q[:, rank:] * np.where(np.diagonal(r)[rank:] < 0, -1.0, 1.0)
