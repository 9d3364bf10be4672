"""Limits of learning: convergence in time, and large absolute values of lambda."""

from typing import Annotated, Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from lindyn.wire.array import Arrays
from lindyn.wire.base import Positive, Reply, Request
from lindyn.wire.learning import LearningRates, OptionalSchedule, WeightDecay, without_defaults
from lindyn.wire.network import Network
from lindyn.wire.task import Task
from lindyn.wire.trajectory import ReplyWarning


class LimitsRequest(Request):
    """Request for the limits of balanced or wide layers on isotropic inputs, of modes alone, or of one layer."""

    network: Network
    task: Task
    time_constant: Annotated[Positive, Field(description="tau of the gradient flow.")] = 1.0
    tolerance: Annotated[Positive, Field(description="Excess loss at which learning counts as done.")] = 1e-3
    learning_rates: LearningRates = None
    schedule: OptionalSchedule = None
    weight_decay: WeightDecay = 0.0

    @model_serializer(mode="wrap")
    def _without_defaults(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_defaults(serialise(self))

    @property
    def dims(self) -> tuple[int, ...]:
        """Widths of the network, input first."""
        return tuple(self.network.dims)


class Converged(Reply):
    """The state for t to infinity, which a schedule with a finite integral leads to before the loss is minimal."""

    output: Annotated[Arrays, Field(description="Best rank-min(hidden, modes) map over the modes reached, (out, in).")]
    input_representation: Arrays
    output_representation: Arrays
    loss: float
    excess_loss: float
    reached_rank: int
    task_rank: int


class Extreme(Reply):
    """The limit of large |lambda|, of one sign."""

    exists: Annotated[bool, Field(description="Whether weights of these widths can have a balance of this sign.")]
    one_time_scale: Annotated[bool, Field(description="Whether all modes are learned at the fast rate.")]
    fast_limit: Annotated[
        Arrays, Field(description="Network function after the fast phase, (out, in); null if there is no such phase.")
    ]
    fast_rate: Annotated[float, Field(description="|lambda| per time constant, per unit of time.")]
    slow_rates: Annotated[
        Arrays, Field(description="s^2 / |lambda| of each mode, per unit of time; empty if there is none.")
    ]


class Extremes(Reply):
    """The limits of both signs, with rates at the absolute value of the network's lambda."""

    positive: Extreme
    negative: Extreme


class Shallow(Reply):
    """A network of one layer that starts from the same network function."""

    output: Annotated[Arrays, Field(description="At t to infinity, (out, in).")]
    rate: Annotated[
        float | None, Field(description="Of every mode, per unit of time; null where inputs have several variances.")
    ]
    convergence_time: float | None


class LimitsReply(Reply):
    """The limits of learning in time and in lambda."""

    key: str
    lam: Annotated[
        float | None,
        Field(
            alias="lambda",
            description="Balance, of a wide network that of the equivalent one; null where modes have their own, and "
            "for one layer.",
        ),
    ]
    lambda_per_mode: Annotated[
        list[Any] | None,
        Field(description="Balance of each mode, where modes learn alone; of deep networks for each pair."),
    ] = None
    dims: list[int]
    seed: int | None
    task_seed: int | None = None
    time_constant: float
    tolerance: float
    converged: Converged
    convergence_time: Annotated[
        float | None, Field(description="First time with an excess loss within the tolerance; null if there is none.")
    ]
    effective_learning_rate: Annotated[
        float | None,
        Field(
            description="|lambda| per time constant, per unit of time, where the factor of a schedule is 1; null where "
            "`lambda_to_infinity` is."
        ),
    ]
    largest_learning_rate: Annotated[
        float | None,
        Field(
            description="Of gradient descent near the end: 2 tau over the largest eigenvalue of the Hessian there, "
            "with weight_decay added; with learning_rates, of their common factor, where the factor of the schedule is "
            "1. Null if the eigenvalue is zero."
        ),
    ]
    lambda_to_infinity: Annotated[
        Extremes | None, Field(description="Of balanced or wide layers on isotropic inputs, without weight decay.")
    ]
    shallow: Annotated[
        Shallow | None,
        Field(
            description="For isotropic inputs and balanced or wide layers, or for one layer, which it is itself; "
            "without weight decay. It learns at the geometric mean of the learning rates, with the same schedule."
        ),
    ]
    warnings: list[ReplyWarning]
    version: str
