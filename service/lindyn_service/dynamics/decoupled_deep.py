"""Networks of any depth with independent modes, each of which has one hidden direction in each layer."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.decoupled_chain import Chain
from lindyn_service.dynamics.layers import Layers
from lindyn_service.dynamics.least_squares import EPS
from lindyn_service.dynamics.mode_basis import ModeBasis, mode_basis

_ROUNDING_FACTOR = 64  # in units of the rounding errors of a product with a layer

Directions = tuple[Float[np.ndarray, "_ mode"], ...]
"""Unit vectors of each mode as columns, for the inputs and for the outputs of each layer."""


@dataclass(frozen=True)
class DeepModes:
    """Deep network as a set of modes, with the size of the couplings between these.

    Attributes:
        basis: bases of inputs and outputs by modes.
        directions: directions of the modes, from the inputs to the outputs.
        strengths: strength of each layer in each mode.
        rest: parts of the layers outside the modes, which are constant.
        overlap: largest Frobenius norm of the part of a layer that couples different modes, or modes and other
            directions, relative to the norm of the layer.
        bound: rounding error of `overlap`.
    """

    basis: ModeBasis
    directions: Directions
    strengths: Float[np.ndarray, "mode layer"]
    rest: Layers
    overlap: float
    bound: float

    @cached_property
    def residual(self) -> float:
        """Largest relative coupling; it vanishes up to rounding if the modes are independent."""
        return max(self.basis.mixing, self.basis.unseen, self.overlap)

    @cached_property
    def chains(self) -> tuple[Chain, ...]:
        """Solution for each mode."""
        return tuple(
            Chain(float(s), float(d), w)
            for s, d, w in zip(self.basis.s, self.basis.d[: len(self.basis.s)], self.strengths, strict=True)
        )

    def at(
        self, times: Float[np.ndarray, " time"]
    ) -> tuple[Float[np.ndarray, "time mode layer"], Float[np.ndarray, "time mode"]]:
        """Strengths of the layers in each mode, and residuals s - d a, accurate relative to each residual."""
        solutions = [chain.at(times) for chain in self.chains]
        layers = np.zeros((len(times), *self.strengths.shape))
        residuals = np.zeros((len(times), len(solutions)))
        for mode, (strengths, residual) in enumerate(solutions):
            layers[:, mode], residuals[:, mode] = strengths, residual
        return layers, residuals

    def weights(self, times: Float[np.ndarray, " time"]) -> Layers:
        """All layers, (time, width l+1, width l), first layer first, in the coordinates of inputs and outputs."""
        return self.layers(self.at(times)[0])

    def layers(self, strengths: Float[np.ndarray, "time mode layer"]) -> Layers:
        """The same from the strengths of the modes."""
        layers: list[np.ndarray] = []
        for layer, rest in enumerate(self.rest):
            left, right = self.directions[layer + 1], self.directions[layer]
            layers.append(rest + (left * strengths[:, None, :, layer]) @ right.T)
        return tuple(layers)

    def excess_loss(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Excess loss, to full relative accuracy."""
        residuals = self.at(times)[1]
        return 0.5 * np.sum(residuals**2 / self.basis.d[: residuals.shape[1]], axis=1)

    def loss_rate(self, times: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
        """Time derivative of the loss per time constant, minus the squared gradient norm, to full relative accuracy."""
        strengths, residuals = self.at(times)
        total = np.zeros(len(times))
        for layer in range(strengths.shape[2]):
            others = np.prod(np.delete(strengths, layer, axis=2), axis=2)
            total -= np.sum((others * residuals) ** 2, axis=1)
        return total


def deep_modes(
    weights: tuple[Float[np.ndarray, "_ _"], ...],
    sigma_yx: Float[np.ndarray, "out in"],
    sigma_xx: Float[np.ndarray, "in in"] | None,
) -> DeepModes:
    """Decompose a network of two or more layers into modes, and measure the couplings between these.

    Args:
        weights: layers, (width l+1, width l), first layer first.
        sigma_yx: input-output correlation.
        sigma_xx: input correlation; None for white inputs.

    Source: Saxe et al. (2014), arXiv 1312.6120, section 1.3, for equal layers; docs/theory.md, section 3.
    """
    candidates = [_measure(weights, mode_basis(sigma_yx, sigma_xx, weights, whole=whole)) for whole in (False, True)]
    return min(candidates, key=lambda modes: modes.residual)


def _measure(weights: tuple[Float[np.ndarray, "_ _"], ...], basis: ModeBasis) -> DeepModes:
    directions = _directions(weights, basis)
    strengths = np.empty((len(basis.s), len(weights)))
    rest: list[np.ndarray] = []
    overlap = 0.0
    for layer, (w, right, left) in enumerate(zip(weights, directions[:-1], directions[1:], strict=True)):
        input_rows = basis.v[:, basis.d > 0].T if not layer else np.eye(w.shape[1])
        strengths[:, layer] = np.einsum("ha,hi,ia->a", left, w, right)
        rest.append(w - (left * strengths[:, layer]) @ right.T)
        coupling = np.hypot(np.linalg.norm(rest[-1] @ right), np.linalg.norm(left.T @ rest[-1] @ input_rows.T))
        overlap = max(overlap, float(coupling) / float(np.linalg.norm(w) or 1.0))
    bound = _ROUNDING_FACTOR * EPS * max(max(w.shape) for w in weights)
    return DeepModes(basis, directions, strengths, tuple(rest), overlap, bound)


def _directions(weights: tuple[Float[np.ndarray, "_ _"], ...], basis: ModeBasis) -> Directions:
    """Directions of the modes: images of the input directions or, if these vanish, preimages of the output ones."""
    n_modes = len(basis.s)
    into, out = basis.v[:, :n_modes], basis.u[:, :n_modes]
    backward = [out]
    for w in weights[:0:-1]:
        backward.append(_orthonormal(w.T @ backward[-1], float(np.linalg.norm(w))))
    forward = [into]
    for w, other in zip(weights[:-1], backward[:0:-1], strict=True):
        image = _orthonormal(w @ forward[-1], float(np.linalg.norm(w)))
        vanished = ~np.any(image, axis=0)
        filled = np.where(vanished, other - image @ (image.T @ other), image)
        forward.append(np.where(vanished, _orthonormal(filled, 1.0), image))
    return (*forward, out)


def _orthonormal(columns: Float[np.ndarray, "to mode"], size: float) -> Float[np.ndarray, "to mode"]:
    """Orthonormalise nearly orthogonal columns, from the longest to the shortest; negligible columns become zeros."""
    lengths = np.linalg.norm(columns, axis=0)
    order = np.argsort(-lengths, kind="stable")
    n_nonzero = int(np.count_nonzero(lengths > _ROUNDING_FACTOR * EPS * size))
    kept = order[: min(n_nonzero, len(columns))]
    units = np.zeros_like(columns)
    if len(kept):
        q, r = np.linalg.qr(columns[:, kept])
        units[:, kept] = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
    return units
