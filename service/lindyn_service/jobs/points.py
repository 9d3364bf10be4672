"""Computation of points in workers, within the time and size limits of one call and the limits of each point."""

import time
from collections.abc import Iterator, Sequence
from functools import partial

import orjson

from lindyn.wire.sweep import SweepRequest
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.errors import TooLargeError
from lindyn_service.experiments.base import Values
from lindyn_service.jobs.job_limits import SweepLimits, check_point
from lindyn_service.translate.experiment import compute_cells
from lindyn_service.translate.sweep import PointReader, compute_points, problem_record

_REFUSAL_PREFIX = b'{"problem":{"code":"%s"' % TooLargeError.code.encode()

MAX_CALL_BYTES = 2**22
"""Total size of the records of a call after which no further point is started."""


def sweep_points(
    request: SweepRequest,
    indices: Sequence[tuple[int, ...]],
    limits: SweepLimits,
    seconds: float,
    reader: PointReader | None = None,
) -> list[bytes]:
    """Compute the first of these points; the record of a point that fails or is over a limit has its problem.

    Args:
        request: the sweep.
        indices: grid indices of the points.
        limits: limits of each point.
        seconds: time after which no further point is started, as after `MAX_CALL_BYTES`; at least one is computed.
        reader: see `compute_points`.
    """

    def check(point: TrajectoryRequest) -> None:
        check_point(limits, request, point)

    bounded = partial(_refuse_large, max_bytes=limits.point_bytes)
    return _within_call_limits(map(bounded, compute_points(request, indices, check, reader)), seconds)


def experiment_cells(name: str, values: Values, numbers: Sequence[int], seconds: float) -> list[bytes]:
    """Compute the first of these cells; see `sweep_points`."""
    return _within_call_limits(compute_cells(name, values, numbers), seconds)


def is_refusal(record: bytes) -> bool:
    """Return whether a point was over a limit; such records are not cached, since limits depend on the settings."""
    return record.startswith(_REFUSAL_PREFIX)


def _refuse_large(record: bytes, max_bytes: int) -> bytes:
    if len(record) <= max_bytes:
        return record
    detail = f"the point takes {len(record)} bytes, the limit is {max_bytes}; collect fewer quantities or times"
    return orjson.dumps(problem_record(TooLargeError.code, detail))


def _within_call_limits(records: Iterator[bytes], seconds: float) -> list[bytes]:
    started = time.perf_counter()
    computed: list[bytes] = []
    size = 0
    for record in records:
        computed.append(record)
        size += len(record)
        if time.perf_counter() - started >= seconds or size >= MAX_CALL_BYTES:
            break
    return computed
