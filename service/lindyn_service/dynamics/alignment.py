"""Alignment with the modes of the task and their strengths, where modes of equal singular values are one subspace.

Singular vectors of equal singular values are determined only up to a rotation among them: which ones LAPACK returns
depends on rounding errors. Both quantities are functions of the subspaces alone, see docs/theory.md, section 4.
"""

from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float

from lindyn_service.dynamics.modal_loss import Objective
from lindyn_service.dynamics.modal_weights import ModalWeights
from lindyn_service.dynamics.tasks import EPS

PARTLY_DEFINED = frozenset({"alignment"})
"""Names of quantities that are NaN where they are undefined."""

_ROUNDING_FACTOR = 128  # in units of eps, several times the observed splitting of equal singular values by rounding


def equal_modes(objective: Objective) -> list[slice]:
    """Group the modes of the task by equal singular values; modes with singular value 0 belong to no group.

    Neighbouring values count as equal if they differ by at most 128 n eps times the largest value, with n the larger of
    the two widths. A chain of such values is one group, since no smaller part of it has a well-determined subspace.

    Source: Stewart and Sun (1990), Matrix Perturbation Theory, chapter V: a singular subspace is determined as well as
    its singular values are separated from the others.
    """
    s = objective.s
    rounding = _ROUNDING_FACTOR * max(len(objective.u), len(objective.v)) * EPS * s[0]
    first = np.flatnonzero(-np.diff(s) > rounding) + 1
    bounds = [0, *first.tolist(), len(s)]
    return [slice(start, stop) for start, stop in pairwise(bounds) if s[stop - 1] > rounding]


def alignment(modal_weights: ModalWeights) -> dict[str, Float[np.ndarray, "time mode"]]:
    """Root mean square of the cosines of the principal angles between singular subspaces of the task and the network.

    The network's subspace is spanned by the singular vectors of W at the ranks of the group of equal modes. For a mode
    whose singular value is distinct, the alignment is |<v_a, v_a(t)>| for inputs and |<u_a, u_a(t)>| for outputs.

    Returns:
        Arrays `input` and `output` with values from 0 to 1, the same for all modes of a group. They are NaN for modes
        with singular value 0, and where the network's subspace is undetermined: its singular values equal those at
        neighbouring ranks, or zero, up to rounding.

    Source: thesis section 2.2, alignment of the singular vectors; Bjorck and Golub (1973), Math. Comp. 27, 579, angles
    between subspaces.
    """
    left, strengths, right = np.linalg.svd(modal_weights.strengths, full_matrices=False)
    rounding = _rounding(modal_weights)
    n_modes = min(len(modal_weights.objective.v), len(modal_weights.objective.u))
    into, out = np.full((2, len(strengths), n_modes), np.nan)
    for group in equal_modes(modal_weights.objective):
        known = _is_separate(strengths, group, rounding)
        into[known, group] = _overlap(right[known, group, group])
        out[known, group] = _overlap(left[known, group, group])
    return {"input": into, "output": out}


def mode_strengths(modal_weights: ModalWeights) -> Float[np.ndarray, "time mode"]:
    """Strength u_a^T W v_a of each mode of the task in the network; equal modes have the mean over their group.

    The mean over a group of equal modes is invariant under rotations of their singular vectors, which are otherwise
    arbitrary. Modes with singular value 0 have strength 0, since their left and right singular vectors are not paired.

    Source: Saxe et al. (2019), 10.1073/pnas.1820226116.
    """
    return mean_strengths(modal_weights.objective, np.diagonal(modal_weights.strengths, axis1=1, axis2=2))


def mean_strengths(objective: Objective, diagonal: Float[np.ndarray, "*time rank"]) -> Float[np.ndarray, "*time mode"]:
    """Mode strengths, as in `mode_strengths`, from the diagonal of u^T W v.

    Source: Saxe et al. (2019), 10.1073/pnas.1820226116.
    """
    strengths = np.zeros((*diagonal.shape[:-1], min(len(objective.v), len(objective.u))))
    for group in equal_modes(objective):
        strengths[..., group] = np.mean(diagonal[..., group], axis=-1, keepdims=True)
    return strengths


def _overlap(cosines: Float[np.ndarray, "time size size"]) -> Float[np.ndarray, "time 1"]:
    """Overlap ||U_g^T U_g(t)||_F / sqrt(size) of two subspaces, from the matrix U_g^T U_g(t)."""
    return np.minimum(np.sqrt(np.mean(np.sum(cosines**2, axis=1), axis=1, keepdims=True)), 1.0)


def _is_separate(
    strengths: Float[np.ndarray, "time rank"], group: slice, rounding: Float[np.ndarray, " time"]
) -> Bool[np.ndarray, " time"]:
    """Whether the network's singular values at the ranks of a group differ from all others and from zero."""
    following = strengths[:, group.stop] if group.stop < strengths.shape[1] else 0.0
    separate = strengths[:, group.stop - 1] - following > rounding
    if group.start > 0:
        separate &= strengths[:, group.start - 1] - strengths[:, group.start] > rounding
    return separate


def _rounding(modal_weights: ModalWeights) -> Float[np.ndarray, " time"]:
    """Bound of the rounding errors of the network's singular values: 128 eps times a norm of |W_L| .. |W_1|.

    The product of the absolute values is large where entries of W result from cancellation. The norm is the larger of
    the largest row sum and the largest column sum, so that the transposed network has the same bound.
    """
    layers = [np.abs(layer) for layer in modal_weights.layers]
    row_sums, column_sums = np.sum(layers[0], axis=2), np.sum(layers[-1], axis=1)
    for layer in layers[1:]:
        row_sums = np.einsum("tij,tj->ti", layer, row_sums)
    for layer in layers[-2::-1]:
        column_sums = np.einsum("tij,ti->tj", layer, column_sums)
    return _ROUNDING_FACTOR * EPS * np.maximum(np.max(row_sums, axis=1), np.max(column_sums, axis=1))
