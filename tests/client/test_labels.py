"""Labels of classes: conversion to targets, and refusal of missing labels in any notation."""

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lindyn


def series(values: list[Any], dtype: str) -> pd.Series:
    return pd.Series(values, dtype=dtype)


NO_LABEL: dict[str, Any] = {
    "nan": [0.0, 1.0, np.nan],
    "nan in an array": np.array([0.0, np.nan]),
    "None": ["a", None],
    "None among numbers": [1, None],
    "None among objects": np.array([1, 2, None], dtype=object),
    "nan among text": ["a", np.nan],
    "nan as text": ["a", "nan"],
    "nan that numpy wrote": np.array(["a", np.nan]),
    "NA": ["a", pd.NA],
    "NA that pandas wrote": np.array(["a", "<NA>"]),
    "NA in integers": series([1, None], "Int64"),
    "NA in text": series(["a", None], "string"),
    "NA in flags": series([True, None], "boolean"),
    "no category": pd.Categorical(["a", "b", None]),
    "NaT": np.array(["2020", "NaT"], dtype="M8[ns]"),
    "NaT in a list": [pd.Timestamp("2020"), pd.NaT],
    "masked": np.ma.array([1, 2, 1], mask=[False, False, True]),
    "masked in a list": [1.0, np.ma.masked],
    "a masked row": [np.ma.array([1], mask=[True]), np.ma.array([2])],
    "column": np.array([[1.0], [np.nan]]),
    "Decimal": [Decimal(1), Decimal("NaN")],
}


@pytest.mark.parametrize("name", NO_LABEL)
def test_missing_labels_are_refused(name: str) -> None:
    with pytest.raises(
        lindyn.ArgumentError, match=r"^labels[^:]*: .*(no label|without a value|masked).*(leave|drop|fill)"
    ):
        lindyn.one_hot(NO_LABEL[name])


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ([1, "a"], "cannot be ordered .* make them all text, or all numbers"),
        (np.eye(2), "got 2 dimensions, expected one label for each sample"),
        ("abc", "got 0 dimensions"),
        ([[1], [2, 3]], "numpy cannot read this list"),
    ],
)
def test_invalid_labels_are_refused(labels: Any, says: str) -> None:
    with pytest.raises(lindyn.ArgumentError, match=f"^labels: {says}"):
        lindyn.one_hot(labels)


@pytest.mark.parametrize(
    "labels",
    [
        ["b", "a", "b"],
        np.array(["b", "a", "b"]),
        np.array(["b", "a", "b"], dtype=object),
        [1.5, -np.inf, 1.5],
        [True, False, True],
        series([2, 1, 2], "Int64"),
        series(["b", "a", "b"], "string"),
        pd.Categorical(["b", "a", "b"]),
        pd.DataFrame({"label": ["b", "a", "b"]}),
        np.array([[2], [1], [2]]),
        [np.int8(2), np.array(1), 2],
        ["b", "None", "b"],
        np.array(["2021", "2020", "2021"], dtype="M8[D]"),
    ],
    ids=repr,
)
def test_labels_of_many_kinds(labels: Any) -> None:
    assert lindyn.one_hot(labels).tolist() == [[0, 1], [1, 0], [0, 1]]
