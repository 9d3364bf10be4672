"""A result of every kind that the client has, each from a client of a service with jobs."""

import numpy as np

import lindyn

SEEDED = {"kind": "balanced", "dims": [3, 3, 3], "lambda": 0.5, "scale": 0.3, "seed": 1}
TASK = {"kind": "spectrum", "singular_values": [2.0, 1.0], "seed": 1}
BASE = {"network": SEEDED, "task": TASK, "times": [0.0, 0.5, 2.0]}
QUANTITIES = ["loss", "weights", "alignment", "balance", "singular_values", "output"]
CURVE = {"quantity": "loss", "times": [0.5, 1, 2, 3, 4], "values": [2.2, 1.9, 1.1, 0.6, 0.3], "sigma": 0.1}


def trajectory(client):
    return client.trajectory(**BASE, quantities=QUANTITIES, evaluate=[{**TASK, "seed": 2}])


def one_time(client):
    return client.trajectory(network=SEEDED, task=TASK, times=[1.0], quantities=QUANTITIES)


def sweep(client):
    """A grid with failed points, and an axis whose values are no numbers."""
    axes = {"network.dims": [[3, 2, 3], [3, 4, 3]], "network.seed": [1, 2]}
    return client.sweep(base=BASE, axes=axes, collect=["final_loss", "loss", "singular_values"]).result()


def experiment(client):
    """A result with a coordinate that no array has, `fit_above`."""
    return client.experiment("figure-4.4", lambdas=[-20.0, 20.0], trials=2).result()


def ensemble(client):
    """Two hidden units learn two of three modes, so that alignments are NaN."""
    network = {**SEEDED, "dims": [3, 2, 3], "lambda": 0.0}
    return client.ensemble(base={**BASE, "network": network, "quantities": QUANTITIES}, replicates=3)


def fit(client):
    base = {"network": SEEDED, "task": TASK}
    return client.fit(base=base, observations=CURVE, free={"time_constant": (0.2, 20)}, models=["rich"]).result()


def continual(client):
    return client.continual(network=SEEDED, tasks=[{"task": {**TASK, "seed": i}, "duration": 3.0} for i in (1, 2)])


def limits(client):
    return client.limits(network=SEEDED, task=TASK)


def comparison(client, **options):
    task = {"kind": "regression", "samples": 6, "seed": 1}
    options = {"network": SEEDED, "seeds": np.array([4, 5]), **options}
    return client.compare(task=task, learning_rate=0.01, steps=5, **options)


def comparison_of_given_weights(client):
    return comparison(client, network=lindyn.weights(0.1 * np.eye(3), 0.2 * np.eye(3)))


def design(client):
    base = {"network": SEEDED, "task": TASK, "times": [1.0]}
    vary = {"path": "network.lambda", "bounds": [0.1, 20.0]}
    return client.design(base=base, vary=vary, target={"scalar": "convergence_time", "value": 3.0})


def initialization(client):
    return client.initialization(SEEDED)


def initialization_of_three_layers(client):
    return client.initialization(lindyn.random([3, 4, 2, 3], "he", seed=1))


def balance(client):
    return client.balance([0.1 * np.eye(3), 0.2 * np.eye(3), 0.3 * np.eye(3)])


def balance_statistics(client):
    return client.balance_statistics([3, 4, 5], "he", samples=10, seed=1)


KINDS = (
    trajectory,
    one_time,
    sweep,
    experiment,
    ensemble,
    fit,
    continual,
    limits,
    comparison,
    comparison_of_given_weights,
    design,
    initialization,
    initialization_of_three_layers,
    balance,
    balance_statistics,
)
