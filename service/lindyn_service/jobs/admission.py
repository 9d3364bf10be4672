"""Which sweeps are taken: their paths are known, their values valid, their size within the limits. Runs in a worker."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# (JSON has no static types)

from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

import numpy as np
import orjson

from lindyn.wire.document import InvalidDocumentError
from lindyn.wire.sweep import Axis, SweepRequest
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn.wire.validation_messages import UNKNOWN_FIELD
from lindyn_service.errors import InvalidRequestError, TooLargeError
from lindyn_service.jobs.job_limits import SweepLimits, check_point, check_work
from lindyn_service.methods.cost import Cost
from lindyn_service.operations.registry import draw_seed, with_seeds
from lindyn_service.translate.body import Body
from lindyn_service.translate.sweep import PointReader, first_points

MOST_LOOKED_AT = 5_000  # points
MOST_READ = 20_000_000  # numbers and other values in the points that are looked at, about a second's reading
DRAWN = ("balanced", "random", "regression", "spectrum")  # kinds of networks and tasks that have a seed


@dataclass(frozen=True)
class Admitted:
    """A sweep with its seeds, and the estimated flops of all of its points."""

    request: SweepRequest
    flops: float


@dataclass(frozen=True)
class Written:
    """A sweep that was admitted, as it is stored."""

    document: bytes
    total: int
    flops: float


def read_and_admit(body: Body, limits: SweepLimits) -> Written:
    """Read a sweep, admit it, and encode it.

    Raises:
        ServiceError: the body is no sweep, or `admit_and_write` refuses it.
    """
    return admit_and_write(body.read(SweepRequest), limits)


def admit_and_write(request: SweepRequest, limits: SweepLimits) -> Written:
    """Admit a sweep and encode it.

    Raises:
        InvalidRequestError: as `admit`; also what JSON cannot say, where no point was read that has it.
        TooLargeError: as `admit`; also a request that is too large to be kept.
    """
    admitted = admit(request, limits)
    content = admitted.request.model_dump(by_alias=True)
    try:
        document = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    except orjson.JSONEncodeError as error:
        raise InvalidRequestError(f"base or axes hold what is no number, text or list of these: {error}") from error
    if len(document) > limits.request_bytes:
        raise TooLargeError(
            f"the sweep takes {len(document)} bytes as JSON, the limit is {limits.request_bytes} (an eighth of "
            "LINDYN_STORE_BYTES): give a task or network by its kind and seed, not by its numbers, or split the sweep"
        )
    return Written(document, admitted.request.n_points, admitted.flops)


def admit(request: SweepRequest, limits: SweepLimits) -> Admitted:
    """Check a sweep and draw the seeds that it leaves out.

    Looked at are the values of each axis, those of the others being their first, as many as may be; the largest value
    of each; and the points where the largest and the dearest values of all axes meet. The limits hold for every point
    again when it is computed.

    Raises:
        InvalidRequestError: a path or a value is wrong wherever the other axes stand.
        TooLargeError: more points, work or numbers than the limits allow.
    """
    total = request.n_points
    if total > limits.points:
        raise TooLargeError(
            f"the grid has {' x '.join(map(str, request.shape))} = {total} points, the limit is {limits.points}; "
            "give the axes fewer values, or split the sweep"
        )
    first, dearest = _Look(request, limits).all()
    if 8 * dearest.numbers * total > limits.result_bytes:
        raise TooLargeError(
            f"the result is estimated to take {8 * dearest.numbers * total:.3g} bytes, the limit is "
            f"{limits.result_bytes:.3g}; collect scalars instead of quantities, or fewer points or times"
        )
    check_work(limits, dearest.flops * total)
    axes = [_with_seeded_values(axis) for axis in request.axes]
    seeded = request.model_copy(update={"base": _with_drawn_seeds(request, first), "axes": axes})
    return Admitted(seeded, dearest.flops * total)


class _Look:
    """Reads some points of a sweep, and finds the largest cost of each kind."""

    def __init__(self, request: SweepRequest, limits: SweepLimits) -> None:
        self._request = request
        self._limits = limits
        self._reader = PointReader(request)
        self._costs: dict[tuple[int, ...], Cost] = {}

    def all(self) -> tuple[TrajectoryRequest, Cost]:
        """The first point, and the largest flops and numbers of all that were looked at."""
        request = self._request
        origin = (0,) * len(request.axes)
        first = self._at(origin)
        largest = tuple(
            max(range(n), key=lambda i, axis=axis: _magnitude(axis.values[i]))
            for n, axis in zip(request.shape, request.axes, strict=True)
        )
        for i, place in enumerate(largest):
            self._at((*origin[:i], place, *origin[i + 1 :]))
        each = _size(request.base) + max(
            _size(axis.values[place]) for axis, place in zip(request.axes, largest, strict=True)
        )
        most = min(MOST_LOOKED_AT, max(MOST_READ // each, 1))
        for index in islice(first_points(request), most):
            self._at(index)
        for corner in {largest, self._corner("flops"), self._corner("numbers")}:
            with suppress(InvalidRequestError):  # no other point need be wrong
                self._at(corner)
        found = self._costs.values()
        return first, Cost(max(cost.flops for cost in found), max(cost.numbers for cost in found), 0)

    def _corner(self, what: str) -> tuple[int, ...]:
        """Where the values meet that cost most by themselves."""
        best = [0] * len(self._request.axes)
        for i in range(len(best)):
            alone = {
                index[i]: getattr(cost, what)
                for index, cost in self._costs.items()
                if not any(index[:i] + index[i + 1 :])
            }
            best[i] = max(alone, key=alone.__getitem__)
        return tuple(best)

    def _at(self, index: tuple[int, ...]) -> TrajectoryRequest:
        """Read a point and hold it against the limits."""
        point = _valid(self._request, self._reader, index)
        self._costs[index] = check_point(self._limits, self._request, point)
        return point


def _magnitude(value: Any) -> float:  # noqa: ANN401 (JSON)
    """How large a value is, in whatever way: its number, or the sum of those in it."""
    match value:
        case bool():
            return 0
        case int() | float():
            return abs(value)
        case dict():
            return sum(map(_magnitude, value.values()))
        case list():
            return sum(map(_magnitude, value))
        case np.ndarray():
            return float(np.sum(np.abs(value))) if value.dtype.kind in "fiu" else 0
        case _:
            return 0


def _size(value: Any) -> int:  # noqa: ANN401 (JSON)
    """How many numbers and other values there are in it."""
    match value:
        case dict():
            return 1 + sum(map(_size, value.values()))
        case list():
            return 1 + sum(map(_size, value))
        case np.ndarray():
            return 1 + value.size
        case _:
            return 1


def _valid(request: SweepRequest, reader: PointReader, index: tuple[int, ...]) -> TrajectoryRequest:
    """Read a point; what is wrong with a value is said where the sweep has it."""
    try:
        return reader.read(index)
    except InvalidDocumentError as error:
        found = tuple(_located(request, index, path, detail) for path, detail in error.errors)
        path, detail = found[0]
        raise InvalidRequestError(f"{path}: {detail}", found) from None


def _located(request: SweepRequest, index: tuple[int, ...], path: str, detail: str) -> tuple[str, str]:
    for i, (axis, value) in enumerate(zip(request.axes, index, strict=True)):
        if path == axis.path and detail.startswith(UNKNOWN_FIELD):
            choices = detail.removeprefix(UNKNOWN_FIELD)
            return f"axes.{i}.path", f"{axis.path!r} is no field of a request for a trajectory{choices}"
        if f"{path}.".startswith(f"{axis.path}."):
            return f"axes.{i}.values.{value}{path.removeprefix(axis.path)}", detail
    return f"base.{path}", detail


def _with_drawn_seeds(request: SweepRequest, first: TrajectoryRequest) -> dict[str, Any]:
    """The base request with seeds for network and task, unless an axis or the request itself gives them."""
    base = dict(request.base)
    drawn = with_seeds(first)
    for part in ("network", "task"):
        given = cast("dict[str, Any]", base[part]) if isinstance(base.get(part), dict) else {}
        swept = any(axis.path in (part, f"{part}.seed", f"{part}.kind") for axis in request.axes)
        seed = getattr(getattr(drawn, part), "seed", None)
        if given and seed is not None and given.get("seed") is None and not swept:
            base[part] = {**given, "seed": seed}
    return base


def _with_seeded_values(axis: Axis) -> Axis:
    """The axis with a seed for each of its networks or tasks that is drawn and says none, and for each that is null."""
    if axis.path in ("network.seed", "task.seed"):
        values = [draw_seed() if value is None else value for value in axis.values]
    elif axis.path in ("network", "task"):
        values = [_seeded(value) for value in axis.values]
    else:
        return axis
    return axis.model_copy(update={"values": values})


def _seeded(value: Any) -> Any:  # noqa: ANN401 (JSON)
    if not isinstance(value, dict):
        return value
    part = cast("dict[str, Any]", value)
    without = part.get("kind") in DRAWN and part.get("seed") is None
    return {**part, "seed": draw_seed()} if without else part
