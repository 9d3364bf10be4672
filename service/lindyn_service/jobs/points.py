"""Points as workers compute them: so many as fit into the time and the bytes of a call, and none over the limits."""

import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import orjson

from lindyn.wire.sweep import SweepRequest
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.errors import TooLargeError
from lindyn_service.jobs.job_limits import SweepLimits, check_point
from lindyn_service.translate.experiment import compute_cells
from lindyn_service.translate.sweep import PointReader, compute_points, problem_record

_REFUSED = b'{"problem":{"code":"%s"' % TooLargeError.code.encode()


MOST_BYTES = 2**22
"""Of the points of a call, after which no other one is begun."""


def sweep_points(
    request: SweepRequest,
    places: Sequence[tuple[int, ...]],
    limits: SweepLimits,
    seconds: float,
    reader: PointReader | None = None,
) -> list[bytes]:
    """The first points of these, each with its problem where it cannot be computed or is over a limit.

    Args:
        request: the sweep.
        places: of the points.
        limits: on each of them.
        seconds: after which no other point is begun, as after `MOST_BYTES`; one is computed in any case.
        reader: see `compute_points`.
    """

    def check(point: TrajectoryRequest) -> None:
        check_point(limits, request, point)

    bounded = partial(_bounded, most_bytes=limits.point_bytes)
    return _while_there_is_room(map(bounded, compute_points(request, places, check, reader)), seconds)


def experiment_cells(name: str, values: dict[str, Any], numbers: Sequence[int], seconds: float) -> list[bytes]:
    """The first cells of these; see `sweep_points`."""
    return _while_there_is_room(compute_cells(name, values, numbers), seconds)


def is_refusal(record: bytes) -> bool:
    """Whether a point was over a limit, which another service, or this one tomorrow, may set higher."""
    return record.startswith(_REFUSED)


def _bounded(record: bytes, most_bytes: int) -> bytes:
    if len(record) <= most_bytes:
        return record
    detail = f"the point takes {len(record)} bytes, the limit is {most_bytes}; collect fewer quantities or times"
    return orjson.dumps(problem_record(TooLargeError.code, detail))


def _while_there_is_room(records: Iterator[bytes], seconds: float) -> list[bytes]:
    begun = time.perf_counter()
    found: list[bytes] = []
    size = 0
    for record in records:
        found.append(record)
        size += len(record)
        if time.perf_counter() - begun >= seconds or size >= MOST_BYTES:
            break
    return found
