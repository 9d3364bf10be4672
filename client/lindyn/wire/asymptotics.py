"""Limits of learning: convergence in time, and large absolute values of lambda."""

from typing import Annotated

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from lindyn.wire.array import Arrays
from lindyn.wire.base import Positive, Reply, Request
from lindyn.wire.learning import LearningRates, OptionalSchedule, WeightDecay, without_defaults
from lindyn.wire.network import Network
from lindyn.wire.task import Task
from lindyn.wire.trajectory import ReplyWarning


class LimitsRequest(Request):
    """Request for the limits of learning.

    They are known for balanced or wide layers on isotropic inputs, for modes that learn alone, and for one layer.
    """

    network: Network
    task: Task
    time_constant: Annotated[Positive, Field(description="tau of the gradient flow.")] = 1.0
    tolerance: Annotated[Positive, Field(description="Excess loss at which learning counts as done.")] = 1e-3
    learning_rates: LearningRates = None
    schedule: OptionalSchedule = None
    weight_decay: WeightDecay = 0.0

    @model_serializer(mode="wrap")
    def _without_defaults(self, serialise: SerializerFunctionWrapHandler) -> dict[str, object]:
        return without_defaults(serialise(self))

    @property
    def dims(self) -> tuple[int, ...]:
        """Widths of the network, input first."""
        return tuple(self.network.dims)


class Converged(Reply):
    """The state as t goes to infinity; a schedule with a finite integral stops before the loss is minimal."""

    output: Annotated[
        Arrays,
        Field(
            description="Network function, (out, in): the best one of rank min(hidden, modes) in the modes that the "
            "weights reach."
        ),
    ]
    input_representation: Arrays
    output_representation: Arrays
    loss: float
    excess_loss: float
    reached_rank: int
    task_rank: int


class Extreme(Reply):
    """The limit of large |lambda| for one sign of lambda."""

    exists: Annotated[bool, Field(description="Whether weights of these widths can have a balance of this sign.")]
    one_time_scale: Annotated[bool, Field(description="Whether all modes are learned at the fast rate.")]
    fast_limit: Annotated[
        Arrays, Field(description="Network function after the fast phase, (out, in); null if there is no such phase.")
    ]
    fast_rate: Annotated[float, Field(description="Rate of the fast phase, |lambda| / tau.")]
    slow_rates: Annotated[
        Arrays,
        Field(description="Rates of the slow phase, s^2 / (|lambda| tau) of each mode; empty without a slow phase."),
    ]


class Extremes(Reply):
    """The limits of both signs, with rates at the absolute value of the network's lambda."""

    positive: Extreme
    negative: Extreme


class Shallow(Reply):
    """A network of one layer that starts from the same network function."""

    output: Annotated[Arrays, Field(description="Network function as t goes to infinity, (out, in).")]
    rate: Annotated[
        float | None,
        Field(
            description="Rate at which all modes are learned, per unit of time; null if the inputs have different "
            "variances."
        ),
    ]
    convergence_time: float | None


class LimitsReply(Reply):
    """The limits of learning in time and in lambda."""

    key: str
    lam: Annotated[
        float | None,
        Field(
            alias="lambda",
            description="Balance of the weights, for a wide network that of the equivalent balanced one; null if the "
            "modes have different balances, and for one layer.",
        ),
    ]
    lambda_per_mode: Annotated[
        list[object] | None,
        Field(
            description="Balance of each mode if the modes learn alone; for deep networks, of each pair of adjacent "
            "layers."
        ),
    ] = None
    dims: list[int]
    seed: int | None
    task_seed: int | None = None
    time_constant: float
    tolerance: float
    converged: Converged
    convergence_time: Annotated[
        float | None,
        Field(description="First time at which the excess loss is at most the tolerance; null if there is none."),
    ]
    effective_learning_rate: Annotated[
        float | None,
        Field(
            description="Effective learning rate |lambda| / tau, where the factor of a schedule is 1; null if "
            "`lambda_to_infinity` is null."
        ),
    ]
    largest_learning_rate: Annotated[
        float | None,
        Field(
            description="Largest stable learning rate of gradient descent near the limit: 2 tau over the largest "
            "eigenvalue of the Hessian of the loss with weight decay; with learning_rates, of their common factor, "
            "where the factor of the schedule is 1. Null if the eigenvalue is zero."
        ),
    ]
    lambda_to_infinity: Annotated[
        Extremes | None,
        Field(
            description="Limits of large |lambda| for balanced or wide layers on isotropic inputs; null otherwise, and "
            "with weight decay."
        ),
    ]
    shallow: Annotated[
        Shallow | None,
        Field(
            description="Shallow network for comparison, for balanced or wide layers on isotropic inputs; for one "
            "layer, the network itself; null otherwise, and with weight decay. It learns at the geometric mean of the "
            "learning rates, with the same schedule."
        ),
    ]
    warnings: list[ReplyWarning]
    version: str
