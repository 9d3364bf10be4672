"""Work of a worker, in this process: answers in both formats, and errors that are pickled to the service."""

import pickle

import numpy as np
import pytest
from support.documents import EYE, NETWORKS, TASKS, document

from lindyn.wire.conflicts import conflicts
from lindyn.wire.document import read
from lindyn.wire.npz import unpack
from lindyn.wire.trajectory import QUANTITIES, TrajectoryRequest
from lindyn_service.errors import InfeasibleBalanceError, InvalidRequestError, NotApplicableError, NotBalancedError
from lindyn_service.translate.encode import encode, transcode
from lindyn_service.translate.trajectory import trajectory

ROTATION = [[0.6, 0.8], [-0.8, 0.6]]  # mixes modes, so that none learns alone


def answer(form, **changes):
    request = read(TrajectoryRequest, document(quantities=list(QUANTITIES)) | changes, conflicts)
    return encode(trajectory(request, 64 * "0"), form)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("network", NETWORKS)
def test_encoding_and_conversion_give_the_same_bytes(network, task):
    changes = {"network": NETWORKS[network], "task": TASKS[task]}
    as_json, as_npz = answer("json", **changes), answer("npz", **changes)
    assert transcode(as_json, "npz") == as_npz
    assert transcode(as_npz, "json") == as_json


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("rank", [1, 2])
def test_drawn_weights_lie_in_the_span_of_the_inputs(aligned, rank):
    inputs = np.array([[3.0, 4.0], [6.0, 8.0], [1.0, 0.0]])[: 1 + rank]
    task = {"kind": "data", "inputs": inputs, "targets": np.eye(3)[: 1 + rank, :2], "whiten": True}
    network = {"kind": "balanced", "dims": [2, 1, 2], "lambda": 1.0, "aligned": aligned, "seed": 1}
    _, arrays = unpack(answer("npz", network=network, task=task), largest_bytes=2**20)
    outside = np.array([0.8, -0.6])
    seen = arrays["output"] @ outside
    assert np.allclose(seen, 0, atol=1e-15) == (rank == 1)


def weights(*layers):
    return {"kind": "weights", "weights": list(layers)}


def moments(**fields):
    return {"kind": "correlation", "sigma_yx": EYE, **fields}


@pytest.mark.parametrize(
    ("network", "task", "kind", "text"),
    [
        (weights(ROTATION, EYE, EYE), EYE, NotApplicableError, "two weight layers, got 3"),
        (weights(ROTATION, np.diag([1.0, 2.0])), EYE, NotBalancedError, "the nearest lambda is 1.5"),
        (weights(ROTATION, EYE), moments(sigma_xx=np.diag([1.0, 3.0])), NotApplicableError, "0.447 away"),
        (
            weights([[3.0, 4.0]], [[5.0], [0.0]]),
            {"kind": "data", "inputs": [[1.0, 0.0]], "targets": [[1.0, 1.0]], "whiten": True},
            NotApplicableError,
            "span 1 of 2 dimensions and 0.8 of the first layer",
        ),
        (NETWORKS["balanced"] | {"dims": [2, 3, 2]}, EYE, InfeasibleBalanceError, "hidden <= out"),
        (
            NETWORKS["balanced"] | {"lambda": -1},
            {"kind": "data", "inputs": [[1.0, 0.0]], "targets": [[1.0, 1.0]], "whiten": True},
            InfeasibleBalanceError,
            "span 1 of 2 dimensions",
        ),
        (weights(EYE, EYE), moments(sigma_xx=[[1.0, 0.5], [0.0, 1.0]]), InvalidRequestError, "not symmetric"),
        (weights(EYE, EYE), moments(sigma_xx=-np.eye(2)), InvalidRequestError, "eigenvalue -1"),
        (weights(EYE, EYE), moments(sigma_xx=np.diag([1.0, 0.0])), InvalidRequestError, "no inputs"),
        (weights(EYE, EYE), moments(sigma_yy_trace=1.0), InvalidRequestError, "at least 2"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else value[:20] if isinstance(value, str) else "",
)
def test_errors_are_pickled_with_all_their_parts(network, task, kind, text):
    with pytest.raises(kind) as caught:
        answer("json", network=network, task=task, method="exact", quantities=["loss"])
    here = caught.value
    there = pickle.loads(pickle.dumps(here))
    assert type(there) is kind
    assert text in there.detail
    assert (there.detail, there.errors, str(there)) == (here.detail, here.errors, here.detail)


def test_zero_weights_within_a_span_are_balanced():
    """The relative size of the part of the first layer outside the span is 0 / 0."""
    task = {"kind": "data", "inputs": [[1.0, 0.0]], "targets": [[1.0, 1.0]], "whiten": True}
    _, arrays = unpack(answer("npz", network=weights([[0.0, 0.0]], [[0.0], [0.0]]), task=task), largest_bytes=2**20)
    assert not np.any(arrays["output"])


@pytest.mark.parametrize(
    "changes",
    [{"network": NETWORKS["balanced"] | {"seed": None}}, {"task": TASKS["spectrum"] | {"seed": None}}],
    ids=["network", "task"],
)
def test_requests_without_a_seed_are_not_drawn(changes):
    """A worker may be asked twice for the same request, so that the service draws seeds before."""
    with pytest.raises(ValueError, match="a seed is missing"):
        answer("json", **changes)
