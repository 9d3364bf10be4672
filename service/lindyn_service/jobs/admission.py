"""Admission of sweeps, in worker processes: their paths exist, their values are valid, their cost is within limits."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

import numpy as np
import orjson

from lindyn.wire.document import InvalidDocumentError
from lindyn.wire.sweep import Axis, SweepRequest
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn.wire.tree import JSON, Tree
from lindyn.wire.validation_messages import UNKNOWN_FIELD
from lindyn_service.errors import InvalidRequestError, TooLargeError
from lindyn_service.jobs.job_limits import SweepLimits, check_point, check_work
from lindyn_service.methods.cost import Cost
from lindyn_service.operations.registry import draw_seed, with_seeds
from lindyn_service.translate.body import Body
from lindyn_service.translate.sweep import PointReader, first_points

MAX_SAMPLED_POINTS = 5_000
MAX_READ_VALUES = 20_000_000  # numbers and other values in the sampled points, which take about a second to parse
RANDOM_KINDS = ("balanced", "random", "regression", "spectrum")  # of networks and tasks with a seed


@dataclass(frozen=True)
class AdmittedSweep:
    """A sweep with all its seeds, and the estimated flops of all points."""

    request: SweepRequest
    flops: float


@dataclass(frozen=True)
class EncodedJob:
    """An admitted sweep or fit, encoded for the job store.

    Attributes:
        document: the request as JSON.
        total: number of points.
        flops: estimated work of all points.
    """

    document: bytes
    total: int
    flops: float


def read_and_admit(body: Body, limits: SweepLimits) -> EncodedJob:
    """Parse a sweep, admit it, and encode it.

    Raises:
        ServiceError: the body is not a valid sweep, or `admit_and_encode` refuses it.
    """
    return admit_and_encode(body.read(SweepRequest), limits)


def admit_and_encode(request: SweepRequest, limits: SweepLimits) -> EncodedJob:
    """Admit a sweep and encode it.

    Raises:
        InvalidRequestError: as `admit`; or a value that was not sampled cannot be encoded as JSON.
        TooLargeError: as `admit`; or the request is too large to be stored.
    """
    admitted = admit(request, limits)
    content = admitted.request.model_dump(by_alias=True)
    try:
        document = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    except orjson.JSONEncodeError as error:
        raise InvalidRequestError(
            f"got a value in base or axes that is not a number, a text or a list of these; send only these: {error}"
        ) from error
    if len(document) > limits.request_bytes:
        raise TooLargeError(
            f"the sweep takes {len(document)} bytes as JSON, the limit is {limits.request_bytes} (an eighth of "
            "LINDYN_STORE_BYTES): give a task or network by its kind and seed, not by its numbers, or split the sweep"
        )
    return EncodedJob(document, admitted.request.n_points, admitted.flops)


def admit(request: SweepRequest, limits: SweepLimits) -> AdmittedSweep:
    """Check a sweep and draw its omitted seeds.

    A sample of points is validated and its cost is estimated: along each axis, with the first values of the other axes,
    up to a bound; the largest value of each axis; and the combinations of the largest and of the most expensive values
    of all axes. Every point is checked against the limits again when it is computed.

    Raises:
        InvalidRequestError: a path is unknown, or a sampled value is invalid.
        TooLargeError: the sweep has more points, work or numbers than the limits allow.
    """
    _require_collected_fields(request)
    total = request.n_points
    if total > limits.points:
        raise TooLargeError(
            f"the grid has {' x '.join(map(str, request.shape))} = {total} points, the limit is {limits.points}; "
            "give the axes fewer values, or split the sweep"
        )
    first, largest = _PointSampler(request, limits).sample()
    if 8 * largest.numbers * total > limits.result_bytes:
        raise TooLargeError(
            f"the result is estimated to take {8 * largest.numbers * total:.3g} bytes, the limit is "
            f"{limits.result_bytes:.3g}; collect scalars instead of quantities, or fewer points or times"
        )
    check_work(limits, largest.flops * total)
    axes = [_with_seeded_values(axis) for axis in request.axes]
    seeded = request.model_copy(update={"base": _with_drawn_seeds(request, first), "axes": axes})
    return AdmittedSweep(seeded, largest.flops * total)


def _require_collected_fields(request: SweepRequest) -> None:
    """Raise for a field of trajectories that no point of a sweep answers with."""
    evaluation = "got tasks, whose losses only trajectories answer with; leave it out, or ask for trajectories"
    broken = [("base.evaluate", evaluation)] if request.base.get("evaluate") is not None else []
    for i, axis in enumerate(request.axes):
        field = axis.path.split(".")[0]
        if field == "evaluate":
            broken.append((f"axes.{i}.path", evaluation))
        if field == "quantities":
            detail = f"got {axis.path!r}, but all points have the quantities of collect; name them there"
            broken.append((f"axes.{i}.path", detail))
    if broken:
        path, detail = broken[0]
        raise InvalidRequestError(f"{path}: {detail}", tuple(broken))


class _PointSampler:
    """Validates a sample of the points of a sweep, and finds their largest cost."""

    def __init__(self, request: SweepRequest, limits: SweepLimits) -> None:
        self._request = request
        self._limits = limits
        self._reader = PointReader(request)
        self._costs: dict[tuple[int, ...], Cost] = {}

    def sample(self) -> tuple[TrajectoryRequest, Cost]:
        """Return the first point, and the largest flops and numbers of all sampled points."""
        request = self._request
        origin = (0,) * len(request.axes)
        first = self._check(origin)
        largest = tuple(
            max(range(n), key=lambda i, axis=axis: _magnitude(axis.values[i]))
            for n, axis in zip(request.shape, request.axes, strict=True)
        )
        for axis, position in enumerate(largest):
            self._check((*origin[:axis], position, *origin[axis + 1 :]))
        point_values = _count_values(request.base) + max(
            _count_values(axis.values[position]) for axis, position in zip(request.axes, largest, strict=True)
        )
        max_points = min(MAX_SAMPLED_POINTS, max(MAX_READ_VALUES // point_values, 1))
        for index in islice(first_points(request), max_points):
            self._check(index)
        for corner in {largest, self._corner("flops"), self._corner("numbers")}:
            with suppress(InvalidRequestError):  # all other points may be valid
                self._check(corner)
        costs = self._costs.values()
        return first, Cost(max(cost.flops for cost in costs), max(cost.numbers for cost in costs), 0)

    def _corner(self, component: str) -> tuple[int, ...]:
        """Return the index that combines, for each axis, the value with the largest cost along that axis alone."""
        corner = [0] * len(self._request.axes)
        for axis in range(len(corner)):
            along_axis = {
                index[axis]: getattr(cost, component)
                for index, cost in self._costs.items()
                if not any(index[:axis] + index[axis + 1 :])
            }
            corner[axis] = max(along_axis, key=along_axis.__getitem__)
        return tuple(corner)

    def _check(self, index: tuple[int, ...]) -> TrajectoryRequest:
        """Validate a point, and compare its cost with the limits."""
        point = _valid(self._request, self._reader, index)
        self._costs[index] = check_point(self._limits, self._request, point)
        return point


def _magnitude(value: Tree) -> float:
    """Return the magnitude of a value: that of a number, or the sum over the numbers that it contains."""
    match value:
        case bool():
            return 0
        case int() | float():
            return abs(value)
        case Mapping():
            return sum(map(_magnitude, value.values()))
        case list():
            return sum(map(_magnitude, value))
        case np.ndarray():
            return float(np.sum(np.abs(value))) if value.dtype.kind in "fiu" else 0
        case _:
            return 0


def _count_values(value: Tree) -> int:
    """Return the number of values in a tree, itself included."""
    match value:
        case Mapping():
            return 1 + sum(map(_count_values, value.values()))
        case list():
            return 1 + sum(map(_count_values, value))
        case np.ndarray():
            return 1 + value.size
        case _:
            return 1


def _valid(request: SweepRequest, reader: PointReader, index: tuple[int, ...]) -> TrajectoryRequest:
    """Parse a point; errors are reported at their paths in the sweep request."""
    try:
        return reader.read(index)
    except InvalidDocumentError as error:
        errors = tuple(_located_in_sweep(request, index, path, detail) for path, detail in error.errors)
        path, detail = errors[0]
        raise InvalidRequestError(f"{path}: {detail}", errors) from None


def _located_in_sweep(request: SweepRequest, index: tuple[int, ...], path: str, detail: str) -> tuple[str, str]:
    """Translate the path of an error in a point to its path in the sweep request."""
    for i, (axis, position) in enumerate(zip(request.axes, index, strict=True)):
        if path == axis.path and detail.startswith(UNKNOWN_FIELD):
            choices = detail.removeprefix(UNKNOWN_FIELD)
            return f"axes.{i}.path", f"{axis.path!r} is not a field of a trajectory request{choices}"
        if f"{path}.".startswith(f"{axis.path}."):
            return f"axes.{i}.values.{position}{path.removeprefix(axis.path)}", detail
    return f"base.{path}", detail


def _with_drawn_seeds(request: SweepRequest, first: TrajectoryRequest) -> dict[str, Tree]:
    """Return the base request with seeds for network and task, unless the base or an axis has them."""
    base = dict(request.base)
    drawn = with_seeds(first)
    for part in ("network", "task"):
        given = base.get(part)
        fields: Mapping[str, Tree] = given if isinstance(given, Mapping) else {}
        swept = any(axis.path in (part, f"{part}.seed", f"{part}.kind") for axis in request.axes)
        seed = getattr(getattr(drawn, part), "seed", None)
        if fields and seed is not None and fields.get("seed") is None and not swept:
            base[part] = {**fields, "seed": seed}
    return base


def _with_seeded_values(axis: Axis) -> Axis:
    """Return the axis with seeds for its null seeds, and for its random networks and tasks without a seed."""
    if axis.path in ("network.seed", "task.seed"):
        values = [draw_seed() if value is None else value for value in axis.values]
    elif axis.path in ("network", "task"):
        values = [seeded(value) for value in axis.values]
    else:
        return axis
    return axis.model_copy(update={"values": values})


def seeded(part: JSON) -> JSON:
    """Return a network or task with a seed, where it needs one and has none."""
    if not isinstance(part, Mapping):
        return part
    needs_seed = part.get("kind") in RANDOM_KINDS and part.get("seed") is None
    return {**part, "seed": draw_seed()} if needs_seed else part
