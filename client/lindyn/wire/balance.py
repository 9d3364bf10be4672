"""Initial weights and their balance."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from lindyn.wire.array import Arrays
from lindyn.wire.base import FromNumpy, Positive, Reply, Request, Seed, Width
from lindyn.wire.network import Network, Scheme, SeveralWeights, as_list
from lindyn.wire.task import Task


class InitializationRequest(Request):
    """Request for the initial weights of a network."""

    network: Network
    task: Annotated[
        Task | None,
        Field(
            description="Required for aligned weights; it also restricts balanced weights to the span of its inputs."
        ),
    ] = None

    @property
    def dims(self) -> tuple[int, ...]:
        """Widths of the network, input first."""
        return tuple(self.network.dims)


class InitializationReply(Reply):
    """The initial weights, equal to those of a trajectory of the same network and task at time 0."""

    key: str
    weights: Annotated[Arrays, Field(description="One matrix for each layer, (width l+1, width l).")]
    lam: Annotated[
        float | list[float],
        Field(alias="lambda", description="Nearest balance; a list over adjacent pairs for other than two layers."),
    ]
    balance_residual: Annotated[
        float | list[float], Field(description="||B - lambda I||_F, a number or a list as lambda is.")
    ]
    dims: list[int]
    seed: int | None
    task_seed: int | None = None
    version: str


class BalanceRequest(Request):
    """Request for the balance of given weights."""

    weights: SeveralWeights


class BalanceReply(Reply):
    """The balance of each pair of adjacent layers."""

    key: str
    lam: Annotated[list[float], Field(alias="lambda", description="tr(B) / hidden, B = W_l+1^T W_l+1 - W_l W_l^T.")]
    residual: Annotated[list[float], Field(description="||B - lambda I||_F")]
    relative_residual: Annotated[list[float], Field(description="The residual over ||W_l||_F^2 + ||W_l+1||_F^2.")]
    balanced: Annotated[list[bool], Field(description="Whether the relative residual is at most the tolerance.")]
    feasible: Annotated[list[bool], Field(description="Whether weights of these widths can have this lambda.")]
    lambda_eff: Annotated[
        list[float],
        Field(description="||W_l||_F^2 / in + ||W_l+1||_F^2 / out: the |lambda| with which a wide network learns."),
    ]
    isotropy: Annotated[
        list[float],
        Field(
            description="Relative distance of W_l^T W_l and W_l+1 W_l+1^T from multiples of the identity; near 0 in "
            "wide networks."
        ),
    ]
    tolerance: float
    version: str


_Gains = Annotated[list[Positive], Field(min_length=1, max_length=2)]


class StatisticsRequest(Request):
    """Request for the statistics of the balance of random weights."""

    dims: Annotated[tuple[Width, Width, Width], Field(description="Widths: in, hidden, out.")]
    scheme: Scheme
    gain: Annotated[
        _Gains,
        Field(description="Factor of the standard deviation: one, or one for each layer."),
        BeforeValidator(as_list, json_schema_input_type=Positive | _Gains),
    ] = Field(default_factory=lambda: [1.0])
    samples: Annotated[int, Field(strict=True, ge=2, le=10_000_000, description="Draws of the weights."), FromNumpy] = (
        1000
    )
    seed: Seed = None


class Statistics(Reply):
    """Mean and variance of each entry, (hidden, hidden)."""

    mean: Arrays
    variance: Arrays


class BalanceTable(Reply):
    """Mean and variance of B as functions of k = hidden / in and r = out / in; null for an unbounded limit."""

    k: float
    r: float
    mean_lambda: float
    variance_diagonal: float
    variance_off_diagonal: float
    limits: Annotated[dict[str, float | None], Field(description="Limits of the mean, for r and k to 0 and infinity.")]


class StatisticsReply(Reply):
    """The mean and the variance of B = W2^T W2 - W1 W1^T, predicted and sampled."""

    key: str
    predicted: Statistics
    sampled: Statistics
    table: BalanceTable
    lambda_eff: Annotated[
        float,
        Field(description="hidden (v1 + v2), v the variances of the entries: |lambda| that wide networks learn with."),
    ]
    dims: list[int]
    scheme: str
    gain: list[float]
    samples: int
    seed: int | None
    version: str
