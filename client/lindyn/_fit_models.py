"""Free parameters of fits in short form, and ready-made models."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
from pydantic import BaseModel

from lindyn.errors import ArgumentError
from lindyn.wire.wording import with_choices

Fields: TypeAlias = Mapping[str, object]

LAZY_LAMBDA = 50.0
"""Magnitude of lambda of the ready-made model `lazy`, far above singular values of a few."""

READY_MADE = ("rich", "lazy", "shallow")


def free_fields(free: Mapping[str, Sequence[float] | Fields] | Sequence[Fields]) -> list[Fields]:
    """Return the fields of free parameters; a pair of bounds stands for a parameter on the fitting scale."""
    if not isinstance(free, Mapping):
        return list(free)
    return [{"path": path, **_parameter(each)} for path, each in free.items()]


def _parameter(value: Sequence[float] | Fields) -> Fields:
    if isinstance(value, Mapping):
        return value
    bounds = np.asarray(value)
    are_positive = bounds.dtype.kind in "fiu" and bool(np.all(bounds > 0))
    return {"bounds": bounds.tolist(), "scale": "log" if are_positive else "linear"}


def model_fields(model: str | Fields, base: Fields) -> Fields:
    """Return the fields of a model, of a ready-made one by its name.

    Raises:
        ArgumentError: there is no such ready-made model, or the base network is of a kind that it does not fit.
    """
    if not isinstance(model, str):
        return model
    if model not in READY_MADE:
        raise ArgumentError(with_choices(f"models: got {model!r}", model, READY_MADE, "ready-made are"))
    is_request = isinstance(base, Mapping)  # pyright: ignore[reportUnnecessaryIsInstance] (callers without types)
    network: Any = base.get("network") if is_request else None
    fields: Any = network.model_dump(by_alias=True) if isinstance(network, BaseModel) else network
    n_in, n_hidden, n_out = _dims(model, fields)
    if model == "rich":
        return {"name": model, "set": {"network.lambda": 0.0}}
    if model == "lazy":
        return {"name": model, "set": {"network.lambda": LAZY_LAMBDA if n_hidden <= n_out else -LAZY_LAMBDA}}
    layer = np.zeros((n_out, n_in)).tolist()
    return {"name": model, "set": {"network": {"kind": "weights", "weights": [layer]}}}


def with_ready_made_models(document: Fields) -> Fields:
    """Return a JSON document with the fields of the models that it names, where its network has widths.

    Raises:
        ArgumentError: as for `model_fields`.
    """
    models, base = document.get("models"), document.get("base")
    network: Any = cast("Fields", base).get("network") if isinstance(base, Mapping) else None
    widths: Any = cast("Fields", network).get("dims") if isinstance(network, Mapping) else None
    is_known = isinstance(widths, list) and all(isinstance(width, int) for width in cast("list[object]", widths))
    if not isinstance(models, list) or not is_known:
        return document
    named = cast("list[Any]", models)
    fields = [model_fields(each, cast("Fields", base)) if isinstance(each, str) else each for each in named]
    return {**document, "models": fields}


def _dims(model: str, network: object) -> tuple[int, int, int]:
    fields: Mapping[str, Any] = cast("Mapping[str, Any]", network) if isinstance(network, Mapping) else {}
    kind, dims = fields.get("kind"), fields.get("dims")
    try:
        widths = [int(width) for width in dims or ()]
    except (TypeError, ValueError):
        widths = []
    if kind != "balanced" or len(widths) != 3:
        raise ArgumentError(
            f"models: got {model!r}, which is made from a balanced network, and a network of kind {kind!r}; give the "
            "fields of the model instead, name and set"
        )
    n_in, n_hidden, n_out = widths
    return n_in, n_hidden, n_out
