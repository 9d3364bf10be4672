"""Gradient descent of linear networks, with errors of the network function that are accurate however small."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.descent import Layers, State, walk
from lindyn_service.dynamics.tasks import EPS

_STEPS_BETWEEN_SUMS = 100


@dataclass(frozen=True)
class Trained:
    """Networks after recorded numbers of steps.

    Attributes:
        layers: (recorded, *batch, width l+1, width l) each, first layer first.
        errors: (recorded, *batch, out, in), errors W - W* of the network function W = W_L .. W_1 on the span of the
            inputs, where W* sigma_xx = sigma_yx; 0 outside the span.
    """

    layers: Layers
    errors: Float[np.ndarray, "*batch out in"]


class LinearDescent:
    """Iteration of W_l <- W_l + step (W_L .. W_l+1)^T (sigma_yx - W sigma_xx) (W_l-1 .. W_1)^T.

    The error D = W - W* is computed by subtraction only at the start. Afterwards it is updated by the change of the
    function, W' - W = sum over l of W'_L .. W'_l+1 dW_l W_l-1 .. W_1, where the changes dW_l of the layers are
    proportional to D, so that rounding errors are relative to D and not to W. Small changes are not lost to rounding:
    D uses compensated summation, and changes of the layers are accumulated separately for some steps. The remaining
    errors are those of the decay rates of D: its relative error is about one rounding error for each factor of e by
    which it has decayed, independently of the number of steps (2e-14 at 1e-112). Behind a bottleneck, where the layers
    cannot represent the whole task, the rounding errors of W* remain.

    Coloured inputs are transformed to their principal axes; axes outside their span have the variance 0.

    Args:
        layers: initial weights, (*batch, width l+1, width l), with the same batch axes.
        sigma_yx: Y X^T / P, (*task, out, in); batch axes broadcast to those of the layers.
        sigma_xx: X X^T / P, (*task, in, in); batch axes broadcast likewise; None for white inputs.
        step: learning rate divided by the time constant.

    Source: Saxe et al. (2014), arXiv 1312.6120, for any number of layers; Kahan (1965), 10.1145/363707.363723.
    """

    def __init__(
        self,
        layers: Layers,
        sigma_yx: Float[np.ndarray, "*task out in"],
        sigma_xx: Float[np.ndarray, "*inputs in in"] | None,
        step: float,
    ) -> None:
        self._axes = None if sigma_xx is None else _principal_axes(sigma_xx)
        self._initial, self._step, self.steps_taken = layers[0], step, 0
        first, best = (layers[0], sigma_yx) if self._axes is None else self._axes.along(layers[0], sigma_yx)
        self._first = first
        shapes = [first.shape, *(w.shape for w in layers[1:])]
        self._weights = np.concatenate([first.ravel(), *(w.ravel() for w in layers[1:])])
        self._sums, self._moved = self._weights.copy(), np.zeros_like(self._weights)
        self._changes = np.empty_like(self._weights)
        self._layers, self._layer_changes = _parts(self._weights, shapes), _parts(self._changes, shapes)
        function = self._layers[0]
        for w in self._layers[1:]:
            function = w @ function
        self._error = function - best
        self._lost, self._spare, self._scaled = (np.zeros_like(self._error) for _ in range(3))
        self._allocate()

    def weights(self) -> Layers:
        """Current weights, which the next step may overwrite."""
        return (self._in_input_coordinates(self._layers[0]), *self._layers[1:])

    def excess(self) -> Float[np.ndarray, "*batch"]:
        """Excess loss.

        Source: Saxe et al. (2014), arXiv 1312.6120, the loss with its square completed.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # diverging weights
            scaled = self._error if self._axes is None else self._error * np.sqrt(self._axes.variances)
            return np.asarray(0.5 * np.einsum("...ij,...ij->...", scaled, scaled))

    def record(self, numbers: Sequence[int]) -> Trained:
        """Advance through ascending numbers of steps, and return the networks after each; 0 is the initial network.

        Raises:
            DivergedError: the weights diverged.
        """
        layers = tuple(np.empty((len(numbers), *w.shape)) for w in self._layers)
        errors = np.empty((len(numbers), *self._error.shape))
        for row in walk(self, numbers):
            for record, w in zip(layers, self._layers, strict=True):
                record[row] = w
            errors[row] = self._error
        if self._axes is not None:
            errors = (errors * (self._axes.variances > 0)) @ self._axes.axes.mT
        return Trained((self._in_input_coordinates(layers[0]), *layers[1:]), errors)

    def advance(self, steps: int) -> None:
        """Take steps, without warnings about overflow."""
        with np.errstate(all="ignore"):
            while steps:
                length = min(steps, _STEPS_BETWEEN_SUMS - self.steps_taken % _STEPS_BETWEEN_SUMS)
                self._steps(length)
                self.steps_taken += length
                steps -= length
                if self.steps_taken % _STEPS_BETWEEN_SUMS == 0:
                    before = self._sums.copy()
                    np.add(before, self._moved, out=self._sums)
                    np.subtract(self._moved, self._sums - before, out=self._moved)  # keeps the rounding error

    def saved(self) -> State:
        """Copy of the state, for `restore`."""
        return tuple(array.copy() for array in self._state())

    def restore(self, saved: State, steps_taken: int) -> None:
        """Restore the state after `steps_taken` steps."""
        self.steps_taken = steps_taken
        for now, before in zip(self._state(), saved, strict=True):
            np.copyto(now, before)

    def _state(self) -> State:
        return self._weights, self._sums, self._moved, self._error, self._lost

    def _in_input_coordinates(self, first: Float[np.ndarray, "*any hidden in"]) -> Float[np.ndarray, "*any hidden in"]:
        """First layers in the coordinates of the inputs; outside the span of the inputs they are the initial ones."""
        return first if self._axes is None else self._initial + (first - self._first) @ self._axes.axes.mT

    def _allocate(self) -> None:
        """Allocate the arrays of a step, and list the operands and the result of each of its products."""
        layers, changes = self._layers, self._layer_changes
        below = layers[:1]  # W_l .. W_1
        self._products: list[tuple[np.ndarray, ...]] = []
        self._backward: list[tuple[np.ndarray, ...]] = []
        self._forward: list[tuple[np.ndarray, ...]] = []
        for w, change in zip(layers[1:], changes[1:], strict=True):
            product = np.empty((*w.shape[:-1], below[-1].shape[-1]))
            lower = changes[0] if len(below) == 1 else np.empty_like(below[-1])
            self._products.append((w, below[-1], product))
            self._backward.insert(0, (below[-1].mT, change, w.mT, lower))
            self._forward.append((change, below[-1], w, np.empty_like(product), np.empty_like(product)))
            below.append(product)
        del self._products[-1:]  # no step needs the network function

    def _steps(self, steps: int) -> None:
        """Take steps: changes of the layers by back-propagation, then the change of the network function."""
        sums, moved, weights, changes = self._sums, self._moved, self._weights, self._changes
        error, lost, next_error, first = self._error, self._lost, self._spare, self._layer_changes[0]
        for _ in range(steps):
            for w, below, product in self._products:
                np.matmul(w, below, out=product)
            delta = error if self._axes is None else np.multiply(error, self._axes.variances, out=self._scaled)
            for below, change, w, lower in self._backward:
                np.matmul(delta, below, out=change)
                delta = np.matmul(w, delta, out=lower)
            if delta is not first:  # only for networks of one layer
                np.copyto(first, delta)
            np.multiply(changes, -self._step, out=changes)
            for change, below, _, product_of_change, _ in self._forward:
                np.matmul(change, below, out=product_of_change)
            np.add(moved, changes, out=moved)
            np.add(sums, moved, out=weights)
            change = first
            for _, _, w, product_of_change, lifted in self._forward:
                np.matmul(w, change, out=lifted)
                change = np.add(product_of_change, lifted, out=product_of_change)
            np.add(change, lost, out=lost)
            np.add(error, lost, out=next_error)
            np.subtract(next_error, error, out=error)
            np.subtract(lost, error, out=lost)
            error, next_error = next_error, error
        self._error, self._spare = error, next_error


def first_below(descent: LinearDescent, tolerance: float, last: int) -> int | None:
    """Number of the first step after which the excess loss of one network is at most the tolerance.

    Args:
        descent: descent of one network, before its first step.
        tolerance: in units of the loss.
        last: largest number of steps.

    Returns:
        The number of steps; 0 if the initial loss is at most the tolerance, None if it stays above for `last` steps.

    Raises:
        DivergedError: the weights diverged before.
    """
    # every step is tested, since the loss may increase between them
    return next((number for number in walk(descent, range(last + 1)) if descent.excess() <= tolerance), None)


@dataclass(frozen=True)
class _Axes:
    """Principal axes of inputs as columns, and the variances along them; variances at rounding level are 0."""

    axes: Float[np.ndarray, "*inputs in in"]
    variances: Float[np.ndarray, "*inputs 1 in"]

    def along(
        self, first: Float[np.ndarray, "*batch hidden in"], sigma_yx: Float[np.ndarray, "*task out in"]
    ) -> tuple[Float[np.ndarray, "*batch hidden in"], Float[np.ndarray, "*any out in"]]:
        """First layer and best network function in the coordinates of the principal axes."""
        target = sigma_yx @ self.axes
        variances = np.broadcast_to(self.variances, target.shape)
        return first @ self.axes, np.divide(target, variances, out=np.zeros_like(target), where=variances > 0)


def _principal_axes(sigma_xx: Float[np.ndarray, "*inputs in in"]) -> _Axes:
    variances, axes = np.linalg.eigh(sigma_xx)
    present = variances > variances.shape[-1] * EPS * variances[..., -1:]
    return _Axes(axes, np.where(present, variances, 0.0)[..., None, :])


def _parts(flat: Float[np.ndarray, " number"], shapes: Sequence[tuple[int, ...]]) -> list[Float[np.ndarray, "..."]]:
    """Views of consecutive parts of a flat array, with the given shapes."""
    bounds = np.cumsum([0, *(math.prod(shape) for shape in shapes)])
    return [flat[a:b].reshape(shape) for (a, b), shape in zip(pairwise(bounds), shapes, strict=True)]
