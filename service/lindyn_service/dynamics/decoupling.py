"""Which modes of a two-layer network learn alone, and whether those that learn together are balanced groups."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse.csgraph import connected_components

from lindyn_service.dynamics.balance import balance
from lindyn_service.dynamics.least_squares import EPS
from lindyn_service.dynamics.mode_basis import ModeBasis, mode_basis
from lindyn_service.dynamics.singular_rows import ROUNDINGS, SingularRows, cosines, singular_rows


@dataclass(frozen=True)
class HiddenGroup:
    """Modes that share hidden units which no other mode uses.

    Attributes:
        inputs: columns of v.
        outputs: columns of u.
        hidden: orthonormal columns that span the rows of both layers.
        w1: first layer in these coordinates.
        w2: second layer in these coordinates.
        task: sigma_yx between these inputs and outputs, over the mean of their variances.
        variance: mean input variance.
        lam: nearest balance.
        imbalance: relative residual of the balance.
        spread: largest deviation of the input variances, relative to their mean.
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
    """How a network and a task fall into parts.

    Attributes:
        basis: inputs and outputs by modes.
        first: rows of the first layer, V^T w1^T.
        second: rows of the second layer, U^T w2.
        alone: modes that learn alone; the others belong to groups.
        groups: modes that share hidden units.
        overlap: largest cosine between rows of different modes, which is rounding if there are no groups.
        bound: of that cosine by rounding.
        leak: largest cosine between a row of the first layer without inputs and hidden units of a group.
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
        """Largest of the numbers that vanish for a network that falls into parts with closed forms.

        These are what the inputs mix modes, the task of directions without inputs, imbalance and spread of variances
        within groups, and their leak. All are relative.
        """
        of_groups = [max(group.imbalance, group.spread) for group in self.groups]
        return max(self.basis.mixing, self.basis.unseen, self.leak, *of_groups, 0.0)


def decoupling(
    w1: Float[np.ndarray, "hidden in"],
    w2: Float[np.ndarray, "out hidden"],
    sigma_yx: Float[np.ndarray, "out in"],
    sigma_xx: Float[np.ndarray, "in in"] | None,
    *,
    rounded: bool = True,
) -> Decoupling:
    """Measure into which parts a network falls.

    Modes learn alone if rows of different modes, in both layers, are orthogonal relative to their lengths. Rows of
    inputs without variance may be anything; rows that meet neither a task nor the other layer stay, and need not be
    orthogonal to each other.

    Args:
        w1: first layer, (hidden, in).
        w2: second layer, (out, hidden).
        sigma_yx: input-output correlation.
        sigma_xx: input correlation; None for white inputs.
        rounded: as in `closed_form`.

    Source: Saxe et al. (2014), arXiv 1312.6120, section 1.1; Tarmoun et al. (2021), section 4.
    """
    found = [
        _parts(w1, w2, mode_basis(sigma_yx, sigma_xx, (w1, w2), whole=whole), sigma_yx, rounded=rounded)
        for whole in (False, True)
    ]
    return min(found, key=lambda parts: (parts.residual > EPS ** (2 / 3), -len(parts.alone)))


def _parts(
    w1: Float[np.ndarray, "hidden in"],
    w2: Float[np.ndarray, "out hidden"],
    basis: ModeBasis,
    sigma_yx: Float[np.ndarray, "out in"],
    *,
    rounded: bool,
) -> Decoupling:
    first = singular_rows(basis.v, w1.T, rounded=rounded)
    second = singular_rows(basis.u, w2, rounded=rounded)
    found, bounds = _between(first, second)
    apart = _must_be_apart(basis, len(first.lengths), len(second.lengths))
    meets = (found > bounds) & apart
    labels = connected_components(meets | ~apart & _same_mode(basis, *apart.shape), directed=False)[1]
    sizes = np.bincount(labels[np.any(meets, axis=1)], minlength=int(labels.max()) + 1)
    groups = tuple(
        _group(np.flatnonzero(labels == label), first, second, basis, sigma_yx) for label in np.flatnonzero(sizes)
    )
    alone = np.flatnonzero(sizes[labels[: len(basis.s)]] == 0)
    worst = np.unravel_index(np.argmax(np.where(apart, found - bounds, -1.0)), found.shape)
    blind = first.units[basis.d == 0]
    leaks = [float(np.max(np.linalg.norm(blind @ group.hidden, axis=1), initial=0.0)) for group in groups]
    return Decoupling(
        basis=basis,
        first=first,
        second=second,
        alone=alone,
        groups=groups,
        overlap=float(found[worst]) if np.any(apart) else 0.0,
        bound=float(bounds[worst]) if np.any(apart) else 0.0,
        leak=max([leak for leak in leaks if leak > ROUNDINGS * EPS], default=0.0),
    )


def _between(
    first: SingularRows, second: SingularRows
) -> tuple[Float[np.ndarray, "row row"], Float[np.ndarray, "row row"]]:
    """Cosines between all rows of both layers, those of the first layer first, and what rounding makes of none."""
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


def _must_be_apart(basis: ModeBasis, n_in: int, n_out: int) -> Bool[np.ndarray, "row row"]:
    """Whether two rows must be orthogonal for their modes to learn alone."""
    n_modes = len(basis.s)
    resting = np.ones(n_in + n_out, dtype=bool)
    resting[:n_modes] = resting[n_in : n_in + n_modes] = False
    layer = np.arange(n_in + n_out) < n_in
    apart = ~(resting[:, None] & resting & (layer[:, None] == layer))
    seen = np.ones(n_in + n_out, dtype=bool)
    seen[:n_in] = basis.d > 0
    return apart & ~_same_mode(basis, n_in + n_out, n_in + n_out) & seen[:, None] & seen


def _group(
    rows: Int[np.ndarray, " row"],
    first: SingularRows,
    second: SingularRows,
    basis: ModeBasis,
    sigma_yx: Float[np.ndarray, "out in"],
) -> HiddenGroup:
    """Reduce some modes to the hidden units that they use."""
    n_in = len(basis.d)
    inputs, outputs = rows[rows < n_in], rows[rows >= n_in] - n_in
    x, y = (side.units[at] * side.lengths[at, None] for side, at in ((first, inputs), (second, outputs)))
    strengths, spanning = np.linalg.svd(np.concatenate([x, y]), full_matrices=False)[1:]
    hidden = spanning[strengths > ROUNDINGS * max(len(rows), x.shape[1]) * EPS * strengths[0]].T
    w1, w2, d = hidden.T @ x.T, y @ hidden, basis.d[inputs]
    variance = float(np.mean(d)) if len(d) else 0.0
    unit = variance or 1.0
    task = basis.u[:, outputs].T @ sigma_yx @ basis.v[:, inputs] / unit
    known = balance(w1, w2) if len(inputs) and len(outputs) else None
    return HiddenGroup(
        inputs=inputs,
        outputs=outputs,
        hidden=hidden,
        w1=w1,
        w2=w2,
        task=task,
        variance=variance,
        lam=known.lam if known else 0.0,
        imbalance=known.relative_residual if known else 1.0,
        spread=float(np.max(np.abs(d - variance), initial=0.0)) / unit,
    )
