"""Where a network ends, how fast it gets there, and what it resembles at extreme balances."""

from typing import Annotated, Any

from pydantic import Field

from lindyn.wire.base import Positive, Reply, Request
from lindyn.wire.network import Network
from lindyn.wire.task import Task
from lindyn.wire.trajectory import ReplyWarning


class LimitsRequest(Request):
    """Where does this network end? Two layers, isotropic inputs, balanced weights."""

    network: Network
    task: Task
    time_constant: Annotated[Positive, Field(description="tau of the gradient flow.")] = 1.0
    tolerance: Annotated[Positive, Field(description="Excess loss at which learning counts as done.")] = 1e-3

    @property
    def dims(self) -> tuple[int, ...]:
        """Widths of the network, input first."""
        return tuple(self.network.dims)


class Converged(Reply):
    """The state at t to infinity."""

    output: Annotated[Any, Field(description="Best rank-min(hidden, modes) map over the modes reached, (out, in).")]
    input_representation: Any
    output_representation: Any
    loss: float
    excess_loss: float
    reached_rank: int
    task_rank: int


class Extreme(Reply):
    """Learning at large |lambda| of one sign."""

    exists: Annotated[bool, Field(description="Whether weights of these widths can have a balance of this sign.")]
    one_time_scale: Annotated[bool, Field(description="Whether all is learned at the fast rate.")]
    fast_limit: Annotated[Any, Field(description="Network function after the fast phase, (out, in); null: no such.")]
    fast_rate: Annotated[float, Field(description="|lambda| per time constant, per unit of time.")]
    slow_rates: Annotated[Any, Field(description="s^2 / |lambda| of each mode, per unit of time; empty: none.")]


class Extremes(Reply):
    """Both signs of lambda, at the absolute value that the network has."""

    positive: Extreme
    negative: Extreme


class Shallow(Reply):
    """The network of one layer from the same network function."""

    output: Annotated[Any, Field(description="At t to infinity, (out, in).")]
    rate: Annotated[float, Field(description="Of every mode, per unit of time.")]
    convergence_time: float | None


class LimitsReply(Reply):
    """Limits of the network's learning in time and in lambda."""

    key: str
    lam: Annotated[float, Field(alias="lambda")]
    dims: list[int]
    seed: int | None
    task_seed: int | None = None
    time_constant: float
    tolerance: float
    converged: Converged
    convergence_time: Annotated[
        float | None, Field(description="First time with an excess loss within the tolerance; null: never.")
    ]
    effective_learning_rate: Annotated[float, Field(description="|lambda| per time constant, per unit of time.")]
    lambda_to_infinity: Extremes
    shallow: Shallow
    warnings: list[ReplyWarning]
    version: str
