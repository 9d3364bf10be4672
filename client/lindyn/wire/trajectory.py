"""The main job: a request for a learning trajectory, and the answer without its arrays."""

from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field

from lindyn.wire.array import FloatArray
from lindyn.wire.base import Positive, Reply, Request
from lindyn.wire.network import Network
from lindyn.wire.task import CorrelationTask, DataTask, SemanticTask, SpectrumTask, Task
from lindyn.wire.times import TimeGrid, Times

Quantity = Literal[
    "loss",
    "excess_loss",
    "output",
    "input_representation",
    "output_representation",
    "qqt",
    "singular_values",
    "mode_strengths",
    "balance",
]
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)

Method = Literal["auto", "exact"]
METHODS: tuple[Method, ...] = get_args(Method)


def _in_order(quantities: list[Quantity]) -> list[Quantity]:
    """Each once, in the order of the contract, so that equal requests have equal keys."""
    return [name for name in QUANTITIES if name in quantities]


class TrajectoryRequest(Request):
    """How does this network learn this task?"""

    network: Network
    task: Task
    times: Times
    time_constant: Annotated[Positive, Field(description="tau of the gradient flow, in the unit of times.")] = 1.0
    quantities: Annotated[list[Quantity], Field(min_length=1), AfterValidator(_in_order)] = ["loss", "output"]
    method: Method = "auto"

    @property
    def dims(self) -> tuple[int, ...]:
        """Widths of the network, input first."""
        return self.network.dims

    def resolved_times(self) -> FloatArray:
        """All times as an array."""
        return self.times.resolve() if isinstance(self.times, TimeGrid) else self.times

    def conflicts(self) -> list[tuple[str, str]]:
        """What fits no rule of a single field: pairs of a path and what is wrong there."""
        return _task_conflicts(self.task, self.dims[0], self.dims[-1])


def _task_conflicts(task: Any, n_in: int, n_out: int) -> list[tuple[str, str]]:  # noqa: ANN401
    match task:
        case CorrelationTask():
            return _correlation_conflicts(task, n_in, n_out)
        case DataTask(inputs=inputs, targets=targets):
            found = [_columns("task.inputs", inputs, n_in, "input"), _columns("task.targets", targets, n_out, "output")]
            if len(inputs) != len(targets):
                detail = f"got {len(targets)} rows, task.inputs has {len(inputs)}; rows are samples"
                found.append(("task.targets", detail))
            return [conflict for conflict in found if conflict]
        case SemanticTask(levels=levels):
            width = 2**levels
            return [
                ("network.dims", f"got {name} width {got}, {levels} levels have {width} {what}")
                for name, got, what in (("input", n_in, "items"), ("output", n_out, "features"))
                if got != width
            ]
        case SpectrumTask(singular_values=values):
            found = []
            if len(values) > min(n_in, n_out):
                most = f"min(in, out) = {min(n_in, n_out)}"
                found.append(("task.singular_values", f"got {len(values)} values, at most {most} fit the network"))
            if values.min() < 0:
                found.append(("task.singular_values", f"got {values.min():g}, singular values are >= 0"))
            return found
        case _:
            return []


def _columns(path: str, matrix: FloatArray, width: int, end: str) -> tuple[str, str] | None:
    if matrix.shape[1] == width:
        return None
    return path, f"got {matrix.shape[1]} columns, the network's {end} width is {width}"


def _correlation_conflicts(task: CorrelationTask, n_in: int, n_out: int) -> list[tuple[str, str]]:
    shapes = {"task.sigma_yx": (task.sigma_yx, (n_out, n_in))}
    if task.sigma_xx is not None:
        shapes["task.sigma_xx"] = (task.sigma_xx, (n_in, n_in))
    return [
        (path, f"got shape {matrix.shape}, the network's widths ask for {shape}")
        for path, (matrix, shape) in shapes.items()
        if matrix.shape != shape
    ]


class Warning_(Reply):
    """Something about the answer that its reader should know."""

    code: str
    detail: str


class TrajectoryReply(Reply):
    """The answer; the arrays travel as nested lists in JSON and as members of the archive in npz."""

    key: Annotated[str, Field(description="SHA-256 of the normalised request and the solver's version.")]
    method: str
    reason: Annotated[str, Field(description="Why this method applies, with what was measured.")]
    lam: Annotated[float | None, Field(alias="lambda", description="Balance of the initial weights.")]
    dims: list[int]
    seed: Annotated[int | None, Field(description="The network's seed, drawn if it was omitted.")]
    task_seed: Annotated[int | None, Field(description="The task's seed, drawn if it was omitted.")] = None
    time_constant: float
    times: Any
    quantities: dict[str, Any]
    diagnostics: dict[str, Any]
    warnings: list[Warning_]
    version: str
