"""Builders of networks and tasks. Each returns a part of a request as a dict, which can also be written by hand."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from lindyn._class_labels import class_indices, look_like_labels
from lindyn._public import public
from lindyn.arrays import as_array
from lindyn.errors import ArgumentError
from lindyn.wire.array import FloatArray
from lindyn.wire.tree import Array

Part: TypeAlias = dict[str, Any]
"""Part of a request: a JSON object that may contain arrays."""

_NO_WEIGHTS = ("Identity", "Flatten")  # layers of torch without an effect here


@public
def balanced(
    dims: Sequence[int], *, lam: float, scale: float = 1.0, aligned: bool = False, seed: int | None = None
) -> Part:
    """Return a network of two layers with random balanced weights, W2^T W2 - W1 W1^T = lambda I.

    Args:
        dims: widths, (in, hidden, out).
        lam: lambda; 0 is rich, large absolute values are lazy. lambda > 0 needs hidden <= out, lambda < 0 hidden <= in.
        scale: standard deviation of the Gaussian draw.
        aligned: take the singular vectors from the task.
        seed: seed of the weights; by default the service draws and returns one.
    """
    return _with_seed({"kind": "balanced", "dims": list(dims), "lambda": lam, "scale": scale, "aligned": aligned}, seed)


@public
def random(
    dims: Sequence[int], scheme: str = "lecun", *, gain: float | Sequence[float] = 1.0, seed: int | None = None
) -> Part:
    """Return a network with independent Gaussian weights, as in the usual initialisation schemes.

    Args:
        dims: widths, input first; any depth.
        scheme: variance over gain^2: `lecun` and `scaled` 1/fan-in, `glorot` 2/(fan-in + fan-out), `he` 2/fan-in,
            `normal` 1, `torch` 1/(3 fan-in), with the uniform weights of torch.nn.Linear.
        gain: factor of the standard deviation: one, or one for each layer.
        seed: seed of the weights; by default the service draws and returns one.
    """
    return _with_seed({"kind": "random", "dims": list(dims), "scheme": scheme, "gain": gain}, seed)


@public
def wide(
    dims: Sequence[int],
    scheme: str = "lecun",
    *,
    gain: float | Sequence[float] = 1.0,
    start: str = "zero",
    seed: int | None = None,
) -> Part:
    """Return the limit of two layers of random weights with a hidden layer much wider than inputs and outputs.

    Args:
        dims: widths, (in, hidden, out). The hidden width enters the limit through the variances only.
        scheme: as for `random`.
        gain: factor of the standard deviation: one, or one for each layer.
        start: network function at time 0: `zero`, the mean over draws, or `drawn`, that of `random` with the same dims,
            scheme, gain and seed.
        seed: seed of the drawn layers; by default the service draws and returns one.
    """
    return _with_seed({"kind": "wide", "dims": list(dims), "scheme": scheme, "gain": gain, "start": start}, seed)


@public
def symmetric(w: npt.ArrayLike) -> Part:
    """Return the network of a symmetric factorisation W W^T, such as word embeddings: the layers W^T and W.

    It is balanced with lambda = 0, and on symmetric tasks with white inputs its layers stay each other's transposes.

    Args:
        w: initial W, (width, rank).
    """
    matrix = as_array("w", w)
    return weights(matrix.T, matrix)


@public
def lora(w0: npt.ArrayLike, rank: int, alpha: float, *, gaussian: bool = False, seed: int | None = None) -> Part:
    """Return the network B A that low-rank adaptation trains beside a frozen network function W0, with B = 0.

    Its task is `lora_task(task, w0)`; its network function is what training adds to W0.

    Args:
        w0: network function of the frozen network, (out, in).
        rank: hidden units of the adaptation.
        alpha: size of the rows of A. They are orthogonal, A A^T = alpha^2 I, so that lambda = -alpha^2.
        gaussian: draw independent entries of variance alpha^2 / in instead, as Hu et al. (2021) do.
        seed: seed of A; by default any other one each time.

    Raises:
        ArgumentError: there are not as many orthogonal rows.
    """
    n_out, n_in = as_array("w0", w0).shape
    normal = np.random.default_rng(seed).standard_normal((rank, n_in))
    if gaussian:
        return weights(alpha / np.sqrt(n_in) * normal, np.zeros((n_out, rank)))
    if rank > n_in:
        raise ArgumentError(
            f"got rank {rank}, and rows of {n_in} entries are orthogonal up to rank {n_in}; use a smaller rank, or "
            "gaussian=True"
        )
    q, r = np.linalg.qr(normal.T)
    return weights(alpha * (q * np.sign(np.diagonal(r))).T, np.zeros((n_out, rank)))


@public
def lora_task(task: Part | npt.ArrayLike, w0: npt.ArrayLike) -> Part:
    """Return what low-rank adaptation is trained on: a task without what a frozen network function makes of its inputs.

    The loss of B A on it is that of W0 + B A on the task.

    Args:
        task: from `data` without whitening, second moments, or a bare matrix sigma_yx.
        w0: network function of the frozen network, (out, in).

    Raises:
        ArgumentError: the task is of another kind, or whitens its inputs, which W0 was not made for.
    """
    frozen = as_array("w0", w0)
    if not isinstance(task, dict):
        return lora_task({"kind": "correlation", "sigma_yx": as_array("task", task)}, frozen)
    match task:
        case {"kind": "data", "inputs": inputs, "targets": targets, "whiten": False}:
            return data(inputs, as_array("targets", targets) - as_array("inputs", inputs) @ frozen.T, whiten=False)
        case {"kind": "correlation", "sigma_yx": sigma_yx}:
            return {**task, **_moments_without(frozen, as_array("sigma_yx", sigma_yx), task)}
        case _:
            whitens = " that whitens its inputs" if task.get("whiten") else ""
            raise ArgumentError(
                f"got a task of kind {task.get('kind')!r}{whitens}; give data with whiten=False, or second moments"
            )


def _moments_without(frozen: FloatArray, sigma_yx: FloatArray, task: Part) -> Part:
    """Return the second moments of targets less W0 x: sigma_yx - W0 sigma_xx, and the trace where it is known."""
    sigma_xx, trace = task.get("sigma_xx"), task.get("sigma_yy_trace")
    seen = frozen if sigma_xx is None else frozen @ as_array("sigma_xx", sigma_xx)
    if trace is None:
        return {"sigma_yx": sigma_yx - seen}
    left = trace + float(np.sum(seen * frozen)) - 2 * float(np.sum(frozen * sigma_yx))
    return {"sigma_yx": sigma_yx - seen, "sigma_yy_trace": max(left, 0.0)}


@public
def linear_attention(dim: int, context: int) -> Part:
    """Return the task of linear attention with merged key and query that learns regression in context.

    Tokens are white, and targets are y = w x with a Gaussian w for each sequence. The features are vec(b x^T) with the
    query x and the mean b of y_n x_n over the context, so that the network has dim^2 inputs, a hidden unit for each
    head and one output. Source: Zhang, Singh, Latham and Saxe (2025), arXiv 2501.16265.

    Args:
        dim: dimensions of a token.
        context: number of tokens before the query.
    """
    variance = 1 + (1 + dim) / context
    moments = {"sigma_yx": np.eye(dim).reshape(1, -1), "sigma_xx": variance * np.eye(dim * dim)}
    return {"kind": "correlation", **moments, "sigma_yy_trace": float(dim)}


@public
def weights(*layers: object) -> Part:
    """Return a network with given weights.

    Args:
        layers: matrices (width l+1, width l), first layer first; or layers of torch without biases: several
            `torch.nn.Linear`, or one `torch.nn.Sequential` of them. One list of matrices or layers stands for them.

    Raises:
        ArgumentError: a layer has a bias or is not linear, or entries are missing.
    """
    given = layers[0] if len(layers) == 1 and _is_list_of_layers(layers[0]) else layers
    named = [(f"layers[{i}]", layer) for i, layer in enumerate(cast("Sequence[object]", given))]
    return {"kind": "weights", "weights": [matrix for name, layer in named for matrix in _matrices(name, layer)]}


@public
def data(inputs: npt.ArrayLike, targets: npt.ArrayLike, *, whiten: bool = True) -> Part:
    """Return a task of training data.

    Args:
        inputs: (samples, in), an array, a sparse matrix or a data frame.
        targets: (samples, out), or (samples,) for one output. `one_hot` converts labels of classes.
        whiten: replace inputs x by sigma_xx^(-1/2) x on their span. Exact solutions need isotropic inputs.

    Raises:
        ArgumentError: the targets are labels, or entries are masked, missing or no numbers.
    """
    if look_like_labels("targets", targets):
        raise ArgumentError(
            f"got targets of type {np.asarray(targets).dtype}, which look like labels of classes; use "
            "lindyn.one_hot(labels), or numbers of type float"
        )
    y = as_array("targets", targets)
    y = y[:, None] if y.ndim == 1 else y
    return {"kind": "data", "inputs": as_array("inputs", inputs), "targets": y, "whiten": whiten}


@public
def one_hot(labels: npt.ArrayLike) -> FloatArray:
    """Convert labels of classes to targets (samples, classes): 1 for the class of a sample, 0 for all others.

    Columns are in ascending order of the classes.

    Args:
        labels: (samples,) or (samples, 1), text or numbers.

    Raises:
        ArgumentError: a label is missing (None, NaN, NaT, NA, masked), or the labels cannot be ordered.
    """
    classes, index = class_indices("labels", labels)
    return np.eye(len(classes))[index]


@public
def regression(samples: int, *, seed: int | None = None) -> Part:
    """Return a task of white Gaussian inputs and Gaussian targets; the widths are those of the network."""
    return _with_seed({"kind": "regression", "samples": samples}, seed)


@public
def semantic(levels: int = 3) -> Part:
    """Return the task of the semantic hierarchy: 2^levels items with 2^levels features."""
    return {"kind": "semantic", "levels": levels}


@public
def spectrum(singular_values: npt.ArrayLike, *, seed: int | None = None) -> Part:
    """Return a task of white inputs with these singular values and random singular vectors; other values are zero."""
    return _with_seed({"kind": "spectrum", "singular_values": as_array("singular_values", singular_values)}, seed)


def _with_seed(part: Part, seed: int | None) -> Part:
    return part if seed is None else {**part, "seed": seed}


def _is_list_of_layers(layer: object) -> bool:
    """Return whether an argument is a list of matrices or layers, and not a matrix as a list of rows."""
    entries = cast("Sequence[object]", layer) if isinstance(layer, list | tuple) else ()
    return any(hasattr(each, "parameters") or getattr(each, "ndim", 0) == 2 for each in entries)


def _matrices(argument: str, layer: Any) -> Iterator[Array]:  # noqa: ANN401 (an array or a layer)
    """Yield the weight matrices of a layer and of its children; an array is its own matrix."""
    if not hasattr(layer, "parameters"):
        yield as_array(argument, layer)
        return
    children: list[object] = list(layer.children())
    name = type(layer).__name__
    if children:
        for child in children:
            yield from _matrices(argument, child)
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
