"""Tasks of linear teachers with noise, and the held-out data that belong to them."""

from numbers import Real

import numpy as np
import numpy.typing as npt

from lindyn._public import public
from lindyn.arrays import as_array
from lindyn.builders import Part, data
from lindyn.errors import ArgumentError


@public
def teacher(
    w: npt.ArrayLike,
    samples: int,
    *,
    noise: float = 0.0,
    held_out: int = 1000,
    whiten: bool = True,
    seed: int | None = None,
) -> tuple[Part, Part]:
    """Return the task of a linear teacher with noise, targets y = w x + noise, and held-out data to evaluate on.

    Inputs are independent standard Gaussian numbers, and so is the noise, times its size. The held-out data are for
    `evaluate`: their inputs are in the units of those of the task before whitening.

    Args:
        w: the teacher, (out, in).
        samples: number of samples that are trained on.
        noise: standard deviation of the noise of each output.
        held_out: number of samples that are evaluated on.
        whiten: as for `data`, of the task.
        seed: seed of all numbers; by default any other one each time.

    Raises:
        ArgumentError: the teacher is no matrix, or a number is out of its range.
    """
    function = as_array("w", w)
    if function.ndim != 2:
        raise ArgumentError(f"w: got {function.ndim} dimensions, expected 2, (out, in)")
    for name, value, least in (("samples", samples, 1), ("held_out", held_out, 1), ("seed", seed or 0, 0)):
        if not isinstance(value, int | np.integer) or value < least:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ArgumentError(f"{name}: got {value!r}, expected a whole number of at least {least}")
    if not isinstance(noise, Real) or not 0 <= noise < float("inf"):
        raise ArgumentError(f"noise: got {noise!r}, expected a standard deviation of at least 0")
    rng = np.random.default_rng(seed)
    parts: list[Part] = []
    for count, is_whitened in ((samples, whiten), (held_out, False)):
        inputs = rng.standard_normal((count, function.shape[1]))
        targets = inputs @ function.T + noise * rng.standard_normal((count, len(function)))
        parts.append(data(inputs, targets, whiten=is_whitened))
    return parts[0], parts[1]
