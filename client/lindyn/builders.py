"""Networks and tasks in words: each builder gives the part of a request that the contract describes, as a dict."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lindyn._class_labels import look_like_labels, ordered
from lindyn.arrays import as_array
from lindyn.errors import ArgumentError
from lindyn.wire.array import FloatArray

Part = dict[str, Any]
"""Part of a request, as JSON has it but with arrays."""

_NO_WEIGHTS = ("Identity", "Flatten")  # layers of torch that change nothing


def balanced(
    dims: Sequence[int], *, lam: float, scale: float = 1.0, aligned: bool = False, seed: int | None = None
) -> Part:
    """Random weights of two layers with W2^T W2 - W1 W1^T = lambda I.

    Args:
        dims: widths, (in, hidden, out).
        lam: lambda; 0 is rich, large absolute values are lazy. Positive needs hidden <= out, negative hidden <= in.
        scale: standard deviation of the Gaussian draw.
        aligned: take the singular vectors from the task.
        seed: drawn and returned by the service if it is not given.
    """
    return _with_seed({"kind": "balanced", "dims": list(dims), "lambda": lam, "scale": scale, "aligned": aligned}, seed)


def random(
    dims: Sequence[int], scheme: str = "lecun", *, gain: float | Sequence[float] = 1.0, seed: int | None = None
) -> Part:
    """Independent Gaussian weights, as libraries initialise them.

    Args:
        dims: widths, input first; any depth.
        scheme: variance over gain^2: `lecun` and `scaled` 1/fan-in, `glorot` 2/(fan-in + fan-out), `he` 2/fan-in,
            `normal` 1.
        gain: factor of the standard deviation: one, or one for each layer.
        seed: drawn and returned by the service if it is not given.
    """
    return _with_seed({"kind": "random", "dims": list(dims), "scheme": scheme, "gain": gain}, seed)


def weights(*layers: Any) -> Part:  # noqa: ANN401 (arrays of any library, layers of torch)
    """Weights of your own.

    Args:
        layers: matrices (width l+1, width l), first layer first; or layers of torch without biases: several
            `torch.nn.Linear`, or one `torch.nn.Sequential` of them.

    Raises:
        ArgumentError: a layer has a bias, is not linear, or has entries without a value.
    """
    named = [(f"layers[{i}]", layer) for i, layer in enumerate(layers)]
    return {"kind": "weights", "weights": [matrix for name, layer in named for matrix in _matrices(name, layer)]}


def data(inputs: npt.ArrayLike, targets: npt.ArrayLike, *, whiten: bool = True) -> Part:
    """Training data.

    Args:
        inputs: (samples, in): an array, a sparse matrix, a data frame.
        targets: (samples, out), or (samples,) for one output. For labels of classes see `one_hot`.
        whiten: make the inputs white on their span, (sigma_xx)^(-1/2) x. Exact solutions need isotropic inputs.

    Raises:
        ArgumentError: the targets are labels, or entries are masked, missing, or no numbers.
    """
    if look_like_labels("targets", targets):
        raise ArgumentError(
            f"got targets of type {np.asarray(targets).dtype}, which look like labels of classes; use "
            "lindyn.one_hot(labels), or numbers of type float"
        )
    y = as_array("targets", targets)
    y = y[:, None] if y.ndim == 1 else y
    return {"kind": "data", "inputs": as_array("inputs", inputs), "targets": y, "whiten": whiten}


def one_hot(labels: npt.ArrayLike) -> FloatArray:
    """Labels of classes as targets: (samples, classes), 1 at the sample's class; classes in ascending order.

    Args:
        labels: (samples,) or (samples, 1), text or numbers.

    Raises:
        ArgumentError: a sample has no label (None, NaN, NaT, NA, masked), or labels cannot be ordered.
    """
    classes, index = ordered("labels", labels)
    return np.eye(len(classes))[index]


def regression(samples: int, *, seed: int | None = None) -> Part:
    """White Gaussian inputs and Gaussian targets; widths from the network."""
    return _with_seed({"kind": "regression", "samples": samples}, seed)


def semantic(levels: int = 3) -> Part:
    """The semantic hierarchy: 2^levels items, as many features; widths are 2^levels both."""
    return {"kind": "semantic", "levels": levels}


def spectrum(singular_values: npt.ArrayLike, *, seed: int | None = None) -> Part:
    """White inputs, random singular vectors and these singular values; zeros for the rest."""
    return _with_seed({"kind": "spectrum", "singular_values": as_array("singular_values", singular_values)}, seed)


def _with_seed(part: Part, seed: int | None) -> Part:
    return part if seed is None else {**part, "seed": seed}


def _matrices(argument: str, layer: Any) -> Iterator[npt.NDArray[Any]]:  # noqa: ANN401 (an array or a layer)
    """Matrices of a layer: itself, its weight, or those of its parts."""
    if not hasattr(layer, "parameters"):
        yield as_array(argument, layer)
        return
    parts: list[Any] = list(layer.children())
    name = type(layer).__name__
    if parts:
        for part in parts:
            yield from _matrices(argument, part)
    elif name in _NO_WEIGHTS:
        return
    elif getattr(getattr(layer, "weight", None), "ndim", 0) != 2:
        raise ArgumentError(
            f"got a layer {name}, which is not linear; pass the weight matrices of a nonlinear network, "
            'and method={"kind": "descent", "learning_rate": ..., "activation": "relu" or "tanh"}'
        )
    elif getattr(layer, "bias", None) is not None:
        raise ArgumentError(
            f"got a layer {layer!r} with a bias, which linear networks here do not have; use bias=False"
        )
    else:
        yield as_array(argument, layer.weight)
