"""Function with a removable singularity that appears in integrals of exponentials."""

import numpy as np
from jaxtyping import Float


def phi(x: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Integral of e^{-x r} over r from 0 to 1: (1 - e^{-x}) / x, with its limit 1 at x = 0."""
    return np.divide(-np.expm1(-x), x, out=np.ones_like(x), where=x != 0)
