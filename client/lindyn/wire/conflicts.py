"""Rules between fields of a request, such as that a task must fit the widths of the network."""

from collections.abc import Collection

from lindyn.wire.array import FloatArray
from lindyn.wire.asymptotics import LimitsRequest
from lindyn.wire.balance import InitializationRequest
from lindyn.wire.base import LARGEST_SEED
from lindyn.wire.continual import ContinualRequest
from lindyn.wire.design import DesignRequest
from lindyn.wire.ensemble import EnsembleRequest
from lindyn.wire.method import DescentMethod
from lindyn.wire.network import TRANSPOSED, Network, WeightsNetwork, WideNetwork
from lindyn.wire.task import CorrelationTask, DataTask, SemanticTask, SpectrumTask, Task
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn.wire.tree import PathError
from lindyn.wire.wording import entries

_MAX_RATE_RATIO = 1e30  # ratio of learning rates, whose roots scale the weights

Conflict = tuple[str, str]
"""A path into the request, and a message about the value there."""


def conflicts(request: TrajectoryRequest | InitializationRequest | LimitsRequest) -> list[Conflict]:
    """Return the violated rules between fields."""
    broken: list[Conflict] = []
    if isinstance(request, TrajectoryRequest):
        misfit = quantity_conflict(request.quantities, request.network)
        broken += [] if misfit is None else [("quantities", misfit)]
        broken += _evaluation_conflicts(request)
    if isinstance(request, TrajectoryRequest | LimitsRequest):
        broken += _rate_conflicts(request.learning_rates, len(request.dims) - 1)
    if isinstance(request, InitializationRequest) and isinstance(request.network, WideNetwork):
        detail = "got wide, a limit that has no weights; use kind 'random' for those of one draw"
        broken.append(("network.kind", detail))
    return broken if request.task is None else broken + _task_conflicts("task", request.task, request.network)


def conflicts_of_point(request: TrajectoryRequest) -> list[Conflict]:
    """Return the same of one of many requests, of which sweeps, designs and ensembles keep no evaluation."""
    return conflicts(request) + _no_evaluation(request)


def conflicts_of_design(request: DesignRequest) -> list[Conflict]:
    """Return the misfits of the base request, and a path that leads nowhere."""
    broken = [(f"base.{path}", detail) for path, detail in conflicts_of_point(request.base)]
    try:
        request.at(request.vary.bounds[0])
    except PathError as error:
        broken.append(("vary.path", f"{error}; give the path of a number in base, such as network.lambda"))
    return broken


def _no_evaluation(request: TrajectoryRequest) -> list[Conflict]:
    detail = "got tasks, whose losses only trajectories answer with; leave it out, or ask for trajectories"
    return [] if request.evaluate is None else [("evaluate", detail)]


def _evaluation_conflicts(request: TrajectoryRequest) -> list[Conflict]:
    """Return what is wrong with the tasks whose losses are to be computed along the trajectory."""
    broken: list[Conflict] = []
    method, whitens = request.method, isinstance(request.task, DataTask) and request.task.whiten
    nonlinear = isinstance(method, DescentMethod) and method.activation != "linear"
    for i, task in enumerate(request.evaluate or ()):
        broken += _task_conflicts(f"evaluate.{i}", task, request.network)
        if isinstance(task, DataTask) and task.whiten and not whitens:
            detail = (
                "got true, and inputs are whitened as those of the task are, which are not; use false, or give the "
                "task as data with whiten = true"
            )
            broken.append((f"evaluate.{i}.whiten", detail))
        if nonlinear and isinstance(task, CorrelationTask | SpectrumTask):
            detail = f"got {task.kind}, and a nonlinear network needs samples; use kind data, regression or semantic"
            broken.append((f"evaluate.{i}.kind", detail))
    return broken


def quantity_conflict(names: Collection[str], network: Network) -> str | None:
    """Return what is wrong with the first quantity that a network of this kind or depth does not have."""
    n_layers = len(network.dims) - 1
    if "qqt" in names and n_layers != 2:
        return (
            f"got qqt, which is of two layers, and a network of {n_layers}; ask for input_representation and "
            "output_representation"
        )
    if "balance" in names and n_layers == 1:
        return "got balance, which is of two adjacent layers, and a network of one layer; leave it out"
    return _wide_conflict(names, network) if isinstance(network, WideNetwork) else None


def _wide_conflict(names: Collection[str], network: WideNetwork) -> str | None:
    """Return what is wrong with a quantity that the limit of wide layers does not determine."""
    if "weights" in names:
        return (
            "got weights, which the limit of wide layers does not determine; ask for qqt, which holds all that does "
            "not depend on the hidden units, or use kind 'random' for the weights of one draw"
        )
    n_in, n_hidden, n_out = network.dims
    if "balance" in names and n_hidden < n_in + n_out:
        return (
            f"got balance, and {n_hidden} hidden units cannot have the isotropic representations of {n_in} inputs and "
            f"{n_out} outputs; give at least in + out = {n_in + n_out}, or leave it out"
        )
    return None


def conflicts_of_tasks(request: ContinualRequest) -> list[Conflict]:
    """Return the misfits between the tasks and the network."""
    broken: list[Conflict] = []
    for i, each in enumerate(request.tasks):
        broken += _task_conflicts(f"tasks.{i}.task", each.task, request.network)
    return broken


def conflicts_of_ensemble(request: EnsembleRequest) -> list[Conflict]:
    """Return the misfits of the base request, and the seeds that do not exist."""
    broken = [(f"base.{path}", detail) for path, detail in conflicts_of_point(request.base)]
    for name in request.vary:
        part = name.partition(".")[0]
        varied = request.base.network if part == "network" else request.base.task
        if "seed" not in type(varied).model_fields:
            broken.append(("vary", f"got {name}, and a {part} of kind {varied.kind} has no seed"))
        elif isinstance(varied, WideNetwork) and varied.start == "zero":
            detail = f"got {name}, on which the limit of wide layers does not depend; give base.network.start 'drawn'"
            broken.append(("vary", detail))
    if request.seeds[-1] > LARGEST_SEED:
        detail = f"got {request.first_seed}, with {request.replicates} replicates at most"
        broken.append(("first_seed", f"{detail} {LARGEST_SEED - request.replicates + 1}"))
    return broken


def _rate_conflicts(rates: list[float] | None, n_layers: int) -> list[Conflict]:
    """Return what is wrong with the number of learning rates, or with their spread."""
    if rates is None:
        return []
    if len(rates) != n_layers:
        layers = "1 layer" if n_layers == 1 else f"{n_layers} layers"
        detail = f"got {entries(len(rates))} and a network of {layers}; give one for each"
        return [("learning_rates", detail)]
    if max(rates) > _MAX_RATE_RATIO * min(rates):
        detail = (
            f"got rates from {min(rates):g} to {max(rates):g}, layers may differ by a factor of {_MAX_RATE_RATIO:g}; "
            "raise the smallest or lower the largest"
        )
        return [("learning_rates", detail)]
    return []


def _task_conflicts(path: str, task: Task, network: Network) -> list[Conflict]:
    """Return the misfits of a task; the first one asks whether the weights are transposed if that would fit."""
    misfits = _width_conflicts(task, network.dims[0], network.dims[-1])
    if misfits and isinstance(network, WeightsNetwork):
        first, last = network.weights[0], network.weights[-1]
        if not _width_conflicts(task, first.shape[0], last.shape[1]):
            field, detail = misfits[0]
            misfits[0] = (field, f"{detail}; are the weights {TRANSPOSED}")
    return [(f"{path}.{field}", detail) for field, detail in misfits]


def _width_conflicts(task: Task, n_in: int, n_out: int) -> list[Conflict]:
    match task:
        case CorrelationTask():
            return _correlation_conflicts(task, n_in, n_out)
        case DataTask():
            return _data_conflicts(task, n_in, n_out)
        case SemanticTask():
            return _semantic_conflicts(task, n_in, n_out)
        case SpectrumTask():
            return _spectrum_conflicts(task, n_in, n_out)
        case _:
            return []


def _correlation_conflicts(task: CorrelationTask, n_in: int, n_out: int) -> list[Conflict]:
    expected = {"sigma_yx": (n_out, n_in), "sigma_xx": (n_in, n_in)}
    matrices = {"sigma_yx": task.sigma_yx, "sigma_xx": task.sigma_xx}
    return [
        (
            name,
            f"got shape {matrix.shape}, the network's widths require {expected[name]}{_hint(matrix, n_in, n_out)}",
        )
        for name, matrix in matrices.items()
        if matrix is not None and matrix.shape != expected[name]
    ]


def _hint(matrix: FloatArray, n_in: int, n_out: int) -> str:
    """Ask whether sigma_yx is transposed if that would fit; sigma_xx is square, so that it never would."""
    return "; transposed? sigma_yx is (out, in)" if matrix.shape == (n_in, n_out) else ""


def _data_conflicts(task: DataTask, n_in: int, n_out: int) -> list[Conflict]:
    misfits = _column_conflicts("inputs", task.inputs, n_in, "input")
    misfits += _column_conflicts("targets", task.targets, n_out, "output")
    if len(task.inputs) != len(task.targets):
        detail = f"got {len(task.targets)} rows, the inputs have {len(task.inputs)}; rows are samples"
        misfits.append(("targets", detail))
    return misfits


def _column_conflicts(path: str, matrix: FloatArray, width: int, end: str) -> list[Conflict]:
    if matrix.shape[1] == width:
        return []
    hint = "; transposed? rows are samples" if len(matrix) == width else ""
    return [(path, f"got {matrix.shape[1]} columns, the network's {end} width is {width}{hint}")]


def _semantic_conflicts(task: SemanticTask, n_in: int, n_out: int) -> list[Conflict]:
    width = 2**task.levels
    return [
        ("levels", f"got {task.levels}, which makes {width} {what}; the network's {end} width is {got}")
        for end, got, what in (("input", n_in, "items"), ("output", n_out, "features"))
        if got != width
    ]


def _spectrum_conflicts(task: SpectrumTask, n_in: int, n_out: int) -> list[Conflict]:
    values, path, most = task.singular_values, "singular_values", min(n_in, n_out)
    misfits: list[Conflict] = []
    if len(values) > most:
        misfits.append((path, f"got {len(values)} values, at most min(in, out) = {most} fit the network"))
    if values.min() < 0:
        misfits.append((path, f"got {values.min():g}, singular values are >= 0"))
    return misfits
