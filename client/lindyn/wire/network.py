"""Networks and their initial weights."""

from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from lindyn.wire.array import FloatArray, Matrix
from lindyn.wire.base import Flag, NonNegative, Number, Positive, Request, Seed, Width
from lindyn.wire.tree import Tree

TRANSPOSED = "transposed? W1 is (hidden, in) as in torch"

Scheme = Literal["lecun", "glorot", "he", "scaled", "normal", "torch"]


def as_list(value: Tree) -> Tree:
    """Return a list as it is, and a number as a list of one entry."""
    plain: Tree = value.tolist() if isinstance(value, np.ndarray) else value
    return plain if isinstance(plain, list | tuple) else [plain]


def _require_chained(weights: list[FloatArray]) -> list[FloatArray]:
    for i, (first, second) in enumerate(pairwise(weights)):
        if second.shape[1] != first.shape[0]:
            raise PydanticCustomError(
                "widths",
                "matrix {j} takes {got} inputs but matrix {i} has {allowed} outputs; widths must chain{hint}",
                {
                    "i": i,
                    "j": i + 1,
                    "got": second.shape[1],
                    "allowed": first.shape[0],
                    "hint": f"; {TRANSPOSED}" if _chain_transposed(weights) else "",
                },
            )
    return weights


def _chain_transposed(weights: list[FloatArray]) -> bool:
    return all(first.shape[1] == second.shape[0] for first, second in pairwise(weights))


def _three_widths_of(kind: str) -> BeforeValidator:
    def require_three(dims: Tree) -> Tree:
        number = len(dims) if isinstance(dims, list | tuple) or (isinstance(dims, np.ndarray) and dims.ndim) else 3
        if number != 3:
            raise PydanticCustomError(
                "widths",
                "got {got}, a {kind} network has three (in, hidden, out); use kind 'random' for other depths",
                {"got": "1 width" if number == 1 else f"{number} widths", "kind": kind},
            )
        return dims

    return BeforeValidator(require_three)


def _seed_of_start(seed: int | None, info: ValidationInfo) -> int | None:
    return 0 if seed is None and info.data.get("start") == "zero" else seed


_EXAMPLES = [[[[0.5, 0.0], [0.0, 0.5]], [[0.5, 0.0], [0.0, 0.5]]]]

ChainedWeights = Annotated[
    list[Matrix], Field(min_length=1, max_length=64, examples=_EXAMPLES), AfterValidator(_require_chained)
]
SeveralWeights = Annotated[
    list[Matrix], Field(min_length=2, max_length=64, examples=_EXAMPLES), AfterValidator(_require_chained)
]


def _require_one_for_each_layer(gain: list[float], info: ValidationInfo) -> list[float]:
    layers = len(info.data.get("dims", ())) - 1
    if len(gain) > 1 and layers > 0 and len(gain) != layers:
        raise PydanticCustomError(
            "widths",
            "got {got} entries and a network of {layers}; give one for each, or one number",
            {"got": len(gain), "layers": "1 layer" if layers == 1 else f"{layers} layers"},
        )
    return gain


class WeightsNetwork(Request):
    """The given weights [W1, W2, ...], first layer first; W1 is (hidden, in)."""

    kind: Literal["weights"]
    weights: ChainedWeights

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
        _three_widths_of("balanced"),
    ]
    lam: Annotated[Number, Field(alias="lambda", description="Balance, in squared units of the weights; 0 is rich.")]
    scale: Annotated[Positive, Field(description="Standard deviation of the Gaussian draw.")] = 1.0
    aligned: Annotated[
        Flag,
        Field(
            description="Take the singular vectors from the task; those that the task does not determine are random."
        ),
    ] = False
    seed: Seed = None


_Gains = Annotated[list[NonNegative], Field(min_length=1, max_length=64)]
_GainOfWeights = Annotated[
    _Gains,
    Field(description="Factor of the standard deviation: one, or one for each layer."),
    BeforeValidator(as_list, json_schema_input_type=NonNegative | _Gains),
    AfterValidator(_require_one_for_each_layer),
]
_SchemeOfWeights = Annotated[
    Scheme,
    Field(
        description="Variance over gain^2: lecun and scaled 1/fan_in, glorot 2/(fan_in + fan_out), he 2/fan_in, normal "
        "1, torch 1/(3 fan_in). Entries are Gaussian, those of torch uniform, as of torch.nn.Linear."
    ),
]


class RandomNetwork(Request):
    """Independent weights of any depth, whose variance the scheme determines."""

    kind: Literal["random"]
    dims: Annotated[list[Width], Field(min_length=2, max_length=65, description="Widths, input first.")]
    scheme: _SchemeOfWeights
    gain: _GainOfWeights = Field(default_factory=lambda: [1.0])
    seed: Seed = None

    @property
    def gains(self) -> list[float]:
        """One gain for each layer."""
        return self.gain if len(self.gain) > 1 else self.gain * (len(self.dims) - 1)


class WideNetwork(Request):
    """Limit of two layers of independent weights whose hidden layer is much wider than inputs and outputs together."""

    kind: Literal["wide"]
    dims: Annotated[tuple[Width, Width, Width], Field(description="Widths: in, hidden, out."), _three_widths_of("wide")]
    scheme: _SchemeOfWeights
    gain: _GainOfWeights = Field(default_factory=lambda: [1.0])
    start: Annotated[
        Literal["zero", "drawn"],
        Field(
            description="Network function at time 0: zero, the mean over all draws, or that of the layers that kind "
            "random draws with the same fields."
        ),
    ] = "zero"
    seed: Annotated[
        Seed,
        Field(description="Of the drawn layers; omitted: drawn and returned, 0 for start zero."),
        AfterValidator(_seed_of_start),
    ] = Field(default=None, validate_default=True)

    @property
    def gains(self) -> list[float]:
        """One gain for each layer."""
        return self.gain if len(self.gain) > 1 else self.gain * 2


Network = Annotated[WeightsNetwork | BalancedNetwork | RandomNetwork | WideNetwork, Field(discriminator="kind")]
