"""Answers in JSON equal answers in npz."""

from collections.abc import Iterator

import numpy as np
import pytest
from support.processes import Service

import lindyn
from lindyn.wire.trajectory import QUANTITIES

pytestmark = pytest.mark.live

NETWORK = lindyn.balanced([3, 2, 3], lam=1.0, scale=0.4, seed=1)
SIGMA_YX = np.array([[2.0, 0.3, -0.4], [0.1, -1.5, 0.2], [0.5, 0.0, 1.0]])
BASE = {"network": NETWORK, "task": SIGMA_YX, "times": [0.0, 1.0, 2.0]}


@pytest.fixture(scope="module")
def clients(job_service: Service) -> Iterator[tuple[lindyn.Client, lindyn.Client]]:
    with (
        lindyn.Client(job_service.url) as npz,
        lindyn.Client(job_service.url, answers="json") as json,
    ):
        yield npz, json


def assert_same(one, other, path=""):
    assert type(one) is type(other), path
    if isinstance(one, dict):
        assert list(one) == list(other) or set(one) == set(other), path
        for name in one:
            assert_same(one[name], other[name], f"{path}.{name}")
    elif isinstance(one, list):
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, f"{path}.{i}")
    elif isinstance(one, np.ndarray):
        np.testing.assert_array_equal(one, other, path)
    else:
        assert one == other, path


def test_trajectories(clients):
    one, other = (client.trajectory(**BASE, quantities=QUANTITIES) for client in clients)
    assert_same(one.arrays(), other.arrays())
    assert_same(one.times, other.times)
    assert one.reply == other.reply


@pytest.mark.parametrize(
    "ask",
    [
        lambda c: c.initialization(NETWORK, SIGMA_YX),
        lambda c: c.balance([np.eye(3), 2 * np.eye(3)]),
        lambda c: c.balance_statistics([3, 4, 5], "he", samples=10, seed=1),
    ],
    ids=["initialization", "balance", "statistics"],
)
def test_analyses(clients, ask):
    one, other = map(ask, clients)
    assert_same(*(dict(answer.fields) for answer in (one, other)))


@pytest.mark.parametrize(
    "ask",
    [
        lambda c: c.limits(network=NETWORK, task=SIGMA_YX),
        lambda c: c.continual(network=NETWORK, tasks=[{"task": SIGMA_YX}, {"task": -SIGMA_YX}], num=5),
    ],
    ids=["limits", "continual"],
)
def test_limits_and_continual_learning(clients, ask):
    one, other = map(ask, clients)
    assert_same(one.reply.model_dump(), other.reply.model_dump())


def test_designs(clients):
    """The curve has no value where the loss does not fall to the tolerance."""
    base = {
        "network": {"kind": "balanced", "dims": [3, 3, 3], "scale": 0.1, "seed": 4},
        "task": lindyn.spectrum([3.0, 2.0, 1.0], seed=2),
        "times": [4.0],
    }
    vary, target = {"path": "network.lambda", "bounds": [0.0, 10.0]}, {"scalar": "convergence_time", "value": 1.5}
    one, other = (client.design(base=base, vary=vary, target=target) for client in clients)
    assert np.any(np.isnan(one.curve[1]))
    assert_same(one.reply.model_dump(), other.reply.model_dump())


def test_ensembles(clients):
    quantities = ["loss", "weights", "alignment", "balance"]
    base = {**BASE, "network": {**NETWORK, "dims": [3, 1, 3], "lambda": 0.0}, "quantities": quantities}
    one, other = (client.ensemble(base=base, replicates=5) for client in clients)
    assert np.any(np.isnan(one["alignment.input.mean"]))
    assert_same(one.arrays(), other.arrays())
    assert_same(one.times, other.times)
    assert one.reply == other.reply


def test_jobs(clients):
    npz, json = clients
    axes = {"network.dims": [[3, 3, 3], [3, 4, 3]], "network.seed": [1, 2]}
    job = npz.sweep(base=BASE, axes=axes, collect=["final_loss", "loss"])
    one, other = job.result(), json.job(job.id).result()
    assert_same(dict(one.coordinates), dict(other.coordinates))
    assert_same(dict(one.data), dict(other.data))
    assert one.dims == other.dims
    assert one.problems == other.problems
    assert one.warnings == other.warnings != []
    assert_same(dict(one.metadata), dict(other.metadata))
