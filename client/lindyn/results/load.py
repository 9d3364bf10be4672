"""Results from files."""

from pathlib import Path

from lindyn._public import public
from lindyn.results.continual import Continual, continual_from_document
from lindyn.results.ensemble import Ensemble, ensemble_from_parts
from lindyn.results.fit import FIT, Fit, fit_from_parts
from lindyn.results.io import Parts, read
from lindyn.results.limits import Limits, limits_from_document
from lindyn.results.sweep import SweepResult, sweep_result_from_parts
from lindyn.results.trajectory import Trajectory, trajectory_from_parts
from lindyn.wire.tree import unflatten


@public
def load(path: str | Path) -> Trajectory | Ensemble | SweepResult | Fit | Continual | Limits:
    """Read a result that was saved with its method `save`, or the npz body of a reply.

    Args:
        path: ends with `.npz` or `.nc` (netCDF).

    Raises:
        ValueError: the name ends with neither, or the file holds no result of lindyn.
        MissingLibraryError: netCDF needs xarray and h5netcdf.
    """
    path = Path(path)
    parts = read(path)
    try:
        result = _result(parts)
    except Exception as error:  # a changed file can hold parts of any type
        raise ValueError(
            f"{path.name} was not saved by lindyn, or was changed since ({type(error).__name__}: {error})"
        ) from error
    if result is None:
        raise ValueError(f"{path.name} holds no trajectory and no other result of lindyn")
    return result


def _result(parts: Parts) -> Trajectory | Ensemble | SweepResult | Fit | Continual | Limits | None:
    metadata, arrays = parts
    if metadata.get("kind") == FIT and "ranking" in metadata:
        return fit_from_parts(metadata, arrays)
    if "segments" in metadata:
        return continual_from_document(unflatten(arrays, metadata))
    if "converged" in metadata:
        return limits_from_document(unflatten(arrays, metadata))
    if "dims" in metadata and "coordinates" in metadata:
        return sweep_result_from_parts(metadata, arrays)
    if "replicates" in metadata and "times" in arrays:
        return ensemble_from_parts(metadata, arrays, "file")
    if "key" in metadata and "times" in arrays:
        return trajectory_from_parts(metadata, arrays, "file")
    return None
