"""Rules between fields: a task must fit the widths of the network."""

from collections.abc import Sequence

from lindyn.wire.array import FloatArray
from lindyn.wire.balance import InitializationRequest
from lindyn.wire.continual import ContinualRequest
from lindyn.wire.limits import LimitsRequest
from lindyn.wire.task import CorrelationTask, DataTask, SemanticTask, SpectrumTask, Task
from lindyn.wire.trajectory import TrajectoryRequest

Conflict = tuple[str, str]
"""A path into the request, and what is wrong there."""


def conflicts(request: TrajectoryRequest | InitializationRequest | LimitsRequest) -> list[Conflict]:
    """Find what no rule of a single field finds."""
    found: list[Conflict] = []
    if isinstance(request, TrajectoryRequest) and "qqt" in request.quantities and len(request.dims) > 3:
        detail = (
            f"got qqt, which is of two layers, and a network of {len(request.dims) - 1}; ask for input_representation "
            "and output_representation"
        )
        found.append(("quantities", detail))
    return found if request.task is None else found + _of_task("task", request.task, request.dims)


def conflicts_of_tasks(request: ContinualRequest) -> list[Conflict]:
    """Find which of the tasks do not fit the network."""
    found: list[Conflict] = []
    for i, each in enumerate(request.tasks):
        found += _of_task(f"tasks.{i}.task", each.task, request.dims)
    return found


def _of_task(path: str, task: Task, dims: Sequence[int]) -> list[Conflict]:
    n_in, n_out = dims[0], dims[-1]
    match task:
        case CorrelationTask():
            found = _of_correlation(task, n_in, n_out)
        case DataTask():
            found = _of_data(task, n_in, n_out)
        case SemanticTask():
            found = _of_semantic(task, n_in, n_out)
        case SpectrumTask():
            found = _of_spectrum(task, n_in, n_out)
        case _:
            found = []
    return [(f"{path}.{field}", detail) for field, detail in found]


def _of_correlation(task: CorrelationTask, n_in: int, n_out: int) -> list[Conflict]:
    expected = {"sigma_yx": (n_out, n_in), "sigma_xx": (n_in, n_in)}
    given = {name: getattr(task, name) for name in expected}
    return [
        (name, f"got shape {matrix.shape}, the network's widths ask for {expected[name]}")
        for name, matrix in given.items()
        if matrix is not None and matrix.shape != expected[name]
    ]


def _of_data(task: DataTask, n_in: int, n_out: int) -> list[Conflict]:
    found = _columns("inputs", task.inputs, n_in, "input")
    found += _columns("targets", task.targets, n_out, "output")
    if len(task.inputs) != len(task.targets):
        detail = f"got {len(task.targets)} rows, the inputs have {len(task.inputs)}; rows are samples"
        found.append(("targets", detail))
    return found


def _columns(path: str, matrix: FloatArray, width: int, end: str) -> list[Conflict]:
    if matrix.shape[1] == width:
        return []
    return [(path, f"got {matrix.shape[1]} columns, the network's {end} width is {width}")]


def _of_semantic(task: SemanticTask, n_in: int, n_out: int) -> list[Conflict]:
    width = 2**task.levels
    return [
        ("levels", f"got {task.levels}, which makes {width} {what}; the network's {end} width is {got}")
        for end, got, what in (("input", n_in, "items"), ("output", n_out, "features"))
        if got != width
    ]


def _of_spectrum(task: SpectrumTask, n_in: int, n_out: int) -> list[Conflict]:
    values, path, most = task.singular_values, "singular_values", min(n_in, n_out)
    found: list[Conflict] = []
    if len(values) > most:
        found.append((path, f"got {len(values)} values, at most min(in, out) = {most} fit the network"))
    if values.min() < 0:
        found.append((path, f"got {values.min():g}, singular values are >= 0"))
    return found
