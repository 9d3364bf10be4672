"""Learning trajectories: the request, and the reply."""

from typing import Annotated, Any, Literal, get_args

import numpy as np
from pydantic import AfterValidator, Field, SerializerFunctionWrapHandler, model_serializer

from lindyn.wire.array import Arrays, FloatArray
from lindyn.wire.base import Positive, Reply, Request
from lindyn.wire.evaluation import EvaluationReply
from lindyn.wire.learning import LearningRates, OptionalSchedule, WeightDecay, without_defaults
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
    "ntk_movement",
    "rsm_input",
    "rsm_output",
    "task_specificity",
    "balance",
    "weight_norms",
    "effective_rank",
    "sharpness",
]
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)


def _in_order(quantities: list[Quantity]) -> list[Quantity]:
    """Sort the names in the order of the contract, each once, so that equal requests have equal keys."""
    return [name for name in QUANTITIES if name in quantities]


class TrajectoryRequest(Request):
    """Request for the trajectory of a network that learns a task."""

    network: Network
    task: Task
    times: Times
    time_constant: Annotated[Positive, Field(description="tau of the gradient flow, in the unit of times.")] = 1.0
    quantities: Annotated[list[Quantity], Field(min_length=1, max_length=100), AfterValidator(_in_order)] = Field(
        default_factory=lambda: ["loss", "output"]
    )
    learning_rates: LearningRates = None
    schedule: OptionalSchedule = None
    weight_decay: WeightDecay = 0.0
    evaluate: Annotated[
        list[Task] | None,
        Field(
            min_length=1,
            max_length=64,
            description="Other tasks of the same widths, whose losses are computed along the trajectory; where the "
            "task whitens its inputs, the same linear map is applied to theirs. Null for none.",
        ),
    ] = None
    method: Method = AutoMethod(kind="auto")

    @model_serializer(mode="wrap")
    def _without_defaults(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        document = without_defaults(serialise(self))
        return {name: value for name, value in document.items() if name != "evaluate" or value is not None}

    @property
    def dims(self) -> tuple[int, ...]:
        """Widths of the network, input first."""
        return tuple(self.network.dims)

    @property
    def n_times(self) -> int:
        """Number of times."""
        return self.times.num if isinstance(self.times, TimeGrid) else len(self.times)

    def resolved_times(self) -> FloatArray:
        """Return all times as an array."""
        return self.times.resolve() if isinstance(self.times, TimeGrid) else self.times


class ReplyWarning(Reply):
    """A warning about a result."""

    code: str
    detail: str
    modes: Annotated[
        list[int] | None, Field(description="Indices of the modes that it is about, from 0; absent for others.")
    ] = None


class RegimeReply(Reply):
    """How far the neural tangent kernel has moved by the last time, and what that says."""

    verdict: Annotated[
        Literal["rich", "lazy", "between"],
        Field(description="Lazy up to a movement of 0.1; rich from a movement of 1 or a distance of 0.1."),
    ]
    ntk_movement: float
    kernel_distance: float


class TrajectoryReply(Reply):
    """The trajectory; its arrays are nested lists in JSON, and entries of the archive in npz."""

    key: Annotated[str, Field(description="SHA-256 of the normalised request and the solver's version.")]
    method: str
    reason: Annotated[str, Field(description="Why this method applies, with the measured residuals.")]
    lam: Annotated[
        float | None,
        Field(alias="lambda", description="Balance of the initial weights; of a wide network, that of the equivalent."),
    ]
    dims: list[int]
    seed: Annotated[int | None, Field(description="The network's seed, drawn if it was omitted.")]
    task_seed: Annotated[int | None, Field(description="The task's seed, drawn if it was omitted.")] = None
    time_constant: float
    regime: Annotated[
        RegimeReply | None,
        Field(
            description="Null where it cannot be told: less than half of the excess loss is learned by the last time, "
            "the kernel is zero at time 0, hidden units are not linear, or rounding errors decide."
        ),
    ] = None
    times: Arrays
    quantities: Annotated[
        dict[str, Arrays],
        Field(
            description="Arrays by name, time first. In `alignment`, values are null (NaN in npz) where the task or "
            "the network has no such mode; all other numbers are finite."
        ),
    ]
    evaluation: Annotated[
        EvaluationReply | None, Field(description="Losses of the tasks of `evaluate`; absent without these.")
    ] = None
    diagnostics: dict[str, Any]
    warnings: list[ReplyWarning]
    version: str

    def targets(self, name: str) -> FloatArray:
        """Return the `singular_values` or `mode_strengths` of the best network function, (mode,); else empty."""
        return np.asarray(self.diagnostics.get("target", {}).get(name, ()), dtype=np.float64)
