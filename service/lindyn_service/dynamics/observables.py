"""Observables of a network at a batch of times, none of which depends on rotations of the hidden units."""

from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np
from jaxtyping import Float
from scipy.special import entr

from lindyn_service.dynamics import kernel, similarity
from lindyn_service.dynamics.alignment import alignment, mode_strengths
from lindyn_service.dynamics.modal_loss import Objective, times_root
from lindyn_service.dynamics.modal_weights import ModalWeights
from lindyn_service.dynamics.sharpness import sharpness
from lindyn_service.dynamics.singular_values import stacked_singular_values

Values = np.ndarray | Mapping[str, np.ndarray]
"""One array, or several by name, with time first."""


def excess_loss(modal_weights: ModalWeights) -> Float[np.ndarray, " time"]:
    """Loss above the irreducible one, 1/2 ||(W - W*) sigma_xx^{1/2}||_F^2, in squared units of the targets.

    Source: Saxe et al. (2014), arXiv 1312.6120, the loss with its square completed.
    """
    return excess_of(modal_weights.distance, modal_weights.objective)


def excess_of(error: Float[np.ndarray, "time out rank"], objective: Objective) -> Float[np.ndarray, " time"]:
    """Excess loss from the error u^T (W - W*) v.

    Source: Saxe et al. (2014), arXiv 1312.6120, the loss with its square completed.
    """
    return 0.5 * _squared_norm(times_root(error, objective.root))


def loss(modal_weights: ModalWeights) -> Float[np.ndarray, " time"]:
    """Mean squared error over samples, 1/(2P) ||W X - Y||_F^2; the excess loss if the scale of the targets is unknown.

    Source: Saxe et al. (2014), arXiv 1312.6120; thesis (2.3).
    """
    return excess_loss(modal_weights) + (modal_weights.objective.irreducible or 0.0)


def loss_rate(modal_weights: ModalWeights) -> Float[np.ndarray, " time"]:
    """Time derivative of the loss, per unit of time: minus the squared norm of the gradient over tau for plain flow.

    With learning rates c_l and a schedule g, the squared norm of the gradient of layer l is multiplied by c_l g(t).
    With weight decay, which is not part of the loss, layer l also adds -gamma c_l g(t) <gradient, W_l> / tau. This
    inner product is Tr (W sigma_xx - sigma_yx)^T W for every layer.

    Source: thesis (4.36), corrected; the sum over layers of ||(W_L .. W_l+1)^T E (W_l-1 .. W_1)^T||_F^2 with
    E = sigma_yx - W sigma_xx holds for any depth and inputs.
    """
    root, last, training = modal_weights.objective.root, len(modal_weights.layers) - 1, modal_weights.training
    error = times_root(times_root(modal_weights.distance, root), root)
    total = np.zeros(len(error))
    for layer in range(last + 1):
        gradient = error if layer == last else modal_weights.above(layer).transpose(0, 2, 1) @ error
        if layer:
            gradient = gradient @ modal_weights.below(layer).transpose(0, 2, 1)
        square = np.einsum("tij,tij->t", gradient, gradient)
        total += square if training is None else training.rates[layer] * square
    if training is None:
        return -total / modal_weights.time_constant
    if training.weight_decay:
        total += training.weight_decay * sum(training.rates) * np.einsum("tij,tij->t", error, modal_weights.strengths)
    return -training.factors * total / modal_weights.time_constant


def output(modal_weights: ModalWeights) -> Float[np.ndarray, "time out in"]:
    """Network function W = W_L .. W_1.

    Source: Saxe et al. (2014), arXiv 1312.6120.
    """
    return function(modal_weights.strengths, modal_weights.objective)


def function(strengths: Float[np.ndarray, "time seen rank"], objective: Objective) -> Float[np.ndarray, "time out in"]:
    """Network function W in the coordinates of inputs and outputs, from u^T W v.

    Source: Saxe et al. (2014), arXiv 1312.6120, the change of variables to the modes of the task.
    """
    n_times, seen, rank = strengths.shape
    # one product for all times is faster than one for each
    along = strengths.reshape(-1, rank) @ objective.v.T
    return objective.u @ along.reshape(n_times, seen, -1)


def input_representation(modal_weights: ModalWeights) -> Float[np.ndarray, "time in in"]:
    """Representation of the inputs in the first hidden layer, W_1^T W_1.

    Source: Braun et al. (2022), arXiv 2206.03738.
    """
    return _gram(modal_weights.w1_transposed)


def output_representation(modal_weights: ModalWeights) -> Float[np.ndarray, "time out out"]:
    """Representation of the outputs in the last hidden layer, W_L W_L^T.

    Source: Braun et al. (2022), arXiv 2206.03738.
    """
    return _gram(modal_weights.w_last)


def qqt(modal_weights: ModalWeights) -> Float[np.ndarray, "time in_plus_out in_plus_out"]:
    """Matrix Q Q^T of two layers, with Q = [W_1^T; W_2].

    Source: Fukumizu (1998); Braun et al. (2022), arXiv 2206.03738.
    """
    return _gram(np.concatenate([modal_weights.w1_transposed, modal_weights.w_last], axis=1))


def singular_values(modal_weights: ModalWeights) -> Float[np.ndarray, "time mode"]:
    """Singular values of the network function, descending.

    Source: Saxe et al. (2014), arXiv 1312.6120.
    """
    return _all_modes(modal_weights, stacked_singular_values(modal_weights.strengths))


def effective_rank(modal_weights: ModalWeights) -> Float[np.ndarray, " time"]:
    """Effective rank of the network function: exponential of the entropy of its normalised singular values.

    It is 1 for a single mode, min(in, out) if all singular values are equal, and 0 for a function that is zero.

    Source: Roy and Vetterli (2007), The effective rank, EUSIPCO, definition 2.
    """
    strengths = stacked_singular_values(modal_weights.strengths)
    total = np.sum(strengths, axis=1, keepdims=True)
    shares = np.divide(strengths, total, out=np.zeros_like(strengths), where=total > 0)
    return np.where(total[:, 0] > 0, np.exp(np.sum(entr(shares), axis=1)), 0.0)


def weight_norms(modal_weights: ModalWeights) -> Float[np.ndarray, "time layer"]:
    """Frobenius norm of each layer.

    Source: thesis section 4.5.
    """
    return np.stack([np.sqrt(np.einsum("tij,tij->t", w, w)) for w in modal_weights.layers], axis=1)


def balance(modal_weights: ModalWeights) -> dict[str, Float[np.ndarray, "time *pair"]]:
    """Nearest lambda of W_l+1^T W_l+1 - W_l W_l^T, and the Frobenius distance from it, for each pair of layers.

    Returns:
        `lambda` and `residual`, (time,) for two layers, (time, pair) for more; in squared units of the weights.

    Source: Domine et al. (2025), arXiv 2409.14623; thesis Theorem 4.5.1, corrected.
    """
    adjacent = zip(pairwise(modal_weights.layers), modal_weights.hidden, strict=True)
    pairs = [_balance(*pair, width) for pair, width in adjacent]
    lam, residual = (np.stack(values, axis=1) for values in zip(*pairs, strict=True))
    if len(pairs) == 1:
        lam, residual = lam[:, 0], residual[:, 0]
    return {"lambda": lam, "residual": residual}


OBSERVABLES: Mapping[str, Callable[[ModalWeights], Values]] = {
    "loss": loss,
    "excess_loss": excess_loss,
    "loss_rate": loss_rate,
    "output": output,
    "input_representation": input_representation,
    "output_representation": output_representation,
    "qqt": qqt,
    "singular_values": singular_values,
    "mode_strengths": mode_strengths,
    "alignment": alignment,
    "ntk": kernel.ntk,
    "ntk_distance": kernel.ntk_distance,
    "ntk_norm": kernel.ntk_norm,
    "ntk_movement": kernel.ntk_movement,
    "rsm_input": similarity.rsm_input,
    "rsm_output": similarity.rsm_output,
    "task_specificity": similarity.task_specificity,
    "balance": balance,
    "weight_norms": weight_norms,
    "effective_rank": effective_rank,
    "sharpness": sharpness,
}


def _balance(
    lower: Float[np.ndarray, "time hidden from"], upper: Float[np.ndarray, "time to hidden"], width: int
) -> tuple[Float[np.ndarray, " time"], Float[np.ndarray, " time"]]:
    b = upper.transpose(0, 2, 1) @ upper - lower @ lower.transpose(0, 2, 1)
    lam = np.trace(b, axis1=1, axis2=2) / width
    diagonal = np.einsum("tii->ti", b)  # a view
    diagonal -= lam[:, None]
    # in hidden directions that the layers omit, B is zero and B - lam I is -lam I
    return lam, np.sqrt(np.einsum("tij,tij->t", b, b) + (width - b.shape[1]) * lam**2)


def _all_modes(
    modal_weights: ModalWeights, values: Float[np.ndarray, "time reached"]
) -> Float[np.ndarray, "time mode"]:
    """Append zeros for modes outside the span of the inputs, to a total of min(in, out) modes."""
    n_modes = min(len(modal_weights.objective.v), len(modal_weights.objective.u))
    return np.pad(values, ((0, 0), (0, n_modes - values.shape[1])))


def _squared_norm(matrices: Float[np.ndarray, "time row column"]) -> Float[np.ndarray, " time"]:
    flat = matrices.reshape(len(matrices), -1)
    return np.vecdot(flat, flat)


def _gram(factor: Float[np.ndarray, "time rows hidden"]) -> Float[np.ndarray, "time rows rows"]:
    return factor @ factor.transpose(0, 2, 1)
