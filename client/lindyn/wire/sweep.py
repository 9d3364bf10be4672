"""Sweeps: a request at every point of a grid."""

from math import prod
from typing import Annotated, Literal, get_args

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from lindyn.wire.base import JSONField, Positive, Request, TreeField
from lindyn.wire.portable import with_portable_arrays
from lindyn.wire.trajectory import QUANTITIES, Quantity
from lindyn.wire.tree import Tree

Scalar = Literal[
    "final_loss",
    "convergence_time",
    "ntk_movement",
    "kernel_distance",
    "task_specificity_input",
    "task_specificity_output",
    "deviation",
]
SCALARS: tuple[Scalar, ...] = get_args(Scalar)
AT_ALL_TIMES: frozenset[Quantity] = frozenset(QUANTITIES).difference(SCALARS)
"""Quantities that a sweep collects at all times; `ntk_movement` is collected as the scalar at the last time."""

Collected = Literal[Scalar, Quantity]

MAX_POINTS = 100_000


def _axis_values(value: Tree) -> Tree:
    """Return the values of an axis as a list."""
    portable = with_portable_arrays(value)
    return portable.tolist() if isinstance(portable, np.ndarray) else portable


def _in_order(names: list[Collected]) -> list[Collected]:
    """Sort the names in the order of the contract, each once."""
    return [name for name in dict.fromkeys((*SCALARS, *QUANTITIES)) if name in names]


def _require_no_overlap(axes: "list[Axis]") -> "list[Axis]":
    for i, axis in enumerate(axes):
        for earlier in axes[:i]:
            first, second = f"{earlier.path}.", f"{axis.path}."
            if first.startswith(second) or second.startswith(first):
                raise PydanticCustomError(
                    "sweep",
                    "{second} overlaps {first}; axes must set different fields",
                    {"first": earlier.path, "second": axis.path},
                )
    return axes


class Axis(Request):
    """A path into the base request, and the values that the field there takes."""

    path: Annotated[
        str,
        Field(pattern=r"^[a-z_0-9]+(\.[a-z_0-9]+)*$", max_length=200, examples=["network.lambda", "network.seed"]),
    ]
    values: Annotated[list[JSONField], Field(min_length=1, max_length=MAX_POINTS), BeforeValidator(_axis_values)]


class SweepRequest(Request):
    """Request for a sweep: the base request at every point of the grid that the axes span."""

    base: Annotated[
        dict[str, TreeField],
        Field(description="Request for a trajectory; fields that the axes set may be missing."),
        BeforeValidator(with_portable_arrays),
    ]
    axes: Annotated[list[Axis], Field(min_length=1, max_length=8), AfterValidator(_require_no_overlap)]
    collect: Annotated[
        list[Collected],
        Field(min_length=1, max_length=40, description="Scalars at the last time, or quantities at all times."),
        AfterValidator(_in_order),
    ] = Field(default_factory=lambda: ["final_loss"])
    tolerance: Annotated[Positive, Field(description="Excess loss that defines convergence_time.")] = 1e-3

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values along each axis."""
        return tuple(len(axis.values) for axis in self.axes)

    @property
    def n_points(self) -> int:
        """Number of points of the grid."""
        return prod(self.shape)
