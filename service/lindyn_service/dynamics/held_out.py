"""Losses of network functions on other data than they are trained on."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.back_propagation import Activation, network_loss
from lindyn_service.dynamics.layers import Layers
from lindyn_service.dynamics.tasks import Moments, Samples, fitted


@dataclass(frozen=True)
class HeldOut:
    """Data on which a network is evaluated: the loss of W is 1/2 ||W root - wanted||_F^2 + least.

    Attributes:
        root: a root of the second moment of the inputs that the network sees, (in, rank).
        wanted: what the best network function makes of it, (out, rank).
        least: loss of that function; 0 where the scale of the targets is unknown.
        samples: inputs that the network sees, and targets; None if only moments are known.
    """

    root: Float[np.ndarray, "in rank"]
    wanted: Float[np.ndarray, "out rank"]
    least: float
    samples: Samples | None

    def losses(self, functions: Float[np.ndarray, "time out in"]) -> Float[np.ndarray, " time"]:
        """Losses 1/(2P) ||W X - Y||_F^2 of network functions.

        Source: Advani, Saxe and Sompolinsky (2020), 10.1016/j.neunet.2020.08.022, the test error along training.
        """
        error = (functions @ self.root - self.wanted).reshape(len(functions), -1)
        return 0.5 * np.vecdot(error, error) + self.least

    def losses_of_networks(self, layers: Layers, activation: Activation) -> Float[np.ndarray, " time"]:
        """The same of nonlinear networks, (time, width l+1, width l), which need samples.

        Raises:
            ValueError: only moments are known.

        Source: thesis (2.3), with the activation between the layers.
        """
        if self.samples is None:
            raise ValueError("a nonlinear network is evaluated on samples")
        return network_loss(layers, self.samples.inputs, self.samples.targets, activation)


def held_out(moments: Moments, whitening: Float[np.ndarray, "in in"] | None) -> HeldOut:
    """Prepare data for the evaluation of a network whose own inputs were whitened by a matrix, or not at all.

    Source: Advani, Saxe and Sompolinsky (2020), 10.1016/j.neunet.2020.08.022, the test error along training.
    """
    fit, samples = fitted(moments), moments.samples
    root = fit.right.T * np.sqrt(fit.variances)
    wanted, least = fit.best @ root, fit.loss or 0.0
    if whitening is None:
        return HeldOut(root, wanted, least, samples)
    seen = None if samples is None else Samples(samples.inputs @ whitening, samples.targets)
    return HeldOut(whitening @ root, wanted, least, seen)
