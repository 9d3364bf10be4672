"""Limits of learning: convergence in time, and large absolute values of lambda."""

from typing import Annotated

from pydantic import Field

from lindyn.wire.array import Arrays
from lindyn.wire.base import Positive, Reply, Request
from lindyn.wire.network import Network
from lindyn.wire.task import Task
from lindyn.wire.trajectory import ReplyWarning


class LimitsRequest(Request):
    """Request for the limits of a balanced network of two layers on isotropic inputs."""

    network: Network
    task: Task
    time_constant: Annotated[Positive, Field(description="tau of the gradient flow.")] = 1.0
    tolerance: Annotated[Positive, Field(description="Excess loss at which learning counts as done.")] = 1e-3

    @property
    def dims(self) -> tuple[int, ...]:
        """Widths of the network, input first."""
        return tuple(self.network.dims)


class Converged(Reply):
    """The network for t to infinity."""

    output: Annotated[Arrays, Field(description="Best rank-min(hidden, modes) map over the modes reached, (out, in).")]
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

    output: Annotated[Arrays, Field(description="Network function for t to infinity, (out, in).")]
    rate: Annotated[float, Field(description="Rate of every mode, per unit of time.")]
    convergence_time: float | None


class LimitsReply(Reply):
    """The limits of learning in time and in lambda."""

    key: str
    lam: Annotated[float, Field(alias="lambda")]
    dims: list[int]
    seed: int | None
    task_seed: int | None = None
    time_constant: float
    tolerance: float
    converged: Converged
    convergence_time: Annotated[
        float | None, Field(description="First time with an excess loss within the tolerance; null if there is none.")
    ]
    effective_learning_rate: Annotated[float, Field(description="|lambda| per time constant, per unit of time.")]
    largest_learning_rate: Annotated[
        float | None,
        Field(
            description="Largest stable learning rate of gradient descent near the limit: 2 tau over the largest "
            "eigenvalue of the Hessian; null if this is zero."
        ),
    ]
    lambda_to_infinity: Extremes
    shallow: Shallow
    warnings: list[ReplyWarning]
    version: str
