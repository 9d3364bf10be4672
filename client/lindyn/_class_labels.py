"""Labels of classes. Each needs a value: what is missing would become a class of its own."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# (labels of any type)

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt

from lindyn.arrays import Array, is_missing, naming, read
from lindyn.errors import ArgumentError

_MISSING_AS_TEXT = ("nan", "NaT", "<NA>")  # what numpy and pandas make of missing values among text


def ordered(name: str, labels: Any) -> tuple[Array, npt.NDArray[np.intp]]:  # noqa: ANN401 (of any library)
    """Classes in ascending order, and the place of each sample's class among them.

    Raises:
        ArgumentError: a sample has no label, there is not one for each, or they cannot be ordered.
    """
    array = _entries(name, labels)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ArgumentError(f"{name}: got {array.ndim} dimensions, expected one label for each sample")
    missing = [i for i, label in enumerate(array.tolist()) if _is_no_label(label)]
    if missing:
        raise ArgumentError(
            f"{name}: got {array[missing[0]]!r} at [{missing[0]}], which is no label ({len(missing)} of {len(array)} "
            "samples have none); leave these samples out, or give them a class"
        )
    try:
        classes, index = np.unique(array, return_inverse=True)
    except TypeError as error:
        raise ArgumentError(f"{name}: cannot be ordered ({error}); make them all text, or all numbers") from None
    return classes, index


def _is_no_label(label: object) -> bool:
    return is_missing(label) or (isinstance(label, str) and label in _MISSING_AS_TEXT)


def look_like_labels(name: str, targets: Any) -> bool:  # noqa: ANN401 (of any library)
    """Whether targets are one name or one integer for each sample.

    Raises:
        ArgumentError: entries are masked or missing.
    """
    with naming(name):
        array = read(targets)
    if array.ndim != 1 or array.dtype.kind in "f":
        return False
    given = [entry for entry in array.tolist() if not is_missing(entry)]
    return all(isinstance(entry, str | Integral) for entry in given)


def _entries(name: str, labels: Any) -> Array:  # noqa: ANN401 (of any library)
    """The labels as an array; numbers among text stay numbers, which numpy would write out."""
    with naming(name):
        array = read(labels)
    mixed = array.dtype.kind == "U" and isinstance(labels, Sequence)
    return np.asarray(labels, dtype=object) if mixed else array
