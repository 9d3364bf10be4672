"""Tasks of linear teachers with noise, and the held-out data that belong to them."""

import numpy as np
import numpy.typing as npt

from lindyn._public import public
from lindyn.arrays import as_array
from lindyn.builders import Part, data


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
    """
    function, rng = as_array("w", w), np.random.default_rng(seed)
    parts: list[Part] = []
    for count, is_whitened in ((samples, whiten), (held_out, False)):
        inputs = rng.standard_normal((count, function.shape[1]))
        targets = inputs @ function.T + noise * rng.standard_normal((count, len(function)))
        parts.append(data(inputs, targets, whiten=is_whitened))
    return parts[0], parts[1]
