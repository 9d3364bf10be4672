"""Layers of linear networks, and the function that they compute."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

Layers = tuple[Float[np.ndarray, "... _ _"], ...]
"""One array for each layer, (.., width l+1, width l), first layer first."""


def network_function(layers: Sequence[Float[np.ndarray, "... _ _"]]) -> Float[np.ndarray, "... out in"]:
    """Return the product W_L .. W_1 of all layers."""
    function = layers[0]
    for layer in layers[1:]:
        function = layer @ function
    return function
