"""Responses of the worker's functions, called without a service."""

import io
import json

import numpy as np
import orjson

from lindyn.wire.conflicts import conflicts, conflicts_of_tasks
from lindyn.wire.continual import ContinualRequest
from lindyn.wire.document import read
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.translate.encode import encode
from lindyn_service.translate.trajectory import trajectory

BALANCED = {"kind": "balanced", "dims": [3, 3, 3], "lambda": 1.0, "scale": 0.5, "seed": 4}
SIGMA_YX = np.array([[2.0, 0.3, -0.4], [0.1, -1.5, 0.2], [0.5, 0.0, 1.0]])


def ask(function, model, document):
    """Compute a response as JSON, after checking that the npz archive has the same numbers."""
    check = conflicts_of_tasks if model is ContinualRequest else conflicts if "network" in document else None
    request = read(model, document, check)
    answer = orjson.loads(encode(function(request, "key"), "json"))
    with np.load(io.BytesIO(encode(function(request, "key"), "npz")), allow_pickle=False) as archive:
        metadata = json.loads(str(archive["metadata"]))
        for path in archive.files:
            if path != "metadata":
                node = answer
                for part in path.split("."):
                    node = node[int(part) if isinstance(node, list) else part]
                assert np.array_equal(archive[path], np.array(node, dtype=float), equal_nan=True), path
    assert metadata["key"] == answer["key"] == "key"
    return answer


def learn(**document):
    """Compute a trajectory as a tree of lists."""
    document_read = {"network": BALANCED, "task": SIGMA_YX, "times": [0.0, 1.0], **document}
    return orjson.loads(encode(trajectory(read(TrajectoryRequest, document_read, conflicts), "key"), "json"))
