"""Methods that compute a trajectory."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SerializerFunctionWrapHandler, model_serializer
from pydantic_core import PydanticCustomError

from lindyn.wire.base import FromNumpy, Positive, Request
from lindyn.wire.tree import Tree
from lindyn.wire.validation_messages import FORM

Activation = Literal["linear", "relu", "tanh"]

_Tolerance = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=1e-13, le=1e-2), FromNumpy]


class AutoMethod(Request):
    """The closed form where it applies, else the flow; the reply gives the reason."""

    kind: Literal["auto"]


class ExactMethod(Request):
    """The closed form for two layers, isotropic inputs and balanced weights."""

    kind: Literal["exact"]


class FlowMethod(Request):
    """Adaptive integration of the gradient flow of any linear network, by default with errors below 1e-9."""

    kind: Literal["flow"]
    rtol: Annotated[_Tolerance, Field(description="Bound of the relative error of a step.")] = 1e-13
    atol: Annotated[
        Positive | None,
        Field(
            description="Bound of the absolute error of a step, in units of the weights; null: rtol times the largest "
            "initial weight."
        ),
    ] = None
    step: Annotated[
        Positive | None,
        Field(
            description="eta: integrate the flow of L + (eta / 4) ||grad L||^2, which gradient descent with learning "
            "rate eta follows to second order; null: that of L."
        ),
    ] = None

    @model_serializer(mode="wrap")
    def _without_step(self, serialise: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Leave out a step of null, so that such requests keep their content address."""
        return {name: value for name, value in serialise(self).items() if name != "step" or value is not None}


class DescentMethod(Request):
    """Full-batch gradient descent: times are learning_rate x step, and a step is learning_rate / tau x gradient."""

    kind: Literal["descent"]
    learning_rate: Positive
    activation: Annotated[
        Activation,
        Field(description="Activation of the hidden layers; any other than linear needs a task with samples."),
    ] = "linear"


_KindOfMethod = Annotated[AutoMethod | ExactMethod | FlowMethod | DescentMethod, Field(discriminator="kind")]

METHODS: tuple[str, ...] = ("auto", "exact", "flow", "descent")


def _expand_name(value: "Tree | Request") -> "Tree | Request":
    """Expand a name to the method of that kind with its default values."""
    if isinstance(value, str):
        return {"kind": value}
    if isinstance(value, dict | Request):
        return value
    raise PydanticCustomError(FORM, "expected 'auto', 'exact', 'flow' or an object")


Method = Annotated[
    _KindOfMethod,
    BeforeValidator(_expand_name, json_schema_input_type=_KindOfMethod | Literal["auto", "exact", "flow"]),
]
