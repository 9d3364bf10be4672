"""Which sweeps are taken: their paths are known, their values valid, their size within the limits. Runs in a worker."""

from dataclasses import dataclass, replace
from math import prod
from typing import Any, cast

from lindyn.wire.document import InvalidDocumentError
from lindyn.wire.messages import UNKNOWN_FIELD
from lindyn.wire.method import DescentMethod
from lindyn.wire.sweep import Axis, SweepRequest
from lindyn.wire.trajectory import QUANTITIES, TrajectoryRequest
from lindyn_service.costs import point_cost, samples_of
from lindyn_service.errors import InvalidRequestError, TooLargeError
from lindyn_service.methods.cost import Cost, numbers_of
from lindyn_service.operations import draw_seed, with_seeds
from lindyn_service.translate.sweep import first_points, read_point

MOST_LOOKED_AT = 5_000
DRAWN = ("balanced", "random", "regression", "spectrum")  # kinds of networks and tasks that have a seed


@dataclass(frozen=True)
class SweepLimits:
    """What one sweep may ask for."""

    points: int
    result_bytes: int
    point_bytes: int
    point_flops: float


@dataclass(frozen=True)
class Admitted:
    """A sweep with its seeds, and the estimated flops of all of its points."""

    request: SweepRequest
    flops: float


def admit(request: SweepRequest, limits: SweepLimits) -> Admitted:
    """Check a sweep, each value of each axis once, and draw the seeds that it leaves out.

    Raises:
        InvalidRequestError: a path or a value is wrong wherever the other axes stand.
        TooLargeError: more points, work or numbers than the limits allow.
    """
    total = prod(request.shape)
    if total > limits.points:
        raise TooLargeError(
            f"the grid has {' x '.join(map(str, request.shape))} = {total} points, the limit is {limits.points}; "
            "give the axes fewer values, or split the sweep"
        )
    first: TrajectoryRequest | None = None
    numbers, flops = 0, 0.0
    for looked_at, index in enumerate(first_points(request)):
        if looked_at == MOST_LOOKED_AT:
            break
        point = _valid(request, index)
        first = first or point
        cost = _check_cost(request, point, limits)
        numbers, flops = max(numbers, cost.numbers), max(flops, cost.flops)
    if 8 * numbers * total > limits.result_bytes:
        raise TooLargeError(
            f"the result is estimated to take {8 * numbers * total:.3g} bytes, the limit is {limits.result_bytes:.3g}; "
            "collect scalars instead of quantities, or fewer points or times"
        )
    if first is not None:
        axes = [_with_seeded_values(axis) for axis in request.axes]
        request = request.model_copy(update={"base": _with_drawn_seeds(request, first), "axes": axes})
    return Admitted(request, flops * total)


def _valid(request: SweepRequest, index: tuple[int, ...]) -> TrajectoryRequest:
    """Read a point; what is wrong with a value is said where the sweep has it."""
    try:
        return read_point(request, index)
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


def _check_cost(request: SweepRequest, point: TrajectoryRequest, limits: SweepLimits) -> Cost:
    """What a point costs, with the numbers that it gives."""
    quantities = [name for name in request.collect if name in QUANTITIES]
    cost = point_cost(point, request.collect)
    numbers = len(request.collect)
    if quantities:
        read = point.n_times * numbers_of(point.dims, quantities, samples_of(point.task, point.dims))
        numbers += read + point.n_times if _may_have_own_times(request, point) else read
    if cost.flops > limits.point_flops:
        raise TooLargeError(
            f"a point is estimated to take {cost.flops:.3g} floating-point operations, the limit is "
            f"{limits.point_flops:.3g}; ask for fewer times or steps, or smaller widths"
        )
    if 20 * numbers > limits.point_bytes:
        raise TooLargeError(
            f"a point is estimated to give {numbers} numbers, the limit is {limits.point_bytes // 20}; collect scalars "
            "instead of quantities, or fewer times"
        )
    return replace(cost, numbers=numbers)


def _may_have_own_times(request: SweepRequest, point: TrajectoryRequest) -> bool:
    """Whether the times of its answer may be others than those of the base request."""
    return isinstance(point.method, DescentMethod) or any(axis.path.split(".")[0] == "times" for axis in request.axes)


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
