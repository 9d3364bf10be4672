"""Reduction of a network to the dimensions of its inputs, hidden units and outputs that it uses.

Gradients of the output layer are in the span of the targets and of the layer itself, those of the first layer in the
span of the inputs and of the layer. Gradients of both layers at linear hidden units are in the span of the incoming and
the outgoing weights. Weights that start in these spans remain in them, under gradient flow as well as descent.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.least_squares import EPS, Fit
from lindyn_service.dynamics.modal_loss import Objective
from lindyn_service.dynamics.modal_weights import ModalWeights
from lindyn_service.dynamics.tasks import Moments, Samples, fitted

Layers = tuple[Float[np.ndarray, "..."], ...]
"""One array for each layer, (.., width l+1, width l), first layer first."""

_ROUNDING_FACTOR = 4  # as in `least_squares.spanned`


@dataclass(frozen=True)
class _Inputs:
    """Input directions whose variance differs from the most common one, and this variance, of all other directions."""

    directions: Float[np.ndarray, "in special"]
    rest: float


@dataclass(frozen=True)
class Reduction:
    """Learning problem in the coordinates of the spans, and the transformation back.

    Attributes:
        weights: initial layers in the coordinates of the spans.
        moments: moments of the data in these coordinates.
        bases: orthonormal columns for the inputs, each hidden layer and the outputs, (width, coordinates); None if the
            coordinates are unchanged.
        widths: widths of the full network.
        samples: data in the original coordinates.
        rest_variance: variance of the inputs in directions orthogonal to their basis.
    """

    weights: Layers
    moments: Moments
    bases: tuple[Float[np.ndarray, "_ _"] | None, ...]
    widths: tuple[int, ...]
    samples: Samples | None
    rest_variance: float

    @property
    def is_smaller(self) -> bool:
        """Whether any width was reduced."""
        return any(basis is not None for basis in self.bases)

    def expanded(self, layers: Layers) -> Layers:
        """Layers of the full network, (.., width l+1, width l), from those in the coordinates of the spans."""
        expanded_layers: list[np.ndarray] = []
        for layer, (below, above) in zip(layers, pairwise(self.bases), strict=True):
            widened = layer if below is None else layer @ below.T
            expanded_layers.append(widened if above is None else above @ widened)
        return tuple(expanded_layers)

    def lifted(self, modal_weights: ModalWeights) -> ModalWeights:
        """Weights of the full network for observables, with layers in the coordinates of the spans."""
        initial = None if modal_weights.initial is None else self.lifted(modal_weights.initial)
        full = replace(modal_weights, hidden=self.widths[1:-1], initial=initial)
        return replace(full, objective=self.objective(modal_weights.objective)) if self.is_smaller else full

    def objective(self, reduced: Objective) -> Objective:
        """Objective in the coordinates of the full network, from that in the coordinates of the spans."""
        into, out = self.bases[0], self.bases[-1]
        return replace(
            reduced,
            u=reduced.u if out is None else out @ reduced.u,
            v=reduced.v if into is None else into @ reduced.v,
            samples=self.samples,
            rest_variance=self.rest_variance,
        )


def unreduced(weights: Layers, moments: Moments) -> Reduction:
    """Trivial reduction, which keeps all dimensions.

    Source: docs/theory.md, section 3, "Fewer dimensions".
    """
    widths = (weights[0].shape[1], *(len(w) for w in weights))
    return Reduction(weights, moments, (None,) * len(widths), widths, moments.samples, 0.0)


def reduction(weights: Layers, moments: Moments, *, linear: bool = True) -> Reduction:
    """Reduce a network to the dimensions that it uses.

    Outputs are reduced to the span of sigma_yx and of the last layer, of at most n_in + n_hidden dimensions. Inputs are
    reduced to the span of the first layer, of sigma_yx and of the principal directions whose variances differ from the
    most common one, of at most n_hidden + n_out + rank dimensions, or n_hidden + rank for samples of low rank. Linear
    hidden units are reduced to the span of the layers below and above them, repeatedly while a width decreases. Widths
    that do not exceed their span are kept. With nonlinear activations, hidden units are kept, outputs are reduced to
    the span of all targets, and inputs to the span of all inputs.

    Args:
        weights: initial layers, (width l+1, width l), first layer first.
        moments: moments of the data.
        linear: whether the hidden units are linear; nonlinear ones need samples.

    Returns:
        The reduced problem, exact up to rounding errors of its initial weights: coordinates that are zero by
        cancellation become rounding errors.

    Source: docs/theory.md, section 3, "Fewer dimensions".
    """
    widths = (weights[0].shape[1], *(len(w) for w in weights))
    inputs = _inputs(moments, linear=linear)
    reduced = _ReducedLayers(
        list(weights), [None] * (len(weights) + 1), _targets(moments), _input_columns(moments, inputs)
    )
    if not linear and moments.samples is not None:
        reduced.targets, reduced.inputs = [moments.samples.targets.T], [moments.samples.inputs.T]
    while reduced.reduce(linear=linear):
        pass
    into, out = reduced.bases[0], reduced.bases[-1]
    rest = 0.0 if into is None else inputs.rest
    return Reduction(
        tuple(reduced.layers),
        _moments(moments, into, out, full=rest > 0),
        tuple(reduced.bases),
        widths,
        moments.samples,
        rest,
    )


def kept_widths(widths: Sequence[int], targets: int, inputs: int, *, linear: bool = True) -> tuple[int, ...]:
    """Widths after `reduction`, from the dimensions of the spans of targets and inputs.

    Args:
        widths: widths from the inputs to the outputs.
        targets: dimensions of the span of sigma_yx, n_in or the rank of the data.
        inputs: dimensions of the span of the rows of sigma_yx and of the principal directions that are kept.
        linear: whether the hidden units are linear.

    Source: docs/theory.md, section 3, "Fewer dimensions".
    """
    kept, last, before = list(widths), len(widths) - 1, None
    while kept != before:
        before = kept.copy()
        for index in range(last + 1):
            if linear or index in (0, last):
                below = inputs if index == 0 else kept[index - 1]
                above = targets if index == last else kept[index + 1]
                kept[index] = min(kept[index], below + above)
    return tuple(kept)


@dataclass
class _ReducedLayers:
    """Layers during reduction, with columns that the spans of outputs and inputs must contain."""

    layers: list[Float[np.ndarray, "_ _"]]
    bases: list[Float[np.ndarray, "_ _"] | None]
    targets: list[Float[np.ndarray, "_ _"]]
    inputs: list[Float[np.ndarray, "_ _"]]

    def reduce(self, *, linear: bool) -> bool:
        """Reduce each width once if possible; return whether any decreased."""
        last, shrank = len(self.layers), False
        for width in range(last + 1):
            if 0 < width < last and not linear:
                continue
            basis = _basis(self._used(width))
            if basis is None:
                continue
            shrank = True
            before = self.bases[width]
            self.bases[width] = basis if before is None else before @ basis
            if width < last:
                self.layers[width] = self.layers[width] @ basis
            else:
                self.targets = [basis.T @ matrix for matrix in self.targets]
            if width:
                self.layers[width - 1] = basis.T @ self.layers[width - 1]
            else:
                self.inputs = [basis.T @ matrix for matrix in self.inputs]
        return shrank

    def _used(self, width: int) -> list[Float[np.ndarray, "width _"]]:
        below = self.inputs if width == 0 else [self.layers[width - 1]]
        above = self.targets if width == len(self.layers) else [self.layers[width].T]
        return [*below, *above]


def _basis(columns: Sequence[Float[np.ndarray, "width _"]]) -> Float[np.ndarray, "width kept"] | None:
    """Orthonormal columns whose span contains given columns; None if these are as many as there are dimensions.

    A thin QR factorisation needs no numerical rank, since columns beyond the rank may be arbitrary.
    """
    count = sum(matrix.shape[1] for matrix in columns)
    if count >= len(columns[0]):
        return None
    return np.linalg.qr(np.concatenate(columns, axis=1))[0]


def _targets(moments: Moments) -> list[Float[np.ndarray, "out rank"]]:
    """Columns that span those of sigma_yx; for data, only as many as the rank of the inputs."""
    return [moments.sigma_yx if moments.fit is None else moments.sigma_yx @ moments.fit.right.T]


def _input_columns(moments: Moments, inputs: _Inputs) -> list[Float[np.ndarray, "in _"]]:
    """Columns that span the rows of sigma_yx and the kept principal directions; for data, the latter suffice."""
    if moments.fit is not None and inputs.rest == 0:
        return [inputs.directions]
    return [moments.sigma_yx.T, inputs.directions]


def _inputs(moments: Moments, *, linear: bool) -> _Inputs:
    """Principal directions whose variance differs from the median one.

    sigma_xx is a multiple of the identity on the other directions, so that it leaves each space invariant that contains
    the former ones.
    """
    n_in = moments.sigma_yx.shape[1]
    no_directions = np.zeros((n_in, 0))
    if moments.sigma_xx is None:
        return _Inputs(no_directions, 1.0)
    fit = fitted(moments)
    if len(fit.right) < n_in or not linear:
        return _Inputs(fit.right.T, 0.0)
    variance = float(np.median(fit.variances))
    differs = np.abs(fit.variances - variance) > _ROUNDING_FACTOR * n_in * EPS * fit.variances[0]
    return _Inputs(fit.right[differs].T, variance)


def _moments(
    moments: Moments,
    into: Float[np.ndarray, "in kept"] | None,
    out: Float[np.ndarray, "out left"] | None,
    *,
    full: bool,
) -> Moments:
    """Moments in the coordinates of the bases; `full` says that the inputs span all dimensions."""
    fit, sigma_xx, samples = fitted(moments), moments.sigma_xx, moments.samples
    right, variances = fit.right, fit.variances
    sigma_yx, best = moments.sigma_yx, fit.best
    if out is not None:
        sigma_yx, best = out.T @ sigma_yx, out.T @ best
    if into is not None:
        sigma_yx, best, right = sigma_yx @ into, best @ into, right @ into
        sigma_xx = None if sigma_xx is None else into.T @ sigma_xx @ into
        if full:
            right, variances = _principal(sigma_xx, into.shape[1])
    if samples is not None:
        samples = Samples(
            samples.inputs if into is None else samples.inputs @ into,
            samples.targets if out is None else samples.targets @ out,
        )
    return Moments(
        sigma_yx, sigma_xx, moments.sigma_yy_trace, samples, Fit(right, variances, best, fit.loss, fit.loss_error)
    )


def _principal(
    sigma_xx: Float[np.ndarray, "kept kept"] | None, count: int
) -> tuple[Float[np.ndarray, "kept kept"], Float[np.ndarray, " kept"]]:
    """Principal directions as rows, and the variances along them, descending."""
    if sigma_xx is None:
        return np.eye(count), np.ones(count)
    variances, vectors = np.linalg.eigh(sigma_xx)
    return vectors[:, ::-1].T, variances[::-1]
