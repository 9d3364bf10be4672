"""Computation of points in workers, within the time and size limits of one call and the limits of each point."""

import time
from collections.abc import Iterator, Sequence

from lindyn.wire.sweep import SweepRequest
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.errors import TooLargeError
from lindyn_service.experiments.base import Values
from lindyn_service.jobs.job_limits import SweepLimits, check_point
from lindyn_service.translate.experiment import compute_cells
from lindyn_service.translate.point_records import pack_record
from lindyn_service.translate.sweep import PointReader, compute_groups, problem_record

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
        seconds: time after which no further point is started, as after `MAX_CALL_BYTES`; at least one is computed, and
            points of a block that is computed are kept.
        reader: see `compute_points`.
    """

    def check(point: TrajectoryRequest) -> None:
        check_point(limits, request, point)

    groups = compute_groups(request, indices, check, reader)
    bounded = ([_refuse_large(record, limits.point_bytes) for record in group] for group in groups)
    return _within_call_limits(bounded, seconds)


def experiment_cells(name: str, values: Values, numbers: Sequence[int], seconds: float) -> list[bytes]:
    """Compute the first of these cells; see `sweep_points`."""
    return _within_call_limits(([record] for record in compute_cells(name, values, numbers)), seconds)


def is_refusal(record: bytes) -> bool:
    """Return whether a point was over a limit; such records are not cached, since limits depend on the settings."""
    return record.startswith(_REFUSAL_PREFIX)


def _refuse_large(record: bytes, max_bytes: int) -> bytes:
    if len(record) <= max_bytes:
        return record
    detail = f"the point takes {len(record)} bytes, the limit is {max_bytes}; collect fewer quantities or times"
    return pack_record(problem_record(TooLargeError.code, detail))


def _within_call_limits(groups: Iterator[list[bytes]], seconds: float) -> list[bytes]:
    started = time.perf_counter()
    computed: list[bytes] = []
    size = 0
    for group in groups:
        for record in group:
            computed.append(record)
            size += len(record)
            if size >= MAX_CALL_BYTES:
                return computed
        if time.perf_counter() - started >= seconds:
            break
    return computed
