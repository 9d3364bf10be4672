"""Decoupling of a two-layer network into independent modes and groups of modes that share hidden units."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse.csgraph import connected_components

from lindyn_service.dynamics.balance import balance
from lindyn_service.dynamics.least_squares import EPS
from lindyn_service.dynamics.mode_basis import ModeBasis, mode_basis
from lindyn_service.dynamics.singular_rows import ROUNDING_FACTOR, SingularRows, cosines, singular_rows


@dataclass(frozen=True)
class HiddenGroup:
    """Group of modes whose hidden units no other mode uses.

    Attributes:
        inputs: indices of the input directions, columns of v.
        outputs: indices of the output directions, columns of u.
        hidden: orthonormal columns that span the rows of both layers in the hidden space.
        w1: first layer in these coordinates.
        w2: second layer in these coordinates.
        task: sigma_yx between these inputs and outputs, divided by `variance`.
        variance: mean of the variances of the inputs.
        lam: nearest balance.
        imbalance: relative residual of the balance.
        spread: largest deviation of the input variances from their mean, relative to it.
    """

    inputs: Int[np.ndarray, " inside_in"]
    outputs: Int[np.ndarray, " inside_out"]
    hidden: Float[np.ndarray, "hidden inside_hidden"]
    w1: Float[np.ndarray, "inside_hidden inside_in"]
    w2: Float[np.ndarray, "inside_out inside_hidden"]
    task: Float[np.ndarray, "inside_out inside_in"]
    variance: float
    lam: float
    imbalance: float
    spread: float


@dataclass(frozen=True)
class Decoupling:
    """Decomposition of a network and a task into independent modes and groups.

    Attributes:
        basis: bases of inputs and outputs by modes.
        first: rows of the first layer, V^T w1^T.
        second: rows of the second layer, U^T w2.
        alone: indices of the independent modes; the others belong to groups.
        groups: groups of modes that share hidden units.
        overlap: largest cosine between rows of different modes; it is at rounding level if there are no groups.
        bound: rounding error of this cosine.
        leak: largest cosine between a row of the first layer for an input without variance and the hidden units of a
            group.
    """

    basis: ModeBasis
    first: SingularRows
    second: SingularRows
    alone: Int[np.ndarray, " alone"]
    groups: tuple[HiddenGroup, ...]
    overlap: float
    bound: float
    leak: float

    @cached_property
    def residual(self) -> float:
        """Largest of the relative couplings that vanish for a network whose parts have closed forms.

        These are the mixing of modes by the input correlation, the task in directions without input variance, and the
        imbalance, the spread of input variances and the leak of the groups.
        """
        residuals_of_groups = [max(group.imbalance, group.spread) for group in self.groups]
        return max(self.basis.mixing, self.basis.unseen, self.leak, *residuals_of_groups, 0.0)


def decoupling(
    w1: Float[np.ndarray, "hidden in"],
    w2: Float[np.ndarray, "out hidden"],
    sigma_yx: Float[np.ndarray, "out in"],
    sigma_xx: Float[np.ndarray, "in in"] | None,
    *,
    rounded: bool = True,
) -> Decoupling:
    """Decompose a network into independent modes and groups of coupled modes.

    Modes are independent if the rows of different modes, in both layers, have cosines of 0 up to rounding. Rows of
    inputs without variance are arbitrary. Rows that belong to no mode are constant and need not be orthogonal to each
    other.

    Args:
        w1: initial first layer, (hidden, in).
        w2: initial second layer, (out, hidden).
        sigma_yx: input-output correlation, (out, in).
        sigma_xx: input correlation, (in, in); None for white inputs.
        rounded: whether the weights carry rounding errors, see `closed_form`.

    Source: Saxe et al. (2014), arXiv 1312.6120, section 1.1; Tarmoun et al. (2021), section 4.
    """
    candidates = [
        _decouple(w1, w2, mode_basis(sigma_yx, sigma_xx, (w1, w2), whole=whole), sigma_yx, rounded=rounded)
        for whole in (False, True)
    ]
    return min(candidates, key=lambda parts: (parts.residual > EPS ** (2 / 3), -len(parts.alone)))


def _decouple(
    w1: Float[np.ndarray, "hidden in"],
    w2: Float[np.ndarray, "out hidden"],
    basis: ModeBasis,
    sigma_yx: Float[np.ndarray, "out in"],
    *,
    rounded: bool,
) -> Decoupling:
    first = singular_rows(basis.v, w1.T, rounded=rounded)
    second = singular_rows(basis.u, w2, rounded=rounded)
    overlaps, bounds = _all_cosines(first, second)
    must_be_orthogonal = _must_be_orthogonal(basis, len(first.lengths), len(second.lengths))
    is_coupled = (overlaps > bounds) & must_be_orthogonal
    same_mode = _same_mode(basis, *must_be_orthogonal.shape)
    labels = connected_components(is_coupled | ~must_be_orthogonal & same_mode, directed=False)[1]
    sizes = np.bincount(labels[np.any(is_coupled, axis=1)], minlength=int(labels.max()) + 1)
    groups = tuple(
        _group(np.flatnonzero(labels == label), first, second, basis, sigma_yx) for label in np.flatnonzero(sizes)
    )
    alone = np.flatnonzero(sizes[labels[: len(basis.s)]] == 0)
    worst = np.unravel_index(np.argmax(np.where(must_be_orthogonal, overlaps - bounds, -1.0)), overlaps.shape)
    unseen = first.units[basis.d == 0]
    leaks = [float(np.max(np.linalg.norm(unseen @ group.hidden, axis=1), initial=0.0)) for group in groups]
    return Decoupling(
        basis=basis,
        first=first,
        second=second,
        alone=alone,
        groups=groups,
        overlap=float(overlaps[worst]) if np.any(must_be_orthogonal) else 0.0,
        bound=float(bounds[worst]) if np.any(must_be_orthogonal) else 0.0,
        leak=max([leak for leak in leaks if leak > ROUNDING_FACTOR * EPS], default=0.0),
    )


def _all_cosines(
    first: SingularRows, second: SingularRows
) -> tuple[Float[np.ndarray, "row row"], Float[np.ndarray, "row row"]]:
    """Cosines between all rows of both layers, first layer first, and bounds of the cosines of orthogonal rows."""
    both = SingularRows(
        np.concatenate([first.units, second.units]),
        np.concatenate([first.lengths, second.lengths]),
        np.concatenate([first.unit_errors, second.unit_errors]),
        np.concatenate([first.length_errors, second.length_errors]),
    )
    return cosines(both, both)


def _same_mode(basis: ModeBasis, n_rows: int, _: int) -> Bool[np.ndarray, "row row"]:
    """Whether two rows belong to one mode."""
    same = np.eye(n_rows, dtype=bool)
    modes, n_in = np.arange(len(basis.s)), len(basis.d)
    same[modes, n_in + modes] = same[n_in + modes, modes] = True
    return same


def _must_be_orthogonal(basis: ModeBasis, n_in: int, n_out: int) -> Bool[np.ndarray, "row row"]:
    """Whether two rows must be orthogonal for their modes to be independent."""
    n_modes = len(basis.s)
    without_mode = np.ones(n_in + n_out, dtype=bool)
    without_mode[:n_modes] = without_mode[n_in : n_in + n_modes] = False
    layer = np.arange(n_in + n_out) < n_in
    orthogonal = ~(without_mode[:, None] & without_mode & (layer[:, None] == layer))
    has_variance = np.ones(n_in + n_out, dtype=bool)
    has_variance[:n_in] = basis.d > 0
    return orthogonal & ~_same_mode(basis, n_in + n_out, n_in + n_out) & has_variance[:, None] & has_variance


def _group(
    rows: Int[np.ndarray, " row"],
    first: SingularRows,
    second: SingularRows,
    basis: ModeBasis,
    sigma_yx: Float[np.ndarray, "out in"],
) -> HiddenGroup:
    """Restrict coupled modes to the hidden directions that they use."""
    n_in = len(basis.d)
    inputs, outputs = rows[rows < n_in], rows[rows >= n_in] - n_in
    x, y = (side.units[at] * side.lengths[at, None] for side, at in ((first, inputs), (second, outputs)))
    strengths, spanning = np.linalg.svd(np.concatenate([x, y]), full_matrices=False)[1:]
    hidden = spanning[strengths > ROUNDING_FACTOR * max(len(rows), x.shape[1]) * EPS * strengths[0]].T
    w1, w2, d = hidden.T @ x.T, y @ hidden, basis.d[inputs]
    variance = float(np.mean(d)) if len(d) else 0.0
    unit = variance or 1.0
    task = basis.u[:, outputs].T @ sigma_yx @ basis.v[:, inputs] / unit
    nearest = balance(w1, w2) if len(inputs) and len(outputs) else None
    return HiddenGroup(
        inputs=inputs,
        outputs=outputs,
        hidden=hidden,
        w1=w1,
        w2=w2,
        task=task,
        variance=variance,
        lam=nearest.lam if nearest else 0.0,
        imbalance=nearest.relative_residual if nearest else 1.0,
        spread=float(np.max(np.abs(d - variance), initial=0.0)) / unit,
    )
