"""Sweeps: a request at every point of a grid."""

from math import prod
from typing import Annotated, Literal, get_args

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from lindyn.wire.base import JSONField, Positive, Request, TreeField
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
_MAX_INTEGER_BITS = 63  # all JSON encoders accept such integers


def _axis_values(value: Tree) -> Tree:
    """Return the values of an axis as a list."""
    portable = _with_portable_arrays(value)
    return portable.tolist() if isinstance(portable, np.ndarray) else portable


def _with_portable_arrays(value: "Tree | np.generic") -> Tree:
    """Convert the arrays in a tree to native types and row-major order, which encoders of JSON need.

    Floating-point numbers become doubles, because JSON of a narrower type has fewer digits.
    """
    match value:
        case dict():
            return {name: _with_portable_arrays(part) for name, part in value.items()}
        case list():
            return value if all(map(_is_portable, value)) else [_with_portable_arrays(item) for item in value]
        case np.ndarray() if value.dtype.kind in "fiu":
            native = np.dtype(np.float64) if value.dtype.kind == "f" else value.dtype.newbyteorder("=")
            with np.errstate(over="ignore"):  # validation of the point refuses infinity with its index
                array = np.array(value, native, order="C")
            return array if array.ndim else array.item()
        case np.ndarray():
            return value.tolist()
        case np.generic():
            return _with_portable_arrays(np.array(value))
        case int() if value.bit_length() > _MAX_INTEGER_BITS:
            return _as_float(value)
        case _:
            return value


def _is_portable(value: Tree) -> bool:
    return isinstance(value, float | str | bool) or (type(value) is int and value.bit_length() <= _MAX_INTEGER_BITS)


def _as_float(value: int) -> float:
    """Convert an integer that 64-bit JSON encoders refuse; computations use float64 anyway."""
    try:
        return float(value)
    except OverflowError:
        raise PydanticCustomError(
            "sweep", "got an integer of more than 300 digits, expected numbers up to 1e70"
        ) from None


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
        BeforeValidator(_with_portable_arrays),
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
