"""A first computation for each new worker, so that no request pays for imports and first calls."""

import os

import numpy as np

from lindyn.wire.document import read
from lindyn.wire.trajectory import QUANTITIES, TrajectoryRequest
from lindyn_service.engine.worker import limit_memory
from lindyn_service.operations import execute
from lindyn_service.operations.execute import AnswerBounds
from lindyn_service.operations.registry import TRAJECTORY

_JOB_NICENESS = 15
_ANY_BYTES = 2**40


def solve_small_problem(memory_bytes: int) -> None:
    """Bound the memory of this process, solve a small problem with all quantities, and encode it both ways."""
    limit_memory(memory_bytes)
    document = {
        "network": {"kind": "balanced", "dims": [3, 2, 3], "lambda": 1.0, "seed": 0},
        "task": np.eye(3),
        "times": [0.0, 1.0],
        "quantities": list(QUANTITIES),
    }
    request = read(TrajectoryRequest, document)
    for form in ("json", "npz"):
        execute.answer(TRAJECTORY.name, request, "", form, AnswerBounds(_ANY_BYTES, _ANY_BYTES), None)


def lower_priority(memory_bytes: int) -> None:
    """The same in a worker process for jobs, which leaves the processor to whoever answers requests."""
    os.nice(_JOB_NICENESS)
    solve_small_problem(memory_bytes)
