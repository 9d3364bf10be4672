"""The same learning in fewer dimensions: what a network never uses of its outputs, inputs and hidden units is left out.

Gradients of the output layer lie in the span of the targets and of the layer itself, those of the first layer in the
span of the inputs and of the layer, and those of both layers at linear hidden units in the span of what comes in and
what goes out. Weights that start in these spans stay there, in flow and in descent alike.
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

_ROUNDINGS = 4  # as in `least_squares.spanned`


@dataclass(frozen=True)
class _Inputs:
    """Directions of the inputs that a network can tell from others, and the variance in all others."""

    directions: Float[np.ndarray, "in special"]
    rest: float


@dataclass(frozen=True)
class Reduction:
    """A learning problem in coordinates of the spans, and the way back.

    Attributes:
        weights: initial layers in the coordinates of the spans.
        moments: of the data, likewise.
        bases: orthonormal columns for the inputs, each hidden layer and the outputs, (width, coordinates); None where
            the coordinates are kept.
        widths: of the whole network.
        samples: the data as they were.
        rest_variance: of the inputs in directions orthogonal to their basis.
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
        """Layers of the whole network, (.., width l+1, width l), from those in the coordinates of the spans."""
        found: list[np.ndarray] = []
        for layer, (below, above) in zip(layers, pairwise(self.bases), strict=True):
            part = layer if below is None else layer @ below.T
            found.append(part if above is None else above @ part)
        return tuple(found)

    def lifted(self, frame: ModalWeights) -> ModalWeights:
        """The frame of the whole network, without its matrices, from that in the coordinates of the spans."""
        initial = None if frame.initial is None else self.lifted(frame.initial)
        whole = replace(frame, hidden=self.widths[1:-1], initial=initial)
        return replace(whole, objective=self.objective(frame.objective)) if self.is_smaller else whole

    def objective(self, found: Objective) -> Objective:
        """The objective in the coordinates of the whole network, from that of the moments in those of the spans."""
        into, out = self.bases[0], self.bases[-1]
        return replace(
            found,
            u=found.u if out is None else out @ found.u,
            v=found.v if into is None else into @ found.v,
            samples=self.samples,
            rest_variance=self.rest_variance,
        )


def whole(weights: Layers, moments: Moments) -> Reduction:
    """Leave nothing out: the network as it is.

    Source: docs/theory.md, section 3, "Fewer dimensions".
    """
    widths = (weights[0].shape[1], *(len(w) for w in weights))
    return Reduction(weights, moments, (None,) * len(widths), widths, moments.samples, 0.0)


def reduction(weights: Layers, moments: Moments, *, linear: bool = True) -> Reduction:
    """Leave out the dimensions that a network never uses.

    Outputs keep the span of sigma_yx and of the last layer, n_in + n_hidden dimensions or fewer; inputs that of the
    first layer, of sigma_yx and of the principal directions in which they differ from all others, n_hidden + n_out +
    rank, or n_hidden + rank for samples of a low rank; linear hidden units that of the layers below and above them, in
    turn, as long as any width shrinks. Widths that are no larger than their span stay as they are. With activations
    other than the identity the hidden units stay, and the outputs keep the span of the targets of all samples, the
    inputs that of the inputs.

    Args:
        weights: initial layers, (width l+1, width l), first layer first.
        moments: of the data.
        linear: whether the hidden units are linear; others need samples.

    Returns:
        The smaller problem, exact up to rounding errors of its initial weights: coordinates that were zero by
        cancellation are rounding errors afterwards.

    Source: docs/theory.md, section 3, "Fewer dimensions".
    """
    widths = (weights[0].shape[1], *(len(w) for w in weights))
    inputs = _inputs(moments, linear=linear)
    reduced = _Reducing(list(weights), [None] * (len(weights) + 1), _targets(moments), _rows(moments, inputs))
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
    """Widths that `reduction` leaves, from the numbers of columns that it has to keep.

    Args:
        widths: input first.
        targets: columns that span what outputs are trained on, n_in or the rank of the data.
        inputs: columns that span the rows of sigma_yx and the principal directions of their own variance.
        linear: whether the hidden units are.

    Source: docs/theory.md, section 3, "Fewer dimensions".
    """
    kept, last, before = list(widths), len(widths) - 1, None
    while kept != before:
        before = kept.copy()
        for place in range(last + 1):
            if linear or place in (0, last):
                below = inputs if place == 0 else kept[place - 1]
                above = targets if place == last else kept[place + 1]
                kept[place] = min(kept[place], below + above)
    return tuple(kept)


@dataclass
class _Reducing:
    """Layers on their way, with what has to stay in the spans of outputs and inputs."""

    layers: list[Float[np.ndarray, "_ _"]]
    bases: list[Float[np.ndarray, "_ _"] | None]
    targets: list[Float[np.ndarray, "_ _"]]
    inputs: list[Float[np.ndarray, "_ _"]]

    def reduce(self, *, linear: bool) -> bool:
        """Try each width once; returns whether any shrank."""
        last, shrank = len(self.layers), False
        for place in range(last + 1):
            if 0 < place < last and not linear:
                continue
            basis = _basis(self._used(place))
            if basis is None:
                continue
            shrank = True
            before = self.bases[place]
            self.bases[place] = basis if before is None else before @ basis
            if place < last:
                self.layers[place] = self.layers[place] @ basis
            else:
                self.targets = [basis.T @ each for each in self.targets]
            if place:
                self.layers[place - 1] = basis.T @ self.layers[place - 1]
            else:
                self.inputs = [basis.T @ each for each in self.inputs]
        return shrank

    def _used(self, place: int) -> list[Float[np.ndarray, "width _"]]:
        below = self.inputs if place == 0 else [self.layers[place - 1]]
        above = self.targets if place == len(self.layers) else [self.layers[place].T]
        return [*below, *above]


def _basis(columns: Sequence[Float[np.ndarray, "width _"]]) -> Float[np.ndarray, "width kept"] | None:
    """Orthonormal columns whose span holds all columns; None where they are as many as there are dimensions.

    A thin QR factorisation needs no decision about ranks: columns beyond the rank are any others.
    """
    count = sum(each.shape[1] for each in columns)
    if count >= len(columns[0]):
        return None
    return np.linalg.qr(np.concatenate(columns, axis=1))[0]


def _targets(moments: Moments) -> list[Float[np.ndarray, "out rank"]]:
    """Columns that span those of sigma_yx; data know that these are no more than their inputs have rank."""
    return [moments.sigma_yx if moments.fit is None else moments.sigma_yx @ moments.fit.right.T]


def _rows(moments: Moments, inputs: _Inputs) -> list[Float[np.ndarray, "in _"]]:
    """Columns that span the rows of sigma_yx and an invariant space; data know that the inputs span the former."""
    if moments.fit is not None and inputs.rest == 0:
        return [inputs.directions]
    return [moments.sigma_yx.T, inputs.directions]


def _inputs(moments: Moments, *, linear: bool) -> _Inputs:
    """Principal directions with another variance than most have.

    sigma_xx is a multiple of the identity on all others, so that any span with these directions is invariant.
    """
    n_in = moments.sigma_yx.shape[1]
    nothing = np.zeros((n_in, 0))
    if moments.sigma_xx is None:
        return _Inputs(nothing, 1.0)
    found = fitted(moments)
    if len(found.right) < n_in or not linear:
        return _Inputs(found.right.T, 0.0)
    most = float(np.median(found.variances))
    special = np.abs(found.variances - most) > _ROUNDINGS * n_in * EPS * found.variances[0]
    return _Inputs(found.right[special].T, most)


def _moments(
    moments: Moments,
    into: Float[np.ndarray, "in kept"] | None,
    out: Float[np.ndarray, "out left"] | None,
    *,
    full: bool,
) -> Moments:
    """Moments along bases; `full` says that the inputs span all dimensions."""
    found, sigma_xx, samples = fitted(moments), moments.sigma_xx, moments.samples
    right, variances = found.right, found.variances
    sigma_yx, best = moments.sigma_yx, found.best
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
    return Moments(sigma_yx, sigma_xx, moments.sigma_yy_trace, samples, Fit(right, variances, best, found.loss))


def _principal(
    sigma_xx: Float[np.ndarray, "kept kept"] | None, count: int
) -> tuple[Float[np.ndarray, "kept kept"], Float[np.ndarray, " kept"]]:
    """Principal directions as rows, and the variances along them, descending."""
    if sigma_xx is None:
        return np.eye(count), np.ones(count)
    variances, vectors = np.linalg.eigh(sigma_xx)
    return vectors[:, ::-1].T, variances[::-1]
