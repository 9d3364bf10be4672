"""Labels of classes. Missing labels are refused, because numpy would treat them as another class."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# (labels of any type)

from collections.abc import Sequence
from numbers import Integral

import numpy as np
import numpy.typing as npt

from lindyn.arrays import is_missing, read_array, refusals_named
from lindyn.errors import ArgumentError
from lindyn.wire.tree import Array

_MISSING_AS_TEXT = ("nan", "NaT", "<NA>")  # numpy and pandas convert missing values in text to these


def class_indices(name: str, labels: object) -> tuple[Array, npt.NDArray[np.intp]]:
    """Return the classes in ascending order, and the index of each sample's class.

    Args:
        name: name of the argument in errors.
        labels: (samples,) or (samples, 1), of any library.

    Raises:
        ArgumentError: a label is missing, the shape is invalid, or the labels cannot be ordered.
    """
    array = _entries(name, labels)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ArgumentError(f"{name}: got {array.ndim} dimensions, expected one label for each sample")
    missing = [i for i, label in enumerate(array.tolist()) if _is_missing_label(label)]
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


def _is_missing_label(label: object) -> bool:
    return is_missing(label) or (isinstance(label, str) and label in _MISSING_AS_TEXT)


def look_like_labels(name: str, targets: object) -> bool:
    """Return whether targets are one name or one integer for each sample.

    Raises:
        ArgumentError: entries are masked or missing.
    """
    with refusals_named(name):
        array = read_array(targets)
    if array.ndim != 1 or array.dtype.kind in "f":
        return False
    present = [entry for entry in array.tolist() if not is_missing(entry)]
    return all(isinstance(entry, str | Integral) for entry in present)


def _entries(name: str, labels: object) -> Array:
    """Convert labels to an array, where numbers in mixed labels remain numbers; numpy would convert them to text."""
    with refusals_named(name):
        array = read_array(labels)
    mixed = array.dtype.kind == "U" and isinstance(labels, Sequence)
    return np.asarray(labels, dtype=object) if mixed else array
