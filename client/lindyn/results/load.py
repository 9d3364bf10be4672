"""Results from files."""

import json
from pathlib import Path
from typing import TypeAlias, cast

from lindyn._public import public
from lindyn.results.analysis import Analysis, analysis_from_document
from lindyn.results.comparison import COMPARISON, Comparison, comparison_from_parts
from lindyn.results.continual import Continual, continual_from_document
from lindyn.results.design import Design, design_from_document
from lindyn.results.documents import (
    Document,
    ensemble_from_document,
    sweep_result_from_document,
    trajectory_from_document,
    with_arrays,
)
from lindyn.results.ensemble import Ensemble, ensemble_from_parts
from lindyn.results.fit import FIT, Fit, fit_from_document, fit_from_parts
from lindyn.results.io import Parts, read
from lindyn.results.limits import Limits, limits_from_document
from lindyn.results.sweep import SweepResult, sweep_result_from_parts
from lindyn.results.trajectory import Trajectory, trajectory_from_parts
from lindyn.wire.asymptotics import LimitsReply
from lindyn.wire.balance import BalanceReply, InitializationReply, StatisticsReply
from lindyn.wire.base import Reply
from lindyn.wire.continual import ContinualReply
from lindyn.wire.design import DesignReply
from lindyn.wire.tree import arrays_from_lists, flatten, unflatten

Result: TypeAlias = Trajectory | Ensemble | SweepResult | Fit | Continual | Limits | Comparison | Design | Analysis

_ANALYSES = {
    "balance_residual": InitializationReply,
    "relative_residual": BalanceReply,
    "table": StatisticsReply,
}


@public
def load(
    path: str | Path,
) -> Trajectory | Ensemble | SweepResult | Fit | Continual | Limits | Comparison | Design | Analysis:
    """Read a result that was saved with its method `save`, or the body of a reply, npz or JSON.

    Arrays are those that were saved, bit for bit; only JSON has no infinity, and reads as NaN what was infinite.

    Args:
        path: ends with `.npz`, `.nc` (netCDF) or `.json`.

    Raises:
        ValueError: the name ends with none of these, or the file holds no result of lindyn.
        MissingLibraryError: netCDF needs xarray and h5netcdf.
    """
    path = Path(path)
    parts = _read_json(path) if path.suffix == ".json" else read(path)
    try:
        result = _result(parts) if isinstance(parts, tuple) else _result_of_document(parts)
    except Exception as error:  # a changed file can hold parts of any type
        raise ValueError(
            f"{path.name} was not saved by lindyn, or was changed since ({type(error).__name__}: {error})"
        ) from error
    if result is None:
        raise ValueError(f"{path.name} holds no trajectory and no other result of lindyn")
    return result


def _read_json(path: Path) -> Document:
    """Read a JSON object in UTF-8, UTF-16 or UTF-32.

    Raises:
        ValueError: the file holds none.
    """
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path.name} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ValueError(f"{path.name} holds a {type(document).__name__}, expected an object")
    return cast("Document", document)


def _result(parts: Parts) -> Result | None:
    metadata, arrays = parts
    if metadata.get("kind") == FIT and "ranking" in metadata:
        return fit_from_parts(metadata, arrays)
    if metadata.get("kind") == COMPARISON and "learning_rate" in metadata:
        return comparison_from_parts(metadata, arrays)
    if "segments" in metadata:
        return continual_from_document(unflatten(arrays, metadata))
    if "converged" in metadata:
        return limits_from_document(unflatten(arrays, metadata))
    if "solutions" in metadata:
        return design_from_document(unflatten(arrays, metadata))
    if _analysis_model(metadata) is not None:
        return analysis_from_document(unflatten(arrays, metadata))
    if "dims" in metadata and "coordinates" in metadata:
        return sweep_result_from_parts(metadata, arrays)
    if "replicates" in metadata and "times" in arrays:
        return ensemble_from_parts(metadata, arrays, "file")
    if "key" in metadata and "times" in arrays:
        return trajectory_from_parts(metadata, arrays, "file")
    return None


def _analysis_model(metadata: Document) -> type[Reply] | None:
    """Return the kind of an answer by the first field that only this kind has."""
    return next((model for name, model in _ANALYSES.items() if name in metadata), None)


def _result_of_document(document: Document) -> Result | None:
    if document.get("kind") == FIT and "ranking" in document:
        return fit_from_document(document)
    if document.get("kind") == COMPARISON and "learning_rate" in document:
        arrays = {name: arrays_from_lists(name, document[name]) for name in ("times", "losses")}
        return comparison_from_parts(document, flatten(arrays))
    if "segments" in document:
        return continual_from_document(with_arrays(ContinualReply, document))
    if "converged" in document:
        return limits_from_document(with_arrays(LimitsReply, document))
    if "solutions" in document:
        return design_from_document(with_arrays(DesignReply, document))
    analysis = _analysis_model(document)
    if analysis is not None:
        return analysis_from_document(with_arrays(analysis, document))
    if "data" in document and "coordinates" in document:
        return sweep_result_from_document(document)
    if "replicates" in document and "times" in document:
        return ensemble_from_document(document, "file")
    if "key" in document and "times" in document:
        return trajectory_from_document(document, "file")
    return None
