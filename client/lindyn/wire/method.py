"""How the learning is computed."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# (unvalidated input)

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from lindyn.wire.base import FromNumpy, Positive, Request
from lindyn.wire.validation_messages import FORM

Activation = Literal["linear", "relu", "tanh"]

_Tolerance = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=1e-13, le=1e-2), FromNumpy]


class AutoMethod(Request):
    """The closed form where it applies, else the flow; the answer says why."""

    kind: Literal["auto"]


class ExactMethod(Request):
    """The closed form: two layers, isotropic inputs, balanced weights."""

    kind: Literal["exact"]


class FlowMethod(Request):
    """Adaptive integration of the gradient flow of any linear network, by default with errors below 1e-9."""

    kind: Literal["flow"]
    rtol: Annotated[_Tolerance, Field(description="Bound of the error of a step, relative.")] = 1e-13
    atol: Annotated[
        Positive | None,
        Field(description="The same in units of the weights; null: rtol times the largest initial weight."),
    ] = None


class DescentMethod(Request):
    """Discrete full-batch training: times are learning_rate x step, layers move by learning_rate / tau x gradient."""

    kind: Literal["descent"]
    learning_rate: Positive
    activation: Annotated[
        Activation, Field(description="Of the hidden layers; others than linear need a task with samples.")
    ] = "linear"


_KindOfMethod = Annotated[AutoMethod | ExactMethod | FlowMethod | DescentMethod, Field(discriminator="kind")]

METHODS: tuple[str, ...] = ("auto", "exact", "flow", "descent")


def _by_name(value: Any) -> Any:  # noqa: ANN401 (unvalidated input)
    """A name is short for the method of that kind with its defaults."""
    if isinstance(value, str):
        return {"kind": value}
    if isinstance(value, dict | Request):
        return value
    raise PydanticCustomError(FORM, "expected 'auto', 'exact', 'flow' or an object")


Method = Annotated[
    _KindOfMethod,
    BeforeValidator(_by_name, json_schema_input_type=_KindOfMethod | Literal["auto", "exact", "flow"]),
]
