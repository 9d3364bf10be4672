"""Similarity of representations: between samples, and with the task."""

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.modal_weights import ModalWeights
from lindyn_service.dynamics.tasks import EPS


def rsm_input(modal_weights: ModalWeights) -> Float[np.ndarray, "time sample sample"]:
    """Representational similarity of the samples in the first hidden layer, X^T W_1^T W_1 X.

    Without samples, X = sigma_xx^{1/2}.

    Source: Kriegeskorte et al. (2008), 10.3389/neuro.06.004.2008; Braun et al. (2022), arXiv 2206.03738.
    """
    hidden = modal_weights.objective.inputs @ modal_weights.layers[0].transpose(0, 2, 1)
    return hidden @ hidden.transpose(0, 2, 1)


def rsm_output(modal_weights: ModalWeights) -> Float[np.ndarray, "time sample sample"]:
    """Representational similarity of the samples in the last hidden layer, Y^T (W_L W_L^T)^+ Y.

    The hidden activity is the one of least norm that produces the targets Y; without samples, Y = sigma_yx X^+.
    Singular values of W_L below its larger width times eps times the largest one count as zero.

    Source: Kriegeskorte et al. (2008), 10.3389/neuro.06.004.2008; Braun et al. (2022), arXiv 2206.03738.
    """
    last = modal_weights.layers[-1]
    left, strengths, _ = np.linalg.svd(last, full_matrices=False)
    threshold = max(last.shape[1:]) * EPS * strengths[:, :1]
    inverse = np.divide(1.0, strengths, out=np.zeros_like(strengths), where=strengths > threshold)
    hidden = (modal_weights.objective.targets @ left) * inverse[:, None, :]
    return hidden @ hidden.transpose(0, 2, 1)


def task_specificity(modal_weights: ModalWeights) -> dict[str, Float[np.ndarray, " time"]]:
    """Task specificity: the larger cosine of the representations with those of the task, by S or by S^2.

    Returns:
        `input`, max(cos(W_1^T W_1, V S V^T), cos(W_1^T W_1, V S^2 V^T)), and `output`, the same for W_L W_L^T with U;
        from 0 to 1, and 0 if one of the matrices is zero.

    Source: thesis (4.33) and (4.34), corrected.
    """
    first, last, s = modal_weights.layers[0], modal_weights.layers[-1], modal_weights.objective.s
    return {
        "input": _specificity(first.transpose(0, 2, 1) @ first, s),
        "output": _specificity(last @ last.transpose(0, 2, 1), s),
    }


def _specificity(gram: Float[np.ndarray, "time row row"], s: Float[np.ndarray, " mode"]) -> Float[np.ndarray, " time"]:
    """Task specificity in the singular bases, where the representations of the task are diagonal."""
    diagonal = np.diagonal(gram, axis1=1, axis2=2)[:, : len(s)]
    norm = np.sqrt(np.einsum("tij,tij->t", gram, gram))
    relative = s / max(float(s[0]), np.finfo(np.float64).tiny)
    return np.maximum(_cosine(diagonal, norm, relative), _cosine(diagonal, norm, relative**2))


def _cosine(
    diagonal: Float[np.ndarray, "time mode"], norm: Float[np.ndarray, " time"], target: Float[np.ndarray, " mode"]
) -> Float[np.ndarray, " time"]:
    size = norm * float(np.linalg.norm(target))
    return np.clip(np.divide(diagonal @ target, size, out=np.zeros_like(size), where=size > 0), 0.0, 1.0)
