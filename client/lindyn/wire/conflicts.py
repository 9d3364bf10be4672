"""Rules between fields: a task must fit the widths of the network."""

from lindyn.wire.array import FloatArray
from lindyn.wire.task import CorrelationTask, DataTask, SemanticTask, SpectrumTask, Task
from lindyn.wire.trajectory import TrajectoryRequest

Conflict = tuple[str, str]
"""A path into the request, and what is wrong there."""


def conflicts(request: TrajectoryRequest) -> list[Conflict]:
    """Find what no rule of a single field finds."""
    return _of_task(request.task, request.dims[0], request.dims[-1])


def _of_task(task: Task, n_in: int, n_out: int) -> list[Conflict]:
    match task:
        case CorrelationTask():
            return _of_correlation(task, n_in, n_out)
        case DataTask():
            return _of_data(task, n_in, n_out)
        case SemanticTask():
            return _of_semantic(task, n_in, n_out)
        case SpectrumTask():
            return _of_spectrum(task, n_in, n_out)
        case _:
            return []


def _of_correlation(task: CorrelationTask, n_in: int, n_out: int) -> list[Conflict]:
    expected = {"sigma_yx": (n_out, n_in), "sigma_xx": (n_in, n_in)}
    given = {name: getattr(task, name) for name in expected}
    return [
        (f"task.{name}", f"got shape {matrix.shape}, the network's widths ask for {expected[name]}")
        for name, matrix in given.items()
        if matrix is not None and matrix.shape != expected[name]
    ]


def _of_data(task: DataTask, n_in: int, n_out: int) -> list[Conflict]:
    found = _columns("task.inputs", task.inputs, n_in, "input")
    found += _columns("task.targets", task.targets, n_out, "output")
    if len(task.inputs) != len(task.targets):
        detail = f"got {len(task.targets)} rows, task.inputs has {len(task.inputs)}; rows are samples"
        found.append(("task.targets", detail))
    return found


def _columns(path: str, matrix: FloatArray, width: int, end: str) -> list[Conflict]:
    if matrix.shape[1] == width:
        return []
    return [(path, f"got {matrix.shape[1]} columns, the network's {end} width is {width}")]


def _of_semantic(task: SemanticTask, n_in: int, n_out: int) -> list[Conflict]:
    width = 2**task.levels
    return [
        ("task.levels", f"got {task.levels}, which makes {width} {what}; the network's {end} width is {got}")
        for end, got, what in (("input", n_in, "items"), ("output", n_out, "features"))
        if got != width
    ]


def _of_spectrum(task: SpectrumTask, n_in: int, n_out: int) -> list[Conflict]:
    values, path, most = task.singular_values, "task.singular_values", min(n_in, n_out)
    found: list[Conflict] = []
    if len(values) > most:
        found.append((path, f"got {len(values)} values, at most min(in, out) = {most} fit the network"))
    if values.min() < 0:
        found.append((path, f"got {values.min():g}, singular values are >= 0"))
    return found
