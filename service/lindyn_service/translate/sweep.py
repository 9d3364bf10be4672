"""Points of a sweep: their requests, keys and computation."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product

import numpy as np
import orjson

from lindyn.wire.array import FloatArray
from lindyn.wire.conflicts import conflicts_of_point, quantity_conflict
from lindyn.wire.document import InvalidDocumentError, read
from lindyn.wire.sweep import Axis, SweepRequest
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn.wire.tree import PathError, Tree, replaced
from lindyn_service.dynamics.tasks import Moments
from lindyn_service.errors import InvalidRequestError, ServiceError
from lindyn_service.methods.sweep_scalars import Summary, summarise
from lindyn_service.translate.encode import SOLVER
from lindyn_service.translate.point_blocks import PointBlocks
from lindyn_service.translate.point_records import Record, pack_record
from lindyn_service.translate.problem import learning_problem, moments
from lindyn_service.translate.trajectory import candidates

Conflicts = Callable[[TrajectoryRequest], Sequence[tuple[str, str]]]

_WHOLE = ("network", "task", "times", "method")  # parts that are validated once if no axis changes them


def indices(request: SweepRequest) -> Iterator[tuple[int, ...]]:
    """Yield the indices of all points along the axes; the index of the last axis varies fastest."""
    return product(*(range(n) for n in request.shape))


def first_points(request: SweepRequest) -> Iterator[tuple[int, ...]]:
    """Yield the indices of the first point, and of those that differ from it in one axis, so that all values occur."""
    origin = (0,) * len(request.axes)
    yield origin
    for i, n in enumerate(request.shape):
        for value in range(1, n):
            yield (*origin[:i], value, *origin[i + 1 :])


def place(request: SweepRequest, index: Sequence[int]) -> dict[str, Tree]:
    """Return the document of a point: the base request with the values of the axes at these indices.

    Raises:
        InvalidRequestError: the path of an axis leads through a value that has no parts.
    """
    document = request.base
    for i, (axis, position) in enumerate(zip(request.axes, index, strict=True)):
        try:
            document = replaced(document, axis.path, axis.values[position])
        except PathError as error:
            raise _unknown(axis, i, error.detail) from error
    return document


class PointKeys:
    """Content addresses of points, from the base request, the collected names, and the values of the axes."""

    def __init__(self, request: SweepRequest) -> None:
        self._order = sorted(range(len(request.axes)), key=lambda i: request.axes[i].path)
        base = {"base": request.base, "collect": request.collect, "tolerance": request.tolerance, "solver": SOLVER}
        self._state = hashlib.sha256(_canonical({**base, "paths": [request.axes[i].path for i in self._order]}))
        self._values = [[hashlib.sha256(_canonical(value)).digest() for value in axis.values] for axis in request.axes]

    def of(self, index: Sequence[int]) -> str:
        """Return the key of the point with these indices."""
        own = self._state.copy()
        for i in self._order:
            own.update(self._values[i][index[i]])
        return own.hexdigest()


def compute_points(
    request: SweepRequest,
    places: Iterable[tuple[int, ...]],
    check: Callable[[TrajectoryRequest], None] = lambda _point: None,
    reader: "PointReader | None" = None,
) -> Iterator[bytes]:
    """Compute some points, and yield the encoded record of each: its values, or its problem.

    Args:
        request: the sweep.
        places: indices of the points along the axes.
        check: called with each point, or with one of equal cost, before it is computed; raises a ServiceError to
            refuse it.
        reader: reader that has validated other points of the sweep; None for a new one.
    """
    for group in compute_groups(request, places, check, reader):
        yield from group


def compute_groups(
    request: SweepRequest,
    places: Iterable[tuple[int, ...]],
    check: Callable[[TrajectoryRequest], None] = lambda _point: None,
    reader: "PointReader | None" = None,
) -> Iterator[list[bytes]]:
    """Compute some points as `compute_points` does, and yield the records of points that are computed together."""
    points = _Points(request, check, reader or PointReader(request, conflicts_of_point))
    blocks = PointBlocks(request, points.reader.read, points.moments, check)
    for group in blocks.groups(places, points.compute):
        yield [pack_record(found) for found in group]


def problem_record(code: str, detail: str) -> Record:
    """Return the record of a point without values."""
    return {"problem": {"code": code, "detail": detail}}


class PointReader:
    """Validation of points, which validates only once the parts that no axis changes.

    Args:
        request: the sweep.
        conflicts: finds violated rules between fields of a point; None to skip these.
    """

    def __init__(self, request: SweepRequest, conflicts: Conflicts | None = None) -> None:
        self._request = request
        self._conflicts = conflicts
        axes = {axis.path.split(".")[0] for axis in request.axes}
        self._constant = [name for name in _WHOLE if name not in axes]
        self._parts: dict[str, Tree] = {}

    def read(self, index: Sequence[int]) -> TrajectoryRequest:
        """Validate the point with these indices along the axes.

        Raises:
            InvalidRequestError: the path of an axis is invalid.
            InvalidDocumentError: the request of the point is invalid.
        """
        point = read(TrajectoryRequest, {**place(self._request, index), **self._parts}, self._conflicts)
        self._parts = self._parts or {name: getattr(point, name) for name in self._constant}
        return point


class _Points:
    """Computation of single points, which computes the moments of the task only once if no axis changes it."""

    def __init__(self, request: SweepRequest, check: Callable[[TrajectoryRequest], None], reader: PointReader) -> None:
        self._request = request
        self._check = check
        self._axes = tuple(axis.path.split(".")[0] for axis in request.axes)
        self.reader = reader
        self._task: tuple[object, tuple[int, ...], Moments] | None = None

    def compute(self, index: tuple[int, ...]) -> Record:
        """Compute the record of one point."""
        try:
            return self._record(index)
        except InvalidDocumentError as error:
            return problem_record(InvalidRequestError.code, str(error))
        except ServiceError as error:
            return problem_record(error.code, error.detail)

    def _record(self, index: tuple[int, ...]) -> Record:
        """Return the values and warnings of a point, and its times if they differ from those of the base request."""
        request = self.reader.read(index)
        misfit = quantity_conflict(self._request.collect, request.network)
        if misfit is not None:
            raise InvalidRequestError(f"collect: {misfit}", (("collect", misfit),))
        self._check(request)
        times = request.resolved_times()
        summary = self._summary(request, times)
        record: Record = {"values": summary.values, "warnings": [each.message() for each in summary.warnings]}
        if summary.times is not None and ("times" in self._axes or not np.array_equal(summary.times, times)):
            record["times"] = summary.times
        return record

    def _summary(self, request: TrajectoryRequest, times: FloatArray) -> Summary:
        trained_on = self.moments(request)
        problem = learning_problem(request, trained_on, times, ())
        return summarise(candidates(request.method), problem, self._request.collect, self._request.tolerance)

    def moments(self, request: TrajectoryRequest) -> Moments:
        """Return the moments of the task of a point."""
        if self._task is None or self._task[0] is not request.task or self._task[1] != request.dims:
            self._task = (request.task, request.dims, moments(request.task, request.dims))
        return self._task[2]


def _unknown(axis: Axis, number: int, detail: str) -> InvalidRequestError:
    path = f"axes.{number}.path"
    return InvalidRequestError(f"{path}: {axis.path!r} {detail}", ((path, f"{axis.path!r} {detail}"),))


def _canonical(value: Tree) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_SORT_KEYS)
