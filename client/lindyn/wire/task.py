"""What the network is trained on."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# (JSON has no static types)

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from lindyn.wire.array import Matrix, Vector
from lindyn.wire.base import Flag, FromNumpy, NonNegative, Request, Seed


class CorrelationTask(Request):
    """Second moments of the data; white inputs unless sigma_xx is given."""

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
    """Gaussian targets on exactly white Gaussian inputs; widths from the network."""

    kind: Literal["regression"]
    samples: Annotated[int, Field(strict=True, ge=1, le=10_000_000), FromNumpy]
    seed: Seed = None


class SemanticTask(Request):
    """The hierarchy of 2^levels items with one unit input each."""

    kind: Literal["semantic"]
    levels: Annotated[int, Field(strict=True, ge=1, le=12), FromNumpy] = 3


class SpectrumTask(Request):
    """White inputs, random singular vectors and these singular values; zeros for the rest."""

    kind: Literal["spectrum"]
    singular_values: Annotated[Vector, Field(description="Non-negative.", examples=[[3.0, 2.0, 1.0]])]
    seed: Seed = None


def _bare_matrix(value: Any) -> Any:  # noqa: ANN401 (unvalidated input)
    """A bare matrix is short for a correlation task."""
    if isinstance(value, list | tuple | np.ndarray):
        return {"kind": "correlation", "sigma_yx": value}
    return value


_KindOfTask = Annotated[
    CorrelationTask | DataTask | RegressionTask | SemanticTask | SpectrumTask, Field(discriminator="kind")
]

Task = Annotated[_KindOfTask, BeforeValidator(_bare_matrix, json_schema_input_type=_KindOfTask | Matrix)]
