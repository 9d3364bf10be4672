"""How far a network has the modes of its task, where modes of equal strength count as the one subspace that they span.

Singular vectors of equal singular values are determined up to a rotation among them: which ones LAPACK returns depends
on rounding errors. Both quantities here are functions of the subspaces alone, see docs/theory.md, section 4.
"""

from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float

from lindyn_service.dynamics.modal_loss import Objective
from lindyn_service.dynamics.modal_weights import ModalWeights
from lindyn_service.dynamics.tasks import EPS

PARTLY_DEFINED = frozenset({"alignment"})
"""Quantities that are NaN where they are not defined."""

_ROUNDINGS = 128  # in units of eps: several times how far rounding was seen to part equal singular values


def equal_modes(objective: Objective) -> list[slice]:
    """Group the modes of the task by equal singular values; modes without strength belong to no group.

    Values count as equal where they differ by at most 128 n eps times the largest, n the larger width. A chain of such
    values is one group, since none of its parts has a subspace that is known better than to rounding.

    Source: Stewart and Sun (1990), Matrix Perturbation Theory, chapter V: a singular subspace is determined as well as
    its singular values are separated from the others.
    """
    s = objective.s
    rounding = _ROUNDINGS * max(len(objective.u), len(objective.v)) * EPS * s[0]
    first = np.flatnonzero(-np.diff(s) > rounding) + 1
    bounds = [0, *first.tolist(), len(s)]
    return [slice(start, stop) for start, stop in pairwise(bounds) if s[stop - 1] > rounding]


def alignment(frame: ModalWeights) -> dict[str, Float[np.ndarray, "time mode"]]:
    """Root mean square of the cosines of the angles between the subspaces of equal modes and those of the network.

    The network's subspace is spanned by as many of its singular vectors, at the same ranks. For a mode that equals no
    other this is |<v_a, v_a(t)>| and |<u_a, u_a(t)>|.

    Returns:
        `input` and `output`, 0 to 1, the same for all modes of a group. NaN for modes without strength, and where the
        network has no such subspace: its singular values agree with those of neighbouring ranks, or with zero, up to
        rounding.

    Source: thesis section 2.2, alignment of the singular vectors; Bjorck and Golub (1973), Math. Comp. 27, 579, angles
    between subspaces.
    """
    left, strengths, right = np.linalg.svd(frame.strengths, full_matrices=False)
    rounding = _rounding(frame)
    n_modes = min(len(frame.objective.v), len(frame.objective.u))
    into, out = np.full((2, len(strengths), n_modes), np.nan)
    for group in equal_modes(frame.objective):
        known = _is_separate(strengths, group, rounding)
        into[known, group] = _overlap(right[known, group, group])
        out[known, group] = _overlap(left[known, group, group])
    return {"input": into, "output": out}


def mode_strengths(frame: ModalWeights) -> Float[np.ndarray, "time mode"]:
    """How much of each mode of the task is learned: u_a^T W v_a, for equal modes the mean over their group.

    Where the task leaves its singular vectors open, this is the mean over all that they can be: the diagonal over a
    group of equal modes has a mean that no rotation changes. Modes without strength have 0, since the two sides of
    theirs are not paired.

    Source: Saxe et al. (2019), 10.1073/pnas.1820226116.
    """
    return mean_strengths(frame.objective, np.diagonal(frame.strengths, axis1=1, axis2=2))


def mean_strengths(objective: Objective, diagonal: Float[np.ndarray, "*time rank"]) -> Float[np.ndarray, "*time mode"]:
    """The same from the diagonal of u^T W v.

    Source: Saxe et al. (2019), 10.1073/pnas.1820226116.
    """
    strengths = np.zeros((*diagonal.shape[:-1], min(len(objective.v), len(objective.u))))
    for group in equal_modes(objective):
        strengths[..., group] = np.mean(diagonal[..., group], axis=-1, keepdims=True)
    return strengths


def _overlap(cosines: Float[np.ndarray, "time size size"]) -> Float[np.ndarray, "time 1"]:
    """||U_g^T U_g(t)||_F / sqrt(size): as for projectors, sqrt(Tr P P(t) / size)."""
    return np.minimum(np.sqrt(np.mean(np.sum(cosines**2, axis=1), axis=1, keepdims=True)), 1.0)


def _is_separate(
    strengths: Float[np.ndarray, "time rank"], group: slice, rounding: Float[np.ndarray, " time"]
) -> Bool[np.ndarray, " time"]:
    """Whether the network's singular values at these ranks differ from those at all others, and from zero."""
    following = strengths[:, group.stop] if group.stop < strengths.shape[1] else 0.0
    separate = strengths[:, group.stop - 1] - following > rounding
    if group.start > 0:
        separate &= strengths[:, group.start - 1] - strengths[:, group.start] > rounding
    return separate


def _rounding(frame: ModalWeights) -> Float[np.ndarray, " time"]:
    """Bound of the errors of the network's singular values by rounding: 128 eps times the size of |W_L| .. |W_1|.

    The product of the absolute values is large where W is a difference of large numbers; its size is the larger of
    the row and the column sums, which is the same for the transposed network.
    """
    layers = [np.abs(layer) for layer in frame.layers]
    of_rows, of_columns = np.sum(layers[0], axis=2), np.sum(layers[-1], axis=1)
    for layer in layers[1:]:
        of_rows = np.einsum("tij,tj->ti", layer, of_rows)
    for layer in layers[-2::-1]:
        of_columns = np.einsum("tij,ti->tj", layer, of_columns)
    return _ROUNDINGS * EPS * np.maximum(np.max(of_rows, axis=1), np.max(of_columns, axis=1))
