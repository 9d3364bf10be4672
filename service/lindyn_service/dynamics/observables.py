"""Observables of the weights at a batch of times; none of them depends on rotations of the hidden units."""

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

Values = np.ndarray | Mapping[str, np.ndarray]
"""One array, or several by name, whose first axis is time."""


def excess_loss(modal_weights: ModalWeights) -> Float[np.ndarray, " time"]:
    """Excess loss 1/2 ||(W - W*) sigma_xx^{1/2}||_F^2 above the irreducible one, in squared units of the targets.

    Source: Saxe et al. (2014), arXiv 1312.6120, the loss with its square completed.
    """
    return excess_of(modal_weights.distance, modal_weights.objective)


def excess_of(error: Float[np.ndarray, "time out rank"], objective: Objective) -> Float[np.ndarray, " time"]:
    """Excess loss from the error u^T (W - W*) v.

    Source: Saxe et al. (2014), arXiv 1312.6120, the loss with its square completed.
    """
    return 0.5 * _squared_norm(times_root(error, objective.root))


def loss(modal_weights: ModalWeights) -> Float[np.ndarray, " time"]:
    """Loss 1/(2P) ||W X - Y||_F^2 over the samples; the excess loss if the scale of the targets is unknown.

    Source: Saxe et al. (2014), arXiv 1312.6120; thesis (2.3).
    """
    return excess_loss(modal_weights) + (modal_weights.objective.irreducible or 0.0)


def loss_rate(modal_weights: ModalWeights) -> Float[np.ndarray, " time"]:
    """Time derivative of the loss under gradient flow, minus the squared norm of the gradient divided by tau.

    Source: thesis (4.36), corrected; the sum over layers of ||(W_L .. W_l+1)^T E (W_l-1 .. W_1)^T||_F^2 with
    E = sigma_yx - W sigma_xx holds for any depth and inputs.
    """
    root, last = modal_weights.objective.root, len(modal_weights.layers) - 1
    error = times_root(times_root(modal_weights.distance, root), root)
    total = np.zeros(len(error))
    for layer in range(last + 1):
        gradient = error if layer == last else modal_weights.above(layer).transpose(0, 2, 1) @ error
        if layer:
            gradient = gradient @ modal_weights.below(layer).transpose(0, 2, 1)
        total += np.einsum("tij,tij->t", gradient, gradient)
    return -total / modal_weights.time_constant


def output(modal_weights: ModalWeights) -> Float[np.ndarray, "time out in"]:
    """Network function W = W_L .. W_1.

    Source: Saxe et al. (2014), arXiv 1312.6120.
    """
    return function(modal_weights.strengths, modal_weights.objective)


def function(strengths: Float[np.ndarray, "time left rank"], objective: Objective) -> Float[np.ndarray, "time out in"]:
    """Network function W from u^T W v.

    Source: Saxe et al. (2014), arXiv 1312.6120, the change of variables to the modes of the task.
    """
    n_times, n_seen, rank = strengths.shape
    # a single product for all times is faster
    in_inputs = strengths.reshape(-1, rank) @ objective.v.T
    return objective.u @ in_inputs.reshape(n_times, n_seen, -1)


def input_representation(modal_weights: ModalWeights) -> Float[np.ndarray, "time in in"]:
    """Input representation W_1^T W_1.

    Source: Braun et al. (2022), arXiv 2206.03738.
    """
    return _gram(modal_weights.w1_transposed)


def output_representation(modal_weights: ModalWeights) -> Float[np.ndarray, "time out out"]:
    """Output representation W_L W_L^T.

    Source: Braun et al. (2022), arXiv 2206.03738.
    """
    return _gram(modal_weights.w_last)


def qqt(modal_weights: ModalWeights) -> Float[np.ndarray, "time in_plus_out in_plus_out"]:
    """Matrix Q Q^T with Q = [W_1^T; W_2], for two layers.

    Source: Fukumizu (1998); Braun et al. (2022), arXiv 2206.03738.
    """
    return _gram(np.concatenate([modal_weights.w1_transposed, modal_weights.w_last], axis=1))


def singular_values(modal_weights: ModalWeights) -> Float[np.ndarray, "time mode"]:
    """Singular values of the network function, descending.

    Source: Saxe et al. (2014), arXiv 1312.6120.
    """
    return _all_modes(modal_weights, np.linalg.svd(modal_weights.strengths, compute_uv=False))


def effective_rank(modal_weights: ModalWeights) -> Float[np.ndarray, " time"]:
    """Effective rank of the network function, exp of the entropy of its normalised singular values.

    It ranges from 1 for a single mode to min(in, out) for modes of equal strength, and is 0 for a zero function.

    Source: Roy and Vetterli (2007), The effective rank, EUSIPCO, definition 2.
    """
    strengths = np.linalg.svd(modal_weights.strengths, compute_uv=False)
    total = np.sum(strengths, axis=1, keepdims=True)
    shares = np.divide(strengths, total, out=np.zeros_like(strengths), where=total > 0)
    return np.where(total[:, 0] > 0, np.exp(np.sum(entr(shares), axis=1)), 0.0)


def weight_norms(modal_weights: ModalWeights) -> Float[np.ndarray, "time layer"]:
    """Frobenius norm of each layer.

    Source: thesis section 4.5.
    """
    return np.stack([np.sqrt(np.einsum("tij,tij->t", w, w)) for w in modal_weights.layers], axis=1)


def balance(modal_weights: ModalWeights) -> dict[str, Float[np.ndarray, "time *pair"]]:
    """Balance of each pair of layers: the multiple of the identity nearest to W_l+1^T W_l+1 - W_l W_l^T.

    Returns:
        `lambda`, the multiple, and `residual`, the Frobenius distance from it, in squared units of the weights;
        (time,) for two layers, (time, pair) for more.

    Source: Domine et al. (2025), arXiv 2409.14623; thesis Theorem 4.5.1, corrected.
    """
    layers, widths = modal_weights.layers, modal_weights.hidden
    pairs = [_balance(*pair, width) for pair, width in zip(pairwise(layers), widths, strict=True)]
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
    # hidden directions that the layers omit have no weights, so that B - lam I is -lam I there
    return lam, np.sqrt(np.einsum("tij,tij->t", b, b) + (width - b.shape[1]) * lam**2)


def _all_modes(
    modal_weights: ModalWeights, values: Float[np.ndarray, "time reached"]
) -> Float[np.ndarray, "time mode"]:
    """Pad values with zeros for the modes outside the span of the inputs, to min(in, out) modes."""
    n_modes = min(len(modal_weights.objective.v), len(modal_weights.objective.u))
    return np.pad(values, ((0, 0), (0, n_modes - values.shape[1])))


def _squared_norm(matrices: Float[np.ndarray, "time row column"]) -> Float[np.ndarray, " time"]:
    flat = matrices.reshape(len(matrices), -1)
    return np.vecdot(flat, flat)


def _gram(factor: Float[np.ndarray, "time rows hidden"]) -> Float[np.ndarray, "time rows rows"]:
    return factor @ factor.transpose(0, 2, 1)
