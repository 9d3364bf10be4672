"""The main job: a request for a learning trajectory, and the answer without its arrays."""

from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field

from lindyn.wire.array import FloatArray
from lindyn.wire.base import Positive, Reply, Request
from lindyn.wire.method import AutoMethod, Method
from lindyn.wire.network import Network
from lindyn.wire.task import Task
from lindyn.wire.times import TimeGrid, Times

Quantity = Literal[
    "loss",
    "excess_loss",
    "loss_rate",
    "output",
    "input_representation",
    "output_representation",
    "qqt",
    "weights",
    "singular_values",
    "mode_strengths",
    "alignment",
    "ntk",
    "ntk_distance",
    "ntk_norm",
    "rsm_input",
    "rsm_output",
    "task_specificity",
    "balance",
    "weight_norms",
]
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)


def _in_order(quantities: list[Quantity]) -> list[Quantity]:
    """Each once, in the order of the contract, so that equal requests have equal keys."""
    return [name for name in QUANTITIES if name in quantities]


class TrajectoryRequest(Request):
    """How does this network learn this task?"""

    network: Network
    task: Task
    times: Times
    time_constant: Annotated[Positive, Field(description="tau of the gradient flow, in the unit of times.")] = 1.0
    quantities: Annotated[list[Quantity], Field(min_length=1, max_length=100), AfterValidator(_in_order)] = Field(
        default_factory=lambda: ["loss", "output"]
    )
    method: Method = AutoMethod(kind="auto")

    @property
    def dims(self) -> tuple[int, ...]:
        """Widths of the network, input first."""
        return tuple(self.network.dims)

    @property
    def n_times(self) -> int:
        """How many times are asked for."""
        return self.times.num if isinstance(self.times, TimeGrid) else len(self.times)

    def resolved_times(self) -> FloatArray:
        """All times as an array."""
        return self.times.resolve() if isinstance(self.times, TimeGrid) else self.times


class ReplyWarning(Reply):
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
    quantities: Annotated[
        dict[str, Any],
        Field(
            description="Arrays by name, time first. In `alignment`, null (NaN in npz) stands where the task or the "
            "network has no such mode; all other numbers are finite."
        ),
    ]
    diagnostics: dict[str, Any]
    warnings: list[ReplyWarning]
    version: str
