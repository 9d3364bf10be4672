"""Tasks that a network is trained on."""

from typing import Annotated, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from lindyn.wire.array import Matrix, Vector
from lindyn.wire.base import Flag, FromNumpy, NonNegative, Request, Seed
from lindyn.wire.tree import Tree


class CorrelationTask(Request):
    """Second moments of the data; the inputs are white unless sigma_xx is given."""

    kind: Literal["correlation"]
    sigma_yx: Annotated[Matrix, Field(description="Y X^T / P, (out, in).", examples=[[[3.0, 0.0], [0.0, 1.0]]])]
    sigma_xx: Annotated[Matrix | None, Field(description="X X^T / P, (in, in); null: the identity.")] = None
    sigma_yy_trace: Annotated[
        NonNegative | None, Field(description="Trace of Y Y^T / P, for the irreducible loss.")
    ] = None


class DataTask(Request):
    """Training data; rows are samples."""

    kind: Literal["data"]
    inputs: Annotated[Matrix, Field(description="(samples, in)", examples=[[[1.0, 0.0], [0.0, 1.0]]])]
    targets: Annotated[Matrix, Field(description="(samples, out)", examples=[[[1.0, 0.0], [0.0, 2.0]]])]
    whiten: Annotated[Flag, Field(description="Replace inputs x by sigma_xx^(-1/2) x on their span (not centred).")]


class RegressionTask(Request):
    """Gaussian targets on exactly white Gaussian inputs; the widths are those of the network."""

    kind: Literal["regression"]
    samples: Annotated[int, Field(strict=True, ge=1, le=10_000_000), FromNumpy]
    seed: Seed = None


class SemanticTask(Request):
    """The semantic hierarchy of 2^levels items with one-hot inputs."""

    kind: Literal["semantic"]
    levels: Annotated[int, Field(strict=True, ge=1, le=12), FromNumpy] = 3


class SpectrumTask(Request):
    """White inputs, random singular vectors and these singular values; the remaining ones are zero."""

    kind: Literal["spectrum"]
    singular_values: Annotated[Vector, Field(description="Non-negative.", examples=[[3.0, 2.0, 1.0]])]
    seed: Seed = None


def _expand_matrix(value: Tree) -> Tree:
    """Expand a bare matrix to the correlation task that it abbreviates."""
    if isinstance(value, list | tuple | np.ndarray):
        return {"kind": "correlation", "sigma_yx": value}
    return value


_KindOfTask = Annotated[
    CorrelationTask | DataTask | RegressionTask | SemanticTask | SpectrumTask, Field(discriminator="kind")
]

Task = Annotated[_KindOfTask, BeforeValidator(_expand_matrix, json_schema_input_type=_KindOfTask | Matrix)]
