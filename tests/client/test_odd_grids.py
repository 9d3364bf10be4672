"""Files and tables of results whose axes and arrays are named oddly, or have no values."""

import re

import numpy as np
import pytest
from scipy.io import loadmat

import lindyn

METADATA = {"kind": "sweep", "version": "1", "job": "j"}
TIMES = np.linspace(0, 1, 3)


def result(coordinates, **data) -> lindyn.SweepResult:
    dims = {name: tuple(coordinates) for name in data}
    return lindyn.SweepResult(coordinates, dims, data, [], [], METADATA)


def test_names_in_files_for_matlab_are_those_that_it_allows(tmp_path):
    names = ("a-b", "a_b", "λ", "1st", "x" * 70, "x" * 80)
    found = result({"time": TIMES}, **{name: TIMES + i for i, name in enumerate(names)})
    data = loadmat(found.save(tmp_path / "x.mat"), simplify_cells=True)["data"]
    assert len(data) == len(names)
    for name in data:
        assert re.fullmatch("[A-Za-z][A-Za-z0-9_]{0,62}", name)
    assert {values[0] for values in data.values()} == set(range(len(names)))


def test_an_axis_without_values_is_shown_and_tabulated(tmp_path):
    empty = result({"x": np.zeros(0)}, y=np.zeros(0))
    assert "no values" in empty._repr_html_()
    assert list(empty.to_dataframe()) == ["x", "y"]
    assert empty.save(tmp_path / "x.csv").read_text() == "x,y\n"


@pytest.mark.usefixtures("no_window")
def test_dollar_signs_in_names_are_no_formulae():
    found = result({"name": ["$\\frac{$", "b"], "x": TIMES}, y=np.ones((2, 3)))
    for axes in (found.plot.line("y", x="x", hue="name"), found.plot.line("y", x="name"), found.plot.heatmap("y")):
        axes.figure.draw_without_rendering()


def test_contents_of_unknown_formats_are_refused():
    with pytest.raises(lindyn.ArgumentError, match=r"ends with '.nc', expected .npz, .json, .csv or .mat"):
        result({"x": TIMES}, y=TIMES).to_bytes(".nc")
