"""Representations compared with samples and with the task."""

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.modal_weights import ModalWeights
from lindyn_service.dynamics.tasks import EPS


def rsm_input(frame: ModalWeights) -> Float[np.ndarray, "time sample sample"]:
    """Similarity of the samples in the first hidden layer, X^T W_1^T W_1 X; without samples X = sigma_xx^{1/2}.

    Source: Kriegeskorte et al. (2008), 10.3389/neuro.06.004.2008; Braun et al. (2022), arXiv 2206.03738.
    """
    hidden = frame.objective.inputs @ frame.layers[0].transpose(0, 2, 1)
    return hidden @ hidden.transpose(0, 2, 1)


def rsm_output(frame: ModalWeights) -> Float[np.ndarray, "time sample sample"]:
    """Similarity of the samples that the targets ask of the last hidden layer, Y^T (W_L W_L^T)^+ Y.

    Singular values of W_L below its larger side times the rounding error of its largest one count as zero; without
    samples Y = sigma_yx X^+.

    Source: Kriegeskorte et al. (2008), 10.3389/neuro.06.004.2008; Braun et al. (2022), arXiv 2206.03738.
    """
    last = frame.layers[-1]
    left, strengths, _ = np.linalg.svd(last, full_matrices=False)
    smallest = max(last.shape[1:]) * EPS * strengths[:, :1]
    inverse = np.divide(1.0, strengths, out=np.zeros_like(strengths), where=strengths > smallest)
    hidden = (frame.objective.targets @ left) * inverse[:, None, :]
    return hidden @ hidden.transpose(0, 2, 1)


def task_specificity(frame: ModalWeights) -> dict[str, Float[np.ndarray, " time"]]:
    """How much the representations are those of the task: the largest cosine with its modes, or with their squares.

    Returns:
        `input`: max(cos(W_1^T W_1, V S V^T), cos(W_1^T W_1, V S^2 V^T)), `output`: the same of W_L W_L^T with U;
        0 to 1, and 0 where one of the two is zero.

    Source: thesis (4.33) and (4.34), corrected.
    """
    first, last, s = frame.layers[0], frame.layers[-1], frame.objective.s
    return {
        "input": _specificity(first.transpose(0, 2, 1) @ first, s),
        "output": _specificity(last @ last.transpose(0, 2, 1), s),
    }


def _specificity(gram: Float[np.ndarray, "time row row"], s: Float[np.ndarray, " mode"]) -> Float[np.ndarray, " time"]:
    """In the singular bases the representations of the task are diagonal."""
    diagonal = np.diagonal(gram, axis1=1, axis2=2)[:, : len(s)]
    norm = np.sqrt(np.einsum("tij,tij->t", gram, gram))
    relative = s / max(float(s[0]), np.finfo(np.float64).tiny)
    return np.maximum(_cosine(diagonal, norm, relative), _cosine(diagonal, norm, relative**2))


def _cosine(
    diagonal: Float[np.ndarray, "time mode"], norm: Float[np.ndarray, " time"], target: Float[np.ndarray, " mode"]
) -> Float[np.ndarray, " time"]:
    size = norm * float(np.linalg.norm(target))
    return np.clip(np.divide(diagonal @ target, size, out=np.zeros_like(size), where=size > 0), 0.0, 1.0)
