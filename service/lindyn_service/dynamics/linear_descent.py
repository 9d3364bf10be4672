"""Gradient descent of linear networks, with errors W - W* that are accurate relative to each error, however small."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.descent import State, StepRates, walk
from lindyn_service.dynamics.layers import Layers, network_function
from lindyn_service.dynamics.tasks import EPS

_STEPS_BETWEEN_SUMS = 100


@dataclass(frozen=True)
class Trained:
    """Networks after the recorded steps.

    Attributes:
        layers: (recorded, *batch, width l+1, width l) each, first layer first.
        errors: (recorded, *batch, out, in), errors W - W* with W* sigma_xx = sigma_yx on the span of the inputs, and 0
            outside of it.
    """

    layers: Layers
    errors: Float[np.ndarray, "*batch out in"]


class LinearDescent:
    """Training run W_l <- W_l + step (W_L .. W_l+1)^T (sigma_yx - W sigma_xx) (W_l-1 .. W_1)^T.

    The error D = W - W* is computed as a difference only once, at the start. A step changes it by
    W' - W = sum over l of W'_L .. W'_l+1 dW_l W_l-1 .. W_1, which is proportional to D, as are the changes dW_l of the
    layers. Hence the rounding errors of D are relative to D, and not to W. Small changes are not lost in sums: D is
    updated by compensated summation, and changes of the layers are accumulated over several steps before they are added
    to the layers. The remaining relative error of D is about one rounding error per factor of e by which D has
    decreased, whatever the number of steps: 2e-14 at 1e-112. If the layers have a bottleneck narrower than the rank of
    the task, rounding errors of W* remain.

    With weight decay the changes are not proportional to D, which does not vanish, but they are still accurate.

    Coloured inputs are described along their principal axes; axes outside of their span have the variance 0.

    Args:
        layers: initial weights, (*batch, width l+1, width l) with the same batch axes.
        sigma_yx: Y X^T / P, (*task, out, in); batch axes broadcast to those of the layers.
        sigma_xx: X X^T / P, (*task, in, in); None for white inputs.
        step: learning rate divided by the time constant.
        rates: learning rates of layers, schedule and weight decay; None without these.

    Source: Saxe et al. (2014), arXiv 1312.6120, for any number of layers; Kahan (1965), 10.1145/363707.363723.
    """

    def __init__(
        self,
        layers: Layers,
        sigma_yx: Float[np.ndarray, "*task out in"],
        sigma_xx: Float[np.ndarray, "*inputs in in"] | None,
        step: float,
        rates: StepRates | None = None,
    ) -> None:
        self._axes = None if sigma_xx is None else _principal_axes(sigma_xx)
        self._initial, self._step, self.taken = layers[0], step, 0
        first, best = (layers[0], sigma_yx) if self._axes is None else self._axes.along(layers[0], sigma_yx)
        self._first = first
        shapes = [first.shape, *(w.shape for w in layers[1:])]
        self._weights = np.concatenate([first.ravel(), *(w.ravel() for w in layers[1:])])
        self._sums, self._moved = self._weights.copy(), np.zeros_like(self._weights)
        self._changes = np.empty_like(self._weights)
        self._layers, self._layer_changes = _parts(self._weights, shapes), _parts(self._changes, shapes)
        self._error = network_function(self._layers) - best
        self._compensation, self._spare, self._scaled = (np.zeros_like(self._error) for _ in range(3))
        self._rates, self._rate_of_each = rates, np.empty(0)
        if rates is not None:
            self._rate_of_each = np.repeat(rates.layers, [math.prod(shape) for shape in shapes])
        self._plan()

    def weights(self) -> Layers:
        """Return the present weights, which the next step may overwrite."""
        return (self._in_inputs(self._layers[0]), *self._layers[1:])

    def excess(self) -> Float[np.ndarray, "*batch"]:
        """Excess loss of each network.

        Source: Saxe et al. (2014), arXiv 1312.6120, the loss with its square completed.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # diverging networks overflow
            scaled = self._error if self._axes is None else self._error * np.sqrt(self._axes.variances)
            return np.asarray(0.5 * np.einsum("...ij,...ij->...", scaled, scaled))

    def record(self, numbers: Sequence[int]) -> Trained:
        """Advance to ascending numbers of steps, and return the networks there; 0 stands for the initial weights.

        Raises:
            DivergedError: training diverged.
        """
        layers = tuple(np.empty((len(numbers), *w.shape)) for w in self._layers)
        errors = np.empty((len(numbers), *self._error.shape))
        for row in walk(self, numbers):
            for record, w in zip(layers, self._layers, strict=True):
                record[row] = w
            errors[row] = self._error
        if self._axes is not None:
            errors = (errors * (self._axes.variances > 0)) @ self._axes.axes.mT
        return Trained((self._in_inputs(layers[0]), *layers[1:]), errors)

    def advance(self, steps: int) -> None:
        """Take steps, without floating-point warnings if numbers overflow."""
        with np.errstate(all="ignore"):
            while steps:
                length = min(steps, _STEPS_BETWEEN_SUMS - self.taken % _STEPS_BETWEEN_SUMS)
                self._take(length)
                self.taken += length
                steps -= length
                if self.taken % _STEPS_BETWEEN_SUMS == 0:
                    before = self._sums.copy()
                    np.add(before, self._moved, out=self._sums)
                    # the rounding errors of the sums are kept for the next addition
                    np.subtract(self._moved, self._sums - before, out=self._moved)

    def saved(self) -> State:
        """Return a copy of the present state, for `restore`."""
        return tuple(array.copy() for array in self._state())

    def restore(self, saved: State, taken: int) -> None:
        """Return to a saved state, which was reached after `taken` steps."""
        self.taken = taken
        for now, before in zip(self._state(), saved, strict=True):
            np.copyto(now, before)

    def _state(self) -> State:
        return self._weights, self._sums, self._moved, self._error, self._compensation

    def _in_inputs(self, first: Float[np.ndarray, "*any hidden in"]) -> Float[np.ndarray, "*any hidden in"]:
        """First layers in the coordinates of the inputs; parts outside the span of the inputs do not change."""
        return first if self._axes is None else self._initial + (first - self._first) @ self._axes.axes.mT

    def _plan(self) -> None:
        """Allocate the products of a step, as lists of their operands and results."""
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
        del self._products[-1:]  # the network function, which steps do not need

    def _take(self, steps: int) -> None:
        """Take steps: changes of the layers by back-propagation, then the change of the network function."""
        sums, moved, weights, changes = self._sums, self._moved, self._weights, self._changes
        error, compensation, spare, first = self._error, self._compensation, self._spare, self._layer_changes[0]
        factors = None if self._rates is None else self._rates.factors(self.taken, steps)
        for number in range(steps):
            for w, below, product in self._products:
                np.matmul(w, below, out=product)
            delta = error if self._axes is None else np.multiply(error, self._axes.variances, out=self._scaled)
            for below, change, w, lower in self._backward:
                np.matmul(delta, below, out=change)
                delta = np.matmul(w, delta, out=lower)
            if delta is not first:  # a single layer has no backward products
                np.copyto(first, delta)
            if self._rates is not None and factors is not None:
                np.add(changes, self._rates.weight_decay * weights, out=changes)
                np.multiply(changes, factors[number] * self._rate_of_each, out=changes)
            np.multiply(changes, -self._step, out=changes)
            for change, below, _, part, _ in self._forward:
                np.matmul(change, below, out=part)
            np.add(moved, changes, out=moved)
            np.add(sums, moved, out=weights)
            change = first
            for _, _, w, part, rest in self._forward:
                np.matmul(w, change, out=rest)
                change = np.add(part, rest, out=part)
            np.add(change, compensation, out=compensation)
            np.add(error, compensation, out=spare)
            np.subtract(spare, error, out=error)
            np.subtract(compensation, error, out=compensation)
            error, spare = spare, error
        self._error, self._spare = error, spare


def first_below(descent: LinearDescent, tolerance: float, last: int) -> int | None:
    """Number of steps after which the excess loss of a network is at most the tolerance for the first time.

    Args:
        descent: training run of one network, at its start.
        tolerance: excess loss.
        last: largest number of steps.

    Returns:
        The number; 0 if the initial loss is at most the tolerance, None if the loss stays above it.

    Raises:
        DivergedError: training diverged before.
    """
    return next((number for number in walk(descent, range(last + 1)) if descent.excess() <= tolerance), None)


@dataclass(frozen=True)
class _Axes:
    """Principal axes of inputs, as columns, and the variances along them; variances at rounding level are 0."""

    axes: Float[np.ndarray, "*inputs in in"]
    variances: Float[np.ndarray, "*inputs 1 in"]

    def along(
        self, first: Float[np.ndarray, "*batch hidden in"], sigma_yx: Float[np.ndarray, "*task out in"]
    ) -> tuple[Float[np.ndarray, "*batch hidden in"], Float[np.ndarray, "*any out in"]]:
        """First layer and best network function along the principal axes."""
        target = sigma_yx @ self.axes
        variances = np.broadcast_to(self.variances, target.shape)
        return first @ self.axes, np.divide(target, variances, out=np.zeros_like(target), where=variances > 0)


def _principal_axes(sigma_xx: Float[np.ndarray, "*inputs in in"]) -> _Axes:
    variances, axes = np.linalg.eigh(sigma_xx)
    present = variances > variances.shape[-1] * EPS * variances[..., -1:]
    return _Axes(axes, np.where(present, variances, 0.0)[..., None, :])


def _parts(flat: Float[np.ndarray, " number"], shapes: Sequence[tuple[int, ...]]) -> list[Float[np.ndarray, "..."]]:
    """Views of consecutive parts of a flat array, with given shapes."""
    bounds = np.cumsum([0, *(math.prod(shape) for shape in shapes)])
    return [flat[a:b].reshape(shape) for (a, b), shape in zip(pairwise(bounds), shapes, strict=True)]
