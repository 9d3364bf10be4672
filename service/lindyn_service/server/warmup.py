"""The warm-up of a new worker, so that no request has to wait for imports and first calls."""

import os

import numpy as np

from lindyn.wire.document import read
from lindyn.wire.trajectory import QUANTITIES, TrajectoryRequest
from lindyn_service.engine.worker import limit_memory
from lindyn_service.operations import execute
from lindyn_service.operations.execute import AnswerBounds
from lindyn_service.operations.registry import TRAJECTORY

_JOB_NICENESS = 15
_NO_LIMIT_BYTES = 2**40


def solve_small_problem(memory_bytes: int) -> None:
    """Limit the memory of this process, solve a small problem with all quantities, and encode it in both formats."""
    limit_memory(memory_bytes)
    document = {
        "network": {"kind": "balanced", "dims": [3, 2, 3], "lambda": 1.0, "seed": 0},
        "task": np.eye(3),
        "times": [0.0, 1.0],
        "quantities": list(QUANTITIES),
    }
    request = read(TrajectoryRequest, document)
    for form in ("json", "npz"):
        execute.answer(TRAJECTORY.name, request, "", form, AnswerBounds(_NO_LIMIT_BYTES, _NO_LIMIT_BYTES), None)


def lower_priority(memory_bytes: int) -> None:
    """Warm up a worker process for jobs, at a lower priority than the workers for requests."""
    os.nice(_JOB_NICENESS)
    solve_small_problem(memory_bytes)
