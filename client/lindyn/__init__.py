"""Exact learning dynamics of deep linear networks: the client.

with lindyn.Client.local() as c:
    t = c.trajectory(network={"kind": "balanced", "dims": [5, 5, 5], "lambda": 2.0}, task=sigma_yx, times=times)
    t.loss, t.output
"""

from importlib.metadata import version

from lindyn.client import Client
from lindyn.errors import (
    BusyError,
    DeadlineError,
    DivergedError,
    InfeasibleBalanceError,
    JobCancelledError,
    JobFailedError,
    LindynError,
    LocalServiceError,
    NotApplicableError,
    NotBalancedError,
    NotDoneError,
    NotFoundError,
    ProblemError,
    RequestError,
    ServiceFailedError,
    TooLargeError,
    UnexpectedReplyError,
    UnreachableError,
)
from lindyn.jobs import JobHandle, Table
from lindyn.results import Analysis, Trajectory
from lindyn.wire.array import FloatArray

__all__ = [
    "Analysis",
    "BusyError",
    "Client",
    "DeadlineError",
    "DivergedError",
    "FloatArray",
    "InfeasibleBalanceError",
    "JobCancelledError",
    "JobFailedError",
    "JobHandle",
    "LindynError",
    "LocalServiceError",
    "NotApplicableError",
    "NotBalancedError",
    "NotDoneError",
    "NotFoundError",
    "ProblemError",
    "RequestError",
    "ServiceFailedError",
    "Table",
    "TooLargeError",
    "Trajectory",
    "UnexpectedReplyError",
    "UnreachableError",
]

__version__ = version("lindyn")
