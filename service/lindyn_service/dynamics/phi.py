"""A function with a removable singularity that all integrals of exponentials share."""

import numpy as np
from jaxtyping import Float


def phi(x: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """(1 - e^{-x}) / x, with its limit 1 at x = 0.

    Source: the integral of e^{-x r} over r from 0 to 1.
    """
    return np.divide(-np.expm1(-x), x, out=np.ones_like(x), where=x != 0)
