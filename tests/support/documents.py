"""Small valid requests, one of each kind, and copies of them with one value changed."""

import copy
from typing import Any

EYE = [[1.0, 0.0], [0.0, 1.0]]

NETWORKS: dict[str, dict[str, Any]] = {
    "weights": {"kind": "weights", "weights": [[[0.0, 0.5], [-0.5, 0.0]], EYE]},
    "balanced": {"kind": "balanced", "dims": [2, 2, 2], "lambda": 1.0, "scale": 0.5, "aligned": False, "seed": 7},
    "random": {"kind": "random", "dims": [2, 3, 2], "scheme": "glorot", "gain": [0.5, 1.5], "seed": 7},
}

TASKS: dict[str, dict[str, Any]] = {
    "correlation": {
        "kind": "correlation",
        "sigma_yx": [[3.0, 0.5], [0.0, 1.0]],
        "sigma_xx": EYE,
        "sigma_yy_trace": 20.0,
    },
    "data": {"kind": "data", "inputs": [[1.0, 2.0], [0.0, 1.0], [3.0, 1.0]], "targets": [*EYE, [1, 1]], "whiten": True},
    "regression": {"kind": "regression", "samples": 9, "seed": 3},
    "semantic": {"kind": "semantic", "levels": 1},
    "spectrum": {"kind": "spectrum", "singular_values": [2.0, 1.0], "seed": 3},
}

METHODS: dict[str, dict[str, Any]] = {
    "auto": {"kind": "auto"},
    "exact": {"kind": "exact"},
    "flow": {"kind": "flow", "rtol": 1e-10, "atol": 1e-12},
    "descent": {"kind": "descent", "learning_rate": 0.01, "activation": "linear"},
}

TIMES: dict[str, Any] = {
    "list": [0.0, 0.5, 2.0],
    "grid": {"start": 1.0, "stop": 2.0, "num": 3, "spacing": "linear"},
}


def document(network="balanced", task="correlation", times="list", **changes) -> dict[str, Any]:
    """A request of these kinds with every field of it given; `changes` replace fields of the request."""
    whole = {
        "network": NETWORKS[network],
        "task": TASKS[task],
        "times": TIMES[times],
        "time_constant": 1.5,
        "quantities": ["loss", "output"],
        "method": "auto",
    }
    return copy.deepcopy({**whole, **changes})


MESSAGES: dict[str, dict[str, Any]] = {
    "initialization": {"network": NETWORKS["balanced"], "task": TASKS["correlation"]},
    "balance": {"weights": NETWORKS["weights"]["weights"]},
    "statistics": {"dims": [2, 3, 2], "scheme": "he", "gain": [1.0, 0.5], "samples": 10, "seed": 7},
    "limits": {
        "network": NETWORKS["balanced"],
        "task": TASKS["correlation"],
        "time_constant": 1.5,
        "tolerance": 1e-6,
    },
    "continual": {
        "network": NETWORKS["balanced"],
        "tasks": [{"task": TASKS["correlation"], "duration": 2.0}, {"task": TASKS["data"], "duration": "converged"}],
        "num": 3,
        "time_constant": 1.5,
    },
    "ensemble": {
        "base": document(),
        "replicates": 3,
        "first_seed": 5,
        "vary": ["network.seed"],
        "quantiles": [0.25, 0.5],
    },
    "design": {
        "vary": {"path": "network.lambda", "bounds": [0.0, 8.0]},
        "target": {"scalar": "final_loss", "value": 5.0},
        "base": document(),
        "tolerance": 1e-3,
    },
}
"""Those that are not about one trajectory, with every field given."""


def message(name, **changes) -> dict[str, Any]:
    """One of the messages, with fields replaced."""
    return copy.deepcopy({**MESSAGES[name], **changes})


def put(tree: Any, path: str, value: Any) -> Any:
    """A copy of a document with `value` at `path`."""
    tree = copy.deepcopy(tree)
    *parents, last = path.split(".")
    node = tree
    for part in parents:
        node = node[int(part) if isinstance(node, list) else part]
    node[int(last) if isinstance(node, list) else last] = value
    return tree


def paths(tree: Any, prefix: str = "") -> list[str]:
    """The paths of all values in a document."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [path for key, value in items for path in (f"{prefix}{key}", *paths(value, f"{prefix}{key}."))]
