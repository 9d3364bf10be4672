"""Taylor series in time of the gradient flow of linear networks, for layers and residual together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.layers import Layers, network_function
from lindyn_service.dynamics.matrix_series import LeftSeries, RightSeries

_CANCELLING = 0.1  # size of the residual, relative to sigma_yx, below which the difference of its terms loses digits


@dataclass(frozen=True)
class FlowState:
    """Layers and residual at one time.

    Attributes:
        layers: (width l+1, width l) each, first layer first.
        residual: sigma_yx - W sigma_xx over e^log_size.
        log_size: logarithm of the size of the residual, which float64 may not represent.
    """

    layers: Layers
    residual: Float[np.ndarray, "out in"]
    log_size: float = 0.0

    def normalised(self) -> "FlowState":
        """Return the same state with a residual whose largest entry is 1; one that vanishes stays as it is."""
        largest = float(np.max(np.abs(self.residual)))
        if largest == 0:
            return self
        return FlowState(self.layers, self.residual / largest, self.log_size + float(np.log(largest)))


@dataclass(frozen=True)
class Task:
    """What the layers learn.

    Attributes:
        sigma_yx: input-output correlation, (out, in).
        sigma_xx: input correlation, (in, in); None for white inputs.
        weight_decay: gamma_l of each layer, in units of the task; empty for none.
    """

    sigma_yx: Float[np.ndarray, "out in"]
    sigma_xx: Float[np.ndarray, "in in"] | None
    weight_decay: tuple[float, ...] = ()

    def residual(self, layers: Layers) -> Float[np.ndarray, "out in"]:
        """Matrix sigma_yx - W sigma_xx."""
        return self.sigma_yx - self.times_sigma_xx(network_function(layers))

    def times_sigma_xx(self, function: Float[np.ndarray, "out in"]) -> Float[np.ndarray, "out in"]:
        """Product W sigma_xx with a network function."""
        return function if self.sigma_xx is None else function @ self.sigma_xx

    def accurate(self, state: FlowState) -> FlowState:
        """Return a state with the residual of its layers, unless that loses digits by cancellation."""
        found = self.residual(state.layers)
        if np.max(np.abs(found)) < _CANCELLING * np.max(np.abs(self.sigma_yx)):
            return state.normalised()
        return FlowState(state.layers, found).normalised()


class FlowSeries:
    """Coefficients of the Taylor series of dW_l/dt = (W_L .. W_l+1)^T E (W_l-1 .. W_1)^T - gamma_l W_l, with tau = 1.

    Products of series are sums of products of coefficients, which a single product of matrices adds up. The residual
    E = sigma_yx - W sigma_xx has the coefficients of -W sigma_xx from the first order on. Without weight decay these
    are proportional to its size, which is therefore taken out: late in training, E keeps all digits relative to its
    own size. The series can be computed anew at other states.

    Args:
        task: what is learned.
        shapes: (width l+1, width l) of each layer, first layer first.
        order: highest power of the time.

    Source: Jorba and Zou (2005), 10.1080/10586458.2005.10128904, Taylor series of ordinary differential equations.
    """

    def __init__(self, task: Task, shapes: Sequence[tuple[int, int]], order: int) -> None:
        self._task = task
        self.order = order
        n_in = shapes[0][1]
        widths = [rows for rows, _ in shapes]
        self._layers = [LeftSeries(rows, columns, order) for rows, columns in shapes]
        self._transposed = [LeftSeries(columns, rows, order) for rows, columns in shapes]
        self._products = [RightSeries(width, n_in, order) for width in widths]  # W_l .. W_1 over the size of E
        self._below = [RightSeries(n_in, width, order) for width in widths]  # their transposes, not over it
        self._errors = [RightSeries(width, n_in, order) for width in widths]  # (W_L .. W_l+1)^T E
        self._beside = [LeftSeries(width, n_in, order) for width in widths]  # the same

    def expand(self, state: FlowState, unit: float) -> None:
        """Compute the coefficients at a state, in powers of the time over `unit`."""
        residual, self.log_size = state.residual, state.log_size
        if self._task.weight_decay:
            residual, self.log_size = residual * np.exp(state.log_size), 0.0
        self.size = float(np.exp(self.log_size))
        self._first = [state.layers[0]]
        for layer in state.layers[1:]:
            self._first.append(layer @ self._first[-1])
        change = list(state.layers)  # of each layer at the present order, over the size of E
        self.residuals = np.empty((self.order + 1, *residual.shape))
        for k in range(self.order + 1):
            self._set_layers(k, change)
            function = self._forward(k, change)
            self.residuals[k] = -self._task.times_sigma_xx(function) if k else residual
            if k < self.order:
                change = [rate * (unit / (k + 1)) for rate in self.rates(k)]

    def coefficients(self) -> list[Float[np.ndarray, "power _ _"]]:
        """Coefficients of the layers, first layer first; views."""
        return [layer.coefficients() for layer in self._layers]

    def _set_layers(self, k: int, change: Sequence[Float[np.ndarray, "_ _"]]) -> None:
        for own, transposed, layer in zip(self._layers, self._transposed, change, strict=True):
            coefficient = layer if k == 0 else self.size * layer
            own[k] = coefficient
            transposed[k] = coefficient.T

    def _forward(self, k: int, change: Sequence[Float[np.ndarray, "_ _"]]) -> Float[np.ndarray, "out in"]:
        """Coefficient of the network function over the size of E, for k > 0, after those of all partial products."""
        product = change[0]
        for level, layer in enumerate(self._layers):
            if level:
                product = self._first[level]
                if k:
                    product = layer.product(self._products[level - 1], k, terms=k)
                    product += change[level] @ self._first[level - 1]
            self._products[level][k] = product
            self._below[level][k] = (product if k == 0 else self.size * product).T
        return product

    def rates(self, k: int) -> list[Float[np.ndarray, "_ _"]]:
        """Coefficients of the velocities of all layers over the size of E, by back-propagation."""
        error, rates = self.residuals[k], list[np.ndarray]()
        for level in range(len(self._layers) - 1, -1, -1):
            if level < len(self._layers) - 1:
                error = self._transposed[level + 1].product(self._errors[level + 1], k)
            self._errors[level][k] = error
            self._beside[level][k] = error
            rates.append(self._beside[level].product(self._below[level - 1], k) if level else error)
        rates.reverse()
        for i, gamma in enumerate(self._task.weight_decay):
            rates[i] = rates[i] - gamma * self._layers[i].coefficient(k)
        return rates
