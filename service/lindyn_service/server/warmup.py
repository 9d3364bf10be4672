"""The warm-up of a new worker, so that no request has to wait for imports and first calls.

What computes is imported by the worker alone: this process may be importing the application meanwhile.
"""

import os
from dataclasses import dataclass

from lindyn_service.engine import worker

_JOB_NICENESS = 15
_NO_LIMIT_BYTES = 2**40


@dataclass(frozen=True)
class WarmUp:
    """The preparation of a worker process, which calls this object once; equal objects prepare it equally.

    Attributes:
        memory_bytes: limit on the memory of the process.
        niceness: reduction of its priority.
    """

    memory_bytes: int
    niceness: int = 0

    def __call__(self) -> None:
        """Lower the priority of this process, limit its memory, and solve a small problem."""
        if self.niceness:
            os.nice(self.niceness)
        worker.limit_memory(self.memory_bytes)
        solve_small_problem()


def for_jobs(memory_bytes: int) -> WarmUp:
    """Return the preparation of a worker for jobs, whose priority is lower than that of a worker for requests."""
    return WarmUp(memory_bytes, _JOB_NICENESS)


def solve_small_problem() -> None:
    """Solve a small problem with all quantities, and encode it in both formats."""
    import numpy as np  # noqa: PLC0415

    from lindyn.wire.document import read  # noqa: PLC0415
    from lindyn.wire.trajectory import QUANTITIES, TrajectoryRequest  # noqa: PLC0415
    from lindyn_service.operations import execute  # noqa: PLC0415
    from lindyn_service.operations.execute import AnswerBounds  # noqa: PLC0415
    from lindyn_service.operations.registry import TRAJECTORY  # noqa: PLC0415

    document = {
        "network": {"kind": "balanced", "dims": [3, 2, 3], "lambda": 1.0, "seed": 0},
        "task": np.eye(3),
        "times": [0.0, 1.0],
        "quantities": list(QUANTITIES),
    }
    request = read(TrajectoryRequest, document)
    for form in ("json", "npz"):
        execute.answer(TRAJECTORY.name, request, "", form, AnswerBounds(_NO_LIMIT_BYTES, _NO_LIMIT_BYTES), None)
