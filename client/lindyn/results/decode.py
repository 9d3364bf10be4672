"""Decoding of replies, npz or JSON, to results."""

from collections.abc import Callable
from typing import TypeVar

import httpx
from pydantic_core import from_json

from lindyn.results.documents import (
    Document,
    ensemble_from_document,
    sweep_result_from_document,
    trajectory_from_document,
    with_arrays,
)
from lindyn.results.ensemble import Ensemble, ensemble_from_parts
from lindyn.results.fit import FIT, Fit, fit_from_document, fit_from_parts
from lindyn.results.io import unpack
from lindyn.results.sweep import SweepResult, sweep_result_from_parts
from lindyn.results.trajectory import Trajectory, trajectory_from_parts
from lindyn.wire.base import JSON_MEDIA_TYPE, Reply
from lindyn.wire.tree import Tree, unflatten

T = TypeVar("T")


def read_trajectory(response: httpx.Response) -> Trajectory:
    """Decode a trajectory response."""
    cache = response.headers.get("X-Cache", "unknown")
    if _is_json(response):
        return trajectory_from_document(from_json(response.content), cache)
    return trajectory_from_parts(*unpack(response.content), cache)


def read_ensemble(response: httpx.Response) -> Ensemble:
    """Decode an ensemble response."""
    cache = response.headers.get("X-Cache", "unknown")
    if _is_json(response):
        return ensemble_from_document(from_json(response.content), cache)
    return ensemble_from_parts(*unpack(response.content), cache)


def read_result(response: httpx.Response) -> SweepResult | Fit:
    """Decode the result of a job."""
    if _is_json(response):
        document: Document = from_json(response.content)
        return fit_from_document(document) if document.get("kind") == FIT else sweep_result_from_document(document)
    metadata, arrays = unpack(response.content)
    return (
        fit_from_parts(metadata, arrays) if metadata.get("kind") == FIT else sweep_result_from_parts(metadata, arrays)
    )


def analysis_reader(model: type[Reply], build: Callable[[dict[str, Tree]], T]) -> Callable[[httpx.Response], T]:
    """Return the decoder of replies that this model describes, which builds results of documents with arrays."""

    def read_analysis(response: httpx.Response) -> T:
        if _is_json(response):
            return build(with_arrays(model, from_json(response.content)))
        metadata, arrays = unpack(response.content)
        return build(unflatten(arrays, metadata))

    return read_analysis


def _is_json(response: httpx.Response) -> bool:
    return response.headers.get("Content-Type", "").partition(";")[0].strip() == JSON_MEDIA_TYPE
