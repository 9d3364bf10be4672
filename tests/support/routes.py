"""Analyses over HTTP: their routes, responses in both formats, and tasks of isotropic data."""

from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np

from support.flow import Data, whitened
from support.service import post, read_tree

INITIALIZATIONS, BALANCE, STATISTICS = "/v1/initializations", "/v1/balance", "/v1/balance/statistics"
LIMITS, CONTINUAL, ENSEMBLES, DESIGNS = "/v1/limits", "/v1/continual", "/v1/ensembles", "/v1/designs"

ROUTES = {
    "initialization": INITIALIZATIONS,
    "balance": BALANCE,
    "statistics": STATISTICS,
    "limits": LIMITS,
    "continual": CONTINUAL,
    "ensemble": ENSEMBLES,
    "design": DESIGNS,
}
"""Routes by the names of `support.documents.MESSAGES`."""


def answer(client: httpx.Client, path: str, document: dict[str, Any]) -> dict[str, Any]:
    """Request a response as JSON, after checking that npz bodies and responses have the same values."""
    as_lists = read_tree(post(client, document, path=path))
    assert read_tree(post(client, document, path=path, body="npz", accept="npz")) == as_lists
    return as_lists


def balanced(dims, lam, **changes) -> dict[str, Any]:
    """Build a balanced network."""
    return {"kind": "balanced", "dims": list(dims), "lambda": lam, "scale": 0.5, "seed": 4} | changes


def given(*layers) -> dict[str, Any]:
    """Build a network of given weights."""
    return {"kind": "weights", "weights": [np.asarray(layer, dtype=float).tolist() for layer in layers]}


def started(client, network, task=None) -> list[np.ndarray]:
    """Request the initial weights of a network."""
    initialization = answer(client, INITIALIZATIONS, {"network": network, "task": task})
    return [np.array(w) for w in initialization["weights"]]


@dataclass(frozen=True)
class Isotropic:
    """A task as sent in a request, and its data."""

    sent: dict[str, Any]
    data: Data

    def excess(self, w):
        return self.data.loss(w) - self.data.least_loss()

    def rate(self, w, velocity):
        """Rate of the loss, Tr[dW/dt (W sigma_xx - sigma_yx)^T]."""
        return np.sum(velocity * (w @ self.data.sigma_xx - self.data.sigma_yx))


def isotropic(n_in, n_out, seed, variance=1.0, *, as_data=True) -> Isotropic:
    """Build a task with sigma_xx = variance I, sent as data or as their moments."""
    rng = np.random.default_rng(seed)
    inputs = np.sqrt(variance) * whitened(rng.standard_normal((9, n_in)))
    data = Data(inputs, inputs @ rng.standard_normal((n_in, n_out)) + 0.3 * rng.standard_normal((9, n_out)))
    samples = {"kind": "data", "inputs": inputs.tolist(), "targets": data.targets.tolist(), "whiten": False}
    moments = {
        "kind": "correlation",
        "sigma_yx": data.sigma_yx.tolist(),
        "sigma_xx": data.sigma_xx.tolist(),
        "sigma_yy_trace": np.sum(data.targets**2) / 9,
    }
    return Isotropic(samples if as_data else moments, data)
