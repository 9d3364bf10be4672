"""Initial weights: drawing them, and how far from balanced they are."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from lindyn.wire.base import FromNumpy, Positive, Reply, Request, Seed, Width
from lindyn.wire.network import ChainedWeights, Network, Scheme, listed
from lindyn.wire.task import Task


class InitializationRequest(Request):
    """Which weights does this network start from?"""

    network: Network
    task: Annotated[
        Task | None,
        Field(description="Aligned weights need it; it also restricts balanced weights to the span of its inputs."),
    ] = None

    @property
    def dims(self) -> tuple[int, ...]:
        """Widths of the network, input first."""
        return tuple(self.network.dims)


class InitializationReply(Reply):
    """Initial weights, as a trajectory of the same network and task has them at time 0."""

    key: str
    weights: Annotated[Any, Field(description="One matrix for each layer, (width l+1, width l).")]
    lam: Annotated[
        float | list[float],
        Field(alias="lambda", description="Nearest balance; a list over adjacent pairs for more than two layers."),
    ]
    balance_residual: Annotated[float | list[float], Field(description="||B - lambda I||_F, like lambda.")]
    dims: list[int]
    seed: int | None
    task_seed: int | None = None
    version: str


class BalanceRequest(Request):
    """How balanced are these weights?"""

    weights: ChainedWeights


class BalanceReply(Reply):
    """One entry for each pair of adjacent layers."""

    key: str
    lam: Annotated[list[float], Field(alias="lambda", description="tr(B) / hidden, B = W_l+1^T W_l+1 - W_l W_l^T.")]
    residual: Annotated[list[float], Field(description="||B - lambda I||_F")]
    relative_residual: Annotated[list[float], Field(description="The residual over ||W_l||_F^2 + ||W_l+1||_F^2.")]
    balanced: Annotated[list[bool], Field(description="Whether that is at most the tolerance.")]
    feasible: Annotated[list[bool], Field(description="Whether weights of these widths can have this lambda.")]
    tolerance: float
    version: str


_Gains = Annotated[list[Positive], Field(min_length=1, max_length=2)]


class StatisticsRequest(Request):
    """How balanced are random weights of this scheme?"""

    dims: Annotated[tuple[Width, Width, Width], Field(description="Widths: in, hidden, out.")]
    scheme: Scheme
    gain: Annotated[
        _Gains,
        Field(description="Factor of the standard deviation: one, or one for each layer."),
        BeforeValidator(listed, json_schema_input_type=Positive | _Gains),
    ] = Field(default_factory=lambda: [1.0])
    samples: Annotated[int, Field(strict=True, ge=2, le=10_000_000, description="Draws of the weights."), FromNumpy] = (
        1000
    )
    seed: Seed = None


class Statistics(Reply):
    """Entry by entry, (hidden, hidden)."""

    mean: Any
    variance: Any


class BalanceTable(Reply):
    """Mean and variance of B as functions of k = hidden / in and r = out / in; null where a limit is unbounded."""

    k: float
    r: float
    mean_lambda: float
    variance_diagonal: float
    variance_off_diagonal: float
    limits: Annotated[dict[str, float | None], Field(description="Of the mean, for r and k to 0 and infinity.")]


class StatisticsReply(Reply):
    """Mean and variance of B = W2^T W2 - W1 W1^T, predicted and sampled."""

    key: str
    predicted: Statistics
    sampled: Statistics
    table: BalanceTable
    dims: list[int]
    scheme: str
    gain: list[float]
    samples: int
    seed: int | None
    version: str
