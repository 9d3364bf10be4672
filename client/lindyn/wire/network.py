"""Which network is trained, and from which weights."""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from lindyn.wire.array import FloatArray, Matrix
from lindyn.wire.base import Flag, Number, Positive, Request, Seed, Width


def _chained(weights: list[FloatArray]) -> list[FloatArray]:
    for i, (first, second) in enumerate(pairwise(weights)):
        if second.shape[1] != first.shape[0]:
            raise PydanticCustomError(
                "widths",
                "matrix {j} takes {got} inputs but matrix {i} has {allowed} outputs; widths must chain",
                {"i": i, "j": i + 1, "got": second.shape[1], "allowed": first.shape[0]},
            )
    return weights


class WeightsNetwork(Request):
    """Given weights [W1, W2, ...], first layer first; W1 is (hidden, in)."""

    kind: Literal["weights"]
    weights: Annotated[
        list[Matrix],
        Field(min_length=2, max_length=64, examples=[[[[0.5, 0.0], [0.0, 0.5]], [[0.5, 0.0], [0.0, 0.5]]]]),
        AfterValidator(_chained),
    ]

    @property
    def dims(self) -> tuple[int, ...]:
        """Widths, input first."""
        return (self.weights[0].shape[1], *(w.shape[0] for w in self.weights))


class BalancedNetwork(Request):
    """Random weights with W2^T W2 - W1 W1^T = lambda I."""

    kind: Literal["balanced"]
    dims: Annotated[
        tuple[Width, Width, Width],
        Field(description="Widths: in, hidden, out. lambda > 0 needs hidden <= out, lambda < 0 hidden <= in."),
    ]
    lam: Annotated[Number, Field(alias="lambda", description="Balance, in squared units of the weights; 0 is rich.")]
    scale: Annotated[Positive, Field(description="Standard deviation of the Gaussian draw.")] = 1.0
    aligned: Annotated[Flag, Field(description="Take the singular vectors from the task.")] = False
    seed: Seed = None


Network = Annotated[WeightsNetwork | BalancedNetwork, Field(discriminator="kind")]
