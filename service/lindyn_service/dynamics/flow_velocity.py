"""Velocity of all layers under gradient flow, in float64 and double-double, and its directional derivatives."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.double_double import DoubleDouble, exact
from lindyn_service.dynamics.layers import Layers

_M = TypeVar("_M", bound="Matrix")


@runtime_checkable
class Matrix(Protocol):
    """Matrices, or stacks of these, as float64 arrays or `DoubleDouble`."""

    @property
    def mT(self: _M) -> _M:
        """Transposed matrices."""
        ...

    def __sub__(self: _M, other: _M, /) -> _M: ...

    def __matmul__(self: _M, other: _M, /) -> _M: ...


@dataclass(frozen=True)
class Passes(Generic[_M]):
    """Results of the forward and the backward pass of back-propagation, first layer first.

    Attributes:
        products: W_l .. W_1 for each layer l.
        errors: (W_L .. W_l+1)^T (sigma_yx - W sigma_xx) for each layer l.
    """

    products: list[_M]
    errors: list[_M]

    @property
    def velocities(self) -> list[_M]:
        """The velocity of each layer for a time constant of 1."""
        return [self.errors[0], *(e @ p.mT for e, p in zip(self.errors[1:], self.products[:-1], strict=True))]


def back_propagation(layers: Sequence[_M], sigma_yx: _M, sigma_xx: _M | None) -> Passes[_M]:
    """Run the forward and the backward pass of a network; sigma_xx is None for white inputs.

    Source: Saxe et al. (2014), arXiv 1312.6120, the gradient flow.
    """
    products: list[_M] = [layers[0]]
    for layer in layers[1:]:
        products.append(layer @ products[-1])
    errors: list[_M] = [sigma_yx - (products[-1] if sigma_xx is None else products[-1] @ sigma_xx)]
    for layer in layers[:0:-1]:
        errors.append(layer.mT @ errors[-1])
    return Passes(products, errors[::-1])


@dataclass(frozen=True)
class VelocityField:
    """Vector field of gradient flow with a time constant of 1; a state is the concatenation of all layers.

    Attributes:
        shapes: (width l+1, width l) of each layer, first layer first.
        sigma_yx: (out, in).
        sigma_xx: (in, in); None for white inputs.
        weight_decay: gamma_l of each layer, which adds -gamma_l W_l to its velocity, in units of the task; empty for
            none.
    """

    shapes: tuple[tuple[int, int], ...]
    sigma_yx: Float[np.ndarray, "out in"]
    sigma_xx: Float[np.ndarray, "in in"] | None
    weight_decay: tuple[float, ...] = ()

    def layers(self, states: Float[np.ndarray, "*batch number"]) -> Layers:
        """Views of the layers of states, (.., width l+1, width l)."""
        batch = states.shape[:-1]
        pairs = zip(self._starts, self._sizes, self.shapes, strict=True)
        return tuple(states[..., start : start + size].reshape(*batch, *shape) for start, size, shape in pairs)

    @staticmethod
    def joined(layers: Sequence[Float[np.ndarray, "..."]]) -> Float[np.ndarray, "*batch number"]:
        """Concatenate layers, (.., width l+1, width l), to states."""
        return np.concatenate([layer.reshape(*layer.shape[:-2], -1) for layer in layers], axis=-1)

    def largest(self, states: Float[np.ndarray, "state number"]) -> Float[np.ndarray, " number"]:
        """Largest magnitude, over all states, in the layer that each number belongs to."""
        magnitudes = np.max(np.abs(states), axis=0)
        return np.repeat(np.maximum.reduceat(magnitudes, self._starts), self._sizes)

    def velocity(self, states: Float[np.ndarray, "*batch number"]) -> Float[np.ndarray, "*batch number"]:
        """Velocities of states in float64."""
        return self.decayed(
            self.joined(back_propagation(self.layers(states), self.sigma_yx, self.sigma_xx).velocities), states
        )

    def decayed(
        self, velocities: Float[np.ndarray, "*batch number"], states: Float[np.ndarray, "*batch number"]
    ) -> Float[np.ndarray, "*batch number"]:
        """Add weight decay to velocities, in float64."""
        return velocities - self._decay * states if self.weight_decay else velocities

    def residual(self, state: DoubleDouble) -> Float[np.ndarray, "out in"]:
        """Matrix sigma_yx - W sigma_xx of one state, computed in double-double arithmetic."""
        return self._precise_passes(state).errors[-1].high

    def linearised(self, states: DoubleDouble) -> "Linearisation":
        """Velocities of states in double-double arithmetic, with their derivative in float64."""
        passes = self._precise_passes(states)
        velocities = passes.velocities
        velocity = DoubleDouble(self.joined([v.high for v in velocities]), self.joined([v.low for v in velocities]))
        if self.weight_decay:
            velocity = velocity - states * exact(self._decay)
        return Linearisation(
            self,
            self.layers(states.high),
            Passes([p.high for p in passes.products], [e.high for e in passes.errors]),
            velocity,
        )

    def derivatives(
        self, layers: Layers, passes: Passes[Float[np.ndarray, "..."]], directions: Float[np.ndarray, "*batch number"]
    ) -> tuple[Float[np.ndarray, "*batch number"], Float[np.ndarray, "*batch out in"]]:
        """Directional derivatives of the velocity (minus the Hessian of the loss) and of sigma_yx - W sigma_xx."""
        moved = self.layers(directions)
        products, errors = passes.products, passes.errors
        above = list(zip(layers, moved, strict=True))[1:]
        d_products = [moved[0]]
        for (layer, change), below in zip(above, products[:-1], strict=True):
            d_products.append(change @ below + layer @ d_products[-1])
        d_residual = -(d_products[-1] if self.sigma_xx is None else d_products[-1] @ self.sigma_xx)
        d_errors = [d_residual]
        for (layer, change), error in zip(above[::-1], errors[:0:-1], strict=True):
            d_errors.append(change.mT @ error + layer.mT @ d_errors[-1])
        pairs = zip(d_errors[-2::-1], products[:-1], errors[1:], d_products[:-1], strict=True)
        velocities = [d_errors[-1], *(de @ p.mT + e @ dp.mT for de, p, e, dp in pairs)]
        return self.joined(velocities), d_residual

    def _precise_passes(self, states: DoubleDouble) -> Passes[DoubleDouble]:
        parts = zip(self.layers(states.high), self.layers(states.low), strict=True)
        layers = [DoubleDouble(high, low) for high, low in parts]
        sigma_xx = None if self.sigma_xx is None else exact(self.sigma_xx)
        return back_propagation(layers, exact(self.sigma_yx), sigma_xx)

    @cached_property
    def _decay(self) -> Float[np.ndarray, " number"]:
        return np.repeat(np.array(self.weight_decay), self._sizes)

    @cached_property
    def _sizes(self) -> tuple[int, ...]:
        return tuple(rows * columns for rows, columns in self.shapes)

    @cached_property
    def _starts(self) -> tuple[int, ...]:
        return (0, *accumulate(self._sizes[:-1]))


@dataclass(frozen=True)
class Linearisation:
    """Linearisation of the velocity at some states.

    Attributes:
        field: vector field.
        layers: layers of the states.
        passes: results of back-propagation, rounded to float64.
        velocity: (.., number), velocities of the states.
    """

    field: VelocityField
    layers: Layers
    passes: Passes[Float[np.ndarray, "..."]]
    velocity: DoubleDouble

    def changes(
        self, directions: Float[np.ndarray, "*batch number"]
    ) -> tuple[Float[np.ndarray, "*batch number"], Float[np.ndarray, "*batch out in"]]:
        """Derivatives of the velocity and of sigma_yx - W sigma_xx along directions, in float64."""
        changes, d_residual = self.field.derivatives(self.layers, self.passes, directions)
        return self.field.decayed(changes, directions), d_residual
