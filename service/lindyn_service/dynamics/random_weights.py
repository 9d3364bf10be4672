"""Independent random initial weights, with distributions that are in common use."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

Scheme = Literal["lecun", "glorot", "he", "scaled", "normal", "torch"]

_VARIANCES: Mapping[Scheme, Callable[[float, float], float]] = {
    "lecun": lambda fan_in, _: 1 / fan_in,
    "glorot": lambda fan_in, fan_out: 2 / (fan_in + fan_out),
    "he": lambda fan_in, _: 2 / fan_in,
    "scaled": lambda fan_in, _: 1 / fan_in,
    "normal": lambda _, __: 1.0,
    "torch": lambda fan_in, _: 1 / (3 * fan_in),
}


def variance(scheme: Scheme, fan_in: int | float, fan_out: int | float, gain: float) -> float:
    """Variance of the entries of a layer: gain^2 times the variance of the scheme.

    Args:
        scheme: lecun and scaled 1 / fan_in, glorot 2 / (fan_in + fan_out), he 2 / fan_in, normal 1, torch
            1 / (3 fan_in).
        fan_in: width below the layer.
        fan_out: width above the layer.
        gain: multiplies the standard deviation.

    Source: LeCun et al. (1998), 10.1007/3-540-49430-8_2; Glorot & Bengio (2010), equation 12; He et al. (2015),
    arXiv 1502.01852, equation 10; torch is the default of torch.nn.Linear.
    """
    return gain * gain * _VARIANCES[scheme](fan_in, fan_out)


def kurtosis(scheme: Scheme) -> float:
    """Kurtosis of the entries, E w^4 / (E w^2)^2: 9/5 for uniform ones, 3 for Gaussian ones."""
    return 1.8 if scheme == "torch" else 3.0


def random_weights(
    dims: tuple[int, ...], scheme: Scheme, gains: Sequence[float], rng: np.random.Generator
) -> tuple[Float[np.ndarray, "_ _"], ...]:
    """Draw the layers of a network, with entries from N(0, variance), or uniform in +-gain / sqrt(fan_in) for torch.

    Args:
        dims: widths from the inputs to the outputs.
        scheme: initialization scheme, which sets the variance by the widths.
        gains: gain of each layer.
        rng: random number generator.

    Returns:
        Layers of the shapes (dims[l + 1], dims[l]), first layer first.

    Raises:
        ValueError: the numbers of gains and of layers differ.

    Source: as for `variance`.
    """
    return tuple(
        math.sqrt(variance(scheme, fan_in, fan_out, gain)) * standard_entries(scheme, (fan_out, fan_in), rng)
        for fan_in, fan_out, gain in zip(dims[:-1], dims[1:], gains, strict=True)
    )


def standard_entries(scheme: Scheme, shape: tuple[int, ...], rng: np.random.Generator) -> Float[np.ndarray, "..."]:
    """Draw independent entries of variance 1 with the distribution of a scheme.

    Source: as for `variance`.
    """
    if scheme == "torch":
        return rng.uniform(-math.sqrt(3.0), math.sqrt(3.0), shape)
    return rng.standard_normal(shape)
