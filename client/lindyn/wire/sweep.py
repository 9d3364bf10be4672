"""Sweeps: one request at every point of a grid."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# (JSON has no static types)

from math import prod
from typing import Annotated, Any, Literal, get_args

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from lindyn.wire.base import Positive, Request
from lindyn.wire.trajectory import QUANTITIES, Quantity

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
Collected = Literal[Scalar, Quantity]

MOST_POINTS = 100_000
_WIDEST_BITS = 63  # of an integer that every encoder of JSON takes


def _plain(value: Any) -> Any:  # noqa: ANN401 (unvalidated input)
    plain = _with_plain_arrays(value)
    return plain.tolist() if isinstance(plain, np.ndarray) else plain


def _with_plain_arrays(value: Any) -> Any:  # noqa: ANN401 (unvalidated input)
    """Arrays inside as everything that reads them takes them: of this machine's types, the last index fastest.

    Floating-point numbers become doubles, as everywhere else: of smaller ones, JSON would have the shortest digits.
    """
    match value:
        case dict():
            return {name: _with_plain_arrays(part) for name, part in value.items()}
        case list():
            return value if all(map(_is_plain, value)) else [_with_plain_arrays(item) for item in value]
        case np.ndarray() if value.dtype.kind in "fiu":
            native = np.dtype(np.float64) if value.dtype.kind == "f" else value.dtype.newbyteorder("=")
            with np.errstate(over="ignore"):  # what becomes infinite is named later
                array = np.array(value, native, order="C")
            return array if array.ndim else array.item()
        case np.ndarray():
            return value.tolist()
        case np.generic():
            return _with_plain_arrays(np.array(value))
        case int() if value.bit_length() > _WIDEST_BITS:
            return _as_float(value)
        case _:
            return value


def _is_plain(value: Any) -> bool:  # noqa: ANN401 (unvalidated input)
    return isinstance(value, float | str | bool) or (type(value) is int and value.bit_length() <= _WIDEST_BITS)


def _as_float(value: int) -> float:
    """A number beyond what JSON of 64 bits holds as what computes with it anyway."""
    try:
        return float(value)
    except OverflowError:
        raise PydanticCustomError(
            "sweep", "got an integer of more than 300 digits, expected numbers up to 1e70"
        ) from None


def _in_order(names: list[Collected]) -> list[Collected]:
    """Each once, in the order of the contract."""
    return [name for name in (*SCALARS, *QUANTITIES) if name in names]


def _apart(axes: "list[Axis]") -> "list[Axis]":
    for i, axis in enumerate(axes):
        for earlier in axes[:i]:
            first, second = f"{earlier.path}.", f"{axis.path}."
            if first.startswith(second) or second.startswith(first):
                raise PydanticCustomError(
                    "sweep",
                    "{second} overlaps {first}; each axis needs a place of its own",
                    {"first": earlier.path, "second": axis.path},
                )
    return axes


class Axis(Request):
    """A place in the base request, and the values that it takes."""

    path: Annotated[
        str,
        Field(pattern=r"^[a-z_0-9]+(\.[a-z_0-9]+)*$", max_length=200, examples=["network.lambda", "network.seed"]),
    ]
    values: Annotated[list[Any], Field(min_length=1, max_length=MOST_POINTS), BeforeValidator(_plain)]


class SweepRequest(Request):
    """The base request with the values of the axes put in, at every point of their grid."""

    base: Annotated[
        dict[str, Any],
        Field(description="A request for a trajectory; the axes may complete it."),
        BeforeValidator(_with_plain_arrays),
    ]
    axes: Annotated[list[Axis], Field(min_length=1, max_length=8), AfterValidator(_apart)]
    collect: Annotated[
        list[Collected],
        Field(min_length=1, max_length=40, description="Scalars at the last time, or quantities at all times."),
        AfterValidator(_in_order),
    ] = Field(default_factory=lambda: ["final_loss"])
    tolerance: Annotated[Positive, Field(description="Excess loss that convergence_time waits for.")] = 1e-3

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values along each axis."""
        return tuple(len(axis.values) for axis in self.axes)

    @property
    def n_points(self) -> int:
        """Number of points of the grid."""
        return prod(self.shape)
