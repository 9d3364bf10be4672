"""Sweeps: one request at every point of a grid."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# (JSON has no static types)

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


def _plain(value: Any) -> Any:  # noqa: ANN401 (unvalidated input)
    plain = _with_plain_arrays(value)
    return plain.tolist() if isinstance(plain, np.ndarray) else plain


def _with_plain_arrays(value: Any) -> Any:  # noqa: ANN401 (unvalidated input)
    """Arrays inside as everything that reads them takes them: of this machine's types, the last index fastest."""
    match value:
        case dict():
            return {name: _with_plain_arrays(part) for name, part in value.items()}
        case list() if any(isinstance(item, dict | list | np.ndarray) for item in value):
            return [_with_plain_arrays(item) for item in value]
        case np.ndarray() if value.dtype.kind in "fiu":
            native = np.dtype(np.float64) if value.dtype.itemsize > 8 else value.dtype.newbyteorder("=")
            with np.errstate(over="ignore"):  # what becomes infinite is named later
                array = np.array(value, native, order="C")
            return array if array.ndim else array.item()
        case np.ndarray():
            return value.tolist()
        case _:
            return value


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
